"""Syncs and watches offered by a hostile sender, and lists that are not whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import DeclineOffer
from tallow.protocol.manifest import Entry
from tallow.protocol.messages import Offer, OfferEnd, Page, Pause, Sync
from tests.fakes import virtual
from tests.world.stranger import PROOFS, Stranger, folder
from tests.world.syncs import (
    begin_sync,
    hostile_sync,
    run_sync,
    sync_pair,
    watched,
)
from tests.world.world import a_world, make, tree

# --- a hostile sender -------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["..", "../victim", "d/../..", "/", "."])
@virtual
async def test_a_root_outside_is_refused(tmp_path: Path, path: str) -> None:
    """X04, X11: a sync cannot name a folder outside the output as the one to be cleaned."""
    async with a_world(tmp_path) as world:
        content: dict[str, bytes | None] = {"in/d/x": b"1", "victim/y": b"2"}
        bob, getting, stranger = await hostile_sync(
            world, content, folder(path), sync=Sync(delete=True)
        )
        assert (await bob.fails(getting)).exit_code == 6
        assert tree(bob.folder) == tree(make(tmp_path / "same", content))
        await stranger.leave()


@virtual
async def test_a_link_under_the_root_is_a_wall(tmp_path: Path) -> None:
    """X04, X13: a folder of the list that is a link here receives nothing and loses nothing."""
    async with a_world(tmp_path) as world:
        alice, bob = await sync_pair(world, delete=True)
        make(alice.folder, {"d/sub/new": b"n"})
        make(bob.folder, {"victim/y": b"2", "in/d": None})
        (bob.folder / "in/d/sub").symlink_to(bob.folder / "victim")
        await run_sync(alice, bob)
        assert tree(bob.folder / "victim") == {"y": b"2"}
        # With consent to removing on both sides the link goes, and what it pointed to stays.
        await run_sync(alice, bob, delete=True)
        assert tree(bob.folder / "victim") == {"y": b"2"}
        assert (bob.folder / "in/d/sub/new").read_bytes() == b"n"


@pytest.mark.parametrize(
    "sync", [Sync(whole=False, delete=True), Sync(whole=False, delete=True, watch=True)]
)
@virtual
async def test_removing_needs_a_whole_list(tmp_path: Path, sync: Sync) -> None:
    """X04: a part of a list says nothing about what is not in it, so it cannot ask to remove."""
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await hostile_sync(world, {"in/d/x": b"1"}, folder("d"), sync=sync)
        assert (await bob.fails(getting)).code == "peer-broke-rules"
        assert (bob.folder / "in/d/x").exists()
        await stranger.leave()


@virtual
async def test_a_list_that_could_not_be_read_whole_removes_nothing(tmp_path: Path) -> None:
    """C12: what the sender failed to list is not taken for gone."""
    async with a_world(tmp_path) as world:
        alice, bob = await sync_pair(world, delete=True)
        make(alice.folder, {"d/ok": b"1"})
        make(alice.folder, {os.fsdecode(b"d/\xff\xfe"): b"x"})
        make(bob.folder, {"in/d/old": b"o"})
        sending, getting = await begin_sync(alice, bob, delete=True)
        await alice.final(sending)
        await bob.done(getting)
        assert (bob.folder / "in/d/old").exists()


def _offers(stranger: Stranger, number: int, entry: Entry, sync: Sync | None) -> None:
    page = stranger.raw_page([entry])
    stranger.say(
        Offer(number, "files", 1, 1, 0, PROOFS, "", delta=sync is not None, sync=sync),
        Page(number, 0, page),
        OfferEnd(number, stranger.root_of(page)),
    )


@pytest.mark.parametrize(
    ("entry", "sync"), [(folder("e"), Sync(watch=True)), (folder("d"), None)], ids=["e", "copy"]
)
@virtual
async def test_another_offer_in_a_watch_is_asked_about(
    tmp_path: Path, entry: Entry, sync: Sync | None
) -> None:
    """X04: the yes to a watch is for its folders and for syncs; anything else is shown."""
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await watched(world)
        bob.says_nothing()
        _offers(stranger, 2, entry, sync)
        await bob.hears(e.OfferReceived, nth=1)
        await bob.sleep(10)
        assert not (bob.folder / "in/e").exists()
        bob.submit(DeclineOffer(getting))
        assert (await bob.fails(getting)).exit_code == 7
        await stranger.leave()


@pytest.mark.parametrize("number", [0, 1, 3])
@virtual
async def test_offers_are_counted(tmp_path: Path, number: int) -> None:
    """X10: an offer with another number than the next one ends the session."""
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await watched(world)
        _offers(stranger, number, folder("d"), Sync(watch=True))
        assert (await bob.fails(getting)).code == "peer-broke-rules"
        await stranger.leave()


@virtual
async def test_a_pause_of_an_offer_that_is_over(tmp_path: Path) -> None:
    """C3: a pause that crossed the end of its offer means nothing to the next one."""
    async with a_world(tmp_path) as world:
        bob, getting, stranger = await watched(world)
        stranger.say(Pause(1, "user"))
        _offers(stranger, 2, folder("d"), Sync(watch=True))
        await bob.state_is("transferring", getting, nth=1)
        bob.cancel(getting)
        await bob.fails(getting)
        await stranger.leave()
