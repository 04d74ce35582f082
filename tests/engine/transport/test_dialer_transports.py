"""TCP or QUIC: what is tried, what is tried next, and what is said about it."""

from __future__ import annotations

import asyncio

import pytest

from tallow.engine.ports import Detour
from tallow.engine.settings import TransportChoice
from tallow.engine.transport import dialer, pins, quic_way
from tallow.engine.transport.dialer import SystemDialer
from tallow.engine.transport.way import Standing
from tallow.errors import RelayKeyChanged, RelayUnreachable
from tallow.protocol.address import RelayAddress
from tests.engine.transport.relays import (
    certificate,
    relay,
    silent_tcp,
    silent_udp,
    udp_only,
    unused,
)
from tests.fakes import MemoryState

pytestmark = pytest.mark.wire


@pytest.fixture(autouse=True)
def short_head_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a silent transport a moment only."""
    monkeypatch.setattr(dialer, "HEAD_START_S", 0.1)


async def dial(address: RelayAddress, choice: TransportChoice = "auto") -> Standing:
    """Connect, close, and return what stood."""
    connection = await SystemDialer(MemoryState(), choice).dial(address)
    await ended(connection)
    return connection


async def ended(connection: Standing) -> None:
    """Close a connection and wait until it is gone."""
    connection.close()
    await connection.closed()


@pytest.mark.parametrize(("choice", "used"), [("auto", "tcp"), ("tcp", "tcp"), ("quic", "quic")])
async def test_the_preferred_transport_stands(choice: TransportChoice, used: str) -> None:
    """B2: where nothing is in the way, nothing else is tried and nothing is said."""
    async with relay() as (_, address):
        connection = await dial(address, choice)
        assert connection.transport_name == used
        assert connection.detour is None


async def test_a_refused_tcp_goes_on_over_quic_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """B2: auto does not wait for what was refused."""
    monkeypatch.setattr(dialer, "HEAD_START_S", 60.0)
    async with udp_only() as (_, address):
        connection = await dial(address)
        assert connection.transport_name == "quic"
        assert connection.detour == Detour("tcp", "quic", "connection refused")


async def test_a_silent_tcp_goes_on_over_quic() -> None:
    """B2: auto tries QUIC beside a TCP that does not stand."""
    async with udp_only() as (_, address), silent_tcp(address):
        connection = await dial(address)
        assert connection.transport_name == "quic"
        assert connection.detour is not None
        assert connection.detour.why.startswith("no answer")


async def test_quic_with_udp_swallowed_goes_on_over_tcp() -> None:
    """B2: forced QUIC falls back to TCP."""
    async with relay(quic=False) as (_, address):
        with silent_udp(address):
            connection = await dial(address, "quic")
        assert connection.transport_name == "tcp"
        assert connection.detour is not None
        assert (connection.detour.tried, connection.detour.used) == ("quic", "tcp")


async def test_quic_at_a_closed_port_goes_on_over_tcp_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """B2: a relay without QUIC costs no waiting."""
    monkeypatch.setattr(dialer, "HEAD_START_S", 60.0)
    async with relay(quic=False) as (_, address):
        connection = await dial(address, "quic")
        assert connection.detour == Detour("quic", "tcp", "connection refused")


async def test_tcp_means_tcp_alone() -> None:
    """B2: who asks for TCP gets TCP or an error that speaks of nothing else."""
    async with udp_only() as (_, address):
        with pytest.raises(RelayUnreachable) as caught:
            await dial(address, "tcp")
    assert caught.value.why == "connection refused"


@pytest.mark.parametrize("choice", ["auto", "quic"])
async def test_when_both_fail_both_are_named(choice: TransportChoice) -> None:
    """B2: one error, with the reason of each transport."""
    address = unused()
    with pytest.raises(RelayUnreachable, match="cannot be reached") as caught:
        await dial(address, choice)
    assert "over TCP: connection refused" in caught.value.why
    assert "over QUIC: connection refused" in caught.value.why


async def test_silence_on_both_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """B2: a place that answers nothing is left after the whole time, and both are named."""
    monkeypatch.setattr(dialer, "CONNECT_WITHIN_S", 0.6)
    monkeypatch.setattr(quic_way, "WITHIN_S", 0.2)
    address = unused()
    async with silent_tcp(address):
        with silent_udp(address), pytest.raises(RelayUnreachable, match="did not answer") as caught:
            await dial(address)
    assert "over TCP: no answer" in caught.value.why
    assert "over QUIC: no answer" in caught.value.why


async def test_what_answers_says_most() -> None:
    """B2: a server that is no relay is the news, not the closed UDP port beside it."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    address = unused()
    server = await asyncio.start_server(greet, address.host, address.port)
    with pytest.raises(RelayUnreachable, match="no Tallow relay") as caught:
        await dial(address, "quic")
    assert "over QUIC: connection refused" in caught.value.why
    server.close()


async def test_a_false_key_ends_it_on_either_transport() -> None:
    """B3: a key that is not the pinned one is never made good by another transport."""
    false = "ab" * 32
    async with udp_only() as (_, address):
        with pytest.raises(RelayKeyChanged):
            await dial(RelayAddress(address.host, address.port, false))
    async with relay() as (server, address):
        for choice in ("auto", "quic"):
            with pytest.raises(RelayKeyChanged):
                await dial(RelayAddress(address.host, address.port, false), choice)
        async with asyncio.timeout(5):
            # The relay has no event for "the last link is gone"; a turn of the loop is enough.
            while len(server.switch):  # noqa: ASYNC110
                await asyncio.sleep(0)


async def test_a_pin_taken_over_one_transport_holds_over_the_other() -> None:
    """B3: one relay, one pin, whatever carries the link."""
    state = MemoryState()
    async with relay() as (server, address):
        first = await SystemDialer(state, "quic").dial(address)
        assert first.first_use
        assert pins.known(state, address).pin == certificate().key_hash.hex()
        await ended(first)
        second = await SystemDialer(state, "tcp").dial(address)
        assert not second.first_use
        await ended(second)
        port = address.port
        await server.close()
    async with relay(shown=certificate("two"), listen=f"127.0.0.1:{port}") as (_, address):
        for choice in ("tcp", "quic"):
            with pytest.raises(RelayKeyChanged, match="another key"):
                await SystemDialer(state, choice).dial(address)


async def test_what_worked_is_tried_first_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """B2: dialling again neither waits nor speaks of the detour again."""
    monkeypatch.setattr(dialer, "HEAD_START_S", 60.0)
    async with udp_only() as (_, address):
        dialling = SystemDialer(MemoryState())
        first = await dialling.dial(address)
        assert first.detour is not None
        async with silent_tcp(address):
            second = await dialling.dial(address)
        assert second.transport_name == "quic"
        assert second.detour is None
        for connection in (first, second):
            await ended(connection)
