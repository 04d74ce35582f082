"""Overwrites stretches of a picture in place (C6), and never one that a picture claims.

Where what has to go and what has to stay overlap, neither can be had, and the file is refused.
This module knows no box. Before: heif.py. After: assembly.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from tallow.engine.metadata.assembly import Assembly
from tallow.engine.metadata.pieces import Pieces
from tallow.engine.metadata.view import View
from tallow.wire import limits

_ZERO: Final = 0

Stretch = tuple[int, int]
"""Where it begins and where it ends in the file, in bytes."""


class Overlay:
    """Collects what stays and what goes, and checks the one against the other at the end."""

    def __init__(self, view: View) -> None:
        """Begin with a file of which all stays."""
        self._view = view
        self._stores: list[Stretch] = []
        self._swept: list[Stretch] = []
        self._claims: list[Stretch] = []
        self._inside: list[Stretch] = []
        self._covers: dict[Stretch, tuple[bytes, int]] = {}

    def allow(self, start: int, end: int) -> None:
        """Name a stretch that holds the bytes of items."""
        self._stores.append((start, end))

    def claim(self, start: int, end: int) -> None:
        """Keep a stretch: a picture needs it."""
        self._claims.append((start, end))
        self._check_count(self._claims)

    def erase(self, start: int, end: int, content: bytes = b"") -> None:
        """Overwrite a stretch of the file's structure, with zeros behind the content."""
        if start < end:
            self._covers.setdefault((start, end), (content, _ZERO))
            self._check_count(self._covers)

    def cover(self, stretches: Iterable[Stretch], content: bytes, fill: int = _ZERO) -> None:
        """Overwrite an item: its content spreads over its stretches, fill bytes follow it."""
        for start, end in stretches:
            here, content = content[: end - start], content[end - start :]
            self._inside.append((start, end))
            self._covers.setdefault((start, end), (here, fill))
            self._check_count(self._inside)

    def erase_unclaimed(self, start: int, end: int) -> None:
        """Overwrite with zeros what nothing else speaks of in a stretch."""
        self._swept.append((start, end))

    def pieces(self) -> Pieces | None:
        """Return the overwritten file, or None if that changes nothing; StripRefused if torn."""
        self._check_inside()
        spoken = sorted([*_joined(self._claims), *self._covers])
        if any(end > start for (_, end), (start, _) in pairwise(spoken)):
            raise self._view.refusal("picture and metadata overlap")
        for start, end in _gaps(sorted(self._swept), spoken):
            self.erase(start, end)
        out, at = Assembly(self._view), 0
        for (start, end), (content, fill) in sorted(self._covers.items()):
            out.keep(at, start)
            out.replace(start, start + len(content), content)
            out.blank(start + len(content), end, fill)
            at = end
        out.keep(at, self._view.size)
        return out.pieces()

    def _check_inside(self) -> None:
        stores = sorted(self._stores)
        for start, end in self._inside:
            at = bisect_right(stores, (start, self._view.size)) - 1
            if at < 0 or end > stores[at][1]:
                raise self._view.refusal("an item lies where no item may lie")

    def _check_count(self, noted: list[Stretch] | dict[Stretch, tuple[bytes, int]]) -> None:
        if len(noted) > limits.IMAGE_PIECES_MAX:
            raise self._view.refusal("it has too many items")


def _joined(stretches: list[Stretch]) -> Iterator[Stretch]:
    """Yield stretches in order, those that touch as one."""
    begun: Stretch | None = None
    for start, end in sorted(stretches):
        if begun is None or start > begun[1]:
            if begun:
                yield begun
            begun = (start, end)
        else:
            begun = (begun[0], max(begun[1], end))
    if begun:
        yield begun


def _gaps(stretches: list[Stretch], spoken: list[Stretch]) -> Iterator[Stretch]:
    """Yield what of ordered stretches no spoken one holds; neither list overlaps itself."""
    ahead = 0
    for start, end in stretches:
        while ahead < len(spoken) and spoken[ahead][1] <= start:
            ahead += 1
        at, looked = start, ahead
        while looked < len(spoken) and spoken[looked][0] < end:
            if at < spoken[looked][0]:
                yield at, spoken[looked][0]
            at = max(at, spoken[looked][1])
            looked += 1
        if at < end:
            yield at, end
