"""One command's last wall: exactly one final event, the peer told, and no traceback outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import Receive, SendFiles, SendText
from tests.fakes import Job, virtual
from tests.world.world import Person, a_world, make, tree


def _mistake_in(name: str, person: Person) -> None:
    def before(job: Job) -> None:
        if job.name == name:
            raise KeyError("a mistake of our own")

    person.workers.before = before


@pytest.mark.parametrize("name", ["walk_sources", "seal"])
@virtual
async def test_a_mistake_of_the_senders_is_an_error_not_a_crash(tmp_path: Path, name: str) -> None:
    """Exit 1 without a traceback outside; the other side is told, other exchanges go on."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        _mistake_in(name, alice)
        make(alice.folder, {"file": b"x" * 100_000})
        bystander = alice.submit(SendText("still here"))
        code = await alice.code(bystander)
        sending = alice.submit(SendFiles((str(alice.folder / "file"),)))
        getting = 0
        if name == "seal":
            inbox = bob.folder / "in"
            inbox.mkdir()
            getting = bob.submit(Receive(await alice.code(sending), output=str(inbox)))
        error = await alice.fails(sending)
        assert (error.code, error.exit_code, error.why) == ("internal", 1, "KeyError")
        assert "mistake of our own" not in error.message
        if getting:
            assert (await bob.fails(getting)).exit_code == 7
            assert tree(bob.folder / "in") == {}
        await bob.done(bob.submit(Receive(code)))
        await alice.done(bystander)
        (crash,) = alice.engine.crashes
        assert isinstance(crash, KeyError)
        alice.engine.crashes.clear()


@pytest.mark.parametrize("name", ["store", "give_names", "finish"])
@virtual
async def test_a_mistake_of_the_receivers_leaves_nothing(tmp_path: Path, name: str) -> None:
    """What was half-written is taken away after our own mistakes too."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        _mistake_in(name, bob)
        make(alice.folder, {"file": b"x" * 100_000})
        sending, getting = await world.send(alice, bob, alice.folder / "file")
        assert (await bob.fails(getting)).exit_code == 1
        told = await alice.fails(sending)
        assert told.exit_code == 7
        assert "mistake of its own" in told.message
        bob.engine.crashes.clear()


@virtual
async def test_each_ends_once(tmp_path: Path) -> None:
    """Added comes first, the final event last, and nothing after it."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"file": b"x"})
        sending, getting = await world.send(alice, bob, alice.folder / "file")
        await alice.done(sending)
        await bob.done(getting)
        await bob.sleep(100)
        for person in (alice, bob):
            assert isinstance(person.events[0], e.TransferAdded)
            assert e.is_final(person.events[-1])
            assert sum(e.is_final(event) for event in person.events) == 1


@virtual
async def test_the_peer_is_not_told_our_paths(tmp_path: Path) -> None:
    """X03: why this side stopped travels as a word; no path or message of ours does."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"secret folder/file": b"x"})
        sending = alice.submit(SendFiles((str(alice.folder / "secret folder/file"),)))
        output = str(bob.folder / "private" / "nowhere")
        getting = bob.submit(Receive(await alice.code(sending), output=output))
        await bob.fails(getting)
        told = await alice.fails(sending)
        assert "private" not in f"{told.message}{told.why}{told.hint}"
