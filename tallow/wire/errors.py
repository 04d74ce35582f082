"""The wire's one exception; protocol and relay turn it into an error of their own."""

from __future__ import annotations


class WireError(Exception):
    """Bytes that break the rules of the wire."""
