"""A single fault, and the words for how it ended."""

from __future__ import annotations

from dataclasses import dataclass

Ends = dict[str, str]
"""For each side or matter one word: an error class, or what came of it."""


@dataclass(frozen=True)
class Case:
    """One fault at one place."""

    what: str
    """The flight, record, message or frame that is damaged, with the field behind a dot."""
    fault: str
    at: int | None = None


def flipped(raw: bytes, at: int, mask: int) -> bytes:
    """Return bytes with some bits of one byte changed."""
    changed = bytearray(raw)
    changed[at] ^= mask
    return bytes(changed)


MASKS = {"flip low bit": 0x01, "flip high bit": 0x80, "flip all bits": 0xFF}
