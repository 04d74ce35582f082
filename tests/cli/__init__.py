"""Tests of tallow.cli: golden transcripts over a still engine, and each room by itself."""
