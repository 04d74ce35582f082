"""Relays in this process whose TCP or UDP is shut, silent or somebody else's."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from relay.certificate import Certificate, own_certificate
from relay.server import RelayServer
from tallow.protocol.address import RelayAddress
from tests.relay.client import Clock, start_relay


@cache
def certificate(name: str = "one") -> Certificate:
    """Return a self-made certificate, the same for the same name."""
    return own_certificate(Path(mkdtemp(prefix=f"relay-{name}-")))


@asynccontextmanager
async def relay(
    *, shown: Certificate | None = None, **settings: Any
) -> AsyncIterator[tuple[RelayServer, RelayAddress]]:
    """Run a relay for the length of a block."""
    server, port = await start_relay(shown or certificate(), Clock(), **settings)
    try:
        yield server, RelayAddress("127.0.0.1", port)
    finally:
        await server.close()


@asynccontextmanager
async def udp_only(**settings: Any) -> AsyncIterator[tuple[RelayServer, RelayAddress]]:
    """Run a relay that refuses TCP: nothing listens there."""
    async with relay(**settings) as (server, address):
        assert server._server is not None
        server._server.close()
        yield server, address


@asynccontextmanager
async def silent_tcp(address: RelayAddress) -> AsyncIterator[None]:
    """Take TCP connections at an address and never say a word."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(4096):
                pass
        finally:
            writer.close()

    listening = await asyncio.start_server(say_nothing, address.host, address.port)
    try:
        yield
    finally:
        listening.close()
        await asyncio.sleep(0)


@contextmanager
def silent_udp(address: RelayAddress) -> Iterator[None]:
    """Swallow every datagram that comes to an address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as swallowing:
        swallowing.bind((address.host, address.port))
        yield


def unused() -> RelayAddress:
    """Return an address at which nothing listens, over TCP or UDP."""
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
    return RelayAddress("127.0.0.1", port)
