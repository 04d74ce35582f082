"""The one loop: what must go goes first, frames are fed in order, deadlines are kept."""

from __future__ import annotations

import asyncio

import pytest

from tallow.crypto.secret import SecretBytes
from tallow.engine.lanes import Lanes
from tallow.engine.link import Link, read_peer_frame
from tallow.engine.ports import Lane
from tallow.errors import LinkError, PeerGone, RelayUnreachable, RemoteProtocolError, TimedOut
from tallow.protocol.lane_proof import LaneJoin, LaneProof
from tallow.protocol.rendezvous import Greeted, PlateAllocated, RelayNoticed, Rendezvous, SeatTaken
from tallow.wire import limits
from tallow.wire import relay as wire
from tallow.wire.frames import (
    LinkType,
    PeerType,
    RecordHeader,
    encode_link,
    encode_peer,
    encode_record,
)
from tests.fakes import BEGIN_S, SeededRng, TestClock, virtual
from tests.pair.sessions import Two
from tests.world.lane import MemoryLane, joined
from tests.world.relay import MemoryConnection, MemoryRelay


async def _connect(
    relay: MemoryRelay, verb: wire.Allocate | wire.Join | None = None
) -> tuple[Link, MemoryConnection]:
    connection = relay.accept("192.0.2.1")
    rendezvous = Rendezvous(verb or wire.Allocate(600), SeededRng("link").bytes)
    rendezvous.begin(asyncio.get_running_loop().time())
    return Link(connection, rendezvous, TestClock()), connection


async def _leave(link: Link) -> None:
    link.leave()
    await link.connection.closed()


@virtual
async def test_events_come_in_order() -> None:
    """What the relay says becomes events, one after the other, and nothing else waits."""
    link, _ = await _connect(MemoryRelay())
    assert isinstance(await link.next_event(), Greeted)
    assert isinstance(await link.next_event(), PlateAllocated)
    assert link.poll() is None
    await _leave(link)


@virtual
async def test_what_waits_is_sent_before_anything_is_awaited() -> None:
    """A message that a machine has ready leaves before the loop sleeps."""
    relay = MemoryRelay()
    link, connection = await _connect(relay)
    assert connection.counts == {}
    waiting = asyncio.ensure_future(link.wait())
    await asyncio.sleep(0)
    assert connection.counts == {LinkType.CONTROL: 2}
    await waiting
    await _leave(link)


@virtual
async def test_a_relay_that_says_nothing_is_given_up() -> None:
    """The relay has ten seconds for its first answer."""
    link, connection = await _connect(MemoryRelay())
    connection.down.hold("test")
    began_at = asyncio.get_running_loop().time()
    with pytest.raises(TimedOut):
        await link.next_event()
    assert asyncio.get_running_loop().time() - began_at < limits.RELAY_FIRST_MESSAGE_S + 0.1
    connection.cut()


@virtual
async def test_pings_keep_a_quiet_link() -> None:
    """Nothing to say for an hour is no reason to be taken for dead."""
    relay = MemoryRelay()
    link, connection = await _connect(relay, wire.Allocate(3000))
    while not isinstance(await link.next_event(), PlateAllocated):
        pass
    with pytest.raises(LinkError):
        while True:
            event = await link.next_event()
            if event == RelayNoticed("expired"):
                break
        await link.next_event()
    assert connection.counts[LinkType.PING] >= 3000 // limits.PING_EVERY_S - 1


@virtual
async def test_a_relay_that_stops_answering_is_given_up() -> None:
    """Silence of a relay that answered before is noticed too."""
    link, connection = await _connect(MemoryRelay())
    while not isinstance(await link.next_event(), PlateAllocated):
        pass
    connection.down.hold("test")
    with pytest.raises(RelayUnreachable):
        await link.next_event()
    connection.cut()


@virtual
async def test_frames_that_wait_are_no_silence() -> None:
    """Who does not take what is there cannot call the others silent."""
    link, connection = await _connect(MemoryRelay())
    while not isinstance(await link.next_event(), PlateAllocated):
        pass
    connection.write(wire.relay_frame(wire.Waiting()))
    await asyncio.sleep(1)
    loop = asyncio.get_running_loop()
    until = loop.time() + 3 * limits.RELAY_IDLE_S
    while loop.time() < until:
        await link.wait(loop.time() + 5)
        assert connection.waiting
    connection.cut()


@virtual
async def test_what_came_before_a_loss_is_taken_first() -> None:
    """A link that breaks still delivers what had arrived."""
    link, connection = await _connect(MemoryRelay())
    link.flush()
    await asyncio.sleep(1)
    connection.cut()
    seen = [link.poll(), link.poll()]
    assert [type(event) for event in seen] == [Greeted, PlateAllocated]
    with pytest.raises(LinkError) as caught:
        link.poll()
    assert caught.value.why == "the wire was cut"


@virtual
async def test_data_for_nobody_is_dropped() -> None:
    """Late data of a side that was put out does not end the link."""
    link, connection = await _connect(MemoryRelay())
    while not isinstance(await link.next_event(), PlateAllocated):
        pass
    connection.write(encode_link(LinkType.DATA, b"nonsense"))
    connection.write(wire.relay_frame(wire.Waiting()))
    assert isinstance(await link.next_event(), SeatTaken)
    await _leave(link)


@virtual
async def test_a_malformed_relay_message_ends_the_link() -> None:
    """X14: a relay that talks nonsense is a broken link, exit 4."""
    link, connection = await _connect(MemoryRelay())
    connection.write(encode_link(LinkType.CONTROL, b"\xc1nonsense"))
    with pytest.raises(LinkError) as caught:
        while True:
            await link.next_event()
    assert caught.value.exit_code == 4
    connection.cut()


@virtual
async def test_leaving_frees_the_room_at_once() -> None:
    """Who leaves says so, and the relay lets the number go."""
    relay = MemoryRelay()
    link, _ = await _connect(relay)
    while not isinstance(await link.next_event(), PlateAllocated):
        pass
    assert relay.switch.hub.rooms() == 1
    await _leave(link)
    await asyncio.sleep(limits.ROOM_ORPHAN_S + 2)
    assert relay.switch.hub.rooms() == 0


@virtual
async def test_a_torn_record_means_that_its_sender_is_gone() -> None:
    """A link that ends inside a peer's record tells of the peer, not of the relay."""

    class Peer:
        """A machine that waits."""

        def next_event(self) -> None:
            """Nothing happens."""

        def bytes_to_send(self) -> list[bytes]:
            """Return nothing."""
            return []

    link, connection = await _connect(MemoryRelay())
    while not isinstance(await link.next_event(), PlateAllocated):
        pass
    link.peer = Peer()  # type: ignore[assignment]  # as far as a poll needs a machine
    connection.write(encode_link(LinkType.DATA, bytes(100_000))[:50_000])
    await asyncio.sleep(1)
    connection.cut()
    with pytest.raises(PeerGone):
        link.poll()


@pytest.mark.parametrize(
    "raw",
    [b"", b"\x00\x00\x00\x01", b"\xff" * 20, encode_peer(PeerType.FLIGHT, b"x")[:-1]],
    ids=["empty", "header", "nonsense", "cut"],
)
def test_a_false_peer_frame_is_the_peers_fault(raw: bytes) -> None:
    """X14: bytes that are no peer frame become one error of ours."""
    with pytest.raises(RemoteProtocolError):
        read_peer_frame(raw)


# --- lanes ------------------------------------------------------------------------------------


def _bulk(number: int = 0) -> bytes:
    header = RecordHeader(PeerType.BULK, 1, 0, number)
    return encode_record(header, bytes(40))


async def _with_lane() -> tuple[Link, MemoryLane, MemoryLane]:
    """Return a link in a session, and both ends of its one lane."""
    link, _ = await _connect(MemoryRelay())
    near, far = joined()

    async def dial(token: bytes, join: LaneJoin) -> Lane:
        del token, join
        return near

    proof = LaneProof(SecretBytes(bytes(64)), "i", "lane", bytes(32))
    link.lanes = Lanes(dial, lambda: LaneJoin(proof), link.ring)
    link.peer = Two(BEGIN_S).greet(BEGIN_S).i.session
    link.lanes.dial([bytes(32)])
    while not isinstance(await link.next_event(), PlateAllocated):
        pass
    assert link.lanes.standing == 1
    return link, near, far


@virtual
async def test_lanes_are_not_read_before_they_may_be() -> None:
    """X25: a record that overtakes the START with its keys waits on its lane."""
    link, near, far = await _with_lane()
    far.send(memoryview(_bulk()))
    await asyncio.sleep(1)
    assert link.poll() is None
    assert near.lent == []
    link.lanes_open = True
    assert link.poll() is None
    assert near.lost, "it was of no channel that is open"
    await link.drop_lanes()
    await _leave(link)


@pytest.mark.parametrize(
    "frame", [_bulk(), encode_peer(PeerType.FLIGHT, bytes(60)), bytes(3), b"\xff" * 70]
)
@virtual
async def test_a_bad_record_costs_its_lane_and_nothing_else(frame: bytes) -> None:
    """X14, X25: forged, of another kind, or no frame at all: the session goes on."""
    link, near, far = await _with_lane()
    link.lanes_open = True
    far.send(memoryview(frame))
    await asyncio.sleep(1)
    assert link.poll() is None
    assert near.is_closed
    assert link.lanes is not None
    assert link.lanes.standing == 0
    await _leave(link)


@virtual
async def test_a_buffer_of_a_lane_goes_back_to_it() -> None:
    """X25: whoever keeps a record gives its buffer back to where it came from, once."""
    link, near, far = await _with_lane()
    link.lanes_open = True
    far.send(memoryview(_bulk()))
    await asyncio.sleep(1)
    assert link.poll() is None
    kept = link.keep()
    assert kept is not None
    assert near.lent == [kept]
    link.release()
    assert near.lent == [kept]
    link.recycle(kept)
    assert near.lent == []
    await _leave(link)
