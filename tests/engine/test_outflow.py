"""How many lanes are asked for, and which records go over them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tallow.engine import outflow, sending
from tallow.engine.commands import Receive, SendOptions, SendStream
from tallow.engine.outflow import LANES_FROM_BYTES, lanes_wanted
from tallow.engine.settings import LanesChoice
from tallow.wire import limits
from tests.fakes import SeededRng, virtual
from tests.world.world import World, a_world, make, tree

MIB = limits.MIB
SLOW = SendOptions(throttle_bps=MIB, compress=False)
SOME = SeededRng("outflow").bytes(5 * MIB)


@pytest.mark.parametrize(
    ("mode", "total_bytes", "rtt_s", "count"),
    [
        ("tls", 1 << 40, 0.2, 0),
        ("auto", LANES_FROM_BYTES - 1, 0.2, 0),
        ("sealed", 1, 0.2, 8),
        ("auto", LANES_FROM_BYTES, 0.001, 1),
        ("auto", LANES_FROM_BYTES, None, 1),
        ("auto", LANES_FROM_BYTES, 0.03, 4),
        ("auto", LANES_FROM_BYTES, 0.08, 8),
    ],
)
def test_a_long_way_takes_more_lanes(
    mode: LanesChoice, total_bytes: int, rtt_s: float | None, count: int
) -> None:
    """B2: by the round trip and the size, none for what is soon over or shall stay in TLS."""
    assert lanes_wanted(mode, total_bytes, rtt_s) == count


async def send_some(world: World) -> None:
    """Send five mebibytes slowly and check that they arrive."""
    alice, bob = await world.pair()
    make(alice.folder, {"file": SOME})
    ticket, getting = await world.send(alice, bob, alice.folder / "file", options=SLOW)
    await alice.done(ticket)
    await bob.done(getting)
    assert tree(bob.folder / "in") == {"file": SOME}


@virtual
async def test_what_is_remembered_of_lanes_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X10: records that are stored are forgotten, and no record that is on its way is."""
    monkeypatch.setattr(outflow, "REMEMBERED_RECORDS", 4)
    async with a_world(tmp_path) as world:

        def lose_one(frame: bytes) -> bytes | None:
            (one, other) = world.relay.lanes.standing[0]
            if len(one.sent) + len(other.sent) < 14:
                return frame
            one.cut()
            other.cut()
            return None

        def with_lane(one: object, other: object) -> None:
            del one, other
            for end in world.relay.lanes.standing[0]:
                end.meddle = lose_one

        world.relay.lanes.on_standing = with_lane
        await send_some(world)


@virtual
async def test_packs_are_remembered_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """X25: small files that were on a lane when it died arrive all the same."""
    monkeypatch.setattr(outflow, "REMEMBERED_RECORDS", 1)
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        files = {f"d/{n:03}": SOME[n * 50_000 : (n + 1) * 50_000] for n in range(100)}
        make(alice.folder, dict(files))
        lost: list[int] = []

        def with_lane(one: object, other: object) -> None:
            del one, other
            for end in world.relay.lanes.standing[0]:
                end.meddle = lose

        def lose(frame: bytes) -> bytes | None:
            one, other = world.relay.lanes.standing[0]
            lost.append(len(frame))
            if len(lost) < 6:
                return None if len(lost) > 3 else frame
            one.cut()
            other.cut()
            return None

        world.relay.lanes.on_standing = with_lane
        ticket, getting = await world.send(alice, bob, alice.folder / "d", options=SLOW)
        await alice.done(ticket)
        await bob.done(getting)
        arrived = {name: body for name, body in tree(bob.folder / "in").items() if body is not None}
        assert arrived == files
        assert len(lost) >= 6


@virtual
async def test_a_stream_never_goes_over_a_lane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C2: a pipe cannot be read twice; even if the other side has lanes made, it stays."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"said": SOME})

        def ask(self: sending.Sending, total: int) -> None:
            assert total == 0
            self._link.rendezvous.ask_lanes(2)

        monkeypatch.setattr(sending.Sending, "_ask_for_lanes", ask)
        with (alice.folder / "said").open("rb") as said:
            monkeypatch.setattr(sys, "stdin", said)
            ticket = alice.submit(SendStream("s", options=SLOW))
            inbox = bob.folder / "in"
            inbox.mkdir()
            getting = bob.submit(Receive(await alice.code(ticket), output=str(inbox)))
            await alice.done(ticket)
            await bob.done(getting)
        assert tree(inbox) == {"s": SOME}
        standing = world.relay.lanes.standing
        assert len(standing) == 2
        assert not any(end.sent for pair in standing for end in pair)
