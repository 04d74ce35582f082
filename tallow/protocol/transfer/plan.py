"""Which leaves go when: the sender's plan over an accepted selection, under the window.

Files go in manifest order; small ones are gathered into packs, large ones are cut into records of
up to 1 MiB of consecutive leaves. A number is reserved for each job before any thread works on
it; whatever never leaves gives its credit back. Before: sender.py. After: engine/lane.py.
It never reads a file. Spec: docs/protocol.md §8.3, §8.4.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallow.crypto.tree import TreeHasher
from tallow.errors import RemoteProtocolError
from tallow.protocol.bulk import BulkSendChannel
from tallow.protocol.manifest import (
    Entry,
    EntryKind,
    Manifest,
    Selection,
    leaf_bytes,
    leaf_count,
    travels_packed,
)
from tallow.protocol.messages import FileEnd, Stored
from tallow.protocol.transfer.jobs import LeavesJob, PackJob, SealJob, StreamJob
from tallow.wire import limits


@dataclass(slots=True)
class _OpenFile:
    """A file whose leaves are being given out or sealed."""

    number: int
    entry: Entry
    leaf: int
    hasher: TreeHasher
    next_leaf: int = 0
    size: int = 0


class SendPlan:
    """Gives out seal jobs while there is credit, and learns how they ended."""

    def __init__(
        self,
        manifest: Manifest,
        selection: Selection,
        channel: BulkSendChannel,
        window_bytes: int,
    ) -> None:
        self._manifest = manifest
        self._numbers = iter(selection)
        self._channel = channel
        self._window_bytes = window_bytes
        self._outstanding: dict[int, int] = {}
        self._outstanding_bytes = 0
        self._peeked: int | None = None
        self._current: _OpenFile | None = None
        self._open: dict[int, _OpenFile] = {}
        self._packs: dict[int, int] = {}
        self._stream_out = False
        self.exhausted = False
        self.given_out = 0
        self.stored_bytes = 0

    @property
    def oldest_outstanding(self) -> int | None:
        """The record that has waited longest to be stored, or None."""
        return next(iter(self._outstanding), None)

    def next_job(self) -> SealJob | None:
        """Return the next job, or None without credit or when everything is given out."""
        if self._outstanding_bytes + limits.RECORD_LEAVES_MAX_BYTES > self._window_bytes:
            return None
        # The next leaf of a stream is known only when the last one was read.
        while not self.exhausted and not self._stream_out:
            job = self._next_of_current() if self._current else self._next_file()
            if job is not None:
                self._outstanding[job.reserved.header.number] = job.plain_bytes
                self._outstanding_bytes += job.plain_bytes
                return job
        return None

    def _next_file(self) -> SealJob | None:
        packed: list[tuple[int, int]] = []
        packed_bytes = 0
        while (number := self._peek()) is not None:
            entry = self._manifest.entry(number)
            if entry.kind is EntryKind.FOLDER:
                self._peeked = None
                continue
            full = packed_bytes + entry.size > limits.RECORD_LEAVES_MAX_BYTES
            if not travels_packed(entry) or full or len(packed) == limits.ROOTS_PER_TRAILER:
                break
            self._peeked = None
            packed.append((number, entry.size))
            packed_bytes += entry.size
        if packed:
            self.given_out += len(packed)
            reserved = self._channel.reserve()
            self._packs[packed[0][0]] = reserved.header.number
            return PackJob(reserved, tuple(packed))
        if number is None:
            self.exhausted = True
            return None
        self._peeked = None
        self._begin(number, self._manifest.entry(number))
        return None

    def _begin(self, number: int, entry: Entry) -> None:
        leaf = leaf_bytes(entry.kind, entry.size)
        hasher = TreeHasher(None if entry.kind is EntryKind.STREAM else entry.size, leaf)
        self._current = self._open[number] = _OpenFile(number, entry, leaf, hasher)
        self.given_out += 1

    def _peek(self) -> int | None:
        if self._peeked is None:
            self._peeked = next(self._numbers, None)
        return self._peeked

    def _next_of_current(self) -> SealJob | None:
        current = self._current
        if current is None:
            return None
        first, most = current.next_leaf, limits.RECORD_LEAVES_MAX_BYTES // current.leaf
        if current.entry.kind is EntryKind.STREAM:
            self._stream_out = True
            return StreamJob(self._channel.reserve(), current.number, first, most)
        size, leaf = current.entry.size, current.leaf
        total = leaf_count(size, leaf)
        count = min(most, total - first)
        current.next_leaf += count
        last = current.next_leaf == total
        if last:
            self._current = None
        lengths = tuple(min(leaf, size - index * leaf) for index in range(first, first + count))
        return LeavesJob(
            self._channel.reserve(), current.number, first, first * leaf, lengths, last
        )

    # --- what came of them --------------------------------------------------------------------

    def leaves_sealed(
        self, job: LeavesJob | StreamJob, hashes: list[bytes], size: int, *, last: bool
    ) -> FileEnd | bool:
        """Take a sealed record: how its file ended, True if it goes on, False if it had failed."""
        opened = self._open.get(job.file_no)
        if opened is None:
            self.uncount(job)
            return False
        number = job.reserved.header.number
        if number not in self._outstanding:
            raise RemoteProtocolError("The other side reports records that were never sent.")
        self._outstanding_bytes += size - self._outstanding[number]
        self._outstanding[number] = size
        for leaf in hashes:
            opened.hasher.add(leaf)
        opened.size += size
        if isinstance(job, StreamJob):
            self._stream_out = False
            opened.next_leaf += len(hashes)
            if last:
                self._current = None
        if not last:
            return True
        del self._open[job.file_no]
        return FileEnd(job.file_no, opened.size, opened.hasher.root(opened.size))

    def pack_sealed(self, ended: list[FileEnd]) -> None:
        """Give back the credit of files that a sealed pack turned out not to hold."""
        failed = [end for end in ended if end.failed]
        number = self._packs.pop(ended[0].file_no)
        if number in self._outstanding:
            lost = sum(self._manifest.entry(end.file_no).size for end in failed)
            self._outstanding[number] -= lost
            self._outstanding_bytes -= lost
        elif len(failed) < len(ended):
            raise RemoteProtocolError("The other side reports records that were never sent.")

    def read_failed(self, job: LeavesJob | StreamJob) -> bool:
        """Drop a file that cannot be read; False if it was dropped before."""
        self.uncount(job)
        opened = self._open.pop(job.file_no, None)
        if opened is None:
            return False
        if self._current is opened:
            self._current = None
        if isinstance(job, StreamJob):
            self._stream_out = False
        return True

    def uncount(self, job: SealJob) -> None:
        """Give back the credit of a number that will never be sent."""
        self._outstanding_bytes -= self._outstanding.pop(job.reserved.header.number, 0)

    def credit(self, stored: Stored) -> None:
        """Take the receiver's word that records are written; refuses what was never sent."""
        for first, last in stored.ranges:
            if last < first or last >= self._channel.reserved:
                raise RemoteProtocolError("The other side reports records that were never sent.")
            for number in range(first, last + 1):
                taken = self._outstanding.pop(number, None)
                if taken is None:
                    raise RemoteProtocolError("The other side reports a record twice.")
                self._outstanding_bytes -= taken
                self.stored_bytes += taken
