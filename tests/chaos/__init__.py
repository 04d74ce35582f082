"""Real processes that are killed, stopped and started again at random points; ``make chaos``."""
