"""Which files are looked into at all."""

from __future__ import annotations

import pytest

from tallow.engine.metadata.detect import plan_strip
from tallow.engine.metadata.pieces import Slice, StripRefused
from tests.engine.metadata.containers import usual
from tests.engine.metadata.pictures import exif, laden, painted, plan, read_at, saved, stripped
from tests.engine.metadata.test_jpeg import segment

FORMATS = ["JPEG", "PNG", "WEBP", "AVIF"]


@pytest.mark.parametrize("kind", FORMATS)
def test_the_bytes_say_what_it_is(kind: str) -> None:
    """Each of the formats is known by its first bytes and loses its metadata."""
    assert b"SECRET" not in stripped(laden(kind))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xd8",
        b"\x89PNG\r\n",
        b"RIFF\0\0\0\0WAVE",
        b"RIFF",
        b"\0\0\0\x18ftypmp42\0\0\0\0isommp42",
        b"SECRET",
        saved("GIF", painted("P"), comment=b"SECRET"),
        saved("TIFF", exif=exif()),
        saved("BMP"),
    ],
)
def test_other_files_are_left_alone(raw: bytes) -> None:
    """Whatever is none of these formats has no plan, pictures of other formats too."""
    assert plan(raw) is None


@pytest.mark.parametrize("raw", [*map(laden, FORMATS), usual().file()])
def test_a_cut_is_never_half_stripped(raw: bytes) -> None:
    """A picture that ends anywhere inside itself is refused as soon as it has a name."""
    for end in range(24, len(raw), 7):
        with pytest.raises(StripRefused):
            plan(raw[:end])


def test_a_large_file_is_read_in_part() -> None:
    """A picture of many gigabytes costs as many small reads as it has parts."""
    raw, hole, holes = saved("PNG"), 1 << 30, 20
    ahead = 33 + holes * (hole + 12)
    known = {0: raw[:33], ahead: raw[33:]}
    known |= {33 + at * (hole + 12): hole.to_bytes(4, "big") + b"prVt" for at in range(holes)}
    reads: list[int] = []

    def read(offset: int, length: int) -> bytes:
        reads.append(length)
        made = bytearray(length)
        for start, content in known.items():
            low, high = max(start, offset), min(start + len(content), offset + length)
            if low < high:
                made[low - offset : high - offset] = content[low - start : high - start]
        return bytes(made)

    pieces = plan_strip(read, ahead + len(raw) - 33)
    assert pieces is not None
    assert pieces.parts == (Slice(0, 33), Slice(ahead, len(raw) - 33))
    assert sum(reads) < 100 * 4096


def test_reading_stays_in_proportion() -> None:
    """A JPEG made of thousands of scans is read about twice, not once for each scan."""
    scans = (segment(0xDA, b"") + b"a" * 4500) * 500
    raw = b"\xff\xd8" + segment(0xFE, b"SECRET") + scans + b"\xff\xd9"
    reads: list[int] = []

    def read(offset: int, length: int) -> bytes:
        reads.append(length)
        return bytes(read_at(raw)(offset, length))

    assert plan_strip(read, len(raw)) is not None
    assert sum(reads) < 6 * len(raw)
