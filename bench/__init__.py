"""Measurements: whole processes from outside, against peers in the same run, as ratios."""
