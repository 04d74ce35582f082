"""What is overwritten, and what is never."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.engine.metadata.overlay import Overlay
from tallow.engine.metadata.pieces import StripRefused
from tallow.engine.metadata.view import View
from tests.engine.metadata.pictures import read_at, written

RAW = bytes(range(1, 101))


def begun() -> Overlay:
    """Begin with a hundred bytes, of which 20 to 80 hold items."""
    over = Overlay(View(read_at(RAW), len(RAW)))
    over.allow(20, 80)
    return over


def result(over: Overlay) -> bytes:
    """Return the overwritten file."""
    pieces = over.pieces()
    return RAW if pieces is None else written(RAW, pieces)


def test_an_item_is_covered_and_the_rest_swept() -> None:
    """Content spreads over extents, fill follows it, and what nobody claims becomes zeros."""
    over = begun()
    over.cover([(30, 32), (50, 55)], b"abc", ord(" "))
    over.claim(40, 45)
    over.claim(44, 48)
    over.erase(0, 4, b"xy")
    over.erase(5, 5)
    over.erase_unclaimed(20, 80)
    made = bytearray(RAW)
    made[20:80] = bytes(60)
    made[40:48] = RAW[40:48]
    made[30:32], made[50:55], made[0:4] = b"ab", b"c    ", b"xy\0\0"
    assert result(over) == made


def test_one_stretch_may_be_covered_twice() -> None:
    """Two tables that name the same bytes for the same metadata agree."""
    over = begun()
    over.cover([(30, 40)], b"a")
    over.cover([(30, 40)], b"a")
    assert result(over)[30:40] == b"a" + bytes(9)


@pytest.mark.parametrize(
    ("covered", "claimed"),
    [
        ((30, 40), (39, 45)),
        ((30, 40), (20, 31)),
        ((30, 40), (32, 33)),
        ((32, 33), (30, 40)),
        ((30, 40), (30, 40)),
    ],
)
def test_a_picture_is_never_overwritten(covered: tuple[int, int], claimed: tuple[int, int]) -> None:
    """Metadata that overlaps a picture is neither kept nor overwritten: it is refused."""
    over = begun()
    over.cover([covered], b"")
    over.claim(*claimed)
    with pytest.raises(StripRefused, match="overlap"):
        over.pieces()


@pytest.mark.parametrize("stretch", [(0, 5), (10, 21), (79, 81), (80, 81), (90, 95)])
def test_structure_is_never_overwritten_by_an_item(stretch: tuple[int, int]) -> None:
    """A table that points metadata at the file's own boxes is refused."""
    over = begun()
    over.allow(85, 86)
    over.cover([stretch], b"")
    with pytest.raises(StripRefused, match="no item may lie"):
        over.pieces()


stretches = st.tuples(st.integers(20, 80), st.integers(20, 80)).map(sorted).map(tuple)


@given(st.lists(stretches, max_size=6), st.lists(stretches, max_size=6))
def test_every_byte_is_decided(
    claims: list[tuple[int, int]], covers: list[tuple[int, int]]
) -> None:
    """Claimed bytes stay, all others of a swept stretch become zeros, or the file is refused."""
    over = begun()
    claims, covers = ([one for one in some if one[0] < one[1]] for some in (claims, covers))
    for claim in claims:
        over.claim(*claim)
    over.cover(covers, b"")
    over.erase_unclaimed(20, 80)
    kept = {at for claim in claims for at in range(*claim)}
    gone = {at for cover in covers for at in range(*cover)}
    try:
        made = result(over)
    except StripRefused:
        assert kept & gone or len(gone) < sum(end - start for start, end in set(covers))
        return
    for at, byte in enumerate(RAW):
        assert made[at] == (byte if at in kept or not 20 <= at < 80 else 0)
