"""What a format may read of a picture, and what that may cost."""

from __future__ import annotations

import re

import pytest

from tallow.engine.metadata.pieces import StripRefused
from tallow.engine.metadata.view import BLOCK_BYTES, WINDOW_BYTES, View
from tallow.wire import limits
from tests.engine.metadata.pictures import read_at

NEEDLE = re.compile(rb"\xff[^\x00]", re.DOTALL)


def of(raw: bytes) -> View:
    """Look at these bytes."""
    return View(read_at(raw), len(raw), "test")


def test_numbers_and_bytes() -> None:
    """Numbers are big-endian, and a window serves reads that come back to it."""
    view = of(bytes(range(256)) * 64)
    assert (view.number(1, 2), view.number(WINDOW_BYTES + 1, 4)) == (0x0102, 0x01020304)
    assert view.read(0, 3 * WINDOW_BYTES) == (bytes(range(256)) * 64)[: 3 * WINDOW_BYTES]
    assert view.read(2, 4) == b"\2\3"


@pytest.mark.parametrize(("start", "end"), [(-1, 1), (3, 2), (0, 11), (11, 11)])
def test_no_read_leaves_the_file(start: int, end: int) -> None:
    """A read that a hostile length leads out of the file is refused before it happens."""
    with pytest.raises(StripRefused, match="as a test, it ends too early"):
        of(bytes(10)).read(start, end)


def test_a_part_ends_inside_what_holds_it() -> None:
    """A part may end with its container or its file, and not after."""
    view = of(bytes(10))
    view.check_end(10)
    view.check_end(5, 5)
    for end, limit in ((11, None), (6, 5), (11, 20)):
        with pytest.raises(StripRefused, match="longer"):
            view.check_end(end, limit)


def test_a_file_that_shrinks_is_refused() -> None:
    """A reader that returns less than asked for ends the look at the file."""
    view = View(lambda _offset, length: bytes(length - 1), 10)
    with pytest.raises(StripRefused, match="shorter while"):
        view.read(0, 4)


@pytest.mark.parametrize(
    "at", [0, 7, WINDOW_BYTES - 1, WINDOW_BYTES, BLOCK_BYTES - 1, 3 * BLOCK_BYTES + 5]
)
def test_a_search_finds_across_its_blocks(at: int) -> None:
    """A pattern is found wherever a block begins or ends."""
    raw = bytes(at) + b"\xff\xd9" + bytes(100)
    assert of(raw).find(NEEDLE, 0) == at


def test_a_search_without_end_is_refused() -> None:
    """A search ends with the file, or with what a search may cost."""
    with pytest.raises(StripRefused, match="too early"):
        of(bytes(3 * WINDOW_BYTES) + b"\xff").find(NEEDLE, 0)
    endless = View(lambda _offset, length: bytes(length), 1 << 50)
    with pytest.raises(StripRefused, match="too large"):
        endless.find(NEEDLE, 0)


def test_parts_are_counted() -> None:
    """A picture has a bounded number of parts."""
    view = of(b"")
    for _ in range(limits.IMAGE_PARTS_MAX):
        view.count_part()
    with pytest.raises(StripRefused, match="too many parts"):
        view.count_part()
