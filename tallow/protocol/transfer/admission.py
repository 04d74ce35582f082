"""Which leaves may still arrive, and when a file is whole: state judges, never arrival order.

A leaf is admitted once, if its entry was accepted, its number and length fit the entry's size,
and the window allows it. A file is whole when every leaf is written and the trailer's root
equals the root of the hashes that the receiver computed itself.
Before: receiver.py. It never writes. Spec: docs/protocol.md §8.4.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tallow.crypto.tree import root_hash
from tallow.errors import RemoteProtocolError, RootMismatch
from tallow.protocol.bulk import LeavesBody, PackBody
from tallow.protocol.manifest import (
    Entry,
    EntryKind,
    Manifest,
    Selection,
    leaf_bytes,
    leaf_count,
    travels_packed,
)
from tallow.protocol.messages import FileEnd
from tallow.protocol.transfer.jobs import StoreJob, StoreLeaves, StorePack
from tallow.wire import limits

HASH_BYTES = 32
Arrival = tuple[int, int, bytes]
"""Entry number, size and root of a file that is whole."""


@dataclass(slots=True)
class _Arriving:
    """One file on its way in."""

    leaf: int
    size: int | None
    """None for a stream that has not ended."""
    packed: bool = False
    written: int = 0
    seen: bytearray = field(default_factory=bytearray)
    hashes: bytearray = field(default_factory=bytearray)
    root: bytes | None = None

    @property
    def count(self) -> int | None:
        """How many leaves the file has, if its size is known."""
        return None if self.size is None else leaf_count(self.size, self.leaf)


class Admission:
    """The receiver's book of leaves for one accepted selection."""

    def __init__(self, manifest: Manifest, selection: Selection, window_bytes: int) -> None:
        self._manifest = manifest
        self._selection = selection
        self._window_bytes = window_bytes
        self._arriving: dict[int, _Arriving] = {}
        self._ended = Selection(manifest.entries)
        self._being_written: dict[int, int] = {}
        self._uncredited_bytes = 0
        self.stored_bytes = 0

    @property
    def waiting(self) -> bool:
        """Whether records are still on their way in or being written."""
        return bool(self._being_written or self._arriving)

    def all_named(self) -> bool:
        """Return whether every accepted file has had its trailer."""
        open_ends = [number for number, file in self._arriving.items() if file.root is None]
        return not open_ends and all(
            number in self._ended or number in self._arriving
            for number in self._selection
            if self._manifest.entry(number).kind is not EntryKind.FOLDER
        )

    # --- admitting ----------------------------------------------------------------------------

    def admit(self, number: int, body: LeavesBody | PackBody) -> StoreJob:
        """Return what to write for a record, or raise RemoteProtocolError."""
        job: StoreJob
        match body:
            case LeavesBody():
                job = self._admit_leaves(number, body)
            case PackBody():
                job = self._admit_pack(number, body)
        self._uncredited_bytes += job.plain_bytes
        if self._uncredited_bytes > self._window_bytes:
            raise RemoteProtocolError("The other side sent more than it had credit for.")
        self._being_written[number] = job.plain_bytes
        return job

    def _wanted(self, file_no: int) -> Entry:
        if file_no not in self._selection or file_no in self._ended:
            raise _unasked()
        entry = self._manifest.entry(file_no)
        if entry.kind is EntryKind.FOLDER:
            raise _unasked()
        return entry

    def _admit_leaves(self, number: int, body: LeavesBody) -> StoreLeaves:
        entry = self._wanted(body.file_no)
        if travels_packed(entry):
            raise _unasked()
        arriving = self._arriving.get(body.file_no)
        if arriving is None:
            arriving = _new_arriving(entry)
            self._arriving[body.file_no] = arriving
        # Leaves leave in order, so the window bounds how far ahead one can arrive. Without this
        # a single leaf at the end of a huge size would make us allocate for all before it.
        if body.first_leaf > arriving.written + self._window_bytes // arriving.leaf:
            raise _unasked()
        self._check_lengths(arriving, entry, body)
        end = body.first_leaf + len(body.leaves)
        if len(arriving.seen) < end:
            # Grows with what was admitted, never with what was announced.
            arriving.seen.extend(bytes(end - len(arriving.seen)))
            arriving.hashes.extend(bytes(HASH_BYTES * end - len(arriving.hashes)))
        if any(arriving.seen[body.first_leaf : end]):
            raise RemoteProtocolError("The other side sent the same data twice.")
        arriving.seen[body.first_leaf : end] = b"\1" * len(body.leaves)
        offset = body.first_leaf * arriving.leaf
        return StoreLeaves(number, body.file_no, body.first_leaf, offset, body.leaves)

    def _check_lengths(self, arriving: _Arriving, entry: Entry, body: LeavesBody) -> None:
        end = body.first_leaf + len(body.leaves)
        if arriving.size is None:
            self._check_endless(arriving, body, end)
            return
        count = leaf_count(arriving.size, arriving.leaf)
        if end > count or (entry.kind is EntryKind.FILE and body.last != (end == count)):
            raise _unasked()
        for index, content in enumerate(body.leaves, start=body.first_leaf):
            if len(content) != min(arriving.leaf, arriving.size - index * arriving.leaf):
                raise _unasked()

    def _check_endless(self, arriving: _Arriving, body: LeavesBody, end: int) -> None:
        """Check leaves of a stream whose size nobody knows yet."""
        if end * arriving.leaf > limits.FILE_MAX_BYTES:
            raise _unasked()
        lengths = [len(content) for content in body.leaves]
        if any(length != arriving.leaf for length in lengths[:-1]) or not lengths[-1]:
            raise RemoteProtocolError("The other side sent a short piece inside a stream.")
        if body.last:
            if len(arriving.seen) > end or lengths[-1] > arriving.leaf:
                raise RemoteProtocolError("The other side sent data after the end of the stream.")
            arriving.size = (end - 1) * arriving.leaf + lengths[-1]
        elif lengths[-1] != arriving.leaf:
            raise RemoteProtocolError("The other side sent a short piece inside a stream.")

    def _admit_pack(self, number: int, body: PackBody) -> StorePack:
        for file_no, content in body.files:
            entry = self._wanted(file_no)
            if not travels_packed(entry) or len(content) != entry.size:
                raise _unasked()
            arriving = self._arriving.get(file_no)
            if arriving is None:
                arriving = _new_arriving(entry)
                self._arriving[file_no] = arriving
            if arriving.seen:
                raise RemoteProtocolError("The other side sent the same data twice.")
            arriving.seen.append(1)
        return StorePack(number, body.files)

    # --- what was written ---------------------------------------------------------------------

    def leaves_stored(self, job: StoreLeaves, hashes: list[bytes]) -> list[Arrival]:
        """Note written leaves; return the file if that made it whole."""
        self._written(job)
        arriving = self._arriving.get(job.file_no)
        if arriving is None:
            return []
        start = job.first_leaf * HASH_BYTES
        arriving.hashes[start : start + HASH_BYTES * len(hashes)] = b"".join(hashes)
        arriving.written += len(hashes)
        arrival = self._if_whole(job.file_no, arriving)
        return [arrival] if arrival else []

    def pack_stored(self, job: StorePack, hashes: list[bytes]) -> list[Arrival]:
        """Note written small files; return those that are whole."""
        self._written(job)
        whole = []
        for (file_no, content), leaf in zip(job.files, hashes, strict=True):
            arriving = self._arriving.get(file_no)
            if arriving is None:
                continue
            if len(content):
                arriving.hashes[:] = leaf
            arriving.written = 1
            arrival = self._if_whole(file_no, arriving)
            if arrival:
                whole.append(arrival)
        return whole

    def _written(self, job: StoreJob) -> None:
        self.stored_bytes += self._being_written.pop(job.number)

    def credited(self, size: int) -> None:
        """Note that the sender was told of this many written bytes."""
        self._uncredited_bytes -= size

    def file_ended(self, end: FileEnd) -> Arrival | None:
        """Take a trailer: the file's root, or that it failed at the sender."""
        entry = self._wanted(end.file_no)
        if end.failed:
            self._arriving.pop(end.file_no, None)
            self._ended.add(end.file_no)
            return None
        if len(end.root) != HASH_BYTES:
            raise RemoteProtocolError("The other side ended a file without a root.")
        if entry.kind is EntryKind.FILE and end.size != entry.size:
            raise RemoteProtocolError("The other side changed the size of a file.")
        arriving = self._arriving.get(end.file_no)
        if arriving is None:
            # Bulk may come later over another connection; an empty stream has no bulk at all.
            arriving = _new_arriving(entry)
            self._arriving[end.file_no] = arriving
        if arriving.root is not None:
            raise RemoteProtocolError("The other side ended a file twice.")
        if arriving.size is None:
            # Whatever came before the end of a stream was whole leaves.
            if len(arriving.seen) * arriving.leaf > end.size:
                raise RemoteProtocolError("The other side changed the size of a stream.")
            arriving.size = end.size
        if arriving.size != end.size:
            raise RemoteProtocolError("The other side changed the size of a stream.")
        arriving.root = end.root
        return self._if_whole(end.file_no, arriving)

    def _if_whole(self, file_no: int, arriving: _Arriving) -> Arrival | None:
        count = arriving.count
        # A packed file is written in one piece, an empty one too.
        whole = 1 if arriving.packed else count
        if arriving.root is None or arriving.size is None or arriving.written != whole:
            return None
        leaves = (
            bytes(arriving.hashes[at : at + HASH_BYTES])
            for at in range(0, (count or 0) * HASH_BYTES, HASH_BYTES)
        )
        root = root_hash(arriving.size, arriving.leaf, leaves)
        if root != arriving.root:
            raise RootMismatch
        del self._arriving[file_no]
        self._ended.add(file_no)
        return file_no, arriving.size, root


def as_ranges(numbers: list[int]) -> list[tuple[int, int]]:
    """Return record numbers as ranges, first and last included, in order."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


def _new_arriving(entry: Entry) -> _Arriving:
    size = None if entry.kind is EntryKind.STREAM else entry.size
    leaf = leaf_bytes(entry.kind, entry.size)
    return _Arriving(leaf, size, packed=travels_packed(entry))


def _unasked() -> RemoteProtocolError:
    return RemoteProtocolError("The other side sent data that was not asked for.")
