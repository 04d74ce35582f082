"""Relays and paths that fail: while waiting, on the way, and in the last moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import Receive, SendOptions, SendText
from tallow.protocol.session import Session
from tallow.wire import limits
from tallow.wire import relay as wire
from tallow.wire.frames import LinkType
from tallow.wire.relay import decode_client
from tests.fakes import SeededRng, virtual
from tests.world import faults
from tests.world.world import Person, World, a_world, make, tree

SOME = SeededRng("relay trouble").bytes(6 << 20)


async def _waiting(world: World, **options: int) -> tuple[Person, int, str]:
    alice = await world.person("alice")
    ticket = alice.submit(SendText("hi", SendOptions(**options)))  # type: ignore[arg-type]
    code = await alice.code(ticket)
    return alice, ticket, code


@pytest.mark.parametrize("relay_notices", [True, False])
@virtual
async def test_a_break_while_waiting(tmp_path: Path, relay_notices: bool) -> None:
    """A broken wire is made again under the same code, even where the relay still holds the old."""
    async with a_world(tmp_path) as world:
        alice, ticket, code = await _waiting(world)
        bob = await world.person("bob")
        world.relay.connections[0].cut(relay_notices=relay_notices)
        lost = await alice.hears(e.RelayLost)
        assert (lost.why, lost.retry_s) == ("the wire was cut", 1.0)
        await bob.sleep(130)
        await bob.done(bob.submit(Receive(code)))
        await alice.done(ticket)
        again = [
            decode_client(sent.body)
            for sent in world.relay.heard
            if sent.connection.number == 1 and sent.kind is LinkType.CONTROL
        ]
        assert again[1] == wire.Claim(code.split("-")[0], 3600)
        assert len(alice.all(e.CodeAllocated)) == 1


@virtual
async def test_a_relay_that_restarts(tmp_path: Path) -> None:
    """A relay that is down for a while costs some tries and not the code."""
    async with a_world(tmp_path) as world:
        alice, ticket, code = await _waiting(world)
        bob = await world.person("bob")
        world.relay.stop()
        await alice.hears(e.RelayLost, nth=2)
        world.relay.start()
        await alice.hears(e.RelayConnected, nth=1)
        await bob.sleep(1)
        await bob.done(bob.submit(Receive(code)))
        await alice.done(ticket)


@virtual
async def test_a_relay_that_stays_down(tmp_path: Path) -> None:
    """After the last try it is exit 4, within a few minutes."""
    async with a_world(tmp_path) as world:
        alice, ticket, _ = await _waiting(world)
        world.relay.stop()
        error = await alice.fails(ticket)
        assert (error.code, error.exit_code) == ("relay-unreachable", 4)
        assert alice.clock.now() - 1000 < 300


@virtual
async def test_many_breaks_in_a_long_life(tmp_path: Path) -> None:
    """A code that waits for hours survives more breaks than one trouble has tries."""
    async with a_world(tmp_path) as world:
        alice, ticket, code = await _waiting(world, expires_s=12_000)
        bob = await world.person("bob")
        for nth in range(12):
            await bob.sleep(600)
            world.relay.connections[-1].cut()
            await alice.hears(e.RelayConnected, nth=nth + 1)
        await bob.sleep(1)
        await bob.done(bob.submit(Receive(code)))
        await alice.done(ticket)


@virtual
async def test_a_code_expires_while_the_relay_is_away(tmp_path: Path) -> None:
    """Time goes on while the link is being made again."""
    async with a_world(tmp_path) as world:
        alice, ticket, _ = await _waiting(world, expires_s=5)
        world.relay.stop()
        error = await alice.fails(ticket)
        assert (error.code, error.exit_code) == ("code-expired", 5)
        assert alice.clock.now() - 1000 < 10


@virtual
async def test_a_cancel_between_two_tries(tmp_path: Path) -> None:
    """Ctrl+C is heard at once while the next try is awaited."""
    async with a_world(tmp_path) as world:
        alice, ticket, _ = await _waiting(world)
        world.relay.stop()
        await alice.hears(e.RelayLost, nth=4)
        pressed_at = alice.clock.now()
        alice.cancel(ticket)
        assert (await alice.fails(ticket)).exit_code == 130
        assert alice.clock.now() - pressed_at < 0.1


@virtual
async def test_a_relay_that_falls_silent(tmp_path: Path) -> None:
    """A relay that answers no ping is given up and dialled again."""
    async with a_world(tmp_path) as world:
        alice, ticket, code = await _waiting(world)
        bob = await world.person("bob")
        world.relay.connections[0].down.hold("test")
        lost = await alice.hears(e.RelayLost)
        assert "stopped answering" in lost.why
        assert 80 < alice.clock.now() - 1000 < limits.RELAY_IDLE_S + 2
        await alice.hears(e.RelayConnected, nth=1)
        await bob.sleep(100)
        await bob.done(bob.submit(Receive(code)))
        await alice.done(ticket)


@virtual
async def test_a_waiting_creator_keeps_its_room(tmp_path: Path) -> None:
    """Pings keep the link through the whole life of the code."""
    async with a_world(tmp_path) as world:
        alice, ticket, code = await _waiting(world)
        bob = await world.person("bob")
        await bob.sleep(3500)
        await bob.done(bob.submit(Receive(code)))
        await alice.done(ticket)
        assert not alice.all(e.RelayLost)


async def _transferring(world: World) -> tuple[Person, int, Person, int]:
    alice, bob = await world.pair()
    make(alice.folder, {"file": SOME})
    sending, getting = await world.send(alice, bob, alice.folder / "file")
    return alice, sending, bob, getting


@virtual
async def test_the_relay_goes_mid_transfer(tmp_path: Path) -> None:
    """A relay that dies under a transfer and stays away for a minute is exit 4 on both sides."""
    async with a_world(tmp_path) as world:
        alice, sending, bob, getting = await _transferring(world)
        alice.workers.takes_s = lambda job: 1.0 if job.name == "seal" else 0.0
        await bob.hears(e.TransferProgress, nth=2)
        world.relay.stop()
        for person, ticket in ((alice, sending), (bob, getting)):
            error = await person.fails(ticket)
            assert error.exit_code == 4
            assert error.message
        assert tree(bob.folder / "in") == {}


@pytest.mark.parametrize("who", [0, 1], ids=["sender", "receiver"])
@pytest.mark.parametrize("relay_notices", [True, False])
@virtual
async def test_one_side_goes_midway(tmp_path: Path, who: int, relay_notices: bool) -> None:
    """C3: a side that is cut off comes back, the other is told or finds out, and both go on."""
    async with a_world(tmp_path) as world:
        alice, sending, bob, getting = await _transferring(world)
        alice.workers.takes_s = lambda job: 1.0 if job.name == "seal" else 0.0
        await bob.hears(e.TransferProgress, nth=2)
        cut_at = bob.clock.now()
        world.relay.connections[who].cut(relay_notices=relay_notices)
        sent, received = await alice.done(sending), await bob.done(getting)
        assert sent.roots == received.roots
        assert alice.all(e.SessionLost)
        assert bob.all(e.SessionLost)
        assert len(bob.all(e.OfferReceived)) == 1
        assert bob.clock.now() - cut_at < limits.PEER_SILENT_MAX_S + 20
        assert tree(bob.folder / "in") == {"file": SOME}


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("who", [0, 1], ids=["sender", "receiver"])
@virtual
async def test_a_side_that_falls_silent(tmp_path: Path, who: int, number: int) -> None:
    """An idle peer, from any frame on, is given up within a minute or so: no hang, no leftovers."""
    async with a_world(tmp_path) as world:
        world.relay.meddling.append(faults.silent_from(who, number))
        alice, sending, bob, getting = await _transferring(world)
        received = await bob.final(getting)
        if alice.is_waiting(sending):
            alice.cancel(sending)
        sent = await alice.final(sending)
        for final in (received, sent):
            if isinstance(final, e.TransferError):
                assert final.exit_code in (4, 5, 6, 7, 130)
        assert tree(bob.folder / "in") in ({}, {"file": SOME})
        assert bob.clock.now() - 1000 < 200


@pytest.mark.parametrize("number", range(12))
@pytest.mark.parametrize("who", [0, 1], ids=["sender", "receiver"])
@virtual
async def test_a_cut_at_any_frame(tmp_path: Path, who: int, number: int) -> None:
    """X25: wherever the wire breaks, both sides end, and a final name means a whole file."""
    async with a_world(tmp_path) as world:
        world.relay.meddling.append(faults.cut_at(who, number))
        alice, sending, bob, getting = await _transferring(world)
        received = await bob.final(getting)
        if alice.is_waiting(sending):
            alice.cancel(sending)
        sent = await alice.final(sending)
        left = tree(bob.folder / "in")
        assert left in ({}, {"file": SOME})
        if isinstance(sent, e.TransferDone):
            assert left == {"file": SOME}
        if isinstance(received, e.TransferDone):
            assert left == {"file": SOME}
        else:
            assert received.exit_code in (4, 5)


@pytest.mark.parametrize("most_bytes", [100, 5_000, 9_000, 100_000, 1_500_000, 3_000_000])
@virtual
async def test_a_cut_inside_a_record(tmp_path: Path, most_bytes: int) -> None:
    """A record that arrives in part is a path that is lost: before the offer exit 5, later C3."""
    async with a_world(tmp_path) as world:
        world.relay.meddling.append(faults.torn_after_bytes(0, most_bytes))
        alice, sending, bob, getting = await _transferring(world)
        if most_bytes == 100:
            error = await bob.fails(getting)
            assert (error.code, error.exit_code, error.resumable) == ("peer-gone", 5, False)
            alice.cancel(sending)
            await alice.final(sending)
            assert tree(bob.folder / "in") == {}
        else:
            await bob.done(getting)
            await alice.done(sending)
            assert bob.all(e.SessionLost)
            assert tree(bob.folder / "in") == {"file": SOME}


@pytest.mark.parametrize("who", [0, 1], ids=["sender", "receiver"])
@virtual
async def test_a_break_after_the_last_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: int
) -> None:
    """Once "complete" has arrived, a break of the path makes no failure of a success."""
    async with a_world(tmp_path) as world:
        alice, sending, bob, getting = await _transferring(world)
        real_close = Session.close

        def close_and_break(session: Session, now: float) -> None:
            real_close(session, now)
            if session.role == ("responder", "initiator")[who]:
                world.relay.connections[who].cut()

        monkeypatch.setattr(Session, "close", close_and_break)
        assert (await alice.final(sending)).ticket == sending
        received = await bob.done(getting)
        if who == 0:
            # Its own wire broke right after "complete" had come.
            assert isinstance(await alice.final(sending), e.TransferDone)
        assert received.failed == 0
        assert tree(bob.folder / "in") == {"file": SOME}
