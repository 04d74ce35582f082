"""Lanes between two engines: used when they stand, missed by nobody when they fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine import sending
from tallow.engine.commands import SendOptions
from tallow.wire import limits
from tallow.wire import relay as wire
from tallow.wire.frames import LinkType
from tests.fakes import SeededRng, virtual
from tests.world.lane import MemoryLane
from tests.world.syncs import begin_sync, sync_pair
from tests.world.world import Person, World, a_world, make, tree

MIB = limits.MIB
SIZE = 6 * MIB + 7
SOME = SeededRng("lanes").bytes(SIZE)
SLOW = SendOptions(throttle_bps=MIB, compress=False)
"""So slow that lanes stand long before it is over."""
SENDER, RECEIVER = 0, 1


class Lanes:
    """What a test does to the lanes of a world."""

    def __init__(self, world: World, *, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        monkeypatch.setattr(sending, "lanes_wanted", lambda *_: count)

    def meddle(self, with_lane: Callable[[int, MemoryLane, MemoryLane], None]) -> None:
        """Let ``with_lane`` look at each lane as it comes to stand: its number, both ends."""
        numbers = iter(range(1000))
        lanes = self.world.relay.lanes
        lanes.on_standing = lambda one, other: with_lane(next(numbers), one, other)

    def when(self, records: int, happens: Callable[[], None], latency_s: float = 0.005) -> None:
        """Let something happen once so many records were sent, each that long under way."""

        def look(frame: bytes) -> bytes:
            if sum(self.records) == records:
                asyncio.get_running_loop().call_soon(happens)
            return frame

        def with_lane(_: int, one: MemoryLane, other: MemoryLane) -> None:
            one.out.latency_s = other.out.latency_s = latency_s
            meddle_with(one, other, look)

        self.meddle(with_lane)

    @property
    def records(self) -> list[int]:
        """How many records went over each lane."""
        return [len(one.sent) + len(other.sent) for one, other in self.world.relay.lanes.standing]

    def bulk_on_link(self) -> int:
        """Return how many large frames the sender sent over its link."""
        heard = self.world.relay.heard
        return sum(sent.kind is LinkType.DATA and len(sent.body) > 60_000 for sent in heard)

    def asked(self) -> list[int]:
        """Return how many lanes were asked for, each time."""
        counts = []
        for sent in self.world.relay.heard:
            if sent.kind is LinkType.CONTROL:
                said = wire.decode_client(sent.body)
                if isinstance(said, wire.AskLanes):
                    counts.append(said.count)
        return counts


async def transfer(world: World, options: SendOptions = SLOW) -> tuple[Person, Person, float]:
    """Send the file, check that it is equal, and return both and the seconds it took."""
    alice, bob = await world.pair()
    make(alice.folder, {"file": SOME})
    ticket, getting = await world.send(alice, bob, alice.folder / "file", options=options)
    await bob.hears(e.OfferReceived)
    began_at = alice.clock.now()
    sent = await alice.done(ticket)
    received = await bob.done(getting)
    assert tree(bob.folder / "in") == {"file": SOME}
    assert sent.roots == received.roots
    assert sent.total_bytes == received.total_bytes == SIZE
    return alice, bob, alice.clock.now() - began_at


@pytest.mark.parametrize("count", [1, 8])
@virtual
async def test_bulk_goes_over_lanes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """B2: once lanes stand, no record goes over the link, and each lane has its share."""
    async with a_world(tmp_path) as world:
        lanes = Lanes(world, count=count, monkeypatch=monkeypatch)
        await transfer(world)
        assert lanes.asked() == [count]
        assert len(lanes.records) == count
        assert min(lanes.records) > 0
        assert sum(lanes.records) > 30
        assert lanes.bulk_on_link() < 12


@pytest.mark.parametrize("nth", [1, 2, 9, 25])
@pytest.mark.parametrize("who", [SENDER, RECEIVER], ids=["sender", "receiver"])
@virtual
async def test_a_lane_is_cut_at_any_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: int, nth: int
) -> None:
    """X25: a lane that breaks on either side's path costs nothing but the time to ask."""
    async with a_world(tmp_path) as world:
        lanes = Lanes(world, count=1, monkeypatch=monkeypatch)
        lanes.meddle(lambda _, one, other: cut_at(one, other, nth, who))
        _, _, took_s = await transfer(world)
        assert lanes.records[0] == nth
        assert lanes.bulk_on_link() > 20
        assert took_s < 60


@virtual
async def test_one_lane_of_many_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """X25: what the others carry goes on over them."""
    async with a_world(tmp_path) as world:
        lanes = Lanes(world, count=4, monkeypatch=monkeypatch)

        def one_dies(number: int, one: MemoryLane, other: MemoryLane) -> None:
            if number == 2:
                cut_at(one, other, 3, SENDER)

        lanes.meddle(one_dies)
        await transfer(world)
        assert lanes.bulk_on_link() < 12
        assert sorted(lanes.records)[0] == 3


@virtual
async def test_every_lane_is_cut_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """X25, X10: all that was under way on all of them goes again, over the link."""
    async with a_world(tmp_path) as world:
        lanes = Lanes(world, count=8, monkeypatch=monkeypatch)

        def cut_all() -> None:
            for one, other in world.relay.lanes.standing:
                one.cut()
                other.cut()

        lanes.when(20, cut_all, latency_s=3.0)
        await transfer(world)
        assert sum(lanes.records) < 30
        assert lanes.bulk_on_link() > 20


@virtual
async def test_a_lane_that_swallows_everything_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X10, X25: a lane that takes all and gives nothing costs half a minute, not the transfer."""
    async with a_world(tmp_path) as world:
        lanes = Lanes(world, count=1, monkeypatch=monkeypatch)
        lanes.meddle(lambda _, one, other: meddle_with(one, other, lambda _: None))
        _, _, took_s = await transfer(world)
        assert lanes.records[0] > 5
        assert limits.LANE_SILENT_S < took_s < limits.PEER_SILENT_MAX_S


@virtual
async def test_a_lane_that_stops_reading_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X10: a congested lane does not hold up the transfer for ever while the link is free."""
    async with a_world(tmp_path) as world:
        lanes = Lanes(world, count=2, monkeypatch=monkeypatch)

        def stall(_: int, one: MemoryLane, other: MemoryLane) -> None:
            one.out.hold("test")
            other.out.hold("test")

        lanes.meddle(stall)
        _, _, took_s = await transfer(world)
        assert took_s < 2 * limits.PEER_SILENT_MAX_S


@pytest.mark.parametrize("at", [0, 4, 6, 8, 10, 18, 19, 40_000, -1])
@virtual
async def test_a_lane_that_flips_a_bit_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """X25: whatever bit it is, the lane is lost and the file is equal."""
    async with a_world(tmp_path) as world:
        lanes = Lanes(world, count=1, monkeypatch=monkeypatch)
        seen: list[int] = []

        def flip(frame: bytes) -> bytes:
            seen.append(len(frame))
            if len(seen) != 4:
                return frame
            changed = bytearray(frame)
            changed[at] ^= 1
            return bytes(changed)

        lanes.meddle(lambda _, one, other: meddle_with(one, other, flip))
        _, _, took_s = await transfer(world)
        assert len(seen) >= 4
        assert took_s < limits.PEER_SILENT_MAX_S


@virtual
async def test_what_comes_after_it_was_missed_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X25, A3: a dead lane whose records all come late, after they went again: none comes twice."""
    async with a_world(tmp_path) as world:
        lanes = Lanes(world, count=1, monkeypatch=monkeypatch)
        held: list[bytes] = []

        def late(_: int, one: MemoryLane, other: MemoryLane) -> None:
            def hold(near: MemoryLane, far: MemoryLane, frame: bytes) -> None:
                held.append(frame)
                if len(held) == 8:
                    # Only the sender's end breaks; the rest of the way still holds the records.
                    near.end("the path is gone")
                    asyncio.get_running_loop().call_later(1.0, come, far)

            def come(far: MemoryLane) -> None:
                for frame in held:
                    far.arrive(frame)

            for near, far in ((one, other), (other, one)):
                near.meddle = lambda frame, near=near, far=far: hold(near, far, frame)  # type: ignore[misc]

        lanes.meddle(late)
        _, bob, took_s = await transfer(world)
        assert len(held) == 8
        assert took_s < limits.LANE_SILENT_S
        assert not bob.all(e.TransferError)


@virtual
async def test_three_losses_turn_lanes_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """X10: a path that loses lanes is not tried for ever: the fourth lane is not used any more."""
    async with a_world(tmp_path) as world:
        lanes = Lanes(world, count=8, monkeypatch=monkeypatch)
        lanes.meddle(
            lambda number, one, other: cut_at(one, other, 2, SENDER) if number < 3 else None
        )
        await transfer(world)
        assert lanes.asked() == [8]
        assert sum(lanes.records) < 30
        assert lanes.bulk_on_link() > 20


@pytest.mark.parametrize("who", [SENDER, RECEIVER], ids=["sender", "receiver"])
@virtual
async def test_tls_only_on_either_side_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: int
) -> None:
    """X25: ``--lanes tls`` never asks, and dials nothing that the other side asks for."""
    async with a_world(tmp_path) as world:
        if who == SENDER:
            world.lanes = "tls"
        alice = await world.person("alice")
        world.lanes = "tls" if who == RECEIVER else "auto"
        bob = await world.person("bob")
        bob.says_yes()
        make(alice.folder, {"file": SOME})
        ticket, getting = await world.send(alice, bob, alice.folder / "file", options=SLOW)
        await alice.done(ticket)
        await bob.done(getting)
        assert tree(bob.folder / "in") == {"file": SOME}
        lanes = Lanes(world, count=1, monkeypatch=monkeypatch)
        assert lanes.asked() == ([] if who == SENDER else [1])
        assert world.relay.lanes.standing == []
        assert (alice, bob)[who].dialer.lanes_dialled == []


@virtual
async def test_small_transfers_never_ask(tmp_path: Path) -> None:
    """B2: what is over before a lane stands asks for none."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"file": SOME[: 4 * MIB - 1]})
        ticket, getting = await world.send(alice, bob, alice.folder / "file")
        await alice.done(ticket)
        await bob.done(getting)
        controls = [s.body for s in world.relay.heard if s.kind is LinkType.CONTROL]
        assert not any(isinstance(wire.decode_client(body), wire.AskLanes) for body in controls)
        assert world.relay.lanes.standing == []


@virtual
async def test_a_relay_without_lanes_is_no_trouble(tmp_path: Path) -> None:
    """B2: where no lane comes to stand everything goes over the link."""
    async with a_world(tmp_path) as world:
        world.relay.lanes.refuses = True
        await transfer(world)
        assert world.relay.lanes.standing == []


@virtual
async def test_records_on_the_way_back_spoil_a_lane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X25: what a relay writes towards the sender cannot keep a dead lane alive."""
    async with a_world(tmp_path) as world:
        lanes = Lanes(world, count=1, monkeypatch=monkeypatch)
        forged = b"\0\0\0\x40" + b"\x11" + bytes(63)

        def forge(_: int, one: MemoryLane, other: MemoryLane) -> None:
            loop = asyncio.get_running_loop()
            loop.call_later(2.0, one.arrive, forged)
            loop.call_later(2.0, other.arrive, forged)

        lanes.meddle(forge)
        _, _, took_s = await transfer(world)
        assert lanes.bulk_on_link() > 20
        assert took_s < limits.LANE_SILENT_S


@virtual
async def test_records_of_a_later_offer_wait_for_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X25, C12: over a slow link the START comes after its records, and costs no lane."""
    async with a_world(tmp_path) as world:
        lanes = Lanes(world, count=2, monkeypatch=monkeypatch)
        alice, bob = await sync_pair(world, "sealed")
        make(alice.folder, {"d/file": SOME})
        ticket, getting = await begin_sync(alice, bob, "watch")
        await bob.hears(e.SyncRound)
        await alice.state_is("watching", ticket)
        for wire in world.relay.connections:
            wire.up.latency_s = 0.5
        make(alice.folder, {"d/more": SOME[::-1]})
        await bob.hears(e.SyncRound, nth=1)
        assert tree(bob.folder / "in/d") == tree(alice.folder / "d")
        assert sum(lanes.records) >= 6
        assert len(world.relay.lanes.standing) == 2
        assert not any(end.is_closed for pair in world.relay.lanes.standing for end in pair)
        alice.cancel(ticket)
        await alice.fails(ticket)
        await bob.done(getting)


@virtual
async def test_a_cut_link_goes_on_with_new_lanes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C5: a transfer that lost its link and its lanes meets again and asks for others."""
    async with a_world(tmp_path) as world:
        lanes = Lanes(world, count=2, monkeypatch=monkeypatch)

        lanes.when(10, lambda: world.relay.connections[0].cut())
        await transfer(world)
        assert lanes.asked() == [2, 2]
        assert len(lanes.records) == 4


# --- what is done to a lane -------------------------------------------------------------------


def cut_at(one: MemoryLane, other: MemoryLane, nth: int, who: int) -> None:
    """Break a lane when its nth record is sent, on the path of the sender or the receiver."""

    def count(near: MemoryLane, far: MemoryLane, frame: bytes) -> bytes | None:
        if len(near.sent) < nth:
            return frame
        loop = asyncio.get_running_loop()
        victim = near if who == SENDER else far
        loop.call_soon(victim.cut)
        loop.call_later(0.1, near.end, "the relay closed it")
        loop.call_later(0.1, far.end, "the relay closed it")
        return None

    one.meddle = lambda frame: count(one, other, frame)
    other.meddle = lambda frame: count(other, one, frame)


def meddle_with(
    one: MemoryLane, other: MemoryLane, change: Callable[[bytes], bytes | None]
) -> None:
    """Change what either end sends."""
    one.meddle = other.meddle = change
