"""The journal of one receiving transfer: which leaves are durable, sealed, beside the target.

Written by group commit: leaves are listed only after the sync that made them durable. The file has
a random name and is sealed by a key of this user's state folder, so a peer's file cannot pass for
one; every entry is bound to its place, a torn last entry is dropped, anything else is refused.
What a journal says is never trusted: whoever resumes hashes the leaves again.
It never holds a secret of the session. Spec: docs/protocol.md §9.3.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Annotated

import msgspec

from tallow.crypto.errors import CryptoError
from tallow.crypto.sealing import open_box, seal_box
from tallow.engine.ports import Rng, StateStore
from tallow.engine.storage.durability import sync_file
from tallow.errors import StorageError
from tallow.wire import limits

MAGIC = b"TLWJ\x01"
KEY_NAME = "journal.key"
KEY_BYTES = 32
ID_BYTES = 16
_LENGTH_BYTES = 4

Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


class _Entry(msgspec.Struct, frozen=True, tag_field="t", array_like=True):
    """A journal entry."""


class JournalHead(_Entry, frozen=True, tag="head"):
    """What is being received: enough to match a new offer of the same sources."""

    transfer_id: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
    manifest_root: Digest


class PartOpened(_Entry, frozen=True, tag="part"):
    """A file grows under this temporary name, in this folder below the target."""

    file_no: Annotated[int, msgspec.Meta(ge=0, lt=limits.MANIFEST_ENTRIES_MAX)]
    above: Annotated[list[str], msgspec.Meta(max_length=limits.PATH_DEPTH_MAX)]
    name: Annotated[str, msgspec.Meta(max_length=64, pattern=r"\A\.tallow-[0-9a-f]{16}\.part\Z")]


class LeavesDurable(_Entry, frozen=True, tag="leaves"):
    """Consecutive leaves of a file that reached the disk, and their hashes."""

    file_no: Annotated[int, msgspec.Meta(ge=0, lt=limits.MANIFEST_ENTRIES_MAX)]
    first_leaf: Annotated[int, msgspec.Meta(ge=0, le=limits.FILE_MAX_BYTES)]
    hashes: Annotated[bytes, msgspec.Meta(min_length=32, max_length=limits.BIN_MAX_BYTES)]


class FileNamed(_Entry, frozen=True, tag="named"):
    """A file has its final name."""

    file_no: Annotated[int, msgspec.Meta(ge=0, lt=limits.MANIFEST_ENTRIES_MAX)]


JournalEntry = JournalHead | PartOpened | LeavesDurable | FileNamed
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(JournalEntry)


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
    """Appends entries to an open file."""

    def __init__(self, descriptor: int, key: bytes, journal_id: bytes) -> None:
        """``journal_id`` is 16 random bytes: no entry of another journal opens in this one."""
        self._descriptor = descriptor
        self._key = key
        self._id = journal_id
        self._index = 0

    def append(self, entries: list[JournalEntry]) -> None:
        """Write entries and bring them to the disk, in one go."""
        chunk = bytearray(b"" if self._index else MAGIC + self._id)
        for entry in entries:
            context = _context(self._id, self._index)
            box = seal_box(self._key, context, _encoder.encode(entry))
            chunk += len(box).to_bytes(_LENGTH_BYTES, "big") + box
            self._index += 1
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._descriptor, view) :]
        sync_file(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def read_journal(raw: bytes, key: bytes) -> Iterator[JournalEntry]:
    """Yield the entries of a journal; a torn tail ends it, anything false is StorageError."""
    if raw[: len(MAGIC)] != MAGIC:
        raise _damaged("it was written by another version or is no journal")
    journal_id = raw[len(MAGIC) : len(MAGIC) + ID_BYTES]
    at, index = len(MAGIC) + ID_BYTES, 0
    while len(raw) - at >= _LENGTH_BYTES:
        length = int.from_bytes(raw[at : at + _LENGTH_BYTES], "big")
        if length > limits.JOURNAL_ENTRY_MAX_BYTES:
            raise _damaged("an entry is too long")
        box = raw[at + _LENGTH_BYTES : at + _LENGTH_BYTES + length]
        if len(box) < length:
            return
        try:
            entry = _decoder.decode(open_box(key, _context(journal_id, index), box))
        except (CryptoError, ValueError, RecursionError):
            raise _damaged("an entry was altered or belongs elsewhere") from None
        yield entry
        at += _LENGTH_BYTES + length
        index += 1


def _context(journal_id: bytes, index: int) -> bytes:
    return b"tallow/1 journal" + journal_id + index.to_bytes(8, "big")


def _damaged(why: str) -> StorageError:
    return StorageError(
        "A transfer's journal cannot be used.",
        why=why,
        hint="Start the transfer again; what is complete is not affected.",
    )
