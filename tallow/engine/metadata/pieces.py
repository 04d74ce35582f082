"""A stripped picture (C6) as pieces of the original and a few bytes of our own.

The original is never changed and no copy of it is made: whoever sends it reads it through its
pieces. This module knows no image format and opens nothing. Filled by: assembly.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import assert_never


class StripRefused(Exception):
    """A picture whose metadata cannot be removed for certain; its message is the reason."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Bytes of the original."""

    offset: int
    length: int

    @property
    def size(self) -> int:
        """Return its length in bytes."""
        return self.length


@dataclass(frozen=True, slots=True)
class Literal:
    """Bytes that are not in the original."""

    content: bytes

    @property
    def size(self) -> int:
        """Return its length in bytes."""
        return len(self.content)


@dataclass(frozen=True, slots=True)
class Pieces:
    """A stripped file from front to back; safe to share between threads."""

    parts: tuple[Slice | Literal, ...]
    ends: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Where each part ends in the stripped file, in bytes."""

    def __post_init__(self) -> None:
        """Add up the lengths once, so that every read can search them."""
        object.__setattr__(self, "ends", tuple(accumulate(part.size for part in self.parts)))


def stripped_size(pieces: Pieces) -> int:
    """Return the stripped file's size in bytes."""
    return pieces.ends[-1] if pieces.ends else 0


def read_pieces(
    pieces: Pieces, offset: int, room: memoryview, read_into: Callable[[int, memoryview], None]
) -> None:
    """Fill ``room`` with the stripped file's bytes from an offset on.

    ``read_into`` fills a view from an offset of the original; what it raises passes through.
    Raises: ValueError if the stripped file ends before the room does.
    """
    if not 0 <= offset <= stripped_size(pieces) - len(room):
        raise ValueError("the stripped file ends before that")
    at, filled = bisect_right(pieces.ends, offset), 0
    while filled < len(room):
        part = pieces.parts[at]
        skipped = offset + filled - (pieces.ends[at] - part.size)
        here = room[filled : filled + part.size - skipped]
        match part:
            case Slice():
                read_into(part.offset + skipped, here)
            case Literal():
                here[:] = memoryview(part.content)[skipped : skipped + len(here)]
            case _:
                assert_never(part)
        filled += len(here)
        at += 1
