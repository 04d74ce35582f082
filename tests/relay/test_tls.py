"""The TLS pump: what it costs, and what happens at its edges."""

from __future__ import annotations

import asyncio
import ssl
import tracemalloc

import pytest

from relay.certificate import Certificate
from relay.half_open import HalfOpen
from relay.tls import ReadBuffers, server_context
from tallow.wire import limits
from tallow.wire.relay import Meet, Paired, RelayHello, Waiting
from tests.relay.client import ID, Client, trusting_context, until
from tests.relay.conftest import StartRelay

pytestmark = pytest.mark.wire


@pytest.mark.parametrize(
    ("links", "chunk_bytes"),
    [
        (0, limits.RELAY_CHUNK_MAX_BYTES),
        (2, limits.RELAY_CHUNK_MAX_BYTES),
        (64, limits.RELAY_CHUNKS_BYTES // 64),
        (1_000_000, limits.RELAY_CHUNK_MIN_BYTES),
    ],
)
def test_many_links_share_what_one_may_read(links: int, chunk_bytes: int) -> None:
    """B4: few links read in large chunks, many in small ones, so their sum is bounded."""
    buffers = ReadBuffers()
    buffers.share_among(links)
    assert len(buffers.sealed) == chunk_bytes
    assert len(buffers.opened) > limits.RELAY_CHUNK_MAX_BYTES


def test_the_context_offers_tls_1_3_alone(certificate: Certificate) -> None:
    """B2: nothing older is spoken, and no ticket links one visit to the next."""
    context = server_context(certificate.certificate, certificate.key)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert context.num_tickets == 0


def opening() -> bytes:
    """Return the first bytes of a TLS handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting_context().wrap_bio(incoming, outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


async def test_an_idle_link_costs_little(start: StartRelay) -> None:
    """B4: an idle link allocates far less than the 256 KiB of asyncio's own TLS."""
    server, port = await start()
    warm = await Client.enter(port, Meet(b"w" * 32, 600))
    assert await warm.hear() == Waiting()
    clients = [await Client.connect(port) for _ in range(5)]
    for client in clients:
        assert isinstance(await client.hear(), RelayHello)
    tracemalloc.start()
    try:
        more = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        await until(lambda: len(server.switch) == 26)
        snapshot = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    ours = snapshot.filter_traces([tracemalloc.Filter(True, "*/relay/*")])
    assert sum(statistic.size for statistic in ours.statistics("filename")) < 20 * 8 * limits.KIB
    for _, writer in more:
        writer.close()
    for client in [warm, *clients]:
        await client.close()


async def test_hello_comes_as_soon_as_tls_stands(start: StartRelay) -> None:
    """B2: the relay greets before the client has said anything."""
    _, port = await start()
    client = await Client.connect(port)
    assert isinstance(await client.hear(), RelayHello)
    await client.close()


async def test_a_goodbye_is_said_and_taken(start: StartRelay) -> None:
    """A clean end of TLS ends the link on both sides."""
    server, port = await start()
    client = await Client.enter(port, Meet(ID, 600))
    assert await client.hear() == Waiting()
    await client.close()
    await until(lambda: len(server.switch) == 0)
    other = await Client.enter(port, Meet(b"o" * 32, 600))
    assert await other.hear() == Waiting()
    server.switch.close_all(0.0)
    assert await other.is_closed()
    await other.close()


async def test_a_handshake_that_breaks_off_leaves_nothing(start: StartRelay) -> None:
    """X10: half a TLS handshake and a dead connection are forgotten."""
    server, port = await start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(opening()[:100])
    await until(lambda: len(server.switch) == 1)
    writer.close()
    await reader.read()
    await until(lambda: len(server.switch) == 0)
    assert not server._wires
    assert not len(server._half_open)


async def test_silent_handshakes_give_way_to_newcomers(start: StartRelay) -> None:
    """X10: handshakes that were begun and left are bounded; links that stand do not notice."""
    lines: list[str] = []
    server, port = await start(lines=lines)
    server._half_open = HalfOpen(4)
    standing = await Client.enter(port, Meet(ID, 600))
    assert await standing.hear() == Waiting()
    hello = opening()
    flood = []
    for number in range(1, 13):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(hello)
        flood.append((reader, writer))
        await until(lambda: server._half_open._begun == 1 + number)  # noqa: B023 - awaited here
    await until(lambda: len(server.switch) == 1 + 4)
    assert len(server._half_open) == 4
    newcomer = await Client.enter(port, Meet(ID, 600))
    assert await newcomer.hear() == Paired("joiner")
    assert await standing.hear() == Paired("creator", pairing=1)
    assert len(server._half_open) == 3
    assert sum('"half-open"' in line for line in lines) == 12 - 4 + 1
    assert "127.0.0.1" not in "".join(lines)
    for reader, writer in flood:
        writer.close()
        try:
            await reader.read()
        except ConnectionError:
            pass  # Whoever was put out is reset.
    for client in (standing, newcomer):
        await client.close()
    await until(lambda: len(server.switch) == 0)
    assert not len(server._half_open)


async def test_a_handshake_that_never_ends_is_short(start: StartRelay) -> None:
    """X10: a first message that goes on and on is cut off after a few kilobytes."""
    server, port = await start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    fragment = b"\x16\x03\x01\x00\x64" + bytes(100)
    whole = b"\x16\x03\x01\x00\x04\x01\x01\xff\xff"
    writer.write(whole)
    await until(lambda: len(server._half_open) == 1)
    writer.write(fragment * (limits.RELAY_TLS_HANDSHAKE_MAX_BYTES // len(fragment) + 1))
    try:
        assert await reader.read() == b""
    except ConnectionError:
        pass  # What it had not read yet makes the end a reset.
    await until(lambda: len(server.switch) == 0)
    writer.close()
    assert not len(server._half_open)
