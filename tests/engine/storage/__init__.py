"""Tests of storage: what is read, what is written, and what is never touched."""
