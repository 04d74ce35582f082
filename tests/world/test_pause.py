"""Holding a transfer: by a person on either side, or because the disk is full."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import ContinueTransfer, PauseTransfer, Receive, Resume, SendFiles
from tests.fakes import Job, virtual
from tests.world.losses import (
    a_linked_world,
    data_bytes,
    offer_much,
    parts_of,
    total_of,
)
from tests.world.world import Person, World, tree


def _slowly(job: Job) -> float:
    return 0.6 if job.name == "seal" else 0.0


async def _begun(world: World) -> tuple[dict[str, tuple[Person, int]], dict[str, bytes | None]]:
    alice, bob = await world.pair()
    alice.workers.takes_s = _slowly
    source, content = offer_much(alice)
    sending, getting = await world.send(alice, bob, source)
    await bob.hears(e.TransferProgress, nth=2)
    return {"sender": (alice, sending), "receiver": (bob, getting)}, content


@pytest.mark.parametrize("pausing", ["sender", "receiver"])
@virtual
async def test_a_pause_holds_everything(tmp_path: Path, pausing: str) -> None:
    """C11: whoever pauses, nothing moves for longer than a stall may last; then it goes on."""
    async with a_linked_world(tmp_path) as world:
        people, content = await _begun(world)
        one, ticket = people[pausing]
        other, other_ticket = people["receiver" if pausing == "sender" else "sender"]
        one.submit(PauseTransfer(ticket))
        assert await one.hears(e.TransferPaused) == e.TransferPaused(ticket, "here", "user")
        assert await other.hears(e.TransferPaused) == e.TransferPaused(
            other_ticket, "there", "user"
        )
        # What was given out before is still finished.
        await one.sleep(5)
        before = data_bytes(world)
        await one.sleep(1800)
        assert data_bytes(world) - before < 50_000
        one.submit(ContinueTransfer(ticket))
        for person, its_ticket in people.values():
            await person.hears(e.TransferContinued)
            await person.done(its_ticket)
        bob, _ = people["receiver"]
        assert tree(bob.folder / "in" / "in") == content
        assert not bob.all(e.SessionLost)


@virtual
async def test_both_pause_and_both_must_go_on(tmp_path: Path) -> None:
    """C11: a transfer that both hold goes on when both let it."""
    async with a_linked_world(tmp_path) as world:
        people, content = await _begun(world)
        for person, ticket in people.values():
            person.submit(PauseTransfer(ticket))
            await person.sleep(3)
        alice, sending = people["sender"]
        bob, getting = people["receiver"]
        alice.submit(ContinueTransfer(sending))
        await alice.sleep(5)
        before = data_bytes(world)
        await alice.sleep(600)
        assert data_bytes(world) - before < 50_000
        bob.submit(ContinueTransfer(getting))
        await alice.done(sending)
        await bob.done(getting)
        assert tree(bob.folder / "in" / "in") == content


@pytest.mark.parametrize("who", ["sender", "receiver"])
@virtual
async def test_pausing_twice_is_pausing_once(tmp_path: Path, who: str) -> None:
    """C11: the same key pressed again, or at the wrong time, changes and breaks nothing."""
    async with a_linked_world(tmp_path) as world:
        people, content = await _begun(world)
        person, ticket = people[who]
        for command in (ContinueTransfer, PauseTransfer, PauseTransfer, PauseTransfer):
            person.submit(command(ticket))
            await person.sleep(1)
        for _ in range(4):
            person.submit(ContinueTransfer(ticket))
            await person.sleep(1)
        for other, its_ticket in people.values():
            await other.done(its_ticket)
        assert tree(people["receiver"][0].folder / "in" / "in") == content


@pytest.mark.parametrize("cancelling", ["sender", "receiver"])
@pytest.mark.parametrize("pausing", ["sender", "receiver"])
@virtual
async def test_a_cancel_while_paused(tmp_path: Path, pausing: str, cancelling: str) -> None:
    """C11: a held transfer can be stopped by either side: both know, and it can be gone on with."""
    async with a_linked_world(tmp_path) as world:
        people, content = await _begun(world)
        person, ticket = people[pausing]
        person.submit(PauseTransfer(ticket))
        await person.sleep(100)
        for name, (person, ticket) in people.items():
            if name == cancelling:
                person.cancel(ticket)
                at = person.clock.now()
        ended = {name: await one.fails(ticket) for name, (one, ticket) in people.items()}
        assert person.clock.now() - at < 3
        for name, error in ended.items():
            assert error.exit_code == (130 if name == cancelling else 7)
            assert error.resumable
        alice, bob = people["sender"][0], people["receiver"][0]
        sending, getting = alice.submit(Resume("")), bob.submit(Resume(""))
        await bob.done(getting)
        await alice.done(sending)
        assert tree(bob.folder / "in" / "in") == content


@pytest.mark.parametrize("pausing", ["sender", "receiver"])
@virtual
async def test_a_path_that_breaks_while_paused(tmp_path: Path, pausing: str) -> None:
    """C3, C11: a held transfer that loses its path meets again, and can still be let go on."""
    async with a_linked_world(tmp_path) as world:
        people, content = await _begun(world)
        person, ticket = people[pausing]
        person.submit(PauseTransfer(ticket))
        await person.sleep(100)
        world.relay.connections[0].cut()
        await person.hears(e.TransferResumed)
        person.submit(ContinueTransfer(ticket))
        for other, its_ticket in people.values():
            await other.done(its_ticket)
        assert tree(people["receiver"][0].folder / "in" / "in") == content


# --- a full disk ------------------------------------------------------------------------------


class _Disk:
    """Writes that fail for want of space while the disk is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, room_bytes: int) -> None:
        self.room_bytes = room_bytes
        self.refused = 0
        self._pwrite = os.pwrite
        monkeypatch.setattr(os, "pwrite", self.pwrite)

    def pwrite(self, descriptor: int, content: memoryview, offset: int) -> int:
        """Write what fits; a disk that fills takes a part of the last write."""
        if not self.room_bytes:
            self.refused += 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._pwrite(descriptor, memoryview(content)[: self.room_bytes], offset)
        self.room_bytes -= written
        return written


async def _receiving(
    world: World, *, wait_s: float, last_first: bool = False
) -> tuple[Person, int, Person, int, dict[str, bytes | None]]:
    alice = await world.person("alice")
    bob = await world.person("bob", last_first=last_first)
    bob.says_yes()
    alice.workers.takes_s = _slowly
    source, content = offer_much(alice)
    (bob.folder / "in").mkdir()
    sending = alice.submit(SendFiles((str(source),)))
    command = Receive(await alice.code(sending), output=str(bob.folder / "in"), disk_wait_s=wait_s)
    return alice, sending, bob, bob.submit(command), content


@pytest.mark.parametrize("last_first", [False, True], ids=["in order", "youngest first"])
@pytest.mark.parametrize("room_bytes", [0, 100_000, 5_000_000, 20_000_000])
@virtual
async def test_a_disk_that_is_full_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room_bytes: int, last_first: bool
) -> None:
    """C11: it is said how much is missing; with space it goes on, and nothing comes twice."""
    async with a_linked_world(tmp_path) as world:
        disk = _Disk(monkeypatch, room_bytes=room_bytes)
        alice, sending, bob, getting, content = await _receiving(
            world, wait_s=600, last_first=last_first
        )
        here = await bob.hears(e.TransferPaused)
        assert (here.by, here.reason) == ("here", "disk-full")
        assert here.missing_bytes > 0
        assert await alice.hears(e.TransferPaused) == e.TransferPaused(
            sending, "there", "disk-full"
        )
        await bob.sleep(300)
        refused = disk.refused
        assert refused < 700, "a full disk is asked once a second"
        disk.room_bytes = 1 << 30
        for person, ticket in ((bob, getting), (alice, sending)):
            await person.hears(e.TransferContinued)
            await person.done(ticket)
        assert tree(bob.folder / "in" / "in") == content
        assert data_bytes(world) < total_of(content) + (1 << 20), "something came twice"
        assert len(bob.all(e.OfferReceived)) == 1
        assert not bob.all(e.SessionLost)


@virtual
async def test_a_disk_that_fills_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C11: space that is freed in bits is used in bits."""
    async with a_linked_world(tmp_path) as world:
        disk = _Disk(monkeypatch, room_bytes=3_000_000)
        alice, sending, bob, getting, content = await _receiving(world, wait_s=600)
        pauses = 0
        ending = asyncio.create_task(bob.final(getting))
        while not ending.done():
            await bob.sleep(20)
            if not disk.room_bytes:
                pauses += 1
                disk.room_bytes = 4_000_000
        await bob.done((await ending).ticket)
        await alice.done(sending)
        assert pauses > 5
        assert tree(bob.folder / "in" / "in") == content


@virtual
async def test_patience_with_a_full_disk_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C11: after the time that was given it is exit 8, and what is there can be gone on with."""
    async with a_linked_world(tmp_path) as world:
        disk = _Disk(monkeypatch, room_bytes=12_000_000)
        alice, sending, bob, getting, content = await _receiving(world, wait_s=60)
        paused = await bob.hears(e.TransferPaused)
        at = bob.clock.now()
        error = await bob.fails(getting)
        assert paused.reason == "disk-full"
        assert (error.code, error.exit_code, error.resumable) == ("disk-full", 8, True)
        assert 59 < bob.clock.now() - at < 63
        told = await alice.fails(sending)
        assert (told.exit_code, told.resumable) == (7, True)
        assert "disk" in told.message
        assert parts_of(bob.folder / "in")
        disk.room_bytes = 1 << 30
        sending, getting = alice.submit(Resume("")), bob.submit(Resume(""))
        await bob.done(getting)
        await alice.done(sending)
        assert tree(bob.folder / "in" / "in") == content
        assert bob.all(e.TransferResumed)


@pytest.mark.parametrize("who", ["sender", "receiver"])
@virtual
async def test_a_cancel_while_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    """C11: who does not want to wait for space stops at once."""
    async with a_linked_world(tmp_path) as world:
        _Disk(monkeypatch, room_bytes=12_000_000)
        alice, sending, bob, getting, _ = await _receiving(world, wait_s=3600)
        await bob.hears(e.TransferPaused)
        await bob.sleep(500)
        person, ticket = (alice, sending) if who == "sender" else (bob, getting)
        at = bob.clock.now()
        person.cancel(ticket)
        for one, its_ticket in ((alice, sending), (bob, getting)):
            assert (await one.fails(its_ticket)).exit_code == (130 if one is person else 7)
        assert bob.clock.now() - at < 3


@virtual
async def test_a_path_that_breaks_while_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C3, C11: what waited for space is asked for again over the new path."""
    async with a_linked_world(tmp_path) as world:
        disk = _Disk(monkeypatch, room_bytes=12_000_000)
        alice, sending, bob, getting, content = await _receiving(world, wait_s=600)
        await bob.hears(e.TransferPaused)
        await bob.sleep(10)
        world.relay.connections[0].cut()
        await asyncio.sleep(20)
        disk.room_bytes = 1 << 30
        await bob.done(getting)
        await alice.done(sending)
        assert tree(bob.folder / "in" / "in") == content


@virtual
async def test_a_disk_that_is_full_on_both_attempts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without patience a full disk ends at once, and the rest is kept every time."""
    async with a_linked_world(tmp_path) as world:
        disk = _Disk(monkeypatch, room_bytes=12_000_000)
        alice, sending, bob, getting, content = await _receiving(world, wait_s=0)
        for more_bytes in (8_000_000, 1 << 30):
            assert (await bob.fails(getting)).resumable
            assert (await alice.fails(sending)).resumable
            disk.room_bytes = more_bytes
            sending, getting = alice.submit(Resume("")), bob.submit(Resume(""))
        await bob.done(getting)
        await alice.done(sending)
        assert tree(bob.folder / "in" / "in") == content
        have = [event.have_bytes for event in bob.all(e.TransferResumed)]
        assert have == sorted(have)
