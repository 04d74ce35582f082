"""Lanes at a real relay: let in by a token, joined in pairs, gone with their pair."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from relay.server import RelayServer
from relay.tls import TlsWire
from tallow.wire import limits
from tallow.wire.relay import LANE_MAGIC, AskLanes, Lanes, Meet, Paired, Waiting
from tests.relay.client import ID, Client, Clock, until
from tests.relay.conftest import StartRelay

pytestmark = pytest.mark.wire


OPEN: list[asyncio.StreamWriter] = []
"""What the tests below have dialled."""


@pytest_asyncio.fixture(autouse=True)
async def tidy() -> AsyncIterator[None]:
    """Close every connection of a test."""
    yield
    for writer in OPEN:
        writer.close()
    for writer in OPEN:
        try:
            await writer.wait_closed()
        except (OSError, ssl.SSLError):
            pass  # The relay ended it first.
    OPEN.clear()


async def met(port: int, name: bytes = ID) -> tuple[Client, Client]:
    """Return the two links of a settled pair."""
    creator = await Client.enter(port, Meet(name, 600))
    assert await creator.hear() == Waiting()
    joiner = await Client.enter(port, Meet(name, 600))
    assert isinstance(await creator.hear(), Paired)
    assert isinstance(await joiner.hear(), Paired)
    OPEN.extend((creator.writer, joiner.writer))
    joiner.send(b"settle")
    assert await creator.data() == b"settle"
    return creator, joiner


async def tokens_for(
    creator: Client, joiner: Client, count: int
) -> tuple[list[bytes], list[bytes]]:
    """Ask and return both sides' tokens."""
    creator.say(AskLanes(count))
    mine, theirs = await creator.hear(), await joiner.hear()
    assert isinstance(mine, Lanes) and isinstance(theirs, Lanes)
    return mine.tokens, theirs.tokens


class Raw:
    """One plain TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def dial(cls, port: int, opening: bytes) -> Raw:
        """Connect and say the first bytes."""
        raw = cls(*await asyncio.open_connection("127.0.0.1", port))
        OPEN.append(raw.writer)
        raw.writer.write(opening)
        return raw

    async def is_closed(self) -> bool:
        """Wait for the end; True if no byte came before it."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        """End."""
        self.writer.close()


async def lane(port: int, mine: bytes, theirs: bytes) -> tuple[Raw, Raw]:
    """Dial both ends of one lane."""
    return (
        await Raw.dial(port, LANE_MAGIC + mine),
        await Raw.dial(port, LANE_MAGIC + theirs),
    )


async def test_two_tokens_make_a_lane(start: StartRelay) -> None:
    """B2: bytes cross raw in both directions, what came behind the token included."""
    server, port = await start()
    creator, joiner = await met(port)
    [mine], [theirs] = await tokens_for(creator, joiner, 1)
    one = await Raw.dial(port, LANE_MAGIC + mine + b"early")
    other = await Raw.dial(port, LANE_MAGIC + theirs)
    assert await other.reader.readexactly(5) == b"early"
    other.writer.write(bytes(100_000))
    assert await one.reader.readexactly(100_000) == bytes(100_000)
    assert len(server.switch.lanes) == 1
    assert len(server.switch) == 2, "a lane is no link"
    for raw in (one, other):
        raw.close()
    await until(lambda: not len(server.switch.lanes))
    assert server.switch.lanes.carried_bytes == 100_005
    assert not len(server.hub.lane_tokens)


async def test_the_opening_may_come_in_pieces(start: StartRelay) -> None:
    """A slow path may cut the token anywhere."""
    _, port = await start()
    creator, joiner = await met(port)
    [mine], [theirs] = await tokens_for(creator, joiner, 1)
    one = await Raw.dial(port, LANE_MAGIC[:1])
    for at in range(1, 36):
        await asyncio.sleep(0)
        one.writer.write((LANE_MAGIC + mine)[at : at + 1])
    await Raw.dial(port, LANE_MAGIC + theirs + b"x")
    assert await one.reader.readexactly(1) == b"x"


@pytest.mark.parametrize(
    "opening",
    [
        LANE_MAGIC + bytes(32),
        b"TLN2" + bytes(32),
        b"T" * 36,
        LANE_MAGIC + b"\xff" * 5000,
    ],
    ids=["unknown", "other version", "no lane", "much of it"],
)
async def test_a_stranger_is_closed_without_a_word(start: StartRelay, opening: bytes) -> None:
    """X14, X18: no token, no answer; nothing of him is kept."""
    lines: list[str] = []
    server, port = await start(lines=lines)
    raw = await Raw.dial(port, opening)
    assert await raw.is_closed()
    await until(lambda: not server._wires)
    assert len(server.switch) == 0
    assert any("lane" in line for line in lines)


async def test_a_used_token_opens_nothing_and_harms_nobody(start: StartRelay) -> None:
    """X18: whoever replays a token gets nothing, and the lane that it made goes on."""
    _, port = await start()
    creator, joiner = await met(port)
    [mine], [theirs] = await tokens_for(creator, joiner, 1)
    one, other = await lane(port, mine, theirs)
    one.writer.write(b"a")
    assert await other.reader.readexactly(1) == b"a"
    for token in (mine, theirs):
        thief = await Raw.dial(port, LANE_MAGIC + token)
        assert await thief.is_closed()
    other.writer.write(b"b")
    assert await one.reader.readexactly(1) == b"b"


async def test_a_late_token_opens_nothing(start: StartRelay, clock: Clock) -> None:
    """X10: ten seconds after it was given a token is worthless."""
    server, port = await start()
    creator, joiner = await met(port)
    [mine], _ = await tokens_for(creator, joiner, 1)
    clock.now += limits.LANE_TOKEN_S
    raw = await Raw.dial(port, LANE_MAGIC + mine)
    assert await raw.is_closed()
    server.switch.sweep(clock.now)
    assert not len(server.hub.lane_tokens)


async def test_whoever_waits_in_vain_is_closed(start: StartRelay, clock: Clock) -> None:
    """X10: one end without its other holds a socket for ten seconds at most."""
    server, port = await start()
    creator, joiner = await met(port)
    [mine], _ = await tokens_for(creator, joiner, 1)
    raw = await Raw.dial(port, LANE_MAGIC + mine)
    await until(lambda: bool(server.switch.lanes._waiting))
    clock.now += limits.LANE_TOKEN_S
    server.switch.sweep(clock.now)
    assert await raw.is_closed()
    assert not server.switch.lanes._waiting


async def test_silent_lanes_are_closed(start: StartRelay, clock: Clock) -> None:
    """X10: a lane on which nothing moves goes after the time that a silent link has."""
    server, port = await start()
    creator, joiner = await met(port)
    [mine], [theirs] = await tokens_for(creator, joiner, 1)
    one, other = await lane(port, mine, theirs)
    one.writer.write(b"a")
    assert await other.reader.readexactly(1) == b"a"
    server.switch.lanes.sweep(clock.now)
    server.switch.lanes.sweep(clock.now + limits.RELAY_IDLE_S)
    assert len(server.switch.lanes) == 1
    server.switch.lanes.sweep(clock.now + limits.RELAY_IDLE_S + 1)
    assert await one.is_closed()
    assert await other.is_closed()


@pytest.mark.parametrize("standing", [True, False])
async def test_lanes_die_with_their_pair(start: StartRelay, standing: bool) -> None:
    """X10: when a side leaves, its lanes end, whether both ends had come or one."""
    server, port = await start()
    creator, joiner = await met(port)
    mine, theirs = await tokens_for(creator, joiner, 2)
    one = await Raw.dial(port, LANE_MAGIC + mine[0])
    if standing:
        await Raw.dial(port, LANE_MAGIC + theirs[0] + b"!")
        assert await one.reader.readexactly(1) == b"!"
    else:
        await until(lambda: bool(server.switch.lanes._waiting))
    await joiner.close()
    assert await one.is_closed()
    late = await Raw.dial(port, LANE_MAGIC + mine[1])
    assert await late.is_closed()
    assert not len(server.hub.lane_tokens)


async def test_another_pair_is_not_touched(start: StartRelay) -> None:
    """X13: the end of one pair ends no lane of another."""
    server, port = await start()
    first, second = await met(port), await met(port, b"o" * 32)
    await tokens_for(*first, 1)
    [mine], [theirs] = await tokens_for(*second, 1)
    one, other = await lane(port, mine, theirs)
    await first[0].close()
    await until(lambda: len(server.hub.lane_tokens) == 1)
    one.writer.write(b"still")
    assert await other.reader.readexactly(5) == b"still"


async def test_a_lane_costs_a_connection_token(start: StartRelay) -> None:
    """X10: lanes count against what an address may dial, so tokens cannot be tried at will."""
    server, port = await start(connects_per_minute=3)
    creator, joiner = await met(port)
    [mine], _ = await tokens_for(creator, joiner, 1)
    guess = await Raw.dial(port, LANE_MAGIC + bytes(32))
    assert await guess.is_closed()
    refused = await Raw.dial(port, LANE_MAGIC + mine)
    assert await refused.is_closed()
    assert not server.switch.lanes._waiting
    assert len(server.hub.lane_tokens) == 1


async def test_a_plain_connection_that_stops_in_its_token_is_closed(
    start: StartRelay, clock: Clock
) -> None:
    """X10: half a token is held as long as any link without a verb."""
    server, port = await start()
    raw = await Raw.dial(port, LANE_MAGIC + bytes(3))
    await until(lambda: any(_openings(server)))
    server.switch.sweep(clock.now + limits.RELAY_FIRST_MESSAGE_S + 1)
    raw.writer.write(bytes(29))
    assert await raw.is_closed()


def _openings(server: RelayServer) -> list[bytes]:
    return [bytes(wire._opening or b"") for wire in server._wires if isinstance(wire, TlsWire)]


async def test_a_closed_relay_leaves_no_lane(start: StartRelay) -> None:
    """An orderly end closes lanes with their links."""
    server, port = await start()
    creator, joiner = await met(port)
    [mine], [theirs] = await tokens_for(creator, joiner, 1)
    one, other = await lane(port, mine, theirs)
    one.writer.write(b"a")
    assert await other.reader.readexactly(1) == b"a"
    await server.close()
    assert await one.is_closed()
    assert await other.is_closed()
