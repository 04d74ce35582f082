"""Bulk records: keys of one transfer start, the body layout, numbers and the replay window.

A sealed body is a 16-byte header, entries, then the bytes of leaves or of packed files, then zero
padding. Bulk records alone may arrive in any order; each is sealed once under a number that is
never used again. Seal and open run on reused buffers in engine/lane.py.
This module never decides whether a leaf was asked for. Spec: docs/protocol.md §6.4, §8.3.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

from tallow.crypto.aead import RecordKey
from tallow.crypto.errors import CryptoError
from tallow.crypto.kdf import expand, extract, sha512
from tallow.crypto.lv import lv
from tallow.errors import LocalProtocolError, RemoteProtocolError
from tallow.protocol.chain import Direction, record_ad
from tallow.protocol.replay import ReplayWindow
from tallow.wire import limits
from tallow.wire.frames import PeerType, RecordHeader

_HEADER = struct.Struct(">BBHIQ")
_LEAF_ENTRY = struct.Struct(">BII")
_PACK_HEAD = struct.Struct(">BI")
_PACK_ENTRY = struct.Struct(">II")
FLAG_LAST = 0x01


class BulkKind(enum.IntEnum):
    """What a bulk record holds."""

    LEAVES = 1
    PACK = 2


class Codec(enum.IntEnum):
    """How bytes are stored in a record."""

    RAW = 0


def accept_bytes(manifest_root: bytes, accept_no: int, bitmap: bytes) -> bytes:
    """Return the bytes that H(accept) is taken over."""
    return lv(manifest_root, accept_no.to_bytes(4, "big"), bitmap)


def accept_digest(manifest_root: bytes, accept_no: int, bitmap: bytes) -> bytes:
    """Return H(accept), which every bulk key of this start hangs on."""
    return sha512(accept_bytes(manifest_root, accept_no, bitmap))


class BulkKeys:
    """The record keys of one START, an epoch per 2^15 numbers; TS itself is not kept."""

    def __init__(
        self,
        manifest_root: bytes,
        ts: bytes,
        transfer_id: bytes,
        accept_no: int,
        accept_hash: bytes,
        *,
        epoch_shift: int = limits.BULK_EPOCH_SHIFT,
    ) -> None:
        self._root = extract(manifest_root, ts)
        self._context = (transfer_id, accept_no.to_bytes(4, "big"), accept_hash)
        self._shift = epoch_shift
        self._cached: dict[int, RecordKey] = {}

    def epoch_of(self, number: int) -> int:
        """Return the only legal epoch of a number: checked, not believed."""
        return number >> self._shift

    def key(self, epoch: int) -> RecordKey:
        """Return the key of an epoch; the two latest are kept at hand."""
        if epoch not in self._cached:
            if len(self._cached) >= 2:
                del self._cached[min(self._cached)]
            context = lv(*self._context, epoch.to_bytes(4, "big"))
            self._cached[epoch] = RecordKey(expand(self._root, "bulk", context, 44))
        return self._cached[epoch]


@dataclass(frozen=True, slots=True)
class Reserved:
    """A number with its key and header, taken before any thread seals."""

    header: RecordHeader
    key: RecordKey
    ad: bytes


class BulkSendChannel:
    """The one allocator of numbers for a bulk channel."""

    def __init__(self, channel: int, direction: Direction, keys: BulkKeys) -> None:
        self.channel = channel
        self._direction: Direction = direction
        self._keys = keys
        self._next = 0

    def reserve(self) -> Reserved:
        """Take the next number."""
        number = self._next
        if number >= 1 << 47:
            raise LocalProtocolError("A bulk channel has used up its record numbers.")
        self._next += 1
        epoch = self._keys.epoch_of(number)
        header = RecordHeader(PeerType.BULK, self.channel, epoch, number)
        return Reserved(header, self._keys.key(epoch), record_ad(self._direction, header))

    @property
    def reserved(self) -> int:
        """How many numbers were taken."""
        return self._next


class BulkRecvChannel:
    """Opens bulk records in place, each number once."""

    def __init__(self, channel: int, direction: Direction, keys: BulkKeys) -> None:
        self.channel = channel
        self._direction: Direction = direction
        self._keys = keys
        self._window = ReplayWindow()

    def open(self, header: RecordHeader, sealed: memoryview) -> memoryview | None:
        """Decrypt in place and return the body; None for a number that was seen before.

        Raises CryptoError if it does not open. A false epoch is one case of it: the header is
        not authenticated yet, so it may cost this connection and nothing more.
        """
        if header.epoch != self._keys.epoch_of(header.number):
            raise CryptoError
        if not self._window.fresh(header.number):
            return None
        length = self._keys.key(header.epoch).open_into(
            header.number, record_ad(self._direction, header), sealed, sealed
        )
        self._window.opened(header.number)
        return sealed[:length]


# --- body -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LeavesBody:
    """Consecutive whole leaves of one file; ``leaves`` are views into the record."""

    file_no: int
    first_leaf: int
    last: bool
    leaves: tuple[memoryview, ...]


@dataclass(frozen=True, slots=True)
class PackBody:
    """Whole small files: number and bytes of each."""

    files: tuple[tuple[int, memoryview], ...]


def leaves_prefix_bytes(count: int) -> int:
    """Return how many bytes stand in front of the leaf bytes of a LEAVES body."""
    return _HEADER.size + count * _LEAF_ENTRY.size


def pack_prefix_bytes(count: int) -> int:
    """Return how many bytes stand in front of the file bytes of a PACK body."""
    return _HEADER.size + _PACK_HEAD.size + count * _PACK_ENTRY.size


def write_leaves_prefix(
    into: memoryview, file_no: int, first_leaf: int, lengths: list[int], *, last: bool
) -> None:
    """Write header and entries of a LEAVES body, uncompressed leaves."""
    flags = FLAG_LAST if last else 0
    _HEADER.pack_into(into, 0, BulkKind.LEAVES, flags, len(lengths), file_no, first_leaf)
    at = _HEADER.size
    for length in lengths:
        _LEAF_ENTRY.pack_into(into, at, Codec.RAW, length, length)
        at += _LEAF_ENTRY.size


def write_pack_prefix(into: memoryview, files: list[tuple[int, int]]) -> None:
    """Write header and entries of a PACK body: (file number, length) each."""
    _HEADER.pack_into(into, 0, BulkKind.PACK, 0, len(files), 0, 0)
    _PACK_HEAD.pack_into(into, _HEADER.size, Codec.RAW, sum(length for _, length in files))
    at = _HEADER.size + _PACK_HEAD.size
    for file_no, length in files:
        _PACK_ENTRY.pack_into(into, at, file_no, length)
        at += _PACK_ENTRY.size


def read_body(body: memoryview) -> LeavesBody | PackBody:
    """Take an opened body apart; every length is checked before it is used."""
    if len(body) < _HEADER.size:
        raise _malformed()
    kind, flags, count, file_no, first_leaf = _HEADER.unpack_from(body)
    if not 1 <= count <= limits.RECORD_ENTRIES_MAX or flags & ~FLAG_LAST:
        raise _malformed()
    if kind == BulkKind.LEAVES:
        return _read_leaves(body, count, file_no, first_leaf, last=bool(flags & FLAG_LAST))
    if kind == BulkKind.PACK and not flags and not file_no and not first_leaf:
        return _read_pack(body, count)
    raise _malformed()


def _read_leaves(
    body: memoryview, count: int, file_no: int, first_leaf: int, *, last: bool
) -> LeavesBody:
    at = leaves_prefix_bytes(count)
    if len(body) < at:
        raise _malformed()
    leaves = []
    for index in range(count):
        codec, plain, stored = _LEAF_ENTRY.unpack_from(
            body, _HEADER.size + index * _LEAF_ENTRY.size
        )
        if codec != Codec.RAW or plain != stored or stored > len(body) - at:
            raise _malformed()
        leaves.append(body[at : at + stored])
        at += stored
    if at - leaves_prefix_bytes(count) > limits.RECORD_LEAVES_MAX_BYTES:
        raise _malformed()
    _check_padding(body, at)
    return LeavesBody(file_no, first_leaf, last, tuple(leaves))


def _read_pack(body: memoryview, count: int) -> PackBody:
    at = pack_prefix_bytes(count)
    if len(body) < at:
        raise _malformed()
    codec, stored = _PACK_HEAD.unpack_from(body, _HEADER.size)
    if codec != Codec.RAW or stored > min(len(body) - at, limits.RECORD_LEAVES_MAX_BYTES):
        raise _malformed()
    files = []
    for index in range(count):
        entry_at = _HEADER.size + _PACK_HEAD.size + index * _PACK_ENTRY.size
        file_no, length = _PACK_ENTRY.unpack_from(body, entry_at)
        if length > stored or length > limits.PACK_FILE_MAX_BYTES:
            raise _malformed()
        stored -= length
        files.append((file_no, body[at : at + length]))
        at += length
    if stored:
        raise _malformed()
    _check_padding(body, at)
    return PackBody(tuple(files))


def _check_padding(body: memoryview, at: int) -> None:
    # A megabyte of padding costs a peer nothing, so it is not looked at byte by byte in Python.
    if bytes(body[at:]).strip(b"\0"):
        raise _malformed()


def _malformed() -> RemoteProtocolError:
    return RemoteProtocolError("The other side sent a malformed bulk record.")
