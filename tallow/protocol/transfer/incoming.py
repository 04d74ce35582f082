"""One file on its way in: which of its leaves are here, may come, or must come again.

Memory grows with the leaves that came, never with the size that was announced. Before:
admission.py. It never writes and never hashes a leaf. Spec: docs/protocol.md §8.4, §8.7, §8.8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tallow.crypto.tree import HASH_BYTES
from tallow.errors import RemoteProtocolError, RootMismatch
from tallow.protocol.bulk import Codec, LeavesBody
from tallow.protocol.manifest import Entry, EntryKind, leaf_bytes, leaf_count, travels_packed
from tallow.protocol.messages import LeafList
from tallow.protocol.ranges import Range, Ranges, leaves_in, overlaps, pieces
from tallow.protocol.transfer.leaves import LeafHashes, LeafSet
from tallow.protocol.transfer.outgoing import hashed_at_once
from tallow.protocol.transfer.repair import Comparison
from tallow.wire import limits

_HOLES_AHEAD = limits.HOLE_RECORDS_MAX * limits.RECORD_ENTRIES_MAX
"""Leaves that holes without credit may cover before the first of them is reported."""


class Incoming:
    """The leaves of one file or stream at the receiver."""

    def __init__(self, entry: Entry, had: Ranges = ()) -> None:
        """Await an entry of which some leaves are here, as the sender was told."""
        self.streams = entry.kind is EntryKind.STREAM
        self.packed = travels_packed(entry)
        self.leaf = leaf_bytes(entry.kind, entry.size)
        self.size: int | None = None if self.streams else entry.size
        self.root: bytes | None = None
        self.again: LeafSet | None = None
        """Leaves that were asked for once more and are not here yet."""
        self._had = had
        self.unchecked = leaves_in(had)
        self._seen = LeafSet()
        self._end = had[-1][1] + 1 if had else 0
        self._hashes = LeafHashes()
        self._unreadable = LeafSet()
        self._written_leaves = 0
        self._whole = False
        self._comparison: Comparison | None = None

    # --- admitting ----------------------------------------------------------------------------

    def admit(self, body: LeavesBody, window_bytes: int) -> None:
        """Take leaves that may come now, or raise RemoteProtocolError."""
        first, last = body.first_leaf, body.first_leaf + len(body.leaves) - 1
        holes = any(leaf.codec is Codec.HOLE for leaf in body.leaves)
        # A hole is not written, so it must never stand for bytes that are here and differ.
        if holes and (self.streams or self.again is not None):
            raise unasked()
        if self.again is None and self._rank(first) > self._farthest(window_bytes):
            raise unasked()
        self._check_lengths(body)
        if self.again is not None:
            if not self.again.all(first, last):
                raise _twice()
            self.again.discard(first, last)
            return
        if self._seen.any(first, last) or overlaps(self._had, first, last):
            raise _twice()
        self._seen.add(first, last)
        self._end = max(self._end, last + 1)

    def _rank(self, leaf: int) -> int:
        """Return how many leaves before this one have to be sent."""
        return leaf - leaves_in(self._had, below=leaf)

    def _farthest(self, window_bytes: int) -> int:
        # Leaves leave in order, so window and open holes bound how far ahead one can arrive.
        # Without this a few leaves strewn over a huge size would cost memory all along it.
        ahead = window_bytes // self.leaf + (0 if self.streams else _HOLES_AHEAD)
        return self._written_leaves + ahead

    def admit_whole(self) -> None:
        """Take a packed file that may come now, or raise RemoteProtocolError."""
        if self._end:
            raise _twice()
        self._end = 1

    def _check_lengths(self, body: LeavesBody) -> None:
        end = body.first_leaf + len(body.leaves)
        if self.size is None:
            self._check_endless(body, end)
            return
        count = leaf_count(self.size, self.leaf)
        if end > count or (not self.streams and body.last != (end == count)):
            raise unasked()
        for index, leaf in enumerate(body.leaves, start=body.first_leaf):
            if leaf.plain_bytes != min(self.leaf, self.size - index * self.leaf):
                raise unasked()

    def _check_endless(self, body: LeavesBody, end: int) -> None:
        """Check leaves of a stream whose size nobody knows yet."""
        if end * self.leaf > limits.FILE_MAX_BYTES:
            raise unasked()
        lengths = [leaf.plain_bytes for leaf in body.leaves]
        if any(length != self.leaf for length in lengths[:-1]) or not lengths[-1]:
            raise RemoteProtocolError("The other side sent a short piece inside a stream.")
        if body.last:
            if self._end > end or lengths[-1] > self.leaf:
                raise RemoteProtocolError("The other side sent data after the end of the stream.")
            self.size = (end - 1) * self.leaf + lengths[-1]
        elif lengths[-1] != self.leaf:
            raise RemoteProtocolError("The other side sent a short piece inside a stream.")

    # --- hashes -------------------------------------------------------------------------------

    def written(self, first: int, hashes: Sequence[bytes]) -> None:
        """Note the hashes of written leaves."""
        self._hashes.put(first, hashes)
        self._written_leaves += len(hashes)

    def written_whole(self, leaf: bytes) -> None:
        """Note that a packed file is written; an empty one has no leaf."""
        self._whole = True
        if self.size:
            self._hashes.put(0, [leaf])

    def to_check(self) -> Iterator[Range]:
        """Yield the leaves that were here, in the pieces in which they are hashed."""
        for first, last in self._had:
            yield from pieces(first, last, hashed_at_once(self.leaf))

    def lengths(self, first: int, last: int) -> tuple[int, ...]:
        """Return the length of each leaf of a range; of a stream only whole leaves are had."""
        if self.streams or self.size is None:
            return (self.leaf,) * (last - first + 1)
        size = self.size
        return tuple(min(self.leaf, size - n * self.leaf) for n in range(first, last + 1))

    def checked(self, first: int, hashes: Sequence[bytes]) -> None:
        """Note the hashes of leaves that were here, b"" for one that cannot be read."""
        for number, leaf in enumerate(hashes, first):
            if not leaf:
                self._unreadable.add(number, number)
            self._hashes.put(number, [leaf or bytes(HASH_BYTES)])
        self.unchecked -= len(hashes)

    @property
    def complete(self) -> bool:
        """Whether every leaf has its hash, and nothing is asked for."""
        if self.packed:
            return self._whole
        if self.size is None or (self._comparison and not self._comparison.complete):
            return False
        return self._hashes.known.count == leaf_count(self.size, self.leaf)

    # --- the end ------------------------------------------------------------------------------

    def end(self, size: int, root: bytes) -> None:
        """Take the sender's size and root, or raise RemoteProtocolError."""
        if self.root is not None:
            raise RemoteProtocolError("The other side ended a file twice.")
        if self.size is None:
            # Whatever came before the end of a stream was whole leaves.
            if self._end * self.leaf > size:
                raise RemoteProtocolError("The other side changed the size of a stream.")
            self.size = size
        if self.size != size:
            raise RemoteProtocolError("The other side changed the size of a stream.")
        self.root = root

    def own_root(self) -> bytes:
        """Return the root of what is here; empty if some of it cannot be read."""
        if self.size is None or self._unreadable.count:
            return b""
        return self._hashes.root(self.size, self.leaf)

    @property
    def may_ask(self) -> bool:
        """Whether leaves that were here may be the reason of a difference, not asked about yet."""
        return bool(self._had) and not self.streams and self._comparison is None

    def ask(self) -> None:
        """Wait for the sender's list."""
        self._comparison = Comparison(self.size or 0, self.leaf, self._hashes, self._unreadable)

    def listed(self, said: LeafList) -> Ranges:
        """Take a page of hashes; after the last one return what has to come again.

        Raises RemoteProtocolError for a list that was not asked for or is out of order,
        RootMismatch if it does not belong to the root that was told.
        """
        comparison = self._comparison
        if comparison is None or comparison.complete:
            raise unasked()
        if not comparison.take(said):
            return ()
        differing = comparison.differing()
        if comparison.root() != self.root or not differing:  # public to both sides
            raise RootMismatch
        for first, last in differing:
            self._hashes.known.discard(first, last)
            self._unreadable.discard(first, last)
        self.again = LeafSet(differing)
        return differing


def unasked() -> RemoteProtocolError:
    """Return the error for what nobody asked for."""
    return RemoteProtocolError("The other side sent data that was not asked for.")


def _twice() -> RemoteProtocolError:
    return RemoteProtocolError("The other side sent the same data twice.")
