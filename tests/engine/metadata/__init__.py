"""Tests of what `--strip-metadata` leaves out: made pictures, crafted containers, hostile bytes."""
