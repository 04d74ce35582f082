"""The TLS pump: what it costs, and what happens at its edges."""

from __future__ import annotations

import asyncio
import ssl
import tracemalloc

import pytest

from relay.certificate import Certificate
from relay.tls import ReadBuffers, server_context
from tallow.wire import limits
from tallow.wire.relay import Meet, RelayHello, Waiting
from tests.relay.client import ID, Client, until
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
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(
        incoming, outgoing, server_hostname="relay"
    )
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(outgoing.read()[:100])
    await until(lambda: len(server.switch) == 1)
    writer.close()
    await reader.read()
    await until(lambda: len(server.switch) == 0)
    assert not server._wires
