"""Watches between two engines: one offer after the other over one session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.settings import LanesChoice
from tests.fakes import virtual
from tests.world.syncs import (
    LEAF,
    TREE,
    begin_sync,
    bulk_bytes,
    change_a_leaf,
    sync_pair,
)
from tests.world.world import a_world, make, tree

# --- watching ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lanes", ["tls", "sealed"])
@virtual
async def test_a_watch_takes_later_changes_without_asking(
    tmp_path: Path, lanes: LanesChoice
) -> None:
    """C12: new, changed and removed files follow over one session, asked about once."""
    async with a_world(tmp_path) as world:
        alice, bob = await sync_pair(world, lanes, delete=True)
        make(alice.folder, TREE)
        sending, getting = await begin_sync(alice, bob, "watch", delete=True)
        await bob.hears(e.SyncRound)
        make(bob.folder, {"in/d/mine": b"made by the receiver meanwhile"})
        make(alice.folder, {"d/new/file": b"new"})
        await bob.hears(e.SyncRound, nth=1)
        assert (bob.folder / "in/d/new/file").read_bytes() == b"new"
        change_a_leaf(alice.folder / "d/big")
        before = bulk_bytes(world)
        await bob.hears(e.SyncRound, nth=2)
        assert bulk_bytes(world) - before < 3 * LEAF
        (alice.folder / "d/small").unlink()
        await bob.hears(e.SyncRound, nth=3)
        here, there = tree(alice.folder / "d"), tree(bob.folder / "in/d")
        assert there.pop("mine") == b"made by the receiver meanwhile"
        assert here == there
        assert len(bob.all(e.OfferReceived)) == 1
        alice.cancel(sending)
        assert (await alice.fails(sending)).exit_code == 130
        done = await bob.done(getting)
        assert (done.mode, done.removed, done.files) == ("watch", 1, 5)


@virtual
async def test_a_receiver_may_end_a_watch(tmp_path: Path) -> None:
    """C12: Ctrl+C at the receiver is 130 there, and a clean end at the watcher."""
    async with a_world(tmp_path) as world:
        alice, bob = await sync_pair(world)
        make(alice.folder, TREE)
        sending, getting = await begin_sync(alice, bob, "watch")
        await alice.state_is("watching", sending)
        await bob.state_is("watching", getting)
        await bob.sleep(1000)
        bob.cancel(getting)
        assert (await bob.fails(getting)).exit_code == 130
        assert (await alice.done(sending)).files == 3
        assert len(alice.all(e.OfferSent)) == 1, "nothing changed, so nothing was offered"


@virtual
async def test_a_watch_survives_its_path(tmp_path: Path) -> None:
    """C12, C3: after a lost path both meet again and begin with everything, asking nobody."""
    async with a_world(tmp_path) as world:
        alice, bob = await sync_pair(world)
        make(alice.folder, TREE)
        sending, getting = await begin_sync(alice, bob, "watch")
        await bob.state_is("watching", getting)
        for wire in list(world.relay.connections):
            wire.cut()
        make(alice.folder, {"d/meanwhile": b"m"})
        await bob.hears(e.SyncRound, nth=1)
        assert tree(bob.folder / "in/d") == tree(alice.folder / "d")
        assert len(bob.all(e.OfferReceived)) == 1
        alice.cancel(sending)
        await alice.fails(sending)
        await bob.done(getting)
