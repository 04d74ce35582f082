"""A stream of link frames over a transport: frames whole, back-pressure both ways, clear ends."""

from __future__ import annotations

import asyncio

import pytest

from tallow.engine.transport.tcp import (
    READ_AHEAD_BYTES,
    WRITE_HIGH_BYTES,
    WRITE_LOW_BYTES,
    TcpConnection,
)
from tallow.wire import limits
from tallow.wire.frames import LinkType, encode_link
from tests.fakes import virtual

LARGE = bytes(limits.FRAME_MAX_BYTES)


class Wire(asyncio.Transport):
    """A transport that notes what is asked of it; it ends when it is told to."""

    def __init__(self, connection: TcpConnection, *, stuck: bool = False) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.limits: tuple[int | None, int | None] = (None, None)
        self.paused = False
        self.ends: list[str] = []
        self._connection = connection
        self._stuck = stuck

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Note the limits."""
        self.limits = (high, low)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep a copy."""
        self.written.append(bytes(data))

    def pause_reading(self) -> None:
        """Note the pause."""
        self.paused = True

    def resume_reading(self) -> None:
        """Note its end."""
        self.paused = False

    def close(self) -> None:
        """End, unless the peer holds it open."""
        self.ends.append("close")
        if not self._stuck:
            asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)

    def abort(self) -> None:
        """End in any case."""
        self.ends.append("abort")
        asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)


def _connect(*, stuck: bool = False) -> tuple[TcpConnection, Wire, list[str]]:
    connection = TcpConnection()
    wire = Wire(connection, stuck=stuck)
    connection.connection_made(wire)
    changes: list[str] = []
    connection.on_change = lambda: changes.append("change")
    return connection, wire, changes


def _lost(connection: TcpConnection) -> str | None:
    return connection.lost


def _torn(connection: TcpConnection) -> bool:
    return connection.torn


def _congested(connection: TcpConnection) -> bool:
    return connection.congested


def _paused(wire: Wire) -> bool:
    return wire.paused


def _arrive(connection: TcpConnection, raw: bytes) -> None:
    """Let bytes arrive as the loop delivers them."""
    view = memoryview(raw)
    while view:
        room = connection.get_buffer(-1)
        count = min(len(room), len(view))
        room[:count] = view[:count]
        view = view[count:]
        connection.buffer_updated(count)


@virtual
async def test_frames_come_whole_and_in_order() -> None:
    """However the bytes are cut, frames come one by one as they were sent."""
    connection, _, changes = _connect()
    frames = [(LinkType.DATA, b"a"), (LinkType.PING, b""), (LinkType.DATA, LARGE)]
    raw = b"".join(encode_link(kind, body) for kind, body in frames)
    for at in range(0, len(raw), 70_001):
        _arrive(connection, raw[at : at + 70_001])
    assert changes
    assert connection.waiting
    taken = [connection.take() for _ in frames]
    assert [(frame[0], bytes(frame[1])) for frame in taken if frame] == frames
    assert (connection.take(), connection.waiting) == (None, False)


@virtual
async def test_a_slow_taker_slows_the_relay_down() -> None:
    """X17: reading pauses when enough waits, and goes on when most was taken."""
    connection, wire, _ = _connect()
    for _ in range(4):
        assert not _paused(wire)
        _arrive(connection, encode_link(LinkType.DATA, LARGE))
    assert _paused(wire)
    assert READ_AHEAD_BYTES == 4 * limits.FRAME_MAX_BYTES
    for _ in range(2):
        frame = connection.take()
        assert frame is not None
        connection.recycle(frame[1])
        assert _paused(wire)
    connection.take()
    assert not _paused(wire)


@virtual
async def test_a_full_path_is_said() -> None:
    """Bulk pauses while the transport has enough to write."""
    connection, wire, changes = _connect()
    assert wire.limits == (WRITE_HIGH_BYTES, WRITE_LOW_BYTES)
    assert not _congested(connection)
    connection.pause_writing()
    assert _congested(connection)
    connection.resume_writing()
    assert not _congested(connection)
    assert changes == ["change"]


@virtual
async def test_memory_may_be_reused_after_a_send() -> None:
    """The transport takes a copy; the caller's buffer is free again."""
    connection, wire, _ = _connect()
    buffer = bytearray(b"one")
    connection.send(memoryview(buffer))
    buffer[:] = b"two"
    assert wire.written == [b"one"]


@pytest.mark.parametrize(
    "raw", [b"\x09\x00\x00\x00\x00", b"\x02\xff\xff\xff\xff", b"\x05\x00\x00\x00\x01"],
    ids=["unknown type", "oversized", "ping with a body"],
)  # fmt: skip
@virtual
async def test_a_malformed_frame_ends_the_link(raw: bytes) -> None:
    """X14: an unknown or oversized frame ends the link before anything is allocated for it."""
    connection, wire, _ = _connect()
    _arrive(connection, encode_link(LinkType.DATA, b"good") + raw)
    assert wire.ends == ["abort"]
    assert _lost(connection) is None, "what came before it is still to be taken"
    assert connection.take() is not None
    assert _lost(connection) is not None
    assert "malformed" in (_lost(connection) or "")
    connection.connection_lost(None)
    assert "malformed" in (_lost(connection) or "")


@pytest.mark.parametrize(
    ("error", "why"),
    [(None, "the relay closed the connection"), (ConnectionResetError("reset"), "reset")],
)
@virtual
async def test_a_loss_comes_after_what_had_arrived(error: Exception | None, why: str) -> None:
    """Frames that came before the end are taken first."""
    connection, wire, changes = _connect()
    _arrive(connection, encode_link(LinkType.DATA, b"last words"))
    assert connection.eof_received() is False
    connection.connection_lost(error)
    assert _lost(connection) is None
    connection.take()
    assert _lost(connection) == why
    assert not _torn(connection)
    assert len(changes) == 2
    connection.send(b"into the void")
    assert wire.written == []


@pytest.mark.parametrize("sent", [3, 100, 300_000])
@virtual
async def test_an_end_inside_a_frame_is_told(sent: int) -> None:
    """A link that ends inside a frame is torn: whoever was sending it is gone."""
    connection, _, _ = _connect()
    _arrive(connection, encode_link(LinkType.DATA, LARGE)[:sent])
    assert not _torn(connection)
    connection.connection_lost(None)
    assert _torn(connection)


@virtual
async def test_closing_waits_for_the_end() -> None:
    """What was written leaves before the connection goes."""
    connection, wire, _ = _connect()
    connection.close()
    await connection.closed()
    assert wire.ends == ["close"]
    await connection.closed()


@virtual
async def test_a_peer_that_holds_on_is_cut_off() -> None:
    """A relay that does not let go is given a second."""
    connection, wire, _ = _connect(stuck=True)
    connection.close()
    await connection.closed()
    assert wire.ends == ["close", "abort"]


@virtual
async def test_a_connection_that_never_was() -> None:
    """Closing what was never connected is no error."""
    connection = TcpConnection()
    connection.send(b"x")
    connection.close()
    await connection.closed()
    assert connection.take() is None


@virtual
async def test_what_comes_after_the_goodbye_is_dropped() -> None:
    """A closing connection goes on reading, so that its last words are not lost in a reset."""
    connection, wire, _ = _connect()
    for _ in range(4):
        _arrive(connection, encode_link(LinkType.DATA, LARGE))
    assert _paused(wire)
    connection.close()
    assert not _paused(wire)
    _arrive(connection, encode_link(LinkType.DATA, LARGE) * 6)
    assert not _paused(wire)
    assert connection.take() is None
    await connection.closed()
