"""Putting a stripped picture together."""

from __future__ import annotations

import pytest

from tallow.engine.metadata.assembly import Assembly
from tallow.engine.metadata.pieces import Literal, Pieces, Slice, StripRefused
from tallow.engine.metadata.view import View
from tallow.wire import limits
from tests.engine.metadata.pictures import read_at, written

RAW = b"abcdefgh" + bytes(3000)


def begun() -> Assembly:
    """Begin a picture of these bytes."""
    return Assembly(View(read_at(RAW), len(RAW)))


def test_neighbours_become_one() -> None:
    """Slices that touch are one piece, empty ones none; a header stands in front."""
    out = begun()
    for start, end in ((0, 2), (2, 2), (2, 4)):
        out.keep(start, end)
    out.replace(4, 6, b"")
    out.keep(6, 8)
    assert out.length == 6
    assert out.pieces(b"!") == Pieces((Literal(b"!"), Slice(0, 4), Slice(6, 2)))


def test_what_is_replaced_by_itself_is_kept() -> None:
    """A picture that would not change has no pieces."""
    out = begun()
    out.replace(0, 3, b"abc")
    out.put(b"")
    out.blank(8, len(RAW), 0)
    assert out.pieces(b"header") is None


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8])
def test_blanks_are_as_long_as_what_they_cover(length: int) -> None:
    """Blanks have exactly the length of what goes, out of a few shared runs."""
    out, again = begun(), begun()
    for each in (out, again):
        each.blank(0, length, ord(" "))
        each.keep(length, 8)
    pieces, twin = out.pieces(), again.pieces()
    assert pieces is not None
    assert twin is not None
    assert written(RAW, pieces) == b" " * length + RAW[length:8]
    assert all(a is b for a, b in zip(pieces.parts, twin.parts, strict=True) if a == Literal(b" "))


def test_pieces_are_counted() -> None:
    """A plan has a bounded number of pieces."""
    out = begun()
    for _ in range(limits.IMAGE_PIECES_MAX):
        out.put(b"x")
    with pytest.raises(StripRefused, match="too many places"):
        out.put(b"x")
