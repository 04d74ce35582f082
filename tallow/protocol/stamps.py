"""A million names in a few bytes each: a table of hashes, where Python's own would hold objects.

What is asked is only whether a name was there before and what was noted of it then. A stamp is
8 bytes of hash: in one of some 10^7 offers of a million names, two have the same by chance, and
whoever asks must take that for a refusal. Before: names.py. It never holds a name.
"""

from __future__ import annotations

from array import array
from hashlib import blake2b
from typing import Final

STAMP_BYTES: Final = 8
_FIRST_SLOTS: Final = 1 << 8
_EMPTY: Final = 0
_FIRST: Final = (1).to_bytes(STAMP_BYTES, "big")


def stamp(text: str, length: int = STAMP_BYTES) -> bytes:
    """Return a hash of a text in so many bytes."""
    return blake2b(text.encode(), digest_size=length).digest()


class StampTable:
    """Stamps, each with a number below 2^32 that was noted first: 12 bytes a slot, no objects."""

    __slots__ = ("_count", "_mask", "_notes", "_stamps")

    def __init__(self) -> None:
        self._count = 0
        self._make(_FIRST_SLOTS)

    def __contains__(self, key: bytes) -> bool:
        return self._stamps[self._slot(_not_empty(key))] != _EMPTY

    def note(self, key: bytes, number: int) -> int | None:
        """Return what was noted of a stamp, or note a number and return None."""
        key = _not_empty(key)
        slot = self._slot(key)
        if self._stamps[slot] != _EMPTY:
            return self._notes[slot]
        self._stamps[slot] = int.from_bytes(key, "big")
        self._notes[slot] = number
        self._count += 1
        if 3 * self._count > 2 * self._mask:
            self._grow()
        return None

    def _slot(self, key: bytes) -> int:
        """Return where a stamp is, or the empty slot where it would be."""
        stamps, mask, wanted = self._stamps, self._mask, int.from_bytes(key, "big")
        # Python keys the hash of bytes in each process: no peer can invent names that queue up.
        slot = hash(key) & mask
        while (held := stamps[slot]) != wanted and held != _EMPTY:
            slot = (slot + 1) & mask
        return slot

    def _make(self, slots: int) -> None:
        self._mask = slots - 1
        self._stamps = array("Q", bytes(8)) * slots
        self._notes = array("I", bytes(4)) * slots

    def _grow(self) -> None:
        stamps, notes = self._stamps, self._notes
        self._make(2 * len(stamps))
        for held, number in zip(stamps, notes, strict=True):
            if held != _EMPTY:
                slot = self._slot(held.to_bytes(STAMP_BYTES, "big"))
                self._stamps[slot], self._notes[slot] = held, number


def _not_empty(key: bytes) -> bytes:
    """Return a stamp as it is held: the one that would look empty shares another's place."""
    return key if any(key) else _FIRST
