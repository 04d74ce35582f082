"""The journal of one receiving transfer: which leaves are durable, sealed, beside the target.

Leaves are listed only after the sync that made them durable. The file has a random name and is
sealed by a key of this user's state folder, so a peer's file cannot pass for one; every entry is
bound to its place, a torn end is dropped, anything else that is false is refused. What a journal
says is never trusted: whoever resumes hashes the leaves again.
It never holds a secret of the session. Before: pages.py. After: history.py folds what is read.
Spec: docs/protocol.md §9.3.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from typing import Annotated, BinaryIO

import msgspec

from tallow.crypto.errors import CryptoError
from tallow.crypto.sealing import open_box, seal_box
from tallow.crypto.tree import blake3_hash
from tallow.engine.ports import Rng, StateStore
from tallow.engine.storage.durability import reserve, sync_file, write_at
from tallow.errors import StorageError
from tallow.protocol.manifest import Entry
from tallow.wire import limits

MAGIC = b"TLWJ\x01"
KEY_NAME = "journal.key"
KEY_BYTES = 32
ID_BYTES = 16
TAG_BYTES = 16
JOURNAL_NAME = r"\A\.tallow-[0-9a-f]{16}\.journal\Z"
PART_NAME = r"\A\.tallow-[0-9a-f]{16}\.part\Z"
RESERVED_BYTES = 1 << 19
"""Room for what arrived since the last sync: a disk that is full in between must not lose it."""
_LENGTH_BYTES = 4
_CHUNK_BYTES = 1 << 16

Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Tag = Annotated[bytes, msgspec.Meta(min_length=TAG_BYTES, max_length=TAG_BYTES)]
U32 = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]
FileNo = Annotated[int, msgspec.Meta(ge=0, lt=limits.MANIFEST_ENTRIES_MAX)]
Component = Annotated[
    str,
    msgspec.Meta(max_length=limits.COMPONENT_MAX_BYTES, pattern=r"\A(?!\.{1,2}\Z)[^/\x00]+\Z"),
]
Above = Annotated[list[Component], msgspec.Meta(max_length=limits.PATH_DEPTH_MAX)]


class _Entry(msgspec.Struct, frozen=True, tag_field="t", array_like=True):
    """A journal entry."""


class JournalHead(_Entry, frozen=True, tag="head"):
    """What is being received, and what was said yes to; another one begins each session."""

    transfer_id: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
    manifest_root: Digest
    accept_no: U32
    entries: Annotated[int, msgspec.Meta(ge=0, le=limits.MANIFEST_ENTRIES_MAX)]
    bitmap: Annotated[bytes, msgspec.Meta(max_length=limits.BIN_MAX_BYTES)]
    """The accepted entries, as they travelled."""
    policy: Annotated[str, msgspec.Meta(max_length=32)]


class PartOpened(_Entry, frozen=True, tag="part"):
    """A file grows under this temporary name, in this folder below the target."""

    file_no: FileNo
    above: Above
    name: Annotated[str, msgspec.Meta(max_length=64, pattern=PART_NAME)]
    tag: Tag


class LeavesDurable(_Entry, frozen=True, tag="leaves"):
    """Consecutive leaves of a file that reached the disk, and their hashes."""

    file_no: FileNo
    first_leaf: Annotated[int, msgspec.Meta(ge=0, le=limits.FILE_MAX_BYTES)]
    hashes: Annotated[bytes, msgspec.Meta(min_length=32, max_length=limits.BIN_MAX_BYTES)]


class FileNamed(_Entry, frozen=True, tag="named"):
    """A file has its final name."""

    file_no: FileNo
    tag: Tag
    above: Above
    name: Component


class FolderMade(_Entry, frozen=True, tag="folder"):
    """A folder below the target was not there before: it gets its listed times at the end."""

    parts: Annotated[list[Component], msgspec.Meta(min_length=1, max_length=limits.PATH_DEPTH_MAX)]


JournalEntry = JournalHead | PartOpened | LeavesDurable | FileNamed | FolderMade
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(JournalEntry)


def entry_tag(entry: Entry) -> bytes:
    """Return the 16 bytes by which a later list's entry is known to be the same file."""
    known = _encoder.encode((entry.path, int(entry.kind), entry.size, entry.mtime_ns, entry.target))
    return blake3_hash("tallow/1 entry", known)[:TAG_BYTES]


def journal_key(state: StateStore, rng: Rng) -> bytes:
    """Return this user's journal key, made at first need."""
    key = state.read(KEY_NAME)
    if key is None:
        key = rng.bytes(KEY_BYTES)
        state.write(KEY_NAME, key)
    if len(key) != KEY_BYTES:
        raise StorageError(
            "The journal key is damaged.",
            hint=f"Remove {KEY_NAME} in Tallow's state folder; unfinished transfers start again.",
        )
    return key


class JournalWriter:
    """Appends entries to a new journal, or to one that was read."""

    def __init__(
        self,
        descriptor: int,
        key: bytes,
        journal_id: bytes,
        *,
        valid_bytes: int = 0,
        next_index: int = 0,
    ) -> None:
        """``journal_id`` is 16 random bytes: no entry of another journal opens in this one.

        To go on with a journal, give its own id and where its valid part ends; the rest is cut
        off before anything is written.
        """
        self._descriptor = descriptor
        self._key = key
        self._id = journal_id
        self._at = valid_bytes
        self._index = next_index
        self._torn = bool(valid_bytes)
        self._reserved_bytes = 0

    def append(self, entries: list[JournalEntry]) -> None:
        """Write entries in one go; after an OSError, write them again.

        They outlive this process, and a power cut only after ``sync``.
        """
        if self._torn:
            # What a failed write left would stand between good entries.
            os.ftruncate(self._descriptor, self._at)
            self._reserved_bytes = 0
        self._torn = True
        index = self._index
        chunk = bytearray(b"" if self._at else MAGIC + self._id)
        for entry in entries:
            box = seal_box(self._key, _context(self._id, index), _encoder.encode(entry))
            chunk += len(box).to_bytes(_LENGTH_BYTES, "big") + box
            index += 1
        write_at(self._descriptor, memoryview(chunk), self._at)
        self._at += len(chunk)
        self._index = index
        self._torn = False

    def reserve(self) -> None:
        """Keep room on the disk for what comes next, as zeros behind the last entry."""
        if self._at + RESERVED_BYTES // 2 > self._reserved_bytes:
            self._reserved_bytes = self._at + RESERVED_BYTES
            reserve(self._descriptor, self._reserved_bytes)

    def sync(self) -> None:
        """Bring what was appended to the disk."""
        sync_file(self._descriptor)

    def close(self) -> None:
        """Close the file, without the room that it did not need."""
        try:
            if self._reserved_bytes:
                os.ftruncate(self._descriptor, self._at)
        except OSError:
            pass  # zeros behind the last entry are no harm
        finally:
            os.close(self._descriptor)


def lock_journal(descriptor: int) -> bool:
    """Take a journal for this process until it is closed; False if another one has it."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # Some network file systems have no locks; two receivers there are the user's own doing.
        return True
    return True


def read_journal(raw: bytes, key: bytes) -> Iterator[JournalEntry]:
    """Yield the entries of a journal; a torn end ends it, anything false is StorageError."""
    for entry, _ in entries_of(BytesIO(raw), key):
        yield entry


def journal_id_of(file: BinaryIO) -> bytes:
    """Read the beginning of a journal and return its id, short if it is torn there.

    Raises: StorageError for another version or something that is no journal.
    """
    magic = file.read(len(MAGIC))
    if magic != MAGIC:
        if magic[:-1] == MAGIC[:-1]:
            raise damaged_journal("it was written by another version of Tallow")
        raise damaged_journal("it is no journal")
    return file.read(ID_BYTES)


def entries_of(file: BinaryIO, key: bytes) -> Iterator[tuple[JournalEntry, int]]:
    """Yield each entry and the offset behind it, from the beginning of a journal."""
    journal_id = journal_id_of(file)
    at, index = len(MAGIC) + ID_BYTES, 0
    while len(head := file.read(_LENGTH_BYTES)) == _LENGTH_BYTES:
        length = int.from_bytes(head, "big")
        if length > limits.JOURNAL_ENTRY_MAX_BYTES:
            raise damaged_journal("an entry is too long")
        box = file.read(length)
        if len(box) < length:
            return
        try:
            entry = _decoder.decode(open_box(key, _context(journal_id, index), box))
        except (CryptoError, ValueError, RecursionError):
            if not any(box[-limits.TAG_BYTES :]) and _only_zeros(file):
                # A power cut leaves a file of the new length whose last blocks were never written.
                return
            raise damaged_journal("an entry was altered or belongs elsewhere") from None
        at += _LENGTH_BYTES + length
        index += 1
        yield entry, at


def damaged_journal(why: str) -> StorageError:
    """Return the error that a person reads for a journal that cannot be used."""
    return StorageError(
        "A transfer's journal cannot be used.",
        why=why,
        hint="Start the transfer again; what is complete is not affected.",
    )


def _only_zeros(file: BinaryIO) -> bool:
    while chunk := file.read(_CHUNK_BYTES):
        if any(chunk):
            return False
    return True


def _context(journal_id: bytes, index: int) -> bytes:
    return b"tallow/1 journal" + journal_id + index.to_bytes(8, "big")
