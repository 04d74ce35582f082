"""Pictures that somebody made to hurt: whatever the bytes, a plan or a typed refusal."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.engine.metadata.pieces import StripRefused, stripped_size
from tests.engine.metadata.containers import usual
from tests.engine.metadata.pictures import SECRET, XMP, exif, laden, painted, plan, saved, written
from tests.engine.metadata.test_heif import SEQUENCE
from tests.engine.metadata.test_webp import ANIMATED
from tests.fuzz.mutate import Mutator

SMALL = painted(size=(8, 8))
SEEDS = {
    "jpeg": [saved("JPEG", SMALL, exif=exif(), xmp=XMP, comment=SECRET), laden("JPEG")],
    "progressive": [saved("JPEG", SMALL, progressive=True, exif=exif())],
    "png": [saved("PNG", SMALL, exif=exif()), laden("PNG")],
    "webp": [saved("WEBP", SMALL, exif=exif(), xmp=XMP), ANIMATED],
    "avif": [saved("AVIF", SMALL, exif=exif(), xmp=XMP), SEQUENCE],
    "heic": [usual().file()],
}
HEADS = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x40\0\0\0WEBP", b"\0\0\0\x0cftypheic"]


def held_together(raw: bytes) -> bool:
    """Return whether a file was planned; a plan can be read and leaves nothing to plan."""
    try:
        pieces = plan(raw)
    except StripRefused as refused:
        assert str(refused).startswith("its metadata cannot be removed for certain")
        return False
    if pieces is not None:
        made = written(raw, pieces)
        assert len(made) == stripped_size(pieces) <= len(raw) + 64
        assert plan(made) is None
    return True


@pytest.mark.parametrize("name", SEEDS)
def test_mutated_pictures(name: str) -> None:
    """Cut, flipped, doubled and spliced pictures are planned or refused, nothing else."""
    mutator = Mutator(SEEDS[name], random.Random(name))
    planned = sum(held_together(mutator.next()) for _ in range(1500))
    assert 0 < planned < 1500


@given(st.sampled_from(HEADS), st.binary(max_size=200))
def test_random_bytes(head: bytes, tail: bytes) -> None:
    """Random bytes behind any signature are planned or refused, never anything else."""
    held_together(head + tail)


@given(st.sampled_from(sorted(SEEDS)), st.data())
def test_a_read_at_any_offset(name: str, data: st.DataObject) -> None:
    """Any stretch of a stripped picture is the same as in the whole."""
    raw = SEEDS[name][-1]
    pieces = plan(raw)
    assert pieces is not None
    whole = written(raw, pieces)
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    assert written(raw, pieces, start, end - start) == whole[start:end]
