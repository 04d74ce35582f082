"""All lanes of a session: records shared out, dead ones counted, none of them ever missed."""

from __future__ import annotations

import asyncio

from tallow.crypto.secret import SecretBytes
from tallow.engine.lanes import Lanes
from tallow.engine.ports import Lane
from tallow.errors import LinkError
from tallow.protocol.lane_proof import LaneJoin, LaneProof
from tallow.wire import limits
from tests.fakes import virtual
from tests.world.lane import MemoryLane, joined

RECORD = memoryview(bytes(50))


def new_join() -> LaneJoin:
    """Return a proof that nobody looks at."""
    return LaneJoin(LaneProof(SecretBytes(bytes(64)), "i", "lane", bytes(32)))


class Wires:
    """Dials lanes whose far ends the test holds."""

    def __init__(self) -> None:
        self.rings = 0
        self.near: list[MemoryLane] = []
        self.far: list[MemoryLane] = []
        self.lanes = Lanes(self._dial, new_join, self._ring)

    def _ring(self) -> None:
        self.rings += 1

    async def _dial(self, token: bytes, join: LaneJoin) -> Lane:
        del join
        await asyncio.sleep(1)
        if not token:
            raise LinkError("no lane")
        near, far = joined()
        self.near.append(near)
        self.far.append(far)
        return near

    async def standing(self, count: int) -> Lanes:
        """Return the lanes once so many stand."""
        self.lanes.dial([b"t"] * count)
        await asyncio.sleep(2)
        return self.lanes


@virtual
async def test_lanes_come_to_stand_beside_the_loop() -> None:
    """B2: dialling is under way until every lane stands or has failed, and the loop is woken."""
    wires = Wires()
    lanes = wires.lanes
    lanes.dial([b"a", b"", b"b"])
    assert lanes.dialling == 3
    assert (lanes.standing, lanes.have_room) == (0, False)
    assert lanes.send(RECORD) is None
    await asyncio.sleep(2)
    assert (lanes.standing, lanes.dialling, lanes.have_room) == (2, 0, True)
    assert wires.rings
    assert lanes.the_dead() == [], "a lane that never stood has lost nothing"
    await lanes.stop()


@virtual
async def test_records_are_shared_out_in_turn() -> None:
    """B2: every lane gets its share."""
    wires = Wires()
    lanes = await wires.standing(3)
    for _ in range(6):
        assert lanes.send(RECORD) is not None
    assert [len(lane.sent) for lane in wires.near] == [2, 2, 2]
    await lanes.stop()


@virtual
async def test_a_full_lane_is_passed_over() -> None:
    """B2: a slow lane does not hold the others up; when all are full there is no room."""
    wires = Wires()
    lanes = await wires.standing(2)
    slow = wires.near[0]
    slow.out.hold("test")
    slow.send(memoryview(bytes(limits.MIB)))
    for _ in range(3):
        assert lanes.send(RECORD) is wires.near[1]
    wires.near[1].out.hold("test")
    wires.near[1].send(memoryview(bytes(limits.MIB)))
    assert not lanes.have_room
    assert lanes.send(RECORD) is None
    await lanes.stop()


@virtual
async def test_frames_are_taken_from_every_lane() -> None:
    """B2: what arrives anywhere is returned with the lane that its buffer goes back to."""
    wires = Wires()
    lanes = await wires.standing(2)
    for number, far in enumerate(wires.far):
        far.send(memoryview(bytes([number]) * 40))
    await asyncio.sleep(1)
    taken = [lanes.take(), lanes.take()]
    assert {bytes(got[1]) for got in taken if got} == {bytes(40), b"\1" * 40}
    assert {id(got[0]) for got in taken if got} == {id(lane) for lane in wires.near}
    assert lanes.take() is None
    await lanes.stop()


@virtual
async def test_a_dead_lane_is_told_once() -> None:
    """Whoever owns the records learns which lane they were lost on, once."""
    wires = Wires()
    lanes = await wires.standing(2)
    wires.near[0].cut()
    assert lanes.the_dead() == [wires.near[0]]
    assert lanes.the_dead() == []
    assert lanes.standing == 1
    assert not lanes.are_off
    await lanes.stop()


@virtual
async def test_a_spoilt_record_costs_its_lane() -> None:
    """X25: a record that does not open ends the lane that it came on and no other."""
    wires = Wires()
    lanes = await wires.standing(2)
    lanes.spoil(wires.near[1])
    assert lanes.the_dead() == [wires.near[1]]
    assert lanes.send(RECORD) is wires.near[0]
    await lanes.stop()


@virtual
async def test_three_losses_turn_lanes_off() -> None:
    """X10: a path that loses records is not tried for ever; the rest of them are lost too."""
    wires = Wires()
    lanes = await wires.standing(5)
    for lane in wires.near[: limits.LANE_LOSSES_MAX]:
        lane.cut()
        assert lanes.the_dead() == [lane]
        assert not lanes.are_off
        lanes.count_loss()
    assert lanes.are_off
    assert lanes.the_dead() == wires.near[limits.LANE_LOSSES_MAX :]
    assert lanes.standing == 0
    lanes.dial([b"more"])
    assert not lanes.dialling
    assert lanes.to_ask_for(4) == 0


@virtual
async def test_three_spoilt_lanes_turn_lanes_off() -> None:
    """X10, X25: whoever writes into lanes can do so three times."""
    wires = Wires()
    lanes = await wires.standing(5)
    for lane in wires.near[: limits.LANE_LOSSES_MAX]:
        lanes.spoil(lane)
    assert lanes.are_off
    assert all(lane.is_closed for lane in wires.near)


@virtual
async def test_a_lane_that_ends_with_nothing_on_it_is_no_loss() -> None:
    """B2: a relay closes lanes that rest; whoever has more to send asks for others."""
    wires = Wires()
    lanes = await wires.standing(4)
    for lane in wires.near:
        lane.end("nothing moved for long")
    assert len(lanes.the_dead()) == 4
    assert not lanes.are_off
    assert lanes.to_ask_for(4) == 4
    await lanes.stop()


@virtual
async def test_lanes_given_up_are_dead_at_once() -> None:
    """X10: what is on any of them is to be asked about, and none is dialled again."""
    wires = Wires()
    lanes = await wires.standing(3)
    lanes.give_up()
    assert lanes.the_dead() == wires.near
    assert lanes.are_off


@virtual
async def test_a_relay_does_not_say_how_many_sockets_are_opened() -> None:
    """X10: grants without end open sixteen lanes and no more."""
    wires = Wires()
    lanes = wires.lanes
    for _ in range(5):
        lanes.dial([b"t"] * 16)
    assert lanes.dialling == limits.LANES_PER_SESSION_MAX
    await asyncio.sleep(2)
    lanes.dial([b"t"] * 16)
    assert (lanes.dialling, lanes.standing) == (0, limits.LANES_PER_SESSION_MAX)
    await lanes.stop()


@virtual
async def test_only_what_is_missing_is_asked_for() -> None:
    """B2, X10: lanes that stand or are dialled are not asked for again, nor for ever."""
    wires = Wires()
    lanes = await wires.standing(2)
    lanes.dial([b"t"])
    assert [lanes.to_ask_for(count) for count in (8, 3, 1, 0)] == [5, 0, 0, 0]
    for _ in range(limits.LANE_ASKS_MAX - 1):
        assert lanes.to_ask_for(8) == 5
    assert lanes.to_ask_for(8) == 0
    await lanes.stop()


@virtual
async def test_stopping_ends_what_stands_and_what_is_dialled() -> None:
    """The end of a session leaves no lane and no task."""
    wires = Wires()
    lanes = await wires.standing(1)
    lanes.dial([b"later"])
    await asyncio.sleep(0)
    await lanes.stop()
    assert not lanes.dialling
    assert wires.near[0].lost == "this side closed the lane"
    assert len(wires.near) == 1
