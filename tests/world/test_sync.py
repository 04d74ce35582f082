"""Syncs between two engines: what travels, what is replaced, what is removed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import DeclineOffer
from tests.fakes import virtual
from tests.world.syncs import (
    BIG,
    LEAF,
    TREE,
    begin_sync,
    bulk_bytes,
    change_a_leaf,
    run_sync,
    sync_pair,
    sync_view,
)
from tests.world.world import a_world, make, tree


@virtual
async def test_an_unchanged_tree_sends_nothing(tmp_path: Path) -> None:
    """C12: a second sync is done at once, without a byte of content, and says so on both sides."""
    async with a_world(tmp_path) as world:
        alice, bob = await sync_pair(world)
        make(alice.folder, TREE)
        first, _ = await run_sync(alice, bob)
        assert first.files == 3
        before = bulk_bytes(world)
        sent, received = await run_sync(alice, bob)
        assert (sent.files, received.files, received.left_files) == (0, 0, 3)
        assert sent.mode == received.mode == "sync"
        assert sync_view(bob).unchanged_files == 3
        assert bulk_bytes(world) - before < 40_000
        assert tree(bob.folder / "in/d") == tree(alice.folder / "d")


@virtual
async def test_one_changed_leaf_sends_about_one_leaf(tmp_path: Path) -> None:
    """C12: of ten mebibytes with one changed leaf little more than that leaf travels."""
    async with a_world(tmp_path) as world:
        alice, bob = await sync_pair(world)
        make(alice.folder, TREE)
        await run_sync(alice, bob)
        change_a_leaf(alice.folder / "d/big")
        before = bulk_bytes(world)
        sent, received = await run_sync(alice, bob)
        assert (sent.files, received.files) == (1, 1)
        assert sync_view(bob).delta_files == 1
        assert bulk_bytes(world) - before < 2 * LEAF
        assert tree(bob.folder / "in/d") == tree(alice.folder / "d")
        here, there = (alice.folder / "d/big").stat(), (bob.folder / "in/d/big").stat()
        assert here.st_mtime_ns == there.st_mtime_ns


@virtual
async def test_a_declined_delta_sends_it_whole(tmp_path: Path) -> None:
    """C12: who does not want to tell what is here gets the whole file, and tells nothing."""
    async with a_world(tmp_path) as world:
        alice, bob = await sync_pair(world, delta=False)
        make(alice.folder, TREE)
        await run_sync(alice, bob)
        change_a_leaf(alice.folder / "d/big")
        before = bulk_bytes(world)
        await run_sync(alice, bob)
        assert bulk_bytes(world) - before > len(BIG)
        assert tree(bob.folder / "in/d") == tree(alice.folder / "d")


@pytest.mark.parametrize("size", [0, 5, 3 << 20, (3 << 20) + 17, 12 << 20])
@virtual
async def test_a_file_that_grew_or_shrank(tmp_path: Path, size: int) -> None:
    """C12: whatever its size becomes, the file there is the one here, with its time."""
    async with a_world(tmp_path) as world:
        alice, bob = await sync_pair(world)
        make(alice.folder, TREE)
        await run_sync(alice, bob)
        make(alice.folder, {"d/big": (BIG + BIG)[:size]})
        before = bulk_bytes(world)
        await run_sync(alice, bob)
        assert tree(bob.folder / "in/d") == tree(alice.folder / "d")
        assert bulk_bytes(world) - before < max(0, size - len(BIG)) + 200_000


@virtual
async def test_a_hole_replaces_what_was_there(tmp_path: Path) -> None:
    """C12: zeros that travel as a hole are zeros there, whatever the copy held."""
    async with a_world(tmp_path) as world:
        alice, bob = await sync_pair(world)
        make(alice.folder, TREE)
        await run_sync(alice, bob)
        with (alice.folder / "d/big").open("wb") as big:
            big.write(BIG[:LEAF])
            big.truncate(len(BIG))
        await run_sync(alice, bob)
        assert tree(bob.folder / "in/d") == tree(alice.folder / "d")


@virtual
async def test_a_change_of_mode_alone(tmp_path: Path) -> None:
    """C12: permission bits are brought in step without sending anything."""
    async with a_world(tmp_path) as world:
        alice, bob = await sync_pair(world)
        make(alice.folder, TREE)
        await run_sync(alice, bob)
        (alice.folder / "d/small").chmod(0o750)
        (alice.folder / "d/sub").chmod(0o700)
        sent, _ = await run_sync(alice, bob)
        assert sent.files == 0
        assert stat.S_IMODE((bob.folder / "in/d/small").stat().st_mode) == 0o750
        assert stat.S_IMODE((bob.folder / "in/d/sub").stat().st_mode) == 0o700


@virtual
async def test_a_file_becomes_a_folder_and_back(tmp_path: Path) -> None:
    """C12: with consent to removing, things of another kind make room; without, they stay."""
    async with a_world(tmp_path) as world:
        alice, bob = await sync_pair(world, delete=True)
        make(alice.folder, TREE)
        await run_sync(alice, bob)
        (alice.folder / "d/small").unlink()
        make(alice.folder, {"d/small/inside": b"in"})
        await run_sync(alice, bob, delete=True)
        assert tree(bob.folder / "in/d") == tree(alice.folder / "d")
        (alice.folder / "d/small/inside").unlink()
        (alice.folder / "d/small").rmdir()
        make(alice.folder, {"d/small": b"a file again"})
        _, received = await run_sync(alice, bob, delete=True)
        assert tree(bob.folder / "in/d") == tree(alice.folder / "d")
        assert received.removed == 1 and received.failed == 0
        gone = [event.path for event in bob.all(e.SyncRemoved)]
        assert gone == ["d/small", "d/small/inside", "d/small/"]


@virtual
async def test_another_kind_without_consent(tmp_path: Path) -> None:
    """C12: what stands in the way stays, the rest arrives, and the receiver's end says so."""
    async with a_world(tmp_path) as world:
        alice, bob = await sync_pair(world)
        make(alice.folder, {"d/a/b": b"1", "d/c": b"2"})
        make(bob.folder, {"in/d/a": b"mine"})
        _, received = await run_sync(alice, bob, delete=True)
        assert tree(bob.folder / "in/d") == {"a": b"mine", "c": b"2"}
        assert received.failed == 2
        assert sync_view(bob).blocked == 2


@virtual
async def test_extra_files_go_with_consent(tmp_path: Path) -> None:
    """C12: they are counted and named first, removed when all is durable, and each is told."""
    async with a_world(tmp_path) as world:
        alice, bob = await sync_pair(world, delete=True)
        make(alice.folder, TREE)
        make(bob.folder, {"in/d/old": b"o", "in/d/gone/x": b"x", "in/beside": b"b"})
        sent, received = await run_sync(alice, bob, delete=True)
        view = sync_view(bob)
        assert (view.extra_files, sorted(view.extra_shown)) == (2, ["d/gone/x", "d/old"])
        assert (received.removed, sent.removed) == (2, 0)
        assert {event.path for event in bob.all(e.SyncRemoved)} == {"d/old", "d/gone/x", "d/gone/"}
        assert tree(bob.folder / "in/d") == tree(alice.folder / "d")
        assert (bob.folder / "in/beside").read_bytes() == b"b"


@pytest.mark.parametrize(("sender", "receiver"), [(True, False), (False, True), (False, False)])
@virtual
async def test_extra_files_stay_without(tmp_path: Path, sender: bool, receiver: bool) -> None:
    """X04: unless both sides said so, nothing is removed."""
    async with a_world(tmp_path) as world:
        alice, bob = await sync_pair(world, delete=receiver)
        make(alice.folder, TREE)
        make(bob.folder, {"in/d/old": b"o"})
        _, received = await run_sync(alice, bob, delete=sender)
        assert received.removed == 0
        assert (bob.folder / "in/d/old").read_bytes() == b"o"
        assert not bob.all(e.SyncRemoved)


@virtual
async def test_what_appears_after_the_answer_stays(tmp_path: Path) -> None:
    """X04: a file that nobody was shown is not removed, though it is not in the list."""
    async with a_world(tmp_path) as world:
        alice, bob = await sync_pair(world, delete=True)
        make(alice.folder, TREE)
        make(bob.folder, {"in/d/old": b"o"})

        def appears(_: e.OfferAnswered) -> None:
            make(bob.folder, {"in/d/new": b"n"})

        bob.whenever(e.OfferAnswered, appears)
        await run_sync(alice, bob, delete=True)
        assert not (bob.folder / "in/d/old").exists()
        assert (bob.folder / "in/d/new").read_bytes() == b"n"


@virtual
async def test_a_declined_sync_changes_nothing(tmp_path: Path) -> None:
    """C6: a no leaves everything as it was, on both sides exit 7."""
    async with a_world(tmp_path) as world:
        alice, bob = await sync_pair(world)
        bob.says_nothing()
        bob.whenever(e.OfferReceived, lambda event: DeclineOffer(event.ticket))
        make(alice.folder, TREE)
        make(bob.folder, {"in/d/small": b"mine", "in/d/old": b"o"})
        before = tree(bob.folder)
        sending, getting = await begin_sync(alice, bob, delete=True)
        assert (await alice.fails(sending)).exit_code == 7
        assert (await bob.fails(getting)).exit_code == 7
        assert tree(bob.folder) == before


@virtual
async def test_a_yes_that_is_not_to_a_sync(tmp_path: Path) -> None:
    """X01: who only said yes to an offer has nothing replaced and tells nothing about files."""
    async with a_world(tmp_path) as world:
        alice, bob = await sync_pair(world, sync=False, delete=True)
        make(alice.folder, TREE)
        await run_sync(alice, bob)
        make(alice.folder, {"d/small": b"new and longer", "d/big": BIG + b"more"})
        make(bob.folder, {"in/d/old": b"o"})
        await run_sync(alice, bob, delete=True)
        there = tree(bob.folder / "in/d")
        assert there["small"] == b"small" and there["small (1)"] == b"new and longer"
        assert there["big"] == BIG and there["big (1)"] == BIG + b"more"
        assert there["old"] == b"o"
