"""Tests of the protocol machines, file by file."""
