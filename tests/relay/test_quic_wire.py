"""Links over QUIC at a real relay: the same rooms, limits and ends as over TLS."""

from __future__ import annotations

import asyncio
import hashlib
import os

import pytest

from relay.quic import QuicLobby
from relay.quic_wire import QuicWire
from relay.server import RelayServer
from tallow.wire import limits
from tallow.wire.frames import LinkType, encode_link
from tallow.wire.relay import (
    Allocate,
    Allocated,
    ClientHello,
    Join,
    Meet,
    Notice,
    Paired,
    Refused,
    RelayHello,
    Waiting,
)
from tests.relay.client import FIRST, ID, NONCE, Client, Clock, until
from tests.relay.conftest import StartRelay
from tests.relay.quic_client import QuicClient

pytestmark = pytest.mark.wire

AnyClient = Client | QuicClient
Kind = type[Client] | type[QuicClient]
PAIRS = [(QuicClient, QuicClient), (Client, QuicClient), (QuicClient, Client)]
PAIR_NAMES = ["QUIC and QUIC", "TCP and QUIC", "QUIC and TCP"]


async def pair(
    port: int, creating: Kind = QuicClient, joining: Kind = QuicClient
) -> tuple[AnyClient, AnyClient]:
    """Return creator and settled joiner of a meeting."""
    creator = await creating.enter(port, Meet(ID, 600))
    assert await creator.hear() == Waiting()
    joiner = await joining.enter(port, Meet(ID, 600))
    assert await creator.hear() == Paired("creator", pairing=1)
    assert await joiner.hear() == Paired("joiner")
    joiner.send(b"m3")
    assert await creator.data() == b"m3"
    return creator, joiner


def lobby_of(server: RelayServer) -> QuicLobby:
    """Return what a relay that has loaded QUIC holds of it."""
    assert isinstance(server._quic, QuicLobby)
    return server._quic


def quic_wires(server: RelayServer) -> list[QuicWire]:
    """Return the QUIC links of a relay."""
    return [wire for wire in server._wires if isinstance(wire, QuicWire)]


@pytest.mark.parametrize(("creating", "joining"), PAIRS, ids=PAIR_NAMES)
async def test_two_clients_meet_by_plate_and_exchange_bytes(
    start: StartRelay, creating: Kind, joining: Kind
) -> None:
    """B2: two links join under a plate whatever carries each of them, on one port number."""
    _, port = await start()
    creator = await creating.enter(port, Allocate(600))
    allocated = await creator.hear()
    assert isinstance(allocated, Allocated)
    joiner = await joining.enter(port, Join(allocated.plate, FIRST))
    assert await creator.hear() == Paired("creator", FIRST, 1)
    assert await joiner.hear() == Paired("joiner")
    large = os.urandom(limits.FRAME_MAX_BYTES)
    joiner.send(b"m3")
    joiner.send(large)
    creator.send(b"back")
    assert await creator.data() == b"m3"
    assert await creator.data() == large
    assert await joiner.data() == b"back"
    for client in (creator, joiner):
        await client.close()


@pytest.mark.parametrize(("creating", "joining"), PAIRS, ids=PAIR_NAMES)
async def test_many_frames_both_ways_arrive_in_order(
    start: StartRelay, creating: Kind, joining: Kind
) -> None:
    """B2: full duplex traffic of mixed sizes reaches the other side byte for byte."""
    _, port = await start()
    creator, joiner = await pair(port, creating, joining)
    sizes = [0, 1, 100, 8192, 8193, 70_000, 16_384, 300_000, 5] * 3
    sent = {}
    for seed, client in enumerate((creator, joiner)):
        digest = hashlib.sha256()
        for size in sizes:
            body = bytes([seed, size % 251]) * (size // 2)
            digest.update(body)
            client.send(body)
        sent[seed] = digest.digest()

    async def listen(client: AnyClient) -> bytes:
        digest = hashlib.sha256()
        for _ in sizes:
            digest.update(await client.data())
        return digest.digest()

    got_b, got_a = await asyncio.gather(listen(creator), listen(joiner))
    assert (sent[0], sent[1]) == (got_a, got_b)
    for client in (creator, joiner):
        await client.close()


async def test_the_same_key_is_shown(start: StartRelay) -> None:
    """B3: a pin that was taken over TCP holds over QUIC: the certificate is one and the same."""
    _, port = await start()
    over_tcp, over_quic = await Client.connect(port), await QuicClient.connect(port)
    tls = over_tcp.writer.get_extra_info("ssl_object")
    assert over_quic.line.certificate_der == tls.getpeercert(binary_form=True)
    for client in (over_tcp, over_quic):
        await client.close()


@pytest.mark.parametrize(("creating", "joining"), PAIRS, ids=PAIR_NAMES)
async def test_a_slow_reader_holds_its_sender_and_bounds_memory(
    start: StartRelay, creating: Kind, joining: Kind
) -> None:
    """B3: a receiver that takes nothing stops the sender; the relay holds a bounded backlog."""
    server, port = await start()
    if creating is Client:
        creator: AnyClient
        creator = await Client.enter(port, Meet(ID, 600), receive_bytes=64 * 1024)
        assert await creator.hear() == Waiting()
        joiner: AnyClient = await joining.enter(port, Meet(ID, 600))
        assert await creator.hear() == Paired("creator", pairing=1)
        assert await joiner.hear() == Paired("joiner")
        joiner.send(b"m3")
        assert await creator.data() == b"m3"
    else:
        creator, joiner = await pair(port, creating, joining)
    if isinstance(creator, QuicClient):
        creator.reads = False
    total = 12
    sending = asyncio.create_task(send_mebibytes(joiner, total))
    links = [wire._link for wire in server._wires]  # type: ignore[attr-defined]
    await until(lambda: any(link is not None and link._held for link in links))
    if isinstance(joiner, QuicClient):
        # What was on its way when the link stopped reading waits there, and nothing more comes.
        await until(lambda: any(wire._held for wire in quic_wires(server)))
    held = [sum(map(len, wire._held)) for wire in quic_wires(server)]
    owed = [wire._line.backlog_bytes for wire in quic_wires(server)]
    assert max(held) <= limits.QUIC_WINDOW_MAX_BYTES
    assert max(owed) <= 2 * limits.QUIC_WINDOW_MAX_BYTES + limits.RELAY_CHUNK_MAX_BYTES
    if isinstance(creator, QuicClient):
        creator.reads = True
        creator.turn()
    for _ in range(total):
        assert len(await creator.data()) == limits.MIB
    await sending
    for client in (creator, joiner):
        await client.close()


async def send_mebibytes(client: AnyClient, count: int) -> None:
    """Send frames of one MiB as fast as they are taken."""
    frame = encode_link(LinkType.DATA, bytes(limits.MIB))
    for _ in range(count):
        if isinstance(client, Client):
            client.writer.write(frame)
            await client.writer.drain()
        else:
            client.write(frame)
            await client.acknowledged()


async def test_the_end_of_one_is_told_to_the_other(start: StartRelay) -> None:
    """B3: what a client wrote before it closed arrives first, then the partner hears of it."""
    server, port = await start()
    creator, joiner = await pair(port)
    joiner.send(b"last words")
    await joiner.close()
    assert await creator.data() == b"last words"
    assert await creator.hear() == Notice("peer-gone")
    await creator.close()
    await until(lambda: not server._wires)
    assert not lobby_of(server)._wires


async def test_a_client_that_resets_its_stream_is_gone(start: StartRelay) -> None:
    """B3: a reset is an end like any other."""
    server, port = await start()
    creator, joiner = await pair(port)
    assert isinstance(joiner, QuicClient)
    joiner.line._connection.reset_stream(0, 1)
    joiner.turn()
    assert await creator.hear() == Notice("peer-gone")
    assert await joiner.is_closed()
    await until(lambda: len(server._wires) == 1)
    for client in (creator, joiner):
        await client.close()


async def test_what_was_acknowledged_is_delivered(start: StartRelay) -> None:
    """B3: the end of a sender does not cut off what waits for a slow reader."""
    _, port = await start()
    creator, joiner = await pair(port)
    assert isinstance(creator, QuicClient)
    assert isinstance(joiner, QuicClient)
    creator.reads = False
    body = os.urandom(2 * limits.MIB // 2)
    joiner.send(body)
    joiner.send(body)
    await joiner.acknowledged()
    await joiner.close()
    creator.reads = True
    creator.turn()
    assert await creator.data() == body
    assert await creator.data() == body
    assert await creator.hear() == Notice("peer-gone")
    await creator.close()


async def test_a_vanished_client_is_noticed(start: StartRelay, clock: Clock) -> None:
    """B3: a client that is gone without a word is forgotten after the idle limit."""
    server, port = await start()
    creator, joiner = await pair(port)
    assert isinstance(joiner, QuicClient)
    joiner.vanish()
    clock.now += limits.RELAY_IDLE_S
    creator.write(encode_link(LinkType.PING))  # type: ignore[union-attr]
    assert await creator.frame() == (LinkType.PONG, b"")
    clock.now += 1
    server.switch.sweep(clock())
    assert await creator.hear() == Notice("peer-gone")
    assert len(server.switch) == 1
    for wire in quic_wires(server):
        if wire._closing:
            wire.abort()
    await creator.close()


async def test_a_closed_link_is_not_kept_for_a_client_that_is_gone(
    start: StartRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X10: who acknowledges nothing is dropped some seconds after its link was closed."""
    monkeypatch.setattr(limits, "RELAY_LINGER_S", 0.05)
    server, port = await start()
    creator, joiner = await pair(port)
    assert isinstance(joiner, QuicClient)
    joiner.vanish()
    creator.say(Meet(ID, 600))
    assert await creator.hear() == Refused("malformed")
    server.switch.close_all(0.0)
    await until(lambda: not server._wires)
    await creator.close()


async def test_malformed_frames_close_the_link(start: StartRelay) -> None:
    """X14: the link that broke the rules is told and closed; its partner stays."""
    _, port = await start()
    creator, joiner = await pair(port)
    assert isinstance(joiner, QuicClient)
    joiner.write(b"\x02\xff\xff\xff\xff")
    assert await joiner.hear() == Refused("malformed")
    assert await joiner.is_closed()
    assert await creator.hear() == Notice("peer-gone")
    for client in (creator, joiner):
        await client.close()


async def test_too_much_before_a_verb_is_refused(start: StartRelay) -> None:
    """X10: an unknown client may send little, over QUIC as over TLS."""
    _, port = await start()
    client = await QuicClient.connect(port)
    client.write(encode_link(LinkType.PING) * 4000)
    assert isinstance(await client.hear(), RelayHello)
    assert await client.hear() == Refused("malformed")
    await client.close()


async def test_limits_by_address_hold(start: StartRelay) -> None:
    """B3: the cap on links of one address counts both transports, and says that it is full."""
    server, port = await start(links_per_address=2)
    over_tcp = await Client.enter(port, Meet(ID, 60))
    over_quic = await QuicClient.enter(port, Meet(b"j" * 32, 60))
    third = await QuicClient.connect(port)
    third.say(ClientHello([1], NONCE))
    assert await third.hear() == Refused("full")
    assert await third.is_closed()
    while server.may_be_refused_in_words():
        pass
    unheard = await QuicClient.knock(port)
    elsewhere = await QuicClient.connect(port, source="127.0.0.2")
    elsewhere.say(ClientHello([1], NONCE))
    assert isinstance(await elsewhere.hear(), RelayHello)
    assert not unheard.datagrams
    unheard.vanish()
    for client in (over_tcp, over_quic, third, elsewhere):
        await client.close()


async def test_rates_are_answered(start: StartRelay) -> None:
    """B3: an address that asks too often hears rate and when to come back."""
    _, port = await start(joins_per_minute=2)
    answers = []
    for _ in range(3):
        client = await QuicClient.enter(port, Join("1", FIRST))
        answers.append(await client.hear())
        await client.close()
    assert answers == [Refused("unknown-plate")] * 2 + [Refused("rate", retry_s=30)]


async def test_draining_lets_pairs_finish(start: StartRelay) -> None:
    """B3: everybody is told, new rooms are refused, the pair goes on, and its end is the end."""
    server, port = await start()
    creator, joiner = await pair(port)
    draining = asyncio.create_task(server.drain())
    for client in (creator, joiner):
        assert await client.hear() == Notice("draining")
    late = await QuicClient.enter(port, Allocate(60))
    assert await late.hear() == Refused("draining")
    creator.send(b"the rest")
    assert await joiner.data() == b"the rest"
    assert not draining.done()
    await joiner.close()
    await draining
    await server.close()
    assert await creator.hear() == Notice("peer-gone")
    for client in (creator, late):
        await client.close()


async def test_draining_has_an_end(start: StartRelay) -> None:
    """B3: pairs that do not finish hear why and are closed, and the port is free again."""
    server, port = await start(drain=0)
    creator, joiner = await pair(port)
    await server.drain()
    await server.close()
    for client in (creator, joiner):
        assert isinstance(client, QuicClient)
        assert await client.hear() == Notice("draining")
        await client._until(lambda client=client: client.finished or client.over)
        client.vanish()
    assert not server._wires


async def test_an_abort_ends_everything_at_once(start: StartRelay) -> None:
    """B3: a second signal waits for nobody."""
    server, port = await start()
    creator, joiner = await pair(port)
    half_open = await QuicClient.connect(port)
    server.abort()
    assert not server._wires
    assert not lobby_of(server)._wires
    for client in (creator, joiner, half_open):
        await client.close()


async def test_many_links_share_what_may_be_sent_ahead(start: StartRelay) -> None:
    """B4: few links have a large window, many a small one, so their sum is bounded."""
    server, port = await start()
    client = await QuicClient.enter(port, Meet(ID, 600))
    lobby = lobby_of(server)
    assert lobby.share_bytes == limits.QUIC_WINDOW_MAX_BYTES
    for links, share_bytes in (
        (64, limits.RELAY_QUIC_WINDOWS_BYTES // 64),
        (1_000_000, limits.QUIC_WINDOW_MIN_BYTES),
        (1, limits.QUIC_WINDOW_MAX_BYTES),
    ):
        lobby._links = links
        lobby._share()
        assert lobby.share_bytes == share_bytes
    await client.close()
