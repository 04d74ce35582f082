"""Ranges of leaves against sets of numbers: every function says what a set would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.protocol.ranges import (
    Ranges,
    as_ranges,
    bytes_in,
    coarser,
    crossed,
    gaps,
    leaves_in,
    longest,
    merged,
    overlaps,
    pieces,
    valid,
)

sets = st.sets(st.integers(0, 60))


def numbers(ranges: Ranges) -> set[int]:
    """Return every number of some ranges."""
    return {number for first, last in ranges for number in range(first, last + 1)}


@given(sets, sets, st.integers(1, 70))
def test_ranges_say_what_sets_say(held: set[int], other: set[int], count: int) -> None:
    """C3: counting, gaps, crossing, overlap and cutting agree with plain sets."""
    held = {number for number in held if number < count}
    ranges = tuple(as_ranges(held))
    assert numbers(ranges) == held
    assert leaves_in(ranges) == len(held)
    assert leaves_in(ranges, below=30) == len({n for n in held if n < 30})
    missing = set(range(count)) - held
    assert numbers(tuple(gaps(ranges, count))) == missing
    wanted = tuple(as_ranges(other))
    runs = list(crossed(gaps(ranges, count), wanted))
    assert numbers(tuple((a, b) for a, b, inside in runs if inside)) == missing & other
    assert numbers(tuple((a, b) for a, b, inside in runs if not inside)) == missing - other
    assert [first for first, _, _ in runs] == sorted(first for first, _, _ in runs)
    for first, last in wanted:
        assert overlaps(ranges, first, last) == bool(held & set(range(first, last + 1)))
    assert valid(ranges, count) == bool(held)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9))), st.integers(1, 5))
def test_fewer_ranges_claim_less_or_ask_for_more(raw: list[tuple[int, int]], most: int) -> None:
    """C3: a have-list that is cut names only what is there, a request names all that differs."""
    ranges = merged((first, first + more) for first, more in raw)
    assert numbers(ranges) == {n for first, more in raw for n in range(first, first + more + 1)}
    cut, wide = longest(ranges, most), coarser(ranges, most)
    for made in (cut, wide):
        assert len(made) == min(most, len(ranges))
        assert not made or valid(made, 100)
    assert numbers(cut) <= numbers(ranges) <= numbers(wide)


@pytest.mark.parametrize(
    "ranges",
    [
        (),
        ((1, 0),),
        ((-1, 0),),
        ((0, 10),),
        ((0, 1 << 40),),
        ((10, 10),),
        ((0, 3), (3, 4)),
        ((0, 3), (2, 4)),
        ((4, 5), (0, 1)),
        ((0, 1), (0, 1)),
        ((0, (1 << 63) - 1),),
    ],
)
def test_false_ranges_are_told(ranges: Ranges) -> None:
    """X14: backwards, overlapping, descending, repeated or beyond the tenth leaf."""
    assert not valid(ranges, 10)


def test_touching_ranges_are_legal() -> None:
    """A sender of ranges need not join neighbours."""
    assert valid([(0, 3), (4, 9)], 10)


@given(st.integers(1, 50), st.integers(1, 400), sets)
def test_bytes_are_those_of_the_leaves(leaf: int, size: int, held: set[int]) -> None:
    """Only the last leaf may be short."""
    count = -(-size // leaf)
    held = {number for number in held if number < count}
    true = sum(min(leaf, size - number * leaf) for number in held)
    assert bytes_in(tuple(as_ranges(held)), leaf, size) == true


def test_pieces_cover_a_range() -> None:
    """In order, none longer than asked."""
    assert list(pieces(3, 9, 3)) == [(3, 5), (6, 8), (9, 9)]
