"""A stream of link frames over QUIC, at a real relay: the same contract as over TCP."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from relay.server import RelayServer
from tallow.engine.transport import quic
from tallow.engine.transport.dialer import SystemDialer
from tallow.engine.transport.quic import QuicConnection
from tallow.protocol.address import RelayAddress
from tallow.wire import limits
from tallow.wire.frames import LinkFrame, LinkType, encode_link
from tallow.wire.relay import (
    ClientHello,
    ClientSays,
    Meet,
    Paired,
    RelayHello,
    RelaySays,
    Take,
    Waiting,
    client_frame,
    decode_relay,
)
from tests.engine.transport.relays import relay, udp_only
from tests.fakes import MemoryState
from tests.relay.client import ID, NONCE, Client, until

pytestmark = pytest.mark.wire


async def dialled(address: RelayAddress) -> QuicConnection:
    """Connect over QUIC."""
    connection = await SystemDialer(MemoryState(), "quic").dial(address)
    assert isinstance(connection, QuicConnection)
    return connection


async def frame(connection: QuicConnection) -> LinkFrame:
    """Return the next frame."""
    await until(lambda: connection.waiting or connection.lost is not None)
    taken = connection.take()
    assert taken is not None, connection.lost
    return taken


async def hear(connection: QuicConnection) -> RelaySays:
    """Return the next relay message."""
    kind, body = await frame(connection)
    assert kind is LinkType.CONTROL
    return decode_relay(body)


async def entered(address: RelayAddress, verb: ClientSays) -> QuicConnection:
    """Connect, exchange hellos and say a verb."""
    connection = await dialled(address)
    connection.send(client_frame(ClientHello([1], NONCE)) + client_frame(verb))
    assert isinstance(await hear(connection), RelayHello)
    return connection


@asynccontextmanager
async def paired() -> AsyncIterator[tuple[RelayServer, QuicConnection, Client]]:
    """Hold a relay, a QUIC connection that waited and a TCP client that came."""
    async with relay() as (server, address):
        connection = await entered(address, Meet(ID, 600))
        assert await hear(connection) == Waiting()
        partner = await Client.enter(address.port, Meet(ID, 600))
        assert await partner.hear() == Paired("joiner")
        assert await hear(connection) == Paired("creator", pairing=1)
        connection.send(client_frame(Take(1)))
        partner.send(b"m3")
        assert bytes((await frame(connection))[1]) == b"m3"
        yield server, connection, partner
        connection.close()
        await connection.closed()
        await partner.close()


async def test_frames_go_both_ways() -> None:
    """B2: small and large frames arrive whole, whatever carries the partner's."""
    async with paired() as (_, connection, partner):
        large = os.urandom(limits.FRAME_MAX_BYTES)
        partner.send(large)
        connection.send(memoryview(bytearray(encode_link(LinkType.DATA, large[::-1]))))
        kind, body = await frame(connection)
        assert (kind, bytes(body)) == (LinkType.DATA, large)
        connection.recycle(body)
        assert await partner.data() == large[::-1]
        assert connection.transport_name == "quic"


async def test_memory_may_be_reused_after_a_send() -> None:
    """A frame is copied when it is sent."""
    async with paired() as (_, connection, partner):
        buffer = bytearray(encode_link(LinkType.DATA, b"as it was"))
        connection.send(memoryview(buffer))
        buffer[:] = b"\xee" * len(buffer)
        assert await partner.data() == b"as it was"


async def test_a_slow_consumer_stops_the_relay() -> None:
    """B4: frames that are not taken are not asked for; taken, all of them come."""
    async with paired() as (server, connection, partner):
        total = 12
        sending = asyncio.create_task(send_mebibytes(partner, total))
        links = [wire._link for wire in server._wires]  # type: ignore[attr-defined]
        await until(lambda: any(link is not None and link._held for link in links))
        await until(lambda: connection._owed_bytes > 0)
        most = quic.READ_AHEAD_BYTES + limits.QUIC_WINDOW_MAX_BYTES + limits.FRAME_MAX_BYTES
        assert connection._queued_bytes <= most
        for _ in range(total):
            _, body = await frame(connection)
            assert len(body) == limits.MIB
            connection.recycle(body)
        await sending


async def send_mebibytes(client: Client, count: int) -> None:
    """Send frames of one MiB as fast as they are taken."""
    for _ in range(count):
        client.send(bytes(limits.MIB))
        await client.writer.drain()


async def test_a_slow_partner_congests() -> None:
    """What is not acknowledged counts; the engine is told when there is room again."""
    async with paired() as (_, connection, partner):
        rings: list[bool] = []
        connection.on_change = lambda: rings.append(connection.congested)
        record = encode_link(LinkType.DATA, bytes(limits.MIB))
        count = 0
        while not connection.congested:
            connection.send(record)
            count += 1
        assert count == quic.WRITE_HIGH_BYTES // limits.MIB
        for _ in range(count):
            assert len(await partner.data()) == limits.MIB
        await until(lambda: not connection.congested)
        assert False in rings


async def test_an_orderly_end_of_the_relay_is_told() -> None:
    """What the relay said last can still be taken, then the loss shows."""
    async with relay() as (server, address):
        connection = await entered(address, Meet(ID, 600))
        server.switch.close_all(0.0)
        await until(lambda: connection._lost is not None)
        before = connection.lost
        assert await hear(connection) == Waiting()
        assert (before, connection.lost) == (None, "the relay closed the connection")
        assert not connection.torn
        connection.send(encode_link(LinkType.PING))
        await connection.closed()


async def test_a_malformed_frame_ends_the_connection() -> None:
    """X14: a relay that breaks the framing is left, and why is said."""
    async with relay() as (server, address):
        connection = await entered(address, Meet(ID, 600))
        await hear(connection)
        wire = next(iter(server._wires))
        wire.write(b"\xff" * 9)
        await until(lambda: connection.lost is not None)
        assert "malformed" in str(connection.lost)
        await connection.closed()


async def test_an_end_inside_a_frame_is_torn() -> None:
    """A link that ends in the middle of a frame is told from one that ends between two."""
    async with relay() as (server, address):
        connection = await entered(address, Meet(ID, 600))
        await hear(connection)
        wire = next(iter(server._wires))
        wire.write(encode_link(LinkType.DATA, bytes(100))[:50])
        wire.close()
        await until(lambda: connection.lost is not None)
        assert connection.torn
        await connection.closed()


async def test_the_last_words_arrive() -> None:
    """Closed() waits until the relay has acknowledged what was sent before close()."""
    async with paired() as (server, connection, partner):
        body = os.urandom(limits.MIB)
        connection.send(encode_link(LinkType.DATA, body))
        connection.close()
        connection.send(encode_link(LinkType.DATA, b"too late"))
        await connection.closed()
        assert await partner.data() == body
        kind, _ = await partner.frame()
        assert kind is LinkType.CONTROL
        await until(lambda: len(server._wires) == 1)


async def test_a_relay_that_is_silent_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed() does not wait for ever for an acknowledgement."""
    monkeypatch.setattr(quic, "CLOSE_WITHIN_S", 0.05)
    async with relay() as (server, address):
        connection = await entered(address, Meet(ID, 600))
        for door in server._doors:
            door.send = lambda datagram, address: None  # type: ignore[method-assign]
            door._quic.receive = lambda *taken: None  # type: ignore[method-assign, union-attr]
        connection.send(encode_link(LinkType.PING))
        connection.close()
        await connection.closed()
        server.abort()


async def test_a_port_that_closed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay whose process died is noticed by its closed port, after a second look."""
    monkeypatch.setattr(quic, "DOUBT_S", 0.05)
    async with udp_only() as (server, address):
        connection = await entered(address, Meet(ID, 600))
        await hear(connection)
        for door in server._doors:
            door.close()
            await door.closed()
        connection.send(encode_link(LinkType.PING))
        await until(lambda: connection.lost is not None)
        assert "nothing listens" in str(connection.lost)
        await connection.closed()
        server.abort()


async def test_a_forged_error_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error message that anybody may have sent is checked with the relay itself."""
    monkeypatch.setattr(quic, "DOUBT_S", 5.0)
    async with relay() as (_, address):
        connection = await entered(address, Meet(ID, 600))
        connection.error_received(ConnectionRefusedError(errno.ECONNREFUSED, "refused"))
        doubts = [connection._doubt is not None]
        await until(lambda: connection._doubt is None)
        assert doubts == [True]
        assert connection.lost is None
        connection.close()
        await connection.closed()


async def test_a_handshake_that_is_refused_fails_at_once() -> None:
    """A closed port is known before any time runs out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ours.setblocking(False)
    ours.connect(("127.0.0.1", port))
    _, connection = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: QuicConnection("127.0.0.1", ours), sock=ours
    )
    with pytest.raises(quic.QuicFailed, match="refused") as caught:
        await connection.stand()
    assert not caught.value.answered
    connection.abort()
    await connection.closed()
