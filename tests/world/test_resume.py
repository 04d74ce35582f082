"""Going on after a loss: another path, a process that ended, a source that changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import DeclineOffer, Receive, Resume, SendFiles
from tests.fakes import MemoryState, virtual
from tests.world.losses import (
    BIG,
    a_linked_world,
    both_gone,
    cut_after,
    data_bytes,
    halted,
    offer_much,
    parts_of,
    total_of,
)
from tests.world.world import make, tree


def _records(state: MemoryState) -> list[str]:
    return state.names("transfer-")


@pytest.mark.parametrize("cut_bytes", [2 << 20, 9 << 20, 23 << 20])
@virtual
async def test_a_cut_wire(tmp_path: Path, cut_bytes: int) -> None:
    """C3: whoever loses the path meets the peer again by itself and goes on, asking nobody."""
    async with a_linked_world(tmp_path) as world:
        alice, bob = await world.pair()
        source, content = offer_much(alice)
        world.relay.meddling.append(cut_after(cut_bytes))
        sending, getting = await world.send(alice, bob, source)
        done, sent = await bob.done(getting), await alice.done(sending)
        assert tree(bob.folder / "in" / "in") == content
        assert done.roots == sent.roots
        assert done.failed == 0
        assert len(bob.all(e.OfferReceived)) == 1
        assert bob.all(e.SessionLost)
        assert alice.all(e.SessionLost)
        # Of the first two megabytes nothing was stored yet, so there is nothing to go on from.
        assert bool(bob.all(e.TransferResumed)) == (cut_bytes > 2 << 20)
        assert data_bytes(world) < total_of(content) + cut_bytes // 2 + (4 << 20)
        assert not _records(alice.state) + _records(bob.state)


@virtual
async def test_a_receiver_that_starts_again_with_the_same_code(tmp_path: Path) -> None:
    """C3: a restarted receiver types the code again and goes on; nothing listed travels twice."""
    async with a_linked_world(tmp_path) as world:
        halt = await halted(world, "bob")
        before = len(world.relay.heard)
        bob = await halt.restart("bob")
        getting = halt.receive(bob, halt.code)
        await bob.done(getting)
        await halt.alice.done(halt.sending)
        halt.check_whole()
        resumed = bob.all(e.TransferResumed)[0]
        assert resumed.have_bytes or resumed.files
        assert not bob.all(e.OfferReceived), "what was accepted is not asked about again"
        assert data_bytes(world, before) < total_of(halt.content) - resumed.have_bytes + (2 << 20)


@virtual
async def test_a_sender_that_starts_again_with_a_new_code(tmp_path: Path) -> None:
    """C3: a new code is as good, because the offer proves the old transfer."""
    async with a_linked_world(tmp_path) as world:
        halt = await halted(world, "alice")
        halt.bob.cancel(halt.getting)
        error = await halt.bob.fails(halt.getting)
        assert error.resumable
        assert "tallow resume" in error.hint
        alice = await halt.restart("alice")
        sending = alice.submit(SendFiles((str(halt.source),)))
        getting = halt.receive(halt.bob, await alice.code(sending))
        await halt.bob.done(getting)
        await alice.done(sending)
        halt.check_whole()
        assert halt.bob.all(e.TransferResumed, getting)
        assert not halt.bob.all(e.OfferReceived, getting)


@virtual
async def test_resume_on_both_sides(tmp_path: Path) -> None:
    """C3: tallow resume on both sides needs no code at all, and leaves no record behind."""
    async with a_linked_world(tmp_path) as world:
        halt = await both_gone(world)
        alice, bob = await halt.restart("alice"), await halt.restart("bob")
        sending, getting = alice.submit(Resume("")), bob.submit(Resume(""))
        sent, done = await alice.done(sending), await bob.done(getting)
        halt.check_whole()
        assert done.roots == sent.roots
        assert done.files == len([body for body in halt.content.values() if body is not None])
        assert not bob.all(e.OfferReceived)
        assert not _records(alice.state) + _records(bob.state)


@virtual
async def test_resume_of_several_sources_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C3: sources are found again whatever their order was and wherever the person stands now."""
    async with a_linked_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"z/big": BIG, "a": b"small", "m/file": BIG[:100_000]})
        content = tree(alice.folder)
        monkeypatch.chdir(alice.folder)
        world.relay.meddling.append(cut_after(12 << 20))
        sending = alice.submit(SendFiles(("z", "./a", "m")))
        (bob.folder / "in").mkdir()
        output = str(bob.folder / "in")
        getting = bob.submit(Receive(await alice.code(sending), output=output))
        await alice.hears(e.SessionLost)
        await alice.leave()
        world.left_midway = True
        monkeypatch.chdir(tmp_path)
        again = await world.person("alice", state=alice.state, seed="alice again")
        sending = again.submit(Resume(""))
        await bob.done(getting)
        await again.done(sending)
        assert tree(bob.folder / "in") == content
        assert len(bob.all(e.OfferReceived)) == 1


@virtual
async def test_a_source_that_changed(tmp_path: Path) -> None:
    """C3: a file that changed since is said, sent anew, and asked about."""
    async with a_linked_world(tmp_path) as world:
        halt = await both_gone(world)
        (halt.source / "big").write_bytes(BIG[::-1])
        alice, bob = await halt.restart("alice"), await halt.restart("bob")
        bob.says_yes()
        sending = alice.submit(SendFiles((str(halt.source),)))
        getting = halt.receive(bob, await alice.code(sending))
        await bob.done(getting)
        await alice.done(sending)
        halt.content = tree(halt.source)
        halt.check_whole()
        assert bob.all(e.OfferReceived, getting)[0].changed_files == 1


@virtual
async def test_a_source_that_changed_and_is_declined(tmp_path: Path) -> None:
    """C4: what is not the list that was accepted can be declined, and nothing is overwritten."""
    async with a_linked_world(tmp_path) as world:
        halt = await both_gone(world)
        before = {path: path.read_bytes() for path in halt.inbox.rglob("*.bin")}
        (halt.source / "big").write_bytes(b"another")
        alice, bob = await halt.restart("alice"), await halt.restart("bob")
        bob.says_nothing()
        sending, getting = alice.submit(Resume("")), bob.submit(Resume(""))
        await bob.hears(e.OfferReceived)
        bob.submit(DeclineOffer(getting))
        assert (await bob.fails(getting)).exit_code == 7
        assert (await alice.fails(sending)).exit_code == 7
        assert {path: path.read_bytes() for path in halt.inbox.rglob("*.bin")} == before


@pytest.mark.parametrize("changed", [False, True], ids=["listing", "deciding"])
@virtual
async def test_a_second_try_that_is_stopped_early(tmp_path: Path, changed: bool) -> None:
    """C3: a session that ends before its first byte takes nothing away, and says so."""
    async with a_linked_world(tmp_path) as world:
        halt = await both_gone(world)
        if changed:
            (halt.source / "big").write_bytes(b"another")
        for nth in (1, 2):
            alice, bob = await halt.restart("alice"), await halt.restart("bob")
            if not changed:
                alice.workers.takes_s = lambda job: 500.0 if job.name == "walk_sources" else 0.0
            sending, getting = alice.submit(Resume("")), bob.submit(Resume(""))
            await bob.state_is("deciding" if changed else "listing")
            await bob.sleep(5)
            bob.cancel(getting)
            error = await bob.fails(getting)
            assert (error.exit_code, error.resumable) == (130, True), nth
            assert (await alice.fails(sending)).resumable
            assert parts_of(halt.inbox)
            await alice.leave()
            await bob.leave()


@virtual
async def test_a_loss_before_anything_is_there(tmp_path: Path) -> None:
    """C3: who has nothing to go on from keeps no record of it either."""
    async with a_linked_world(tmp_path) as world:
        alice, bob = await world.pair()
        source, _ = offer_much(alice)
        alice.workers.takes_s = lambda job: 5.0 if job.name == "seal" else 0.0
        _, getting = await world.send(alice, bob, source)
        await bob.state_is("transferring")
        await bob.sleep(1)
        world.relay.stop()
        await alice.leave()
        error = await bob.fails(getting)
        assert not error.resumable
        assert not _records(bob.state)


@virtual
async def test_a_stranger_with_the_next_code(tmp_path: Path) -> None:
    """X15: an offer that proves nothing learns nothing of what an earlier transfer left here."""
    async with a_linked_world(tmp_path) as world:
        halt = await halted(world, "alice")
        bob = halt.bob
        bob.cancel(halt.getting)
        await bob.fails(halt.getting)
        mallory = await world.person("mallory")
        heard = len(world.relay.heard)
        sending = mallory.submit(SendFiles((str(halt.source),)))
        getting = halt.receive(bob, await mallory.code(sending))
        await bob.done(getting)
        await mallory.done(sending)
        assert not bob.all(e.TransferResumed, getting)
        assert data_bytes(world, heard) > total_of(halt.content)
        assert parts_of(halt.inbox), "what a stranger sends touches no part of another transfer"


@virtual
async def test_a_peer_that_never_comes_back(tmp_path: Path) -> None:
    """C3: after a minute the other side is given up with exit 5, and what is here is kept."""
    async with a_linked_world(tmp_path) as world:
        halt = await halted(world, "alice")
        lost_at = halt.bob.clock.now()
        error = await halt.bob.fails(halt.getting)
        assert (error.exit_code, error.resumable) == (5, True)
        assert 55 < halt.bob.clock.now() - lost_at < 62
        assert parts_of(halt.inbox)
        assert len(_records(halt.bob.state)) == 1


@virtual
async def test_what_is_kept_is_private_and_holds_no_code(tmp_path: Path) -> None:
    """A4, X10: neither journal nor record holds the code; parts and journal are the user's."""
    async with a_linked_world(tmp_path) as world:
        halt = await both_gone(world)
        for path in parts_of(halt.inbox) + parts_of(halt.inbox, "journal"):
            assert os.stat(path).st_mode & 0o077 == 0
        words = halt.code.split("-", 1)[1].encode()
        kept = [*halt.alice.state.content.values(), *halt.bob.state.content.values()]
        kept += [path.read_bytes() for path in parts_of(halt.inbox, "journal")]
        assert all(words not in raw for raw in kept)
