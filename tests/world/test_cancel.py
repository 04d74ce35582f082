"""Ctrl+C on either side, at any moment: 130 here, 7 there, and nothing half-written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import (
    AcceptOffer,
    CancelTransfer,
    ConfirmSas,
    Receive,
    SendFiles,
    SendOptions,
    SendText,
)
from tests.fakes import SeededRng, virtual
from tests.world.world import Person, World, a_world, make, tree

SOME = SeededRng("cancel").bytes(8 << 20)


async def _begin(world: World, *, verify: bool = False) -> tuple[Person, int, Person, int]:
    alice, bob = await world.person("alice"), await world.person("bob")
    make(alice.folder, {"p/file": SOME, "p/small": b"1"})
    options = SendOptions(verify=verify)
    sending = alice.submit(SendFiles((str(alice.folder / "p"),), options=options))
    (bob.folder / "in").mkdir()
    getting = bob.submit(Receive(await alice.code(sending), output=str(bob.folder / "in")))
    return alice, sending, bob, getting


async def _verifying(world: World) -> tuple[Person, int, Person, int]:
    alice, sending, bob, getting = await _begin(world, verify=True)
    await alice.state_is("verifying")
    await bob.state_is("verifying")
    return alice, sending, bob, getting


async def _half_verified(world: World) -> tuple[Person, int, Person, int]:
    alice, sending, bob, getting = await _verifying(world)
    alice.submit(ConfirmSas(sending, equal=True))
    await bob.hears(e.VerifyStep, nth=1)
    return alice, sending, bob, getting


async def _deciding(world: World) -> tuple[Person, int, Person, int]:
    alice, sending, bob, getting = await _begin(world)
    await bob.state_is("deciding")
    return alice, sending, bob, getting


async def _preparing(world: World) -> tuple[Person, int, Person, int]:
    alice, sending, bob, getting = await _deciding(world)
    bob.workers.takes_s = lambda _: 0.5
    bob.submit(AcceptOffer(getting))
    await bob.sleep(0.1)
    return alice, sending, bob, getting


async def _transferring(world: World) -> tuple[Person, int, Person, int]:
    alice, sending, bob, getting = await _deciding(world)
    alice.workers.takes_s = lambda job: 1.0 if job.name == "seal" else 0.0
    bob.submit(AcceptOffer(getting))
    await bob.hears(e.TransferProgress, nth=4)
    return alice, sending, bob, getting


async def _finishing(world: World) -> tuple[Person, int, Person, int]:
    alice, sending, bob, getting = await _deciding(world)
    bob.workers.takes_s = lambda job: 5.0 if job.name == "finish" else 0.0
    bob.submit(AcceptOffer(getting))
    await bob.state_is("finishing")
    return alice, sending, bob, getting


Begin = Callable[[World], Awaitable[tuple[Person, int, Person, int]]]
PHASES: list[Begin] = [
    _verifying, _half_verified, _deciding, _preparing, _transferring, _finishing,
]  # fmt: skip


@pytest.mark.parametrize("who", ["sender", "receiver"])
@pytest.mark.parametrize("begin", PHASES, ids=lambda begin: begin.__name__.strip("_"))
@virtual
async def test_a_cancel_is_said_on_both_sides(tmp_path: Path, begin: Begin, who: str) -> None:
    """C11: whoever cancels ends with 130 at once; the other side learns it: 7."""
    async with a_world(tmp_path) as world:
        alice, sending, bob, getting = await begin(world)
        pressed_at = alice.clock.now()
        sides = [(alice, sending), (bob, getting)]
        (here, ticket), (there, other) = sides if who == "sender" else reversed(sides)
        here.cancel(ticket)
        error, told = await here.fails(ticket), await there.fails(other)
        assert (error.code, error.exit_code) == ("interrupted", 130)
        assert (told.code, told.exit_code) == ("peer-cancelled", 7)
        assert told.message == "The other side cancelled."
        assert here.clock.now() - pressed_at < 6
        left = tree(bob.folder / "in")
        if begin is not _finishing:
            assert "p/file" not in left


@virtual
async def test_sigterm_has_its_own_exit(tmp_path: Path) -> None:
    """Terminated is 143 here, and the same for the other side."""
    async with a_world(tmp_path) as world:
        alice, sending, bob, getting = await _transferring(world)
        alice.submit(CancelTransfer(sending, "terminated"))
        assert (await alice.fails(sending)).exit_code == 143
        assert (await bob.fails(getting)).exit_code == 7


@virtual
async def test_a_waiting_creator_leaves_its_room(tmp_path: Path) -> None:
    """A cancelled code is gone at once: who comes later learns that nobody is there."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.person("alice"), await world.person("bob")
        sending = alice.submit(SendText("hi"))
        code = await alice.code(sending)
        alice.cancel(sending)
        assert (await alice.fails(sending)).exit_code == 130
        await bob.sleep(1)
        assert (await bob.fails(bob.submit(Receive(code)))).code == "unknown-nameplate"


@virtual
async def test_a_cancel_during_the_handshake(tmp_path: Path) -> None:
    """Before anything is confirmed the other side can only learn that this one left."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.person("alice"), await world.person("bob")
        sending = alice.submit(SendText("hi"))
        getting = bob.submit(Receive(await alice.code(sending)))
        await alice.hears(e.PeerJoined)
        alice.cancel(sending)
        assert (await alice.fails(sending)).exit_code == 130
        assert (await bob.fails(getting)).exit_code in (5, 7)


@virtual
async def test_a_joiner_that_cancels_during_the_handshake(tmp_path: Path) -> None:
    """A joiner that leaves in the middle counts once at most; the right one still gets in."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.person("alice"), await world.person("bob")
        sending = alice.submit(SendText("hi"))
        code = await alice.code(sending)
        getting = bob.submit(Receive(code))
        await bob.hears(e.RelayConnected)
        bob.cancel(getting)
        assert (await bob.fails(getting)).exit_code == 130
        await bob.sleep(5)
        assert [event.counted for event in alice.all(e.CodeDropped)] in ([], [1])
        await bob.done(bob.submit(Receive(code)))
        await alice.done(sending)


@virtual
async def test_a_cancel_while_looking_again(tmp_path: Path) -> None:
    """``--wait`` hears Ctrl+C between two looks."""
    async with a_world(tmp_path) as world:
        bob = await world.person("bob")
        getting = bob.submit(Receive("7-mycode", wait=True))
        await bob.state_is("waiting")
        await bob.sleep(1)
        pressed_at = bob.clock.now()
        bob.cancel(getting)
        assert (await bob.fails(getting)).exit_code == 130
        assert bob.clock.now() - pressed_at < 0.1


@virtual
async def test_a_cancel_while_a_tree_is_listed(tmp_path: Path) -> None:
    """Ctrl+C does not wait for a walk that takes minutes, with or without a peer."""
    for with_peer in (False, True):
        async with a_world(tmp_path / str(with_peer)) as world:
            alice, bob = await world.pair()
            alice.workers.takes_s = lambda job: 300.0 if job.name == "walk_sources" else 0.0
            make(alice.folder, {"file": b"1"})
            sending = alice.submit(SendFiles((str(alice.folder / "file"),)))
            code = await alice.code(sending)
            getting = bob.submit(Receive(code)) if with_peer else 0
            await alice.sleep(5)
            pressed_at = alice.clock.now()
            alice.cancel(sending)
            assert (await alice.fails(sending)).exit_code == 130
            assert alice.clock.now() - pressed_at < 1
            if with_peer:
                assert (await bob.fails(getting)).exit_code == 7


@virtual
async def test_a_cancel_before_the_relay_answers(tmp_path: Path) -> None:
    """Ctrl+C is heard while the relay is still being asked."""
    async with a_world(tmp_path) as world:
        alice = await world.person("alice")
        sending = alice.submit(SendText("hi"))
        await alice.hears(e.RelayConnected)
        world.relay.connections[0].down.hold("test")
        await alice.sleep(1)
        alice.cancel(sending)
        assert (await alice.fails(sending)).exit_code == 130
        assert alice.clock.now() < 1004


@pytest.mark.parametrize("begin", PHASES, ids=lambda begin: begin.__name__.strip("_"))
@pytest.mark.parametrize("who", ["sender", "receiver"])
@virtual
async def test_an_engine_that_closes(tmp_path: Path, begin: Begin, who: str) -> None:
    """An engine that is closed in the middle tells the peer and leaves nothing half-written."""
    async with a_world(tmp_path) as world:
        alice, sending, bob, getting = await begin(world)
        here, there, other = (alice, bob, getting) if who == "sender" else (bob, alice, sending)
        await here.leave()
        error = await there.fails(other)
        assert error.exit_code in (5, 7)
        if begin is not _finishing:
            assert "p/file" not in tree(bob.folder / "in")


@pytest.mark.parametrize("code", [None, "violet tugboat 8142 xylophone marzipan quorum"])
@virtual
async def test_an_engine_that_closes_while_a_password_is_stretched(
    tmp_path: Path, code: str | None
) -> None:
    """A connection that nobody has said a word on yet is closed like any other."""
    async with a_world(tmp_path) as world:
        alice = await world.person("alice", relay_password=None if code else "password")
        # Whether this code began a transfer before is looked up first, and is nothing to wait for.
        alice.workers.takes_s = lambda job: 0.0 if job.name == "begun_with" else 5.0
        alice.submit(SendText("hi", SendOptions(code=code)))
        await alice.sleep(1)
        assert len(world.relay.connections) == 1
        await alice.leave()
