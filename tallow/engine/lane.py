"""Bulk bytes beside the loop: read, hash and seal on one side, hash and write on the other.

The machines decide, the lane works: in a few threads, on reused buffers, with results taken back
in the order in which the jobs were given. A sealed record stands in one buffer from link header to
tag, so it is written without another copy.
Before: protocol/transfer gives jobs. After: the connection, or engine/storage.
It never opens a socket and never changes a machine.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tallow.crypto.tree import leaf_hash, root_hash
from tallow.engine.ports import Workers
from tallow.engine.storage.outbox import Outbox, ReadFailed
from tallow.engine.storage.sink import Sink
from tallow.engine.storage.stdio import StreamSource
from tallow.errors import LocalProtocolError
from tallow.protocol.bulk import (
    leaves_prefix_bytes,
    pack_prefix_bytes,
    write_leaves_prefix,
    write_pack_prefix,
)
from tallow.protocol.manifest import EntryKind, leaf_bytes
from tallow.protocol.messages import FileEnd
from tallow.protocol.transfer.jobs import (
    LeavesJob,
    PackJob,
    SealJob,
    StoreJob,
    StoreLeaves,
    StreamJob,
)
from tallow.wire import limits
from tallow.wire.frames import LinkType, write_link_header, write_record_header

BODY_AT = limits.LINK_HEADER_BYTES + 4 + limits.RECORD_HEADER_BYTES
SLOT_BYTES = limits.LINK_HEADER_BYTES + limits.FRAME_MAX_BYTES
SEAL_DEPTH = 4
STORE_DEPTH = 6


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record ready to be written, or why there is none."""

    job: SealJob
    slot: bytearray
    frame: memoryview
    """Empty if nothing is to be sent."""
    hashes: list[bytes] = field(default_factory=list)
    size: int = 0
    last: bool = False
    ended: list[FileEnd] = field(default_factory=list)
    failed: str = ""


class SealLane:
    """Runs seal jobs; at most SEAL_DEPTH at a time."""

    def __init__(
        self, workers: Workers, source: Outbox | StreamSource, ring: Callable[[], None]
    ) -> None:
        self._workers = workers
        self._source = source
        self._ring = ring
        self._running: deque[asyncio.Future[Sealed]] = deque()
        self._slots = [bytearray(SLOT_BYTES) for _ in range(SEAL_DEPTH)]

    @property
    def has_room(self) -> bool:
        """Whether another job can start."""
        return bool(self._slots)

    def start(self, job: SealJob) -> None:
        """Start a job in a thread."""
        future = self._workers.submit(seal, job, self._source, self._slots.pop())
        future.add_done_callback(lambda _: self._ring())
        self._running.append(future)

    def next_sealed(self) -> Sealed | None:
        """Return the oldest job's result if it is there; its slot is in the caller's hand."""
        if self._running and self._running[0].done():
            return self._running.popleft().result()
        return None

    def give_back(self, sealed: Sealed) -> None:
        """Reuse a slot whose frame was written."""
        self._slots.append(sealed.slot)

    async def stop(self) -> None:
        """Wait for what runs; its results are dropped."""
        if isinstance(self._source, StreamSource):
            self._source.close()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()
        if isinstance(self._source, Outbox):
            self._source.close()


def seal(job: SealJob, source: Outbox | StreamSource, slot: bytearray) -> Sealed:
    """Read, hash and seal one record into a slot; read failures are part of the result."""
    try:
        match job:
            case LeavesJob() if isinstance(source, Outbox):
                return _seal_leaves(job, source, slot)
            case PackJob() if isinstance(source, Outbox):
                return _seal_pack(job, source, slot)
            case StreamJob() if isinstance(source, StreamSource):
                return _seal_stream(job, source, slot)
    except ReadFailed as failure:
        return Sealed(job, slot, memoryview(b""), failed=str(failure))
    raise LocalProtocolError("A job does not fit its source.")


def _seal_leaves(job: LeavesJob, source: Outbox, slot: bytearray) -> Sealed:
    start = BODY_AT + leaves_prefix_bytes(len(job.lengths))
    room = memoryview(slot)[start : start + job.plain_bytes]
    source.read_into(job.file_no, job.offset, room)
    return _close_leaves(job, slot, list(job.lengths), last=job.last)


def _seal_stream(job: StreamJob, source: StreamSource, slot: bytearray) -> Sealed:
    most, leaf = job.plain_bytes, limits.STREAM_LEAF_BYTES
    start = BODY_AT + leaves_prefix_bytes(job.most_leaves)
    count = source.read_into(memoryview(slot)[start : start + most])
    last = count < most
    if not count:
        return Sealed(job, slot, memoryview(b""), last=True)
    lengths = [min(leaf, count - at) for at in range(0, count, leaf)]
    moved = BODY_AT + leaves_prefix_bytes(len(lengths))
    if moved != start:
        slot[moved : moved + count] = slot[start : start + count]
    return _close_leaves(job, slot, lengths, last=last)


def _close_leaves(
    job: LeavesJob | StreamJob, slot: bytearray, lengths: list[int], *, last: bool
) -> Sealed:
    view = memoryview(slot)
    prefix = leaves_prefix_bytes(len(lengths))
    at, hashes = BODY_AT + prefix, []
    for length in lengths:
        hashes.append(leaf_hash(view[at : at + length]))
        at += length
    write_leaves_prefix(view[BODY_AT:], job.file_no, job.first_leaf, lengths, last=last)
    frame = _seal_body(job, view, prefix + sum(lengths))
    return Sealed(job, slot, frame, hashes, sum(lengths), last)


def _seal_pack(job: PackJob, source: Outbox, slot: bytearray) -> Sealed:
    view = memoryview(slot)
    at = BODY_AT + pack_prefix_bytes(len(job.files))
    held: list[tuple[int, int]] = []
    ended: list[FileEnd] = []
    for file_no, size in job.files:
        room = view[at : at + size]
        try:
            source.read_whole(file_no, room)
        except ReadFailed as failure:
            ended.append(FileEnd(file_no, 0, b"", str(failure)[: limits.REASON_MAX_CHARS]))
            continue
        leaves = [leaf_hash(room)] if size else []
        root = root_hash(size, leaf_bytes(EntryKind.FILE, size), leaves)
        ended.append(FileEnd(file_no, size, root))
        held.append((file_no, size))
        at += size
    if not held:
        return Sealed(job, slot, memoryview(b""), ended=ended)
    if len(held) != len(job.files):
        _close_gap(view, len(job.files), len(held), at)
        at -= pack_prefix_bytes(len(job.files)) - pack_prefix_bytes(len(held))
    write_pack_prefix(view[BODY_AT:], held)
    frame = _seal_body(job, view, at - BODY_AT)
    return Sealed(job, slot, frame, size=sum(size for _, size in held), ended=ended)


def _close_gap(view: memoryview, planned: int, held: int, end: int) -> None:
    start = BODY_AT + pack_prefix_bytes(planned)
    target = BODY_AT + pack_prefix_bytes(held)
    view[target : target + end - start] = bytes(view[start:end])


def _seal_body(job: SealJob, view: memoryview, body_bytes: int) -> memoryview:
    reserved = job.reserved
    body = view[BODY_AT : BODY_AT + body_bytes]
    out = view[BODY_AT : BODY_AT + body_bytes + limits.TAG_BYTES]
    sealed_bytes = reserved.key.seal_into(reserved.header.number, reserved.ad, body, out)
    record_bytes = BODY_AT - limits.LINK_HEADER_BYTES + sealed_bytes
    write_link_header(view, LinkType.DATA, record_bytes)
    write_record_header(view[limits.LINK_HEADER_BYTES :], reserved.header, sealed_bytes)
    return view[: limits.LINK_HEADER_BYTES + record_bytes]


# --- receiving --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """An admitted record whose bytes are written."""

    job: StoreJob
    hashes: list[bytes]
    buffer: memoryview | None
    """The frame's buffer, free again."""


class StoreLane:
    """Runs store jobs; the caller pauses reading while STORE_DEPTH are under way."""

    def __init__(self, workers: Workers, sink: Sink, ring: Callable[[], None]) -> None:
        self._workers = workers
        self._sink = sink
        self._ring = ring
        self._running: deque[asyncio.Future[StoredRecord]] = deque()
        self._depth = 1 if sink.in_order else STORE_DEPTH

    @property
    def has_room(self) -> bool:
        """Whether another record can be taken."""
        return len(self._running) < self._depth

    def start(self, job: StoreJob, buffer: memoryview | None) -> None:
        """Hash and write a record in a thread."""
        future = self._workers.submit(store, job, self._sink, buffer)
        future.add_done_callback(lambda _: self._ring())
        self._running.append(future)

    def next_stored(self) -> StoredRecord | None:
        """Return the oldest record if it is written; raises the StorageError it met."""
        if self._running and self._running[0].done():
            return self._running.popleft().result()
        return None

    async def stop(self) -> None:
        """Wait for what runs; its results are dropped."""
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()


def store(job: StoreJob, sink: Sink, buffer: memoryview | None) -> StoredRecord:
    """Hash and write one record."""
    if isinstance(job, StoreLeaves):
        return StoredRecord(job, sink.store_leaves(job), buffer)
    return StoredRecord(job, sink.store_pack(job), buffer)
