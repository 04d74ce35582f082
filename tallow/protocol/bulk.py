"""Bulk records: keys of one transfer start, the body layout, numbers and the replay window.

A sealed body is a 16-byte header, entries, then the bytes of leaves or of packed files, then zero
padding. Bulk records alone may arrive in any order; each is sealed once under a number that is
never used again. Seal and open run on reused buffers in engine/lane.py.
This module never decides whether a leaf was asked for. Spec: docs/protocol.md §6.4, §8.3.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence
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
    ZSTD = 1
    HOLE = 2
    """Zero bytes that are not stored at all."""


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
        if number >= limits.BULK_NUMBERS:
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

    def give_up(self, first: int, last: int) -> list[int]:
        """Return the numbers of a range that were not opened; none of them is opened any more."""
        missed = [number for number in range(first, last + 1) if self._window.fresh(number)]
        for number in missed:
            self._window.opened(number)
        return missed


# --- body -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leaf:
    """One leaf as it travels; ``stored`` is a view into the record, empty for a hole."""

    codec: Codec
    plain_bytes: int
    stored: memoryview


@dataclass(frozen=True, slots=True)
class LeavesBody:
    """Consecutive whole leaves of one file."""

    file_no: int
    first_leaf: int
    last: bool
    leaves: tuple[Leaf, ...]


@dataclass(frozen=True, slots=True)
class PackBody:
    """Whole small files as one block: number and plain length of each."""

    codec: Codec
    stored: memoryview
    files: tuple[tuple[int, int], ...]


def leaves_prefix_bytes(count: int) -> int:
    """Return how many bytes stand in front of the leaf bytes of a LEAVES body."""
    return _HEADER.size + count * _LEAF_ENTRY.size


def pack_prefix_bytes(count: int) -> int:
    """Return how many bytes stand in front of the file bytes of a PACK body."""
    return _HEADER.size + _PACK_HEAD.size + count * _PACK_ENTRY.size


def write_leaves_prefix(
    into: memoryview,
    file_no: int,
    first_leaf: int,
    entries: Sequence[tuple[Codec, int, int]],
    *,
    last: bool,
) -> None:
    """Write header and entries of a LEAVES body: codec, plain and stored length of each leaf."""
    flags = FLAG_LAST if last else 0
    _HEADER.pack_into(into, 0, BulkKind.LEAVES, flags, len(entries), file_no, first_leaf)
    at = _HEADER.size
    for codec, plain, stored in entries:
        _LEAF_ENTRY.pack_into(into, at, codec, plain, stored)
        at += _LEAF_ENTRY.size


def write_pack_prefix(
    into: memoryview,
    files: Sequence[tuple[int, int]],
    *,
    codec: Codec = Codec.RAW,
    stored_bytes: int | None = None,
) -> None:
    """Write header and entries of a PACK body: (file number, plain length) each.

    ``stored_bytes`` is the length of the block if it is compressed.
    """
    _HEADER.pack_into(into, 0, BulkKind.PACK, 0, len(files), 0, 0)
    plain = sum(length for _, length in files)
    _PACK_HEAD.pack_into(into, _HEADER.size, codec, plain if stored_bytes is None else stored_bytes)
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
    leaves, room = [], limits.RECORD_LEAVES_MAX_BYTES
    for index in range(count):
        codec_no, plain, stored = _LEAF_ENTRY.unpack_from(
            body, _HEADER.size + index * _LEAF_ENTRY.size
        )
        codec = _leaf_codec(codec_no, plain, stored)
        if codec is not Codec.HOLE:
            room -= plain
        if room < 0 or stored > len(body) - at:
            raise _malformed()
        leaves.append(Leaf(codec, plain, body[at : at + stored]))
        at += stored
    _check_padding(body, at)
    return LeavesBody(file_no, first_leaf, last, tuple(leaves))


def _leaf_codec(codec: int, plain: int, stored: int) -> Codec:
    """Return an entry's codec if its two lengths are possible under it."""
    if codec == Codec.RAW and plain == stored:
        return Codec.RAW
    whole = plain <= limits.LEAF_MAX_BYTES
    if codec == Codec.ZSTD and whole and 1 <= stored < plain:
        return Codec.ZSTD
    if codec == Codec.HOLE and whole and plain and not stored:
        return Codec.HOLE
    raise _malformed()


def _read_pack(body: memoryview, count: int) -> PackBody:
    at = pack_prefix_bytes(count)
    if len(body) < at:
        raise _malformed()
    codec_no, stored = _PACK_HEAD.unpack_from(body, _HEADER.size)
    files, plain = [], 0
    for index in range(count):
        entry_at = _HEADER.size + _PACK_HEAD.size + index * _PACK_ENTRY.size
        file_no, length = _PACK_ENTRY.unpack_from(body, entry_at)
        plain += length
        if length > limits.PACK_FILE_MAX_BYTES or plain > limits.RECORD_LEAVES_MAX_BYTES:
            raise _malformed()
        files.append((file_no, length))
    codec = _pack_codec(codec_no, plain, stored)
    if stored > len(body) - at:
        raise _malformed()
    _check_padding(body, at + stored)
    return PackBody(codec, body[at : at + stored], tuple(files))


def _pack_codec(codec: int, plain: int, stored: int) -> Codec:
    if codec == Codec.RAW and plain == stored:
        return Codec.RAW
    if codec == Codec.ZSTD and 1 <= stored < plain:
        return Codec.ZSTD
    raise _malformed()


def _check_padding(body: memoryview, at: int) -> None:
    # A megabyte of padding costs a peer nothing, so it is not looked at byte by byte in Python.
    if bytes(body[at:]).strip(b"\0"):
        raise _malformed()


def _malformed() -> RemoteProtocolError:
    return RemoteProtocolError("The other side sent a malformed bulk record.")
