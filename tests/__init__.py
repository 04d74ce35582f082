"""Tests of Tallow; the folders mirror the source."""
