"""Ranges of leaves or record numbers, first and last included: pure arithmetic, no judgement.

A list of ranges is ascending, disjoint and may touch. Whoever reads one from a peer asks ``valid``
first; everything else here takes that for granted. Spec: docs/protocol.md §8.7.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

Range = tuple[int, int]
Ranges = tuple[Range, ...]
NOTHING: Final[Mapping[int, Ranges]] = MappingProxyType({})
"""Ranges by entry number, of nobody who has anything."""


def as_ranges(numbers: Iterable[int]) -> list[Range]:
    """Return numbers as ranges, in order and as few as possible."""
    ranges: list[Range] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


def valid(ranges: Sequence[Range], count: int) -> bool:
    """Tell whether ranges are ascending, disjoint and below ``count``, and at least one."""
    end = -1
    for first, last in ranges:
        if not end < first <= last:
            return False
        end = last
    return 0 <= end < count


def merged(ranges: Iterable[Range]) -> Ranges:
    """Return ranges in any order, overlapping or touching, as few ascending ones."""
    joined: list[Range] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)


def longest(ranges: Ranges, most: int) -> Ranges:
    """Return the longest ranges, at most so many, in order: less is claimed than there is."""
    if len(ranges) <= most:
        return ranges
    return tuple(sorted(heapq.nlargest(most, ranges, key=lambda each: each[1] - each[0])))


def coarser(ranges: Sequence[Range], most: int) -> Ranges:
    """Join the nearest neighbours until at most so many are left: more is covered than was."""
    surplus = len(ranges) - most
    if surplus <= 0:
        return tuple(ranges)
    places = range(len(ranges) - 1)
    near = heapq.nsmallest(surplus, places, key=lambda n: ranges[n + 1][0] - ranges[n][1])
    bridged, joined = set(near), [ranges[0]]
    for place in places:
        first, last = ranges[place + 1]
        if place in bridged:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return tuple(joined)


def leaves_in(ranges: Iterable[Range], below: int | None = None) -> int:
    """Return how many numbers lie in ranges, or those of them below a number."""
    if below is None:
        return sum(last - first + 1 for first, last in ranges)
    return sum(min(last, below - 1) - first + 1 for first, last in ranges if first < below)


def bytes_in(ranges: Ranges, leaf: int, size: int) -> int:
    """Return how many bytes of a file of ``size`` bytes its leaves in ranges cover."""
    covered = leaves_in(ranges) * leaf
    if ranges and (ranges[-1][1] + 1) * leaf > size:
        covered -= (ranges[-1][1] + 1) * leaf - size
    return covered


def overlaps(ranges: Iterable[Range], first: int, last: int) -> bool:
    """Tell whether any number of a range is among others."""
    return any(low <= last and first <= high for low, high in ranges)


def gaps(ranges: Ranges, count: int) -> Iterator[Range]:
    """Yield the ranges below ``count`` that are missing."""
    after = 0
    for first, last in ranges:
        if after < first:
            yield after, first - 1
        after = last + 1
    if after < count:
        yield after, count - 1


def crossed(missing: Iterable[Range], wanted: Ranges) -> Iterator[tuple[int, int, bool]]:
    """Cut ranges where they enter or leave others: first, last, and whether it lies in those."""
    place = 0
    for first, end in missing:
        at = first
        while at <= end:
            while place < len(wanted) and wanted[place][1] < at:
                place += 1
            low, high = wanted[place] if place < len(wanted) else (end + 1, end + 1)
            inside = low <= at
            last = min(high if inside else low - 1, end)
            yield at, last, inside
            at = last + 1


def pieces(first: int, last: int, most: int) -> Iterator[Range]:
    """Cut a range into pieces of at most so many numbers."""
    for at in range(first, last + 1, most):
        yield at, min(at + most - 1, last)
