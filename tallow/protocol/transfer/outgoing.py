"""One file on its way out: which of its leaves go as data, as holes, or are only hashed.

Leaves that the receiver has are hashed here and not sent; a leaf that touches no data of a sparse
file goes as a hole. A file of which the receiver has nothing needs O(log n) hashes, another one
keeps all, because any of them may be asked for. Before: plan.py. It never reads a file.
Spec: docs/protocol.md §8.3, §8.7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tallow.crypto.tree import TreeHasher
from tallow.protocol.manifest import Entry, EntryKind, leaf_bytes, leaf_count
from tallow.protocol.messages import FileEnd
from tallow.protocol.ranges import Range, Ranges, crossed, gaps, leaves_in, merged, pieces
from tallow.protocol.transfer.leaves import LeafHashes
from tallow.wire import limits

DataRanges = Callable[[int], Sequence[tuple[int, int]] | None]
"""Byte extents [start, end) of a file that hold data, by entry number; None if all of it does."""
HASH_LEAVES = 16
"""Leaves hashed in one go, or a mebibyte of them: what is sent must never wait long."""


class Outgoing:
    """A file or stream whose leaves are being given out, sealed or hashed."""

    def __init__(self, number: int, entry: Entry, had: Ranges, data: DataRanges | None) -> None:
        """Begin a file of which the receiver has some leaves; the extents are asked for once."""
        self.number = number
        self.entry = entry
        self.leaf = leaf_bytes(entry.kind, entry.size)
        self.streams = entry.kind is EntryKind.STREAM
        self.count = 0 if self.streams else leaf_count(entry.size, self.leaf)
        self.next_leaf = leaves_in(had) if self.streams else 0
        self.size = self.next_leaf * self.leaf
        self.hashes = LeafHashes() if had and not self.streams else None
        self._hasher = TreeHasher(None if self.streams else entry.size, self.leaf)
        self._had = iter(() if self.streams else _cut(had, hashed_at_once(self.leaf)))
        extents = data(number) if data and not self.streams else None
        self._runs = self._cut_runs(had, extents)
        self._ahead: tuple[int, int, bool] | None = None

    def _cut_runs(
        self, had: Ranges, extents: Sequence[tuple[int, int]] | None
    ) -> Iterator[tuple[int, int, bool]]:
        """Yield the leaves to send, in order: first, last, and whether they hold data."""
        missing = gaps(had, self.count)
        if extents is None:
            return ((first, last, True) for first, last in missing)
        filled = merged(
            (start // self.leaf, (min(end, self.entry.size) - 1) // self.leaf)
            for start, end in extents
            if start < min(end, self.entry.size)
        )
        return crossed(missing, filled)

    # --- what goes next -----------------------------------------------------------------------

    @property
    def hole_is_next(self) -> bool:
        """Whether the next leaves to send are a hole."""
        return self._peek() is not None and not self._ahead_has_data()

    def next_send(self, record_bytes: int) -> Range | None:
        """Return the next leaves for one record, data or hole as ``hole_is_next`` said."""
        run = self._peek()
        if run is None:
            return None
        first, last, has_data = run
        most = max(1, record_bytes // self.leaf)
        end = min(last, first + (most if has_data else limits.RECORD_ENTRIES_MAX) - 1)
        self._ahead = (end + 1, last, has_data) if end < last else None
        return first, end

    @property
    def all_given(self) -> bool:
        """Whether no leaf is left to send."""
        return not self.streams and self._peek() is None

    def next_had(self) -> Range | None:
        """Return the next leaves that are only to be hashed."""
        return next(self._had, None)

    def lengths(self, first: int, last: int) -> tuple[int, ...]:
        """Return the length of each leaf of a range."""
        size, leaf = self.entry.size, self.leaf
        return tuple(min(leaf, size - number * leaf) for number in range(first, last + 1))

    def _peek(self) -> tuple[int, int, bool] | None:
        if self._ahead is None:
            self._ahead = next(self._runs, None)
        return self._ahead

    def _ahead_has_data(self) -> bool:
        return self._ahead is not None and self._ahead[2]

    # --- hashes -------------------------------------------------------------------------------

    def read_before(self, hashes: Sequence[bytes]) -> None:
        """Begin a stream with the hashes of leaves that were read in an earlier session."""
        for leaf in hashes:
            self._hasher.add(leaf)

    def add(self, first: int, hashes: Sequence[bytes], size: int) -> None:
        """Note the hashes of consecutive leaves; in order if the receiver has nothing."""
        self.size += size
        if self.hashes is not None:
            self.hashes.put(first, hashes)
            return
        for leaf in hashes:
            self._hasher.add(leaf)

    def ended(self, *, last: bool) -> FileEnd | None:
        """Return the end of the file if every leaf is hashed; ``last`` says so of a stream."""
        if self.hashes is not None:
            if self.hashes.known.count < self.count:
                return None
            root = self.hashes.root(self.entry.size, self.leaf)
            return FileEnd(self.number, self.entry.size, root)
        return FileEnd(self.number, self.size, self._hasher.root(self.size)) if last else None


def hashed_at_once(leaf: int) -> int:
    """Return how many leaves are hashed in one go."""
    return max(1, min(HASH_LEAVES, limits.RECORD_LEAVES_MAX_BYTES // leaf))


def _cut(ranges: Ranges, most: int) -> Iterator[Range]:
    for first, last in ranges:
        yield from pieces(first, last, most)
