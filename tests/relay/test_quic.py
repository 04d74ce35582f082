"""Who may begin a QUIC connection, and what a crowd of strangers costs."""

from __future__ import annotations

import asyncio

import pytest

from relay.server import RelayServer
from tallow.wire import limits
from tallow.wire.frames import LinkType, encode_link
from tallow.wire.quic import client_line
from tallow.wire.relay import ClientHello, Meet, Refused, RelayHello, Waiting
from tests.relay.client import ID, NONCE, until
from tests.relay.conftest import StartRelay
from tests.relay.quic_client import QuicClient
from tests.relay.test_quic_wire import lobby_of

pytestmark = pytest.mark.wire


def is_retry(datagram: bytes) -> bool:
    """Tell whether a datagram is a Retry of QUIC 1 (RFC 9000 §17.2.5)."""
    return datagram[0] & 0xF0 == 0xF0 and datagram[1:5] == b"\x00\x00\x00\x01"


async def half_open(port: int, count: int, source: str = "127.0.0.1") -> list[QuicClient]:
    """Begin handshakes that never go on: each client loses everything it hears."""
    strangers = []
    for _ in range(count):
        client = await QuicClient.knock(port, source=source)
        client.vanish()
        strangers.append(client)
    return strangers


def waiting(server: RelayServer) -> int:
    """Return how many handshakes are under way."""
    return len(lobby_of(server)._half_open)


async def test_a_quiet_relay_asks_for_no_proof(start: StartRelay) -> None:
    """B2: one round trip is saved while few handshakes are under way."""
    _, port = await start()
    client = await QuicClient.connect(port)
    assert not any(is_retry(datagram) for datagram in client.datagrams)
    await client.close()


async def test_a_crowd_makes_newcomers_prove_their_address(start: StartRelay) -> None:
    """X10: beyond a few open handshakes a newcomer costs no state until it answers a Retry."""
    server, port = await start()
    for number in range(limits.RELAY_HALF_OPEN_FREE_MAX):
        await half_open(port, 1, source=f"127.0.1.{number + 1}")
    await until(lambda: waiting(server) == limits.RELAY_HALF_OPEN_FREE_MAX)
    await half_open(port, 3, source="127.0.2.1")
    client = await QuicClient.connect(port, source="127.0.3.1")
    assert is_retry(client.datagrams[0])
    assert sum(map(is_retry, client.datagrams)) == 1
    # The client's own is among them until its stream speaks; the three above are not.
    assert waiting(server) == limits.RELAY_HALF_OPEN_FREE_MAX + 1
    client.say(ClientHello([1], NONCE), Meet(ID, 60))
    assert isinstance(await client.hear(), RelayHello)
    assert await client.hear() == Waiting()
    assert waiting(server) == limits.RELAY_HALF_OPEN_FREE_MAX
    await client.close()


async def test_one_address_is_asked_sooner(start: StartRelay) -> None:
    """X10: handshakes from one address are bounded before those of everybody are."""
    server, port = await start()
    await half_open(port, limits.RELAY_HALF_OPEN_FREE_PER_ADDRESS_MAX)
    await until(lambda: waiting(server) == limits.RELAY_HALF_OPEN_FREE_PER_ADDRESS_MAX)
    here = await QuicClient.connect(port)
    assert is_retry(here.datagrams[0])
    elsewhere = await QuicClient.connect(port, source="127.0.0.2")
    assert not is_retry(elsewhere.datagrams[0])
    for client in (here, elsewhere):
        await client.close()


@pytest.mark.parametrize("name", ["RELAY_HALF_OPEN_MAX", "RELAY_HALF_OPEN_PER_ADDRESS_MAX"])
async def test_proven_strangers_are_bounded_too(
    start: StartRelay, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """X10: with all places taken a newcomer is dropped, proof or not."""
    monkeypatch.setattr(limits, "RELAY_HALF_OPEN_FREE_MAX", 0)
    monkeypatch.setattr(limits, name, 2)
    server, port = await start()
    linked = await QuicClient.enter(port, Meet(ID, 60))
    assert await linked.hear() == Waiting()
    proven = [await QuicClient.connect(port) for _ in range(2)]
    assert waiting(server) == 2
    late = await QuicClient.knock(port)
    await until(lambda: bool(late.datagrams))
    assert is_retry(late.datagrams[0])
    # The answer to the Retry has left by now; what is answered after it was sent after it.
    linked.write(encode_link(LinkType.PING))
    assert await linked.frame() == (LinkType.PONG, b"")
    assert waiting(server) == 2
    assert not late.ready.is_set()
    proven[0].say(ClientHello([1], NONCE))
    assert isinstance(await proven[0].hear(), RelayHello)
    # Repeated, there is a place for it.
    await late.ready.wait()
    assert waiting(server) == 2
    for client in (linked, *proven, late):
        await client.close()


async def test_handshakes_leave_time_for_links(
    start: StartRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X10: a flood of newcomers gets so many handshakes a second; who is dropped tries again."""
    server, port = await start()
    linked = await QuicClient.enter(port, Meet(ID, 60))
    assert await linked.hear() == Waiting()
    monkeypatch.setattr(limits, "RELAY_HANDSHAKES_PER_S_MAX", 0)
    late = await QuicClient.knock(port)
    linked.write(encode_link(LinkType.PING))
    assert await linked.frame() == (LinkType.PONG, b"")
    assert not late.datagrams
    assert waiting(server) == 0
    monkeypatch.setattr(limits, "RELAY_HANDSHAKES_PER_S_MAX", 1)
    lobby_of(server)._begun = 0
    await late.ready.wait()
    other = await QuicClient.knock(port)
    await other.ready.wait()
    assert lobby_of(server)._begun == 1
    for client in (linked, late, other):
        await client.close()


async def test_a_stolen_proof_is_worth_nothing(
    start: StartRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X10: a token of another address opens nothing; its bearer is asked for its own."""
    monkeypatch.setattr(limits, "RELAY_HALF_OPEN_FREE_MAX", 0)
    server, port = await start()
    victim = await QuicClient.connect(port, source="127.0.0.2")
    token = victim.line._connection._peer_token
    assert token
    thief_line = client_line("relay.test")
    thief_line._connection._peer_token = token
    thief = await QuicClient.knock(port, thief_line)
    await until(lambda: bool(thief.datagrams))
    assert is_retry(thief.datagrams[0])
    await thief.ready.wait()
    assert waiting(server) == 2
    for client in (victim, thief):
        await client.close()


async def test_an_address_out_of_tokens_gets_no_handshake(start: StartRelay) -> None:
    """X10: who connects too often is told a few times a second, and otherwise not answered."""
    server, port = await start(connects_per_minute=1)
    first = await QuicClient.enter(port, Meet(ID, 60))
    while server.may_be_refused_in_words():
        pass
    second = await QuicClient.knock(port)
    await asyncio.sleep(0)
    first.say(Meet(ID, 60))
    await first.hear()
    assert not second.datagrams
    second.vanish()
    await first.close()


async def test_a_handshake_that_leads_nowhere_is_forgotten(
    start: StartRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X10: neither a half-made handshake nor a connection without a stream is kept."""
    monkeypatch.setattr(limits, "RELAY_FIRST_MESSAGE_S", 0.2)
    server, port = await start()
    await half_open(port, 1)
    silent = await QuicClient.connect(port)
    await until(lambda: waiting(server) == 2)
    assert await silent.is_closed()
    await until(lambda: waiting(server) == 0)
    assert not lobby_of(server)._wires
    assert not lobby_of(server)._half_open_from
    assert len(server.switch) == 0
    await silent.close()


async def test_a_wrong_protocol_is_no_link(start: StartRelay) -> None:
    """B2: QUIC for something else gets an alert and leaves nothing behind."""
    server, port = await start()
    line = client_line("relay.test")
    line._connection.configuration.alpn_protocols = ["h3"]
    client = await QuicClient.knock(port, line)
    assert await client.is_closed()
    assert client.over is not None
    assert "alert 120" in client.over.why
    await until(lambda: waiting(server) == 0)
    await client.close()


async def test_a_closed_relay_begins_nothing(start: StartRelay) -> None:
    """B3: while the last links end nobody new comes in, and half-open handshakes are dropped."""
    server, port = await start()
    linked = await QuicClient.enter(port, Meet(ID, 60))
    await half_open(port, 2)
    await until(lambda: waiting(server) == 2)
    lobby = lobby_of(server)
    lobby.close()
    assert waiting(server) == 0
    late = await QuicClient.knock(port)
    assert await linked.hear() == Waiting()
    await asyncio.sleep(0)
    assert not late.datagrams
    late.vanish()
    await linked.close()


async def test_a_client_may_change_its_port(start: StartRelay) -> None:
    """B2: a NAT that gives a client another port in the middle does not end its link."""
    _, port = await start()
    client = await QuicClient.enter(port, Meet(ID, 60))
    assert await client.hear() == Waiting()
    other = await QuicClient.knock(port)
    other.transport, moved_to = None, other.transport
    old, client.transport = client.transport, moved_to
    old.abort()
    moved_to.set_protocol(client)
    client.say(Meet(ID, 60))
    assert await client.hear() == Refused("malformed")
    await client.close()
