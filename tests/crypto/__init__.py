"""Tests of tallow.crypto: answers known beforehand, published vectors, properties."""
