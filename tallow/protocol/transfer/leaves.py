"""Sets of leaf numbers and the hashes of leaves, in memory that grows with what is there.

A peer may begin a file of an exabyte at its end: pages are made where a leaf is noted and nowhere
before it. This module never hashes a leaf and never judges one. Spec: docs/protocol.md §8.4, §10.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from tallow.crypto.tree import HASH_BYTES, root_hash
from tallow.protocol.ranges import Range

_SET_PAGE: Final = 1024
_HASH_PAGE: Final = 64


class LeafSet:
    """A set of numbers that come in runs."""

    __slots__ = ("_pages", "count")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        """Hold nothing, or some ranges."""
        self._pages: dict[int, int] = {}
        self.count = 0
        for first, last in ranges:
            self.add(first, last)

    def add(self, first: int, last: int) -> None:
        """Take a range in."""
        for page, mask in _masks(first, last):
            held = self._pages.get(page, 0)
            self._pages[page] = held | mask
            self.count += (mask & ~held).bit_count()

    def discard(self, first: int, last: int) -> None:
        """Take a range out."""
        for page, mask in _masks(first, last):
            held = self._pages.get(page, 0)
            self.count -= (mask & held).bit_count()
            if held & ~mask:
                self._pages[page] = held & ~mask
            else:
                self._pages.pop(page, None)

    def any(self, first: int, last: int) -> bool:
        """Tell whether some number of a range is there."""
        return any(self._pages.get(page, 0) & mask for page, mask in _masks(first, last))

    def all(self, first: int, last: int) -> bool:
        """Tell whether every number of a range is there."""
        return all(self._pages.get(page, 0) & mask == mask for page, mask in _masks(first, last))

    def __contains__(self, number: int) -> bool:
        return bool(self._pages.get(number // _SET_PAGE, 0) >> number % _SET_PAGE & 1)


class LeafHashes:
    """Leaf hashes of one file by number, noted in any order."""

    __slots__ = ("_pages", "known")

    def __init__(self) -> None:
        """Know nothing."""
        self._pages: dict[int, bytearray] = {}
        self.known = LeafSet()

    def put(self, first: int, hashes: Sequence[bytes]) -> None:
        """Note the hashes of consecutive leaves."""
        for number, leaf in enumerate(hashes, first):
            page, place = divmod(number, _HASH_PAGE)
            held = self._pages.get(page)
            if held is None:
                held = self._pages[page] = bytearray(_HASH_PAGE * HASH_BYTES)
            held[place * HASH_BYTES : (place + 1) * HASH_BYTES] = leaf
        if hashes:
            self.known.add(first, first + len(hashes) - 1)

    def __getitem__(self, number: int) -> bytes:
        page, place = divmod(number, _HASH_PAGE)
        return bytes(self._pages[page][place * HASH_BYTES : (place + 1) * HASH_BYTES])

    def root(self, size: int, leaf: int) -> bytes:
        """Return the root of a file whose every leaf is known."""
        count = -(-size // leaf)
        return root_hash(size, leaf, (self[number] for number in range(count)))


def _masks(first: int, last: int) -> Iterator[tuple[int, int]]:
    for page in range(first // _SET_PAGE, last // _SET_PAGE + 1):
        low = max(first - page * _SET_PAGE, 0)
        high = min(last - page * _SET_PAGE, _SET_PAGE - 1)
        yield page, ((1 << high - low + 1) - 1) << low
