"""One certificate per run and a relay per test, always taken down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from relay.certificate import Certificate, own_certificate
from relay.server import RelayServer
from tests.relay.client import Clock, start_relay

StartRelay = Callable[..., Awaitable[tuple[RelayServer, int]]]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A self-made certificate."""
    folder: Path = tmp_path_factory.mktemp("relay")
    return own_certificate(folder)


@pytest.fixture
def clock() -> Clock:
    """The relay's clock."""
    return Clock()


@pytest_asyncio.fixture
async def start(certificate: Certificate, clock: Clock) -> AsyncIterator[StartRelay]:
    """Start relays that end with the test."""
    servers: list[RelayServer] = []

    async def start_one(**settings: Any) -> tuple[RelayServer, int]:
        server, port = await start_relay(certificate, clock, **settings)
        servers.append(server)
        return server, port

    yield start_one
    for server in servers:
        await server.close()
