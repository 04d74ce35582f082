"""How lanes come to stand: through a real relay by tokens, or straight to the other side."""

from __future__ import annotations

import asyncio

import pytest

from tallow.engine.transport.dialer import SystemDialer
from tallow.engine.transport.frame_buffers import FrameBuffers
from tallow.engine.transport.lane_dial import LaneListener, straight, through_relay
from tallow.errors import LinkError
from tallow.protocol.address import RelayAddress
from tallow.protocol.chain import Direction
from tallow.wire.relay import AskLanes, Lanes, Meet, Paired, Waiting
from tests.engine.transport.lanes import join, record, taken
from tests.engine.transport.relays import unused
from tests.fakes import MemoryState
from tests.relay.client import ID, Client

pytestmark = pytest.mark.wire


async def _tokens(port: int, count: int) -> tuple[list[Client], list[bytes], list[bytes]]:
    creator = await Client.enter(port, Meet(ID, 600))
    assert await creator.hear() == Waiting()
    joiner = await Client.enter(port, Meet(ID, 600))
    assert isinstance(await creator.hear(), Paired)
    assert isinstance(await joiner.hear(), Paired)
    joiner.send(b"settle")
    await creator.data()
    joiner.say(AskLanes(count))
    mine, theirs = await creator.hear(), await joiner.hear()
    assert isinstance(mine, Lanes)
    assert isinstance(theirs, Lanes)
    return [creator, joiner], mine.tokens, theirs.tokens


async def test_lanes_stand_through_a_relay(relay: RelayAddress) -> None:
    """B2: four lanes of one session carry records side by side through one relay."""
    links, mine, theirs = await _tokens(relay.port, 4)
    here, there = SystemDialer(MemoryState()), SystemDialer(MemoryState())
    sides: list[tuple[SystemDialer, list[bytes], Direction]] = [
        (here, mine, "r"),
        (there, theirs, "i"),
    ]
    lanes = await asyncio.gather(
        *(
            dialer.dial_lane(relay, token, join(role, nonce=bytes([at]) + role.encode() * 31))
            for dialer, tokens, role in sides
            for at, token in enumerate(tokens)
        )
    )
    for at in range(4):
        lanes[at].send(memoryview(record(300_000, seed=at)))
    for at in range(4):
        assert await taken(lanes[at + 4]) == record(300_000, seed=at)
    for lane in lanes:
        lane.close()
    for link in links:
        await link.close()


async def test_a_false_token_is_a_lane_less(relay: RelayAddress) -> None:
    """X18: a relay that knows no such token closes, and the dialler says so."""
    with pytest.raises(LinkError):
        await through_relay(relay.host, relay.port, bytes(32), join("i"), FrameBuffers())


async def test_a_lane_that_cannot_be_dialled_says_why() -> None:
    """A refused connection is a LinkError with the system's reason."""
    nowhere = unused()
    with pytest.raises(LinkError) as caught:
        await through_relay(nowhere.host, nowhere.port, bytes(32), join("i"), FrameBuffers())
    assert caught.value.why == "connection refused"


async def test_a_name_that_is_none_says_so() -> None:
    """A host that cannot be resolved is a LinkError too."""
    with pytest.raises(LinkError):
        await straight("nowhere.invalid", 1, join("i"), FrameBuffers())


async def test_lanes_run_straight_without_a_relay() -> None:
    """B2: the same lane between two processes, one of which listens."""
    listener = LaneListener("127.0.0.1", 0, FrameBuffers())
    there, here = await asyncio.gather(
        listener.accept(join("r")), straight("127.0.0.1", listener.port, join("i"), FrameBuffers())
    )
    here.send(memoryview(record(500_000)))
    assert await taken(there) == record(500_000)
    here.close()
    there.close()
    listener.close()
