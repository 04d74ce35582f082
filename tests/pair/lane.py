"""A lane in memory: reads what a test offers, hashes it, and makes the body of a record.

It does for the transfer machines what engine/lane.py does, without threads, files or cipher.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tallow.crypto.tree import leaf_hash, root_hash, zero_leaf_hash
from tallow.protocol.bulk import (
    Codec,
    leaves_prefix_bytes,
    pack_prefix_bytes,
    write_leaves_prefix,
    write_pack_prefix,
)
from tallow.protocol.manifest import Entry, EntryKind, Manifest, leaf_bytes
from tallow.protocol.messages import FileEnd
from tallow.protocol.transfer.jobs import (
    CheckLeaves,
    HashJob,
    HoleJob,
    LeavesJob,
    PackJob,
    SendJob,
    StoreJob,
    StoreLeaves,
    StreamJob,
)
from tallow.wire import limits

UNREADABLE = "it went away"


@dataclass(frozen=True)
class Item:
    """Something to send: a file, a folder or a stream, readable up to some byte."""

    path: str
    content: bytes = b""
    kind: EntryKind = EntryKind.FILE
    fails_at: int | None = None
    """Reading at or beyond this byte fails; 0 for a file that cannot be read at all."""

    @property
    def entry(self) -> Entry:
        """Return the line of the manifest."""
        size = len(self.content) if self.kind is EntryKind.FILE else 0
        return Entry(self.path, self.kind, size, 0o644, 0)


def folder(path: str) -> Item:
    """Return an empty folder."""
    return Item(path, kind=EntryKind.FOLDER)


def stream(content: bytes) -> Item:
    """Return a stream that will turn out to hold these bytes."""
    return Item("stdin", content, EntryKind.STREAM)


def manifest_of(items: list[Item]) -> Manifest:
    """Return the manifest of items, in their order."""
    return Manifest.of(item.entry for item in items)


def true_root(item: Item) -> bytes:
    """Return a file's root, computed from its bytes alone."""
    leaf = leaf_bytes(item.kind, item.entry.size)
    pieces = [item.content[at : at + leaf] for at in range(0, len(item.content), leaf)]
    return root_hash(len(item.content), leaf, [leaf_hash(piece) for piece in pieces])


@dataclass
class Made:
    """What became of a seal job."""

    job: SendJob
    body: bytes = b""
    hashes: list[bytes] = field(default_factory=list)
    size: int = 0
    last: bool = False
    ended: list[FileEnd] = field(default_factory=list)
    failed: str = ""


def make(job: SendJob, items: list[Item]) -> Made:
    """Read, hash and lay out one record, or only hash."""
    match job:
        case HashJob():
            return _only_hash(job, items[job.file_no])
        case HoleJob():
            hashes = [zero_leaf_hash(length) for length in job.lengths]
            body = holes_body(job.file_no, job.first_leaf, job.lengths, last=job.last)
            return Made(job, body, hashes, 0, job.last)
        case LeavesJob():
            return _make_leaves(job, items[job.file_no])
        case StreamJob():
            return _make_stream(job, items[job.file_no])
        case PackJob():
            return _make_pack(job, items)


def leaves_body(file_no: int, first_leaf: int, leaves: list[bytes], *, last: bool) -> bytes:
    """Return the body of a LEAVES record."""
    prefix = bytearray(leaves_prefix_bytes(len(leaves)))
    entries = [(Codec.RAW, len(leaf), len(leaf)) for leaf in leaves]
    write_leaves_prefix(memoryview(prefix), file_no, first_leaf, entries, last=last)
    return bytes(prefix) + b"".join(leaves)


def holes_body(file_no: int, first_leaf: int, lengths: Iterable[int], *, last: bool) -> bytes:
    """Return the body of a LEAVES record that holds nothing."""
    entries = [(Codec.HOLE, length, 0) for length in lengths]
    prefix = bytearray(leaves_prefix_bytes(len(entries)))
    write_leaves_prefix(memoryview(prefix), file_no, first_leaf, entries, last=last)
    return bytes(prefix)


def pack_body(files: list[tuple[int, bytes]]) -> bytes:
    """Return the body of a PACK record."""
    prefix = bytearray(pack_prefix_bytes(len(files)))
    write_pack_prefix(memoryview(prefix), [(no, len(content)) for no, content in files])
    return bytes(prefix) + b"".join(content for _, content in files)


def _only_hash(job: HashJob, item: Item) -> Made:
    if item.fails_at is not None and job.offset + sum(job.lengths) > item.fails_at:
        return Made(job, failed=UNREADABLE)
    hashes, at = [], job.offset
    for length in job.lengths:
        hashes.append(leaf_hash(item.content[at : at + length]))
        at += length
    return Made(job, hashes=hashes, last=job.last)


def _make_leaves(job: LeavesJob, item: Item) -> Made:
    if item.fails_at is not None and job.offset + job.plain_bytes > item.fails_at:
        return Made(job, failed=UNREADABLE)
    leaves, at = [], job.offset
    for length in job.lengths:
        leaves.append(item.content[at : at + length])
        at += length
    body = leaves_body(job.file_no, job.first_leaf, leaves, last=job.last)
    return Made(job, body, [leaf_hash(leaf) for leaf in leaves], job.plain_bytes, job.last)


def _make_stream(job: StreamJob, item: Item) -> Made:
    leaf = limits.STREAM_LEAF_BYTES
    start = job.first_leaf * leaf
    if item.fails_at is not None and start + job.plain_bytes > item.fails_at:
        return Made(job, failed=UNREADABLE)
    content = item.content[start : start + job.plain_bytes]
    last = len(content) < job.plain_bytes
    leaves = [content[at : at + leaf] for at in range(0, len(content), leaf)]
    body = leaves_body(job.file_no, job.first_leaf, leaves, last=last) if leaves else b""
    return Made(job, body, [leaf_hash(each) for each in leaves], len(content), last)


def _make_pack(job: PackJob, items: list[Item]) -> Made:
    held, ended = [], []
    for file_no, size in job.files:
        item = items[file_no]
        if item.fails_at is not None:
            ended.append(FileEnd(file_no, 0, b"", UNREADABLE))
            continue
        ended.append(FileEnd(file_no, size, true_root(item)))
        held.append((file_no, item.content))
    size = sum(len(content) for _, content in held)
    return Made(job, pack_body(held) if held else b"", size=size, ended=ended)


class Shelf:
    """What a receiver has written, by entry number."""

    def __init__(self) -> None:
        """Begin empty."""
        self.files: dict[int, bytearray] = {}
        self.unreadable: set[tuple[int, int]] = set()
        """Entry number and offset of leaves that the disk does not give back."""

    def store(self, job: StoreJob) -> list[bytes]:
        """Write one admitted record and return the hash of each leaf or packed file."""
        if isinstance(job, StoreLeaves):
            at, hashes = job.offset, []
            for leaf in job.leaves:
                if leaf.codec is Codec.HOLE:
                    # A hole is never written: what stands there stays.
                    self._put(job.file_no, at + leaf.plain_bytes, memoryview(b""))
                    hashes.append(zero_leaf_hash(leaf.plain_bytes))
                else:
                    self._put(job.file_no, at, leaf.stored)
                    hashes.append(leaf_hash(leaf.stored))
                at += leaf.plain_bytes
            return hashes
        at, hashes = 0, []
        for file_no, length in job.files:
            content = job.stored[at : at + length]
            self._put(file_no, 0, content)
            hashes.append(leaf_hash(content))
            at += length
        return hashes

    def check(self, job: CheckLeaves) -> list[bytes]:
        """Return the hashes of leaves that are here, b"" for what cannot be read."""
        at, hashes = job.offset, []
        for length in job.lengths:
            leaf = self.files.get(job.file_no, b"")[at : at + length]
            unreadable = len(leaf) < length or (job.file_no, at) in self.unreadable
            hashes.append(b"" if unreadable else leaf_hash(leaf))
            at += length
        return hashes

    def _put(self, file_no: int, at: int, content: memoryview) -> None:
        file = self.files.setdefault(file_no, bytearray())
        if len(file) < at + len(content):
            file.extend(bytes(at + len(content) - len(file)))
        file[at : at + len(content)] = content
