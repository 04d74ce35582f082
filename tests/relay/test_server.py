"""The relay on real sockets: TLS, rooms, limits, slow readers and an orderly end."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import ssl

import pytest

from relay.certificate import Certificate
from relay.config import RelayTable, settle
from relay.errors import RelayError
from relay.log import Log
from relay.server import RelayServer
from relay.tls import TlsWire
from tallow.wire import limits
from tallow.wire.frames import LinkType, encode_link
from tallow.wire.relay import (
    Allocate,
    Allocated,
    Auth,
    Claim,
    ClientHello,
    Join,
    Meet,
    Notice,
    Paired,
    Refused,
    RelayHello,
    Reopen,
    Waiting,
)
from tallow.wire.relay_auth import client_proof
from tests.relay.client import FIRST, ID, NONCE, Client, Clock, trusting_context, until
from tests.relay.conftest import StartRelay

pytestmark = pytest.mark.wire


async def pair(port: int, receive_bytes: int | None = None) -> tuple[Client, Client]:
    """Return creator and settled joiner of a meeting; ``receive_bytes`` is the creator's."""
    creator = await Client.enter(port, Meet(ID, 600), receive_bytes=receive_bytes)
    assert await creator.hear() == Waiting()
    joiner = await Client.enter(port, Meet(ID, 600))
    assert await creator.hear() == Paired("creator", pairing=1)
    assert await joiner.hear() == Paired("joiner")
    joiner.send(b"m3")
    assert await creator.data() == b"m3"
    return creator, joiner


async def test_two_clients_meet_by_plate_and_exchange_bytes(start: StartRelay) -> None:
    """B2: two links over TLS join under a plate, and what one sends arrives at the other."""
    _, port = await start()
    creator = await Client.enter(port, Allocate(600))
    allocated = await creator.hear()
    assert isinstance(allocated, Allocated)
    joiner = await Client.enter(port, Join(allocated.plate, FIRST))
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


async def test_many_frames_both_ways_arrive_in_order(start: StartRelay) -> None:
    """B2: full duplex traffic of mixed sizes reaches the other side byte for byte."""
    _, port = await start()
    creator, joiner = await pair(port)
    sizes = [0, 1, 100, 8192, 8193, 70_000, 16_384, 300_000, 5] * 6

    async def talk(client: Client, seed: int) -> str:
        digest = hashlib.sha256()
        for size in sizes:
            body = bytes([seed, size % 251]) * (size // 2)
            digest.update(body)
            client.send(body)
            await client.writer.drain()
        return digest.hexdigest()

    async def listen(client: Client) -> str:
        digest = hashlib.sha256()
        for _ in sizes:
            digest.update(await client.data())
        return digest.hexdigest()

    sent_a, sent_b, got_b, got_a = await asyncio.gather(
        talk(creator, 1), talk(joiner, 2), listen(creator), listen(joiner)
    )
    assert (sent_a, sent_b) == (got_a, got_b)
    for client in (creator, joiner):
        await client.close()


async def test_the_key_hash_is_the_one_on_the_wire(
    start: StartRelay, certificate: Certificate
) -> None:
    """B3: the pin that the relay prints is the hash of the key that clients see."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    _, port = await start()
    client = await Client.connect(port)
    tls = client.writer.get_extra_info("ssl_object")
    seen = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True))
    info = seen.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert hashlib.sha256(info).digest() == certificate.key_hash
    assert tls.version() == "TLSv1.3"
    assert tls.selected_alpn_protocol() == "tallow-relay/1"
    await client.close()


@pytest.mark.parametrize("old", [True, False], ids=["TLS 1.2", "no ALPN"])
async def test_other_protocols_get_no_link(start: StartRelay, old: bool) -> None:
    """B2: TLS before 1.3, and TLS for something else, hear nothing and are closed."""
    server, port = await start()
    context = trusting_context(alpn="h2")
    if old:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname=""
        )
        try:
            await reader.readexactly(1)
        finally:
            writer.close()
    await until(lambda: len(server.switch) == 0)


async def test_plain_bytes_get_no_link(start: StartRelay) -> None:
    """X14: what is not TLS at all is closed without a word of ours."""
    server, port = await start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n" + bytes(2000))
    answer = await reader.read()
    assert b"tallow" not in answer
    assert len(answer) < 64
    writer.close()
    await until(lambda: len(server.switch) == 0)


async def test_a_password_is_asked_for_and_taken(
    start: StartRelay, certificate: Certificate
) -> None:
    """B3: creating over the wire takes a proof over both nonces and the relay's key."""
    key = b"k" * 32
    _, port = await start(password_key=key)
    poor = await Client.enter(port, Allocate(600))
    assert await poor.hear() == Refused("auth-required")
    assert await poor.is_closed()
    rich = await Client.connect(port)
    hello = await rich.hear()
    assert isinstance(hello, RelayHello)
    assert hello.auth
    proof = client_proof(key, NONCE, hello.nonce, certificate.key_hash)
    rich.say(ClientHello([1], NONCE), Auth(proof), Claim("77", 600))
    assert await rich.hear() == Allocated("77", 600)
    joiner = await Client.enter(port, Join("77", FIRST))
    assert await joiner.hear() == Paired("joiner")
    for client in (poor, rich, joiner):
        await client.close()


async def test_crowded_tells_all_three(start: StartRelay) -> None:
    """B3: the third side is refused, both inside are told, and they go on."""
    _, port = await start()
    creator, joiner = await pair(port)
    third = await Client.enter(port, Meet(ID, 600))
    assert await third.hear() == Refused("crowded")
    assert await third.is_closed()
    for client in (creator, joiner):
        assert await client.hear() == Notice("crowded")
    creator.send(b"still here")
    assert await joiner.data() == b"still here"
    for client in (creator, joiner, third):
        await client.close()


async def test_stale_rooms_vanish(start: StartRelay, clock: Clock) -> None:
    """B3: a room whose links went is forgotten after the time that was set."""
    server, port = await start(orphan="30s")
    creator, joiner = await pair(port)
    await creator.close()
    assert await joiner.hear() == Notice("peer-gone")
    await joiner.close()
    await until(lambda: len(server.switch) == 0)
    assert server.hub.rooms() == 1
    clock.now += 30
    server.switch.sweep(clock())
    assert server.hub.rooms() == 0


async def test_a_waiting_code_expires_on_the_wire(start: StartRelay, clock: Clock) -> None:
    """B3: the creator hears it and is closed; a late joiner hears why."""
    server, port = await start()
    creator = await Client.enter(port, Claim("77", 60))
    assert await creator.hear() == Allocated("77", 60)
    clock.now += 60
    server.switch.sweep(clock())
    assert await creator.hear() == Notice("expired")
    assert await creator.is_closed()
    late = await Client.enter(port, Join("77", FIRST))
    assert await late.hear() == Refused("expired")
    for client in (creator, late):
        await client.close()


async def test_a_silent_connection_is_closed(start: StartRelay, clock: Clock) -> None:
    """X10: neither a TCP connection without TLS nor a link without a verb is kept."""
    server, port = await start()
    bare_reader, bare_writer = await asyncio.open_connection("127.0.0.1", port)
    client = await Client.connect(port)
    await client.hear()
    await until(lambda: len(server.switch) == 2)
    clock.now += limits.RELAY_FIRST_MESSAGE_S + 1
    server.switch.sweep(clock())
    assert await client.is_closed()
    assert len(server.switch) == 0
    bare_writer.close()
    await bare_reader.read()
    await client.close()


async def test_rates_are_answered(start: StartRelay) -> None:
    """B3: an address that asks too often hears rate and when to come back."""
    _, port = await start(joins_per_minute=2)
    answers = []
    for _ in range(3):
        client = await Client.enter(port, Join("1", FIRST))
        answers.append(await client.hear())
        await client.close()
    assert answers == [Refused("unknown-plate")] * 2 + [Refused("rate", retry_s=30)]


async def test_a_refusal_at_the_door_is_said(start: StartRelay) -> None:
    """B3: a link over the cap still has its handshake, and hears that the relay is full."""
    _, port = await start(links=1)
    first = await Client.enter(port, Meet(ID, 60))
    second = await Client.connect(port)
    assert await second.hear() == Refused("full")
    assert await second.is_closed()
    for client in (first, second):
        await client.close()


async def test_a_flood_at_the_door_is_not_even_answered(start: StartRelay) -> None:
    """X10: after a few polite refusals connections over the cap cost no handshake."""
    server, port = await start(links=1)
    first = await Client.enter(port, Meet(ID, 60))
    while server.may_be_refused_in_words():
        pass
    with pytest.raises((ConnectionError, ssl.SSLError)):
        await Client.connect(port)
    assert await first.hear() == Waiting()
    await first.close()


async def test_malformed_frames_close_the_link(start: StartRelay) -> None:
    """X14: the link that broke the rules is told and closed; its partner stays."""
    _, port = await start()
    creator, joiner = await pair(port)
    joiner.writer.write(b"\x02\xff\xff\xff\xff")
    assert await joiner.hear() == Refused("malformed")
    assert await joiner.is_closed()
    assert await creator.hear() == Notice("peer-gone")
    for client in (creator, joiner):
        await client.close()


async def test_a_slow_reader_holds_its_sender_and_bounds_memory(start: StartRelay) -> None:
    """B3: a receiver that stops reading stops the sender; the relay holds a bounded backlog."""
    server, port = await start()
    creator, joiner = await pair(port, receive_bytes=64 * 1024)
    frame = encode_link(LinkType.DATA, bytes(limits.MIB))
    total = 48

    async def send_all() -> None:
        for _ in range(total):
            joiner.writer.write(frame)
            await joiner.writer.drain()

    sending = asyncio.create_task(send_all())
    wires = [wire for wire in server._wires if isinstance(wire, TlsWire)]
    await until(lambda: any(wire._link is not None and wire._link._held for wire in wires))
    backlog = [w._transport.get_write_buffer_size() for w in wires if w._transport is not None]
    assert max(backlog) <= 2 * (limits.RELAY_BACKLOG_MAX_BYTES + limits.RELAY_CHUNK_MAX_BYTES)
    assert not sending.done()
    for _ in range(total):
        assert len(await creator.data()) == limits.MIB
    await sending
    for client in (creator, joiner):
        await client.close()


async def test_reopening_on_the_wire(start: StartRelay) -> None:
    """B2: the creator puts a joiner out and the next one comes in."""
    _, port = await start()
    creator, joiner = await pair(port)
    creator.say(Reopen())
    assert await creator.hear() == Waiting()
    assert await joiner.hear() == Notice("peer-gone")
    assert await joiner.is_closed()
    newcomer = await Client.enter(port, Meet(ID, 60))
    assert await newcomer.hear() == Paired("joiner")
    assert await creator.hear() == Paired("creator", pairing=2)
    for client in (creator, joiner, newcomer):
        await client.close()


async def test_draining_lets_pairs_finish(start: StartRelay) -> None:
    """B3: everybody is told, new rooms are refused, the pair goes on, and its end is the end."""
    server, port = await start()
    creator, joiner = await pair(port)
    draining = asyncio.create_task(server.drain())
    for client in (creator, joiner):
        assert await client.hear() == Notice("draining")
    late = await Client.enter(port, Allocate(60))
    assert await late.hear() == Refused("draining")
    creator.send(b"the rest")
    assert await joiner.data() == b"the rest"
    assert not draining.done()
    await joiner.close()
    await draining
    for client in (creator, late):
        await client.close()


async def test_draining_has_an_end(start: StartRelay) -> None:
    """B3: pairs that do not finish are closed after the time that was set."""
    server, port = await start(drain=0)
    creator, joiner = await pair(port)
    await server.drain()
    await server.close()
    for client in (creator, joiner):
        assert await client.hear() == Notice("draining")
        await client.reader.read()
        assert client.reader.at_eof()
        await client.close()


async def test_a_failing_callback_is_logged_without_its_values(start: StartRelay) -> None:
    """A4: a mistake of ours leaves a line with its place, never what a client sent."""
    lines: list[str] = []
    await start(lines=lines)
    asyncio.get_running_loop().call_soon(lambda: int("the secret"))
    await until(lambda: bool(lines))
    assert "ValueError" in lines[0]
    assert "the secret" not in lines[0]


async def test_a_port_in_use_says_what_to_do(certificate: Certificate) -> None:
    """An address that cannot be used is exit 4 with a way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = settle(RelayTable(), "test", {"listen": f"127.0.0.1:{port}"})
        server = RelayServer(settings, certificate, Log(lambda line: None))
        with pytest.raises(RelayError, match="in use") as caught:
            await server.start()
    assert caught.value.exit_code == 4
    assert "--listen" in caught.value.hint
