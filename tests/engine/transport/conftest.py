"""A relay per test on the loopback, with one certificate per run."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from relay.certificate import Certificate, own_certificate
from tallow.protocol.address import RelayAddress
from tests.relay.client import Clock, start_relay


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A self-made certificate."""
    return own_certificate(tmp_path_factory.mktemp("relay"))


@pytest_asyncio.fixture
async def relay(certificate: Certificate) -> AsyncIterator[RelayAddress]:
    """A running relay's address."""
    server, port = await start_relay(certificate, Clock())
    yield RelayAddress("127.0.0.1", port)
    await server.close()
