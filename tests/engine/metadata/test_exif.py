"""The orientation inside an EXIF."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tallow.engine.metadata import exif
from tallow.engine.metadata.view import View
from tests.engine.metadata import pictures
from tests.engine.metadata.pictures import ORIENTATION


def read(raw: bytes) -> int:
    """Return the orientation, with bytes before and after that are no part of the EXIF."""
    around = b"\1" * 9 + raw + b"\2" * 9
    return exif.orientation(View(pictures.read_at(around), len(around)), 9, 9 + len(raw))


def directory(order: str, kind: int, value: bytes, tag: int = ORIENTATION) -> bytes:
    """Return an EXIF with one entry."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(f"{order}IHHHI", 8, 1, tag, kind, 1) + value + bytes(4)


@pytest.mark.parametrize("turned", range(1, 9))
def test_an_encoders_exif_is_read(turned: int) -> None:
    """Every orientation is read, with and without the prefix; 1 counts as none."""
    raw = pictures.exif(turned).tobytes()
    assert raw.startswith(exif.PREFIX)
    assert read(raw) == read(raw.removeprefix(exif.PREFIX)) == (turned if turned > 1 else 0)


@pytest.mark.parametrize("turned", range(2, 9))
def test_ours_holds_one_tag(turned: int) -> None:
    """Our own EXIF is read by others and by us, and holds the orientation alone."""
    made = Image.Exif()
    made.load(exif.only(turned))
    assert dict(made) == {ORIENTATION: turned}
    assert read(exif.only(turned)) == turned


def test_an_empty_one_is_valid() -> None:
    """No orientation makes no EXIF; the empty one has no tag."""
    made = Image.Exif()
    made.load(exif.EMPTY)
    assert (dict(made), exif.only(0), read(exif.EMPTY)) == ({}, b"", 0)


@pytest.mark.parametrize(
    ("raw", "turned"),
    [
        (directory("<", 3, b"\x08\0\0\0"), 8),
        (directory(">", 3, b"\0\x08\0\0"), 8),
        (directory("<", 4, b"\x03\0\0\0"), 3),
        (directory("<", 3, b"\x09\0\0\0"), 0),
        (directory("<", 2, b"\x06\0\0\0"), 0),
        (directory("<", 3, b"\x06\0\0\0", tag=0x0111), 0),
        (b"II*\0\xff\xff\xff\xff", 0),
        (b"II*\0\x08\0\0\0\xff\xff", 0),
        (b"PP*\0\x08\0\0\0", 0),
        (b"", 0),
    ],
)
def test_written_by_hand(raw: bytes, turned: int) -> None:
    """Both byte orders and both number types are read; what makes no sense is no orientation."""
    assert read(raw) == turned


@given(st.binary(max_size=60), st.sampled_from([b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]))
def test_anything_is_an_answer(tail: bytes, head: bytes) -> None:
    """Bytes of any kind have an orientation or none, and never an error."""
    assert read(head + tail) in {0, *range(2, 9)}
