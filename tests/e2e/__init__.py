"""Runs at a real terminal (tmux) and with what only root can do; ``make e2e``."""
