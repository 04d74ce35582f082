"""Items: their kinds and where they lie."""

from __future__ import annotations

import struct

import pytest

from tallow.engine.metadata.boxes import Box
from tallow.engine.metadata.items import Extent, item_extents, item_kinds
from tallow.engine.metadata.pieces import StripRefused
from tallow.engine.metadata.view import View
from tests.engine.metadata.containers import Place, full, iinf, iloc, infe
from tests.engine.metadata.pictures import read_at


def kinds(raw: bytes) -> dict[int, bytes]:
    """Return the kinds that an iinf lists."""
    return item_kinds(View(read_at(raw), len(raw)), Box(b"iinf", 0, 8, len(raw)))


def extents(raw: bytes, idat: Box | None = None) -> list[Extent]:
    """Return the extents that an iloc lists, with 1000 bytes behind it."""
    raw += bytes(1000)
    box = Box(b"iloc", 0, 8, len(raw) - 1000)
    return list(item_extents(View(read_at(raw), len(raw)), box, idat))


def test_kinds_are_listed() -> None:
    """Narrow and wide item numbers, and names behind the kind, are read."""
    raw = iinf(infe(1, b"hvc1", b"a name\0"), infe(70_000, b"Exif", version=3))
    assert kinds(raw) == {1: b"hvc1", 70_000: b"Exif"}
    wide = full(b"iinf", 1, struct.pack(">I", 1), infe(3, b"mime"))
    assert kinds(wide) == {3: b"mime"}
    assert kinds(iinf()) == {}


@pytest.mark.parametrize(
    "raw",
    [
        full(b"iinf", 0, b"\0\2", infe(1, b"hvc1")),
        full(b"iinf", 1, b"\xff\xff\xff\xff", infe(1, b"hvc1")),
        full(b"iinf", 0, b"\0"),
        iinf(infe(1, b"hvc1"), infe(1, b"Exif")),
        iinf(infe(1, b"hvc1", version=1)),
        iinf(full(b"infe", 2, b"\0\1\0\0hv")),
        iinf(full(b"free", 2, bytes(20))),
    ],
)
def test_lists_that_lie_are_refused(raw: bytes) -> None:
    """A list that is short, long, double or of another shape is refused."""
    with pytest.raises(StripRefused):
        kinds(raw)


def test_extents_are_found() -> None:
    """Offsets count from their origin, in the file or in the idat."""
    idat = Box(b"idat", 500, 508, 600)
    raw = iloc(Place(1, [(5, 10), (90, 1)], origin=100), Place(2, [(4, 6)], method=1))
    assert extents(raw, idat) == [Extent(1, 105, 115), Extent(1, 190, 191), Extent(2, 512, 518)]
    assert extents(iloc(Place(1, []), version=2)) == []


def test_every_width_is_read() -> None:
    """Numbers of 0, 4 and 8 bytes are read, and an index is passed over."""
    widths = b"\x88\x84"
    item = struct.pack(">HHHQ", 7, 0, 0, 100)
    wide = full(b"iloc", 1, widths, b"\0\1", item, b"\0\1", struct.pack(">IQQ", 9, 5, 6))
    assert extents(wide) == [Extent(7, 105, 111)]
    bare = full(b"iloc", 0, b"\x04\x40", b"\0\1", struct.pack(">HHIHI", 7, 0, 100, 1, 6))
    assert extents(bare) == [Extent(7, 100, 106)]


@pytest.mark.parametrize(
    "raw",
    [
        iloc(Place(1, [(0, 0)])),
        iloc(Place(1, [(0, 0xFFFFFFFF)])),
        iloc(Place(1, [(0xFFFFFFFF, 1)])),
        iloc(Place(1, [(0, 1)], method=1)),
        iloc(Place(1, [(0, 1)], method=2)),
        full(b"iloc", 3, bytes(40)),
        full(b"iloc", 1, b"\x44\x20", bytes(40)),
        full(b"iloc", 1, b"\x44\x40\xff\xff", bytes(40)),
        full(b"iloc", 0, b"\x00\x00\0\1\0\7\0\0\xff\xff"),
        full(b"iloc", 0, b"\x44\x40\0\1\0\7\0\1", bytes(40)),
        full(b"iloc", 2, b"\x44\x40\xff\xff\xff\xff", bytes(40)),
    ],
)
def test_places_that_lie_are_refused(raw: bytes) -> None:
    """Places outside, without end, in other items or of another shape are refused."""
    with pytest.raises(StripRefused):
        extents(raw)


def test_an_extent_ends_in_its_idat() -> None:
    """An item in the idat may not reach out of it, even inside the file."""
    with pytest.raises(StripRefused, match="longer"):
        extents(iloc(Place(1, [(90, 3)], method=1)), Box(b"idat", 500, 508, 600))
