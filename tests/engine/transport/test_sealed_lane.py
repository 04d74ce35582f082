"""One lane: records whole and in order, back-pressure, and an end of its own for every fault."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from tallow.engine.transport import sealed_lane
from tallow.engine.transport.frame_buffers import FrameBuffers
from tallow.engine.transport.sealed_lane import LaneConnection, prove
from tallow.errors import LinkError, RemoteProtocolError, TallowError, TimedOut
from tallow.wire import limits
from tallow.wire.frames import PeerType
from tests.engine.transport.lanes import (
    SECRET,
    arrived,
    congested,
    join,
    lane_and_socket,
    loss,
    lost,
    record,
    taken,
    tcp_pair,
)
from tests.fakes import virtual
from tests.relay.client import until

pytestmark = pytest.mark.wire

LARGEST = limits.FRAME_MAX_BYTES - 4 - limits.RECORD_HEADER_BYTES


async def test_records_cross_whole_and_in_order() -> None:
    """B2: small and largest records arrive as they were given, in both directions."""
    one, other = tcp_pair()
    here, there = LaneConnection(one, FrameBuffers()), LaneConnection(other, FrameBuffers())
    sizes = [16, 17, 70_000, LARGEST, 16, LARGEST]
    for side, far in ((here, there), (there, here)):
        for number, size in enumerate(sizes):
            side.send(memoryview(record(size, seed=number)))
            assert await taken(far) == record(size, seed=number)
    here.close()
    assert await loss(there) == "the other side closed the lane"


async def test_memory_may_be_reused_at_once() -> None:
    """B2: what could not leave at once is a copy, so a slot can be sealed into again."""
    lane, far = lane_and_socket()
    slot, sent = bytearray(LARGEST + 19), 0
    while not congested(lane):
        slot[:] = record(LARGEST, seed=sent)
        lane.send(memoryview(slot))
        slot[:] = bytes(len(slot))
        sent += 1
    there = LaneConnection(far, FrameBuffers())
    for number in range(sent):
        assert await taken(there) == record(LARGEST, seed=number)
    assert not congested(lane)
    lane.close()
    there.close()


async def test_a_reader_who_takes_nothing_is_not_read_for() -> None:
    """X10: a peer cannot make this side hold more than a few records of a lane."""
    one, other = tcp_pair()
    here, there = LaneConnection(one, FrameBuffers()), LaneConnection(other, FrameBuffers())
    sent = 0
    for _ in range(200):
        if not here.congested:
            here.send(memoryview(record(LARGEST, seed=sent)))
            sent += 1
        await asyncio.sleep(0)
    assert len(there._frames) == sealed_lane.READ_AHEAD_FRAMES
    for number in range(sent):
        assert await taken(there) == record(LARGEST, seed=number)
    here.close()
    there.close()


async def test_buffers_are_reused() -> None:
    """C9: a long transfer allocates a handful of buffers, not one for each record."""
    lane, far = lane_and_socket()
    loop = asyncio.get_running_loop()
    buffers = set()
    for number in range(20):
        await loop.sock_sendall(far, record(100_000, seed=number))
        frame = await arrived(lane)
        buffers.add(id(frame.obj))
        lane.recycle(frame)
    assert len(buffers) <= 2
    lane.close()
    far.close()


@pytest.mark.parametrize(
    "head",
    [
        record(16, kind=PeerType.RECORD),
        record(16, kind=PeerType.FLIGHT),
        record(16, kind=0),
        struct.pack(">IB", 0, PeerType.BULK),
        struct.pack(">IB", 30, PeerType.BULK),
        struct.pack(">IB", limits.FRAME_MAX_BYTES - 3, PeerType.BULK),
        struct.pack(">IB", 0xFFFFFFFF, PeerType.BULK),
        b"HTTP/1.1 400 Bad Request\r\n",
    ],
    ids=["record", "flight", "zero", "empty", "no tag", "too long", "huge", "http"],
)
async def test_anything_but_bulk_ends_the_lane(head: bytes) -> None:
    """X14: a false type or length ends this lane before anything is allocated for it."""
    lane, far = lane_and_socket()
    far.send(head)
    assert await loss(lane) == "something other than a bulk record came over the lane"
    assert lane.take() is None
    far.close()


async def test_what_came_before_the_end_is_taken_first() -> None:
    """A whole record that arrived counts, whatever came behind it."""
    lane, far = lane_and_socket()
    far.send(record(50, seed=1) + record(50, kind=PeerType.RECORD))
    assert await taken(lane) == record(50, seed=1)
    assert "something other" in await loss(lane)
    far.close()


async def test_half_a_record_is_no_record() -> None:
    """An end inside a record loses that record and says nothing of it."""
    lane, far = lane_and_socket()
    far.send(record(5000)[:3000])
    far.close()
    assert await loss(lane) == "the other side closed the lane"
    assert lane.take() is None


async def test_nothing_is_sent_on_a_lane_that_is_gone() -> None:
    """Sending on a dead lane is quiet: its owner learns of the loss and sends again elsewhere."""
    lane, far = lane_and_socket()
    lane.close()
    lane.close()
    lane.send(memoryview(record(16)))
    assert not congested(lane)
    assert lost(lane) == "this side closed the lane"
    assert far.recv(1) == b""
    far.close()


@virtual
async def test_a_record_that_stops_half_way_is_given_up() -> None:
    """X10: a lane that stalls inside a record for five seconds is closed, and only then."""
    lane, far = lane_and_socket()
    far.send(record(5000)[:3000])
    await asyncio.sleep(limits.LANE_STALL_S - 1)
    assert lost(lane) is None
    far.send(record(5000)[3000:4000])
    await asyncio.sleep(limits.LANE_STALL_S - 1)
    assert lost(lane) is None
    await asyncio.sleep(2)
    assert lost(lane) == "nothing moves on the lane"
    far.close()


@virtual
async def test_a_lane_may_rest_between_records() -> None:
    """Silence with nothing under way is no stall: the other side may have nothing to send."""
    lane, far = lane_and_socket()
    far.send(record(100))
    await asyncio.sleep(600)
    assert lost(lane) is None
    lane.close()
    far.close()


@virtual
async def test_a_reader_that_takes_nothing_has_longer() -> None:
    """A slow disk at the far end is no dead path: it has half a minute where this is known."""
    lane, far = lane_and_socket()
    while not congested(lane):
        lane.send(memoryview(record(LARGEST)))
    if hasattr(socket, "TCP_INFO"):
        # The system confirms in its own time, whatever the clock of this test says.
        await until(lane._is_held)
        await asyncio.sleep(limits.LANE_HELD_MAX_S - 2)
        assert lost(lane) is None
    await asyncio.sleep(limits.LANE_HELD_MAX_S)
    assert lost(lane) == "nothing moves on the lane"
    assert not congested(lane)
    far.close()


# --- the proof --------------------------------------------------------------------------------


async def test_two_ends_prove_themselves_and_then_carry_records() -> None:
    """A4: both proofs hold, and a record right behind the proof is not lost."""
    one, other = tcp_pair()
    here, there = await asyncio.gather(
        prove(one, join("i"), FrameBuffers()), prove(other, join("r"), FrameBuffers())
    )
    here.send(memoryview(record(1000)))
    assert await taken(there) == record(1000)
    here.close()
    there.close()


async def test_a_record_in_the_same_packet_as_the_proof_is_kept() -> None:
    """A4: a side that is done first may send at once."""
    mine, theirs = tcp_pair()
    far = join("r")
    far.begin(0.0)
    waiting = asyncio.ensure_future(prove(mine, join("i"), FrameBuffers()))
    loop = asyncio.get_running_loop()
    far.receive(await loop.sock_recv(theirs, 32), 0.0)
    nonce, proof = far.bytes_to_send()
    theirs.send(nonce + proof + record(64))
    lane = await waiting
    assert await taken(lane) == record(64)
    lane.close()
    theirs.close()


async def _fails(far_bytes: bytes, *, then_close: bool = False) -> TallowError:
    mine, theirs = tcp_pair()
    theirs.send(far_bytes)
    if then_close:
        theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(TallowError) as caught:
        await prove(mine, join("i"), FrameBuffers())
    assert mine.fileno() == -1, "the socket of a lane that failed is closed"
    theirs.close()
    return caught.value


async def test_a_stranger_proves_nothing() -> None:
    """X20: a lane that was stolen at the relay ends at its proof, and nothing else does."""
    assert isinstance(await _fails(bytes(64)), RemoteProtocolError)


async def test_the_own_bytes_sent_back_prove_nothing() -> None:
    """X24: a relay that mirrors a side to itself gains nothing."""
    assert isinstance(await _fails(b"i" * 32 + bytes(32)), RemoteProtocolError)


async def test_another_session_proves_nothing() -> None:
    """X24: a lane that was joined to somebody else's ends on both sides."""
    one, other = tcp_pair()
    outcomes = await asyncio.gather(
        prove(one, join("i"), FrameBuffers()),
        prove(other, join("r", SECRET[::-1]), FrameBuffers()),
        return_exceptions=True,
    )
    assert any(isinstance(outcome, RemoteProtocolError) for outcome in outcomes)
    assert all(isinstance(outcome, TallowError) for outcome in outcomes)


async def test_a_lane_that_closes_in_its_proof_is_lost() -> None:
    """X10: half a proof and an end is a lane less, with a name."""
    assert isinstance(await _fails(bytes(40), then_close=True), LinkError)


@virtual
async def test_a_silent_end_has_ten_seconds() -> None:
    """X10: whoever proves nothing in time is hung up on."""
    mine, theirs = tcp_pair()
    with pytest.raises(TimedOut):
        await prove(mine, join("i"), FrameBuffers())
    assert mine.fileno() == -1
    theirs.close()
