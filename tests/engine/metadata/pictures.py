"""Pictures with a secret in every corner, and the stripping that is to find them all."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

from PIL import Image

from tallow.engine.metadata.detect import plan_strip
from tallow.engine.metadata.pieces import Pieces, read_pieces, stripped_size
from tallow.wire import limits

SECRET = b"SECRET"
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SECRET exif:GPSLatitude</x:xmpmeta>"
ICC = random.Random("icc").randbytes(300)
ORIENTATION = 0x0112


def painted(mode: str = "RGB", size: tuple[int, int] = (40, 30), seed: int = 1) -> Image.Image:
    """Return a picture of soft noise, which compresses into data with many marker-like bytes."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    small = Image.frombytes(mode, (8, 8), random.Random(seed).randbytes(64 * bands))
    return small.resize(size, Image.Resampling.BICUBIC)


def exif(turned: int = 6) -> Image.Exif:
    """Return an EXIF with a description, a place and an orientation."""
    made = Image.Exif()
    made[0x010E] = "SECRET description"
    made[ORIENTATION] = turned
    made.get_ifd(0x8825)[0x1D] = "SECRET place"
    return made


def saved(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    """Return a picture as its encoder writes it."""
    target = io.BytesIO()
    (image or painted()).save(target, kind, **options)
    return target.getvalue()


@cache
def laden(kind: str) -> bytes:
    """Return a picture of a format with EXIF, XMP and a colour profile."""
    return saved(kind, exif=exif(), xmp=XMP, icc_profile=ICC)


def read_at(raw: bytes) -> Any:
    """Return a reader of these bytes that refuses what no honest plan asks for."""

    def read(offset: int, length: int) -> bytes:
        assert 0 <= offset <= offset + length <= len(raw)
        assert length <= limits.MIB
        return raw[offset : offset + length]

    return read


def plan(raw: bytes) -> Pieces | None:
    """Plan the stripping of these bytes."""
    return plan_strip(read_at(raw), len(raw))


def written(raw: bytes, pieces: Pieces, offset: int = 0, length: int | None = None) -> bytes:
    """Return the stripped file, or a stretch of it."""

    def read_into(at: int, room: memoryview) -> None:
        assert at + len(room) <= len(raw)
        room[:] = raw[at : at + len(room)]

    made = bytearray(stripped_size(pieces) - offset if length is None else length)
    read_pieces(pieces, offset, memoryview(made), read_into)
    return bytes(made)


def stripped(raw: bytes) -> bytes:
    """Return the stripped file; there has to be something to strip, and nothing left after."""
    pieces = plan(raw)
    assert pieces is not None
    made = written(raw, pieces)
    assert plan(made) is None
    return made


def opened(raw: bytes) -> Image.Image:
    """Return a picture, decoded."""
    image = Image.open(io.BytesIO(raw))
    image.load()
    return image


def frames(raw: bytes) -> Iterator[tuple[str, tuple[int, int], bytes]]:
    """Yield mode, size and pixels of every frame."""
    image = Image.open(io.BytesIO(raw))
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        image.load()
        yield image.mode, image.size, image.tobytes()


def same_pixels(one: bytes, other: bytes) -> bool:
    """Tell whether two files decode to the same frames, bit by bit."""
    return list(frames(one)) == list(frames(other))
