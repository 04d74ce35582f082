"""Tests of the engine, module by module; whole transfers are in tests/world."""
