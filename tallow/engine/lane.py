"""Bulk bytes beside the loop: read, hash and seal on one side, hash and write on the other.

The machines decide, the lane works: in a few threads, on reused buffers, with results taken back
in the order in which the jobs were given. A sealed record stands in one buffer from link header to
tag, so it is written without another copy; only a leaf that shrank makes those behind it move up.
Before: protocol/transfer gives jobs. After: the connection, or engine/storage.
It never opens a socket and never changes a machine.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, assert_never

from tallow.crypto.tree import leaf_hash, root_hash, zero_leaf_hash
from tallow.engine.compression import Compressor
from tallow.engine.ports import Workers
from tallow.engine.storage.outbox import Outbox, ReadFailed
from tallow.engine.storage.sink import Sink
from tallow.engine.storage.stdio import StreamSource
from tallow.errors import DiskFull, LocalProtocolError
from tallow.protocol.bulk import (
    Codec,
    Reserved,
    leaves_prefix_bytes,
    pack_prefix_bytes,
    write_leaves_prefix,
    write_pack_prefix,
)
from tallow.protocol.manifest import EntryKind, leaf_bytes
from tallow.protocol.messages import FileEnd
from tallow.protocol.transfer.jobs import (
    CheckLeaves,
    HashJob,
    HoleJob,
    LeavesJob,
    PackJob,
    SendJob,
    SinkJob,
    StoreLeaves,
    StorePack,
    StreamJob,
)
from tallow.wire import limits
from tallow.wire.frames import LinkType, write_link_header, write_record_header

BODY_AT = limits.LINK_HEADER_BYTES + 4 + limits.RECORD_HEADER_BYTES
SLOT_BYTES = limits.LINK_HEADER_BYTES + limits.FRAME_MAX_BYTES
SEAL_DEPTH = 4
STORE_DEPTH = 6


class Shrink(Protocol):
    """Makes one leaf smaller, or says None."""

    def __call__(self, content: memoryview, *, first: bool) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record ready to be written, or why there is none; for a HashJob only the hashes."""

    job: SendJob
    slot: bytearray
    frame: memoryview
    """Empty if nothing is to be sent."""
    hashes: list[bytes] = field(default_factory=list)
    size: int = 0
    """How many bytes of the file are in it, holes included, before compression."""
    last: bool = False
    ended: list[FileEnd] = field(default_factory=list)
    failed: str = ""


class SealLane:
    """Runs a sender's jobs; at most SEAL_DEPTH at a time."""

    def __init__(
        self,
        workers: Workers,
        source: Outbox | StreamSource,
        ring: Callable[[], None],
        compressor: Compressor,
    ) -> None:
        self._workers = workers
        self._source = source
        self._compressor = compressor
        self._ring = ring
        self._running: deque[asyncio.Future[Sealed]] = deque()
        self._slots = [bytearray(SLOT_BYTES) for _ in range(SEAL_DEPTH)]

    @property
    def has_room(self) -> bool:
        """Whether another job can start."""
        return bool(self._slots)

    def start(self, job: SendJob) -> None:
        """Start a job in a thread."""
        slot = self._slots.pop()
        future = self._workers.submit(seal, job, self._source, slot, self._compressor)
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


def seal(
    job: SendJob, source: Outbox | StreamSource, slot: bytearray, compressor: Compressor
) -> Sealed:
    """Read, hash and seal one record into a slot; read failures are part of the result."""
    try:
        match job:
            case LeavesJob() if isinstance(source, Outbox):
                return _seal_leaves(job, source, slot, compressor)
            case PackJob() if isinstance(source, Outbox):
                return _seal_pack(job, source, slot, compressor)
            case StreamJob() if isinstance(source, StreamSource):
                return _seal_stream(job, source, slot, compressor)
            case HoleJob() if isinstance(source, Outbox):
                return _seal_holes(job, slot)
            case HashJob() if isinstance(source, Outbox):
                return _hash_only(job, source, slot)
    except ReadFailed as failure:
        return Sealed(job, slot, memoryview(b""), failed=str(failure))
    raise LocalProtocolError("A job does not fit its source.")


def _seal_leaves(job: LeavesJob, source: Outbox, slot: bytearray, compressor: Compressor) -> Sealed:
    start = BODY_AT + leaves_prefix_bytes(len(job.lengths))
    room = memoryview(slot)[start : start + job.plain_bytes]
    source.read_into(job.file_no, job.offset, room)
    shrink = partial(compressor.shrink, name=source.path(job.file_no))
    hash_of = partial(source.leaf_hash, job.file_no)
    return _close_leaves(job, slot, job.lengths, shrink, hash_of, last=job.last)


def _seal_stream(
    job: StreamJob, source: StreamSource, slot: bytearray, compressor: Compressor
) -> Sealed:
    most, leaf = job.plain_bytes, limits.STREAM_LEAF_BYTES
    start = BODY_AT + leaves_prefix_bytes(job.most_leaves)
    view = memoryview(slot)
    count = source.read_into(view[start : start + most])
    last = count < most
    if not count:
        return Sealed(job, slot, memoryview(b""), last=True)
    lengths = tuple(min(leaf, count - at) for at in range(0, count, leaf))
    moved = BODY_AT + leaves_prefix_bytes(len(lengths))
    if moved != start:
        view[moved : moved + count] = view[start : start + count]
    return _close_leaves(job, slot, lengths, compressor.shrink, _fresh_hash, last=last)


def _fresh_hash(_leaf_no: int, content: memoryview) -> bytes:
    return leaf_hash(content)


def _seal_holes(job: HoleJob, slot: bytearray) -> Sealed:
    view = memoryview(slot)
    entries = [(Codec.HOLE, length, 0) for length in job.lengths]
    write_leaves_prefix(view[BODY_AT:], job.file_no, job.first_leaf, entries, last=job.last)
    frame = _seal_body(job.reserved, view, leaves_prefix_bytes(len(entries)))
    hashes = [zero_leaf_hash(length) for length in job.lengths]
    return Sealed(job, slot, frame, hashes, job.covers_bytes, job.last)


def _hash_only(job: HashJob, source: Outbox, slot: bytearray) -> Sealed:
    hashes, offset = [], job.offset
    for leaf_no, length in enumerate(job.lengths, job.first_leaf):
        known = source.known_hash(job.file_no, leaf_no)
        if known is None:
            room = memoryview(slot)[:length]
            source.read_into(job.file_no, offset, room)
            known = source.leaf_hash(job.file_no, leaf_no, room)
        hashes.append(known)
        offset += length
    return Sealed(job, slot, memoryview(b""), hashes, last=job.last)


def _close_leaves(
    job: LeavesJob | StreamJob,
    slot: bytearray,
    lengths: tuple[int, ...],
    shrink: Shrink,
    hash_of: Callable[[int, memoryview], bytes],
    *,
    last: bool,
) -> Sealed:
    """Seal leaves that stand plain behind their prefix, each made smaller where it helps."""
    view = memoryview(slot)
    at = end = BODY_AT + leaves_prefix_bytes(len(lengths))
    hashes: list[bytes] = []
    entries: list[tuple[Codec, int, int]] = []
    for index, length in enumerate(lengths, job.first_leaf):
        leaf = view[at : at + length]
        hashes.append(hash_of(index, leaf))
        shrunk = shrink(leaf, first=not index)
        stored = leaf if shrunk is None else shrunk
        if shrunk is not None or end != at:
            view[end : end + len(stored)] = stored
        entries.append((Codec.RAW if shrunk is None else Codec.ZSTD, length, len(stored)))
        at, end = at + length, end + len(stored)
    write_leaves_prefix(view[BODY_AT:], job.file_no, job.first_leaf, entries, last=last)
    frame = _seal_body(job.reserved, view, end - BODY_AT)
    return Sealed(job, slot, frame, hashes, sum(lengths), last)


def _seal_pack(job: PackJob, source: Outbox, slot: bytearray, compressor: Compressor) -> Sealed:
    view = memoryview(slot)
    begin = at = BODY_AT + pack_prefix_bytes(len(job.files))
    held: list[tuple[int, int]] = []
    ended: list[FileEnd] = []
    for file_no, size in job.files:
        room = view[at : at + size]
        try:
            source.read_whole(file_no, room)
        except ReadFailed as failure:
            ended.append(FileEnd(file_no, 0, b"", str(failure)[: limits.REASON_MAX_CHARS]))
            continue
        leaves = [source.leaf_hash(file_no, 0, room)] if size else []
        root = root_hash(size, leaf_bytes(EntryKind.FILE, size), leaves)
        ended.append(FileEnd(file_no, size, root))
        held.append((file_no, size))
        at += size
    if not held:
        return Sealed(job, slot, memoryview(b""), ended=ended)
    plain = view[begin:at]
    shrunk = compressor.shrink(plain)
    stored = plain if shrunk is None else shrunk
    start = BODY_AT + pack_prefix_bytes(len(held))
    if shrunk is not None or start != begin:
        view[start : start + len(stored)] = stored
    codec = Codec.RAW if shrunk is None else Codec.ZSTD
    write_pack_prefix(view[BODY_AT:], held, codec=codec, stored_bytes=len(stored))
    frame = _seal_body(job.reserved, view, start - BODY_AT + len(stored))
    return Sealed(job, slot, frame, size=len(plain), ended=ended)


def _seal_body(reserved: Reserved, view: memoryview, body_bytes: int) -> memoryview:
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
    """What came of a job: bytes that are written, or hashes of bytes that were on disk already."""

    job: SinkJob
    hashes: list[bytes]
    buffer: memoryview | None
    """The frame's buffer; free again unless the job has to be started once more."""
    failed: DiskFull | None = None
    """If there was no room; the same job may be started again with its buffer."""


class StoreLane:
    """Runs a receiver's jobs; the caller pauses reading while STORE_DEPTH are under way."""

    def __init__(self, workers: Workers, sink: Sink, ring: Callable[[], None]) -> None:
        self._workers = workers
        self._sink = sink
        self._ring = ring
        self._running: deque[asyncio.Future[StoredRecord]] = deque()
        self._depth = 1 if sink.in_order else STORE_DEPTH

    @property
    def has_room(self) -> bool:
        """Whether another job can be taken."""
        return len(self._running) < self._depth

    def start(self, job: SinkJob, buffer: memoryview | None) -> None:
        """Hash and write a record in a thread, or hash what is on disk."""
        future = self._workers.submit(store, job, self._sink, buffer)
        future.add_done_callback(lambda _: self._ring())
        self._running.append(future)

    def next_stored(self) -> StoredRecord | None:
        """Return the oldest job's result if it is there; raises what it met, a full disk apart."""
        if self._running and self._running[0].done():
            return self._running.popleft().result()
        return None

    async def stop(self) -> None:
        """Wait for what runs; its results are dropped."""
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()


def store(job: SinkJob, sink: Sink, buffer: memoryview | None) -> StoredRecord:
    """Run one job; a full disk is part of the result."""
    try:
        match job:
            case StoreLeaves():
                return StoredRecord(job, sink.store_leaves(job), buffer)
            case StorePack():
                return StoredRecord(job, sink.store_pack(job), buffer)
            case CheckLeaves():
                return StoredRecord(job, sink.check_leaves(job), buffer)
            case _:
                assert_never(job)
    except DiskFull as full:
        return StoredRecord(job, [], buffer, full)
