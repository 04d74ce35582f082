"""Frames: how bytes on a stream become messages again, with a cap before every allocation.

Two layers use the same reader. A *link frame* is spoken with the relay for the whole life of a
connection: u8 type, u32 length, body. A *peer frame* travels inside one DATA link frame:
u32 length, u8 type, then a handshake flight, an abort or a sealed record. The reader fills
buffers in place, so a bulk record is copied once between the socket and the cipher.
This module never opens a sealed body. Before: the transport. After: rendezvous, session.
Spec: docs/protocol.md §4.1 (link frames), §6.1 (peer frames).
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from tallow.wire import limits
from tallow.wire.errors import WireError


class LinkType(enum.IntEnum):
    """What a link frame carries."""

    CONTROL = 0x01
    """A relay message, MessagePack."""
    DATA = 0x02
    """One peer frame, opaque to the relay."""
    PING = 0x05
    PONG = 0x06


class PeerType(enum.IntEnum):
    """What a peer frame carries."""

    FLIGHT = 0x01
    """A handshake flight: M1, M2 or M3."""
    ABORT = 0x02
    """One byte: why the handshake ends."""
    RECORD = 0x10
    """A sealed record of an ordered channel."""
    BULK = 0x11
    """A sealed record of a bulk channel."""


LINK_CAPS: dict[LinkType, int] = {
    LinkType.CONTROL: limits.CONTROL_MAX_BYTES,
    LinkType.DATA: limits.FRAME_MAX_BYTES,
    LinkType.PING: 0,
    LinkType.PONG: 0,
}

_LINK_HEADER = struct.Struct(">BI")
_PEER_HEADER = struct.Struct(">IB")
_RECORD_HEADER = struct.Struct(">BHIQ")

PEER_PREFIX_BYTES = 4
"""The u32 length in front of a peer frame."""


def encode_link(kind: LinkType, body: bytes = b"") -> bytes:
    """Return a link frame."""
    return _LINK_HEADER.pack(kind, len(body)) + body


def write_link_header(into: memoryview, kind: LinkType, length: int) -> None:
    """Write the five bytes of a link frame's header at the start of ``into``."""
    _LINK_HEADER.pack_into(into, 0, kind, length)


def read_link_header(header: bytes | bytearray | memoryview) -> tuple[LinkType, int]:
    """Return the type and body length of a link header; WireError on unknown or oversized."""
    try:
        number, length = _LINK_HEADER.unpack_from(header)
        kind = LinkType(number)
    except struct.error:
        raise WireError("link header too short") from None
    except ValueError:
        raise WireError("unknown link frame type") from None
    if length > LINK_CAPS[kind]:
        raise WireError("link frame too long")
    return kind, length


@dataclass(frozen=True, slots=True)
class RecordHeader:
    """The 15 authenticated bytes in front of a sealed body."""

    kind: PeerType
    channel: int
    epoch: int
    number: int

    def encode(self) -> bytes:
        """Return the 15 header bytes, the record's associated data."""
        return _RECORD_HEADER.pack(self.kind, self.channel, self.epoch, self.number)


def encode_peer(kind: PeerType, body: bytes) -> bytes:
    """Return a peer frame for a flight or an abort."""
    return _PEER_HEADER.pack(1 + len(body), kind) + body


def encode_record(header: RecordHeader, sealed: bytes) -> bytes:
    """Return a peer frame for a sealed record."""
    raw = header.encode()
    return struct.pack(">I", len(raw) + len(sealed)) + raw + sealed


def write_record_header(into: memoryview, header: RecordHeader, sealed_bytes: int) -> None:
    """Write length and header (19 bytes) at the start of ``into``."""
    struct.pack_into(">I", into, 0, limits.RECORD_HEADER_BYTES + sealed_bytes)
    into[4:19] = header.encode()


@dataclass(frozen=True, slots=True)
class PeerFrame:
    """A peer frame taken apart; ``body`` is a view into the buffer it was read into."""

    kind: PeerType
    header: RecordHeader | None
    """Set for RECORD and BULK."""
    body: memoryview


def decode_peer(frame: bytes | bytearray | memoryview) -> PeerFrame:
    """Take one whole peer frame apart; WireError on a false length, type or size."""
    view = memoryview(frame)
    if len(view) < 5:
        raise WireError("peer frame too short")
    length, number = _PEER_HEADER.unpack_from(view)
    if length != len(view) - PEER_PREFIX_BYTES:
        raise WireError("peer frame of a false length")
    try:
        kind = PeerType(number)
    except ValueError:
        raise WireError("unknown peer frame type") from None
    if kind in (PeerType.FLIGHT, PeerType.ABORT):
        cap = limits.FLIGHT_MAX_BYTES if kind is PeerType.FLIGHT else limits.ABORT_MAX_BYTES
        if length - 1 > cap:
            raise WireError("peer frame too long")
        return PeerFrame(kind, None, view[5:])
    if length < limits.RECORD_HEADER_BYTES + limits.TAG_BYTES:
        raise WireError("record too short")
    if len(view) > limits.FRAME_MAX_BYTES:
        raise WireError("record too long")
    _, channel, epoch, record_number = _RECORD_HEADER.unpack_from(view, 4)
    return PeerFrame(kind, RecordHeader(kind, channel, epoch, record_number), view[19:])


LinkFrame = tuple[LinkType, memoryview]
"""A link frame's type and body."""


class LinkReader:
    """Fill-in-place reader of link frames: the transport writes into ``buffer()``.

    Small frames are copied out of a staging buffer; the body of a large one is read straight
    into a pooled buffer, which whoever took the frame gives back with ``recycle``.
    """

    STAGING_BYTES = 64 * limits.KIB
    POOL_BUFFERS = 8

    def __init__(self) -> None:
        self._staging = bytearray(self.STAGING_BYTES)
        self._filled = 0
        self._kind = LinkType.PING
        self._body: memoryview | None = None
        self._body_filled = 0
        self._pool: list[bytearray] = []

    def buffer(self) -> memoryview:
        """Return where the next bytes from the stream go; never empty."""
        if self._body is not None:
            return self._body[self._body_filled :]
        return memoryview(self._staging)[self._filled :]

    def filled(self, count: int) -> Iterator[LinkFrame]:
        """Yield the frames that ``count`` new bytes complete; WireError ends the link."""
        if self._body is not None:
            self._body_filled += count
            if self._body_filled == len(self._body):
                body, self._body = self._body, None
                yield self._kind, body
            return
        self._filled += count
        yield from self._parse_staging()

    @property
    def inside_frame(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._body is not None or self._filled > 0

    def feed(self, chunk: bytes | memoryview) -> Iterator[LinkFrame]:
        """Yield frames out of bytes that are at hand already (in-memory paths, tests)."""
        view = memoryview(chunk)
        while view:
            room = self.buffer()
            count = min(len(room), len(view))
            room[:count] = view[:count]
            view = view[count:]
            yield from self.filled(count)

    def recycle(self, body: memoryview) -> None:
        """Take a large frame's buffer back; nothing may look into it any more."""
        buffer = body.obj
        if not isinstance(buffer, bytearray) or len(buffer) != limits.FRAME_MAX_BYTES:
            return
        if len(self._pool) < self.POOL_BUFFERS:
            self._pool.append(buffer)

    def _parse_staging(self) -> Iterator[LinkFrame]:
        at = 0
        while self._filled - at >= limits.LINK_HEADER_BYTES:
            header = memoryview(self._staging)[at : at + limits.LINK_HEADER_BYTES]
            kind, length = read_link_header(header)
            start = at + limits.LINK_HEADER_BYTES
            if self._filled - start >= length:
                at = start + length
                yield kind, memoryview(self._staging[start:at])
                continue
            if length > self.STAGING_BYTES - limits.LINK_HEADER_BYTES:
                self._begin_body(kind, length, start)
                at = self._filled
            break
        if at:
            rest = self._filled - at
            self._staging[:rest] = self._staging[at : self._filled]
            self._filled = rest

    def _begin_body(self, kind: LinkType, length: int, start: int) -> None:
        buffer = self._pool.pop() if self._pool else bytearray(limits.FRAME_MAX_BYTES)
        self._kind, self._body = kind, memoryview(buffer)[:length]
        self._body_filled = self._filled - start
        self._body[: self._body_filled] = self._staging[start : self._filled]
