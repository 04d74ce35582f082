"""Nothing is written before a yes, and a yes does exactly what was shown."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from tallow.engine import events as e
from tallow.engine.commands import AcceptOffer, DeclineOffer, Receive, SendFiles, SendOptions
from tallow.engine.engine import OfferEntries
from tallow.wire import limits
from tests.fakes import virtual
from tests.world.world import Person, World, a_world, make, tree


async def _offered(
    world: World, content: Mapping[str, bytes | None], *, already: Mapping[str, bytes | None]
) -> tuple[Person, int, Person, int]:
    """Let Alice offer what stands under ``p`` to Bob, who has something already."""
    alice, bob = await world.person("alice"), await world.person("bob")
    make(alice.folder, content)
    make(bob.folder / "in", already)
    (bob.folder / "in").mkdir(exist_ok=True)
    names = sorted({name.split("/")[0] for name in content})
    options = SendOptions(note="look", name="Alice")
    sources = tuple(str(alice.folder / name) for name in names)
    sending = alice.submit(SendFiles(sources, options=options))
    getting = bob.submit(Receive(await alice.code(sending), output=str(bob.folder / "in")))
    await bob.hears(e.OfferReceived)
    return alice, sending, bob, getting


@virtual
async def test_the_offer_shows_everything(tmp_path: Path) -> None:
    """C4: sizes, total, free space, risks, conflicts and sender are there before a byte."""
    async with a_world(tmp_path) as world:
        content = {"p/run.sh": b"12345", "p/.hidden": b"1", "p/d": None, "x.txt": b"123"}
        alice, sending, bob, getting = await _offered(world, content, already={"x.txt": b"old"})
        offer = bob.all(e.OfferReceived)[0]
        assert (offer.files, offer.folders, offer.total_bytes) == (3, 2, 9)
        assert (offer.note, offer.name, offer.fingerprint) == ("look", "Alice", "")
        assert offer.free_bytes and offer.free_bytes > 9
        assert offer.conflicts == 1
        assert offer.output == f"{bob.folder / 'in'}{os.sep}"
        flags = {entry.path: entry.flags for entry in offer.entries}
        assert flags["x.txt"] == ["overwrite"]
        assert flags["p/.hidden"] == ["dotfile"]
        assert set(offer.flags) == {"dotfile", "overwrite"}
        assert bob.engine.query(OfferEntries(getting, 1, 2)) == offer.entries[1:3]
        assert bob.engine.query(OfferEntries(getting, 90, 2)) == []
        bob.submit(DeclineOffer(getting))
        await alice.fails(sending)
        await bob.fails(getting)
        assert bob.engine.query(OfferEntries(getting, 0, 2)) == []


@virtual
async def test_no_leaves_the_folder_untouched(tmp_path: Path) -> None:
    """C4: a decline is exit 7 on both sides, with its reason, and nothing was written."""
    async with a_world(tmp_path) as world:
        content = {"p/a": b"1", "p/d": None}
        alice, sending, bob, getting = await _offered(world, content, already={"keep": b"old"})
        before = (bob.folder / "in").stat().st_mtime_ns
        bob.submit(DeclineOffer(getting, "not now"))
        here, there = await bob.fails(getting), await alice.fails(sending)
        assert (here.code, here.exit_code) == (there.code, there.exit_code) == ("declined", 7)
        assert there.why == "not now"
        assert tree(bob.folder / "in") == {"keep": b"old"}
        assert (bob.folder / "in").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("rename", {"x.txt": b"old", "x (1).txt": b"new", "y.txt": b"y"}),
        ("skip", {"x.txt": b"old", "y.txt": b"y"}),
        ("overwrite", {"x.txt": b"new", "y.txt": b"y"}),
    ],
)
@virtual
async def test_existing_targets(
    tmp_path: Path, policy: str, expected: dict[str, bytes | None]
) -> None:
    """C4: each answer to a conflict does what it says, and both sides agree what was sent."""
    async with a_world(tmp_path) as world:
        content = {"x.txt": b"new", "y.txt": b"y"}
        alice, sending, bob, getting = await _offered(world, content, already={"x.txt": b"old"})
        bob.submit(AcceptOffer(getting, policy))  # type: ignore[arg-type]
        received, sent = await bob.done(getting), await alice.done(sending)
        assert tree(bob.folder / "in") == expected
        assert received.files == sent.files == (1 if policy == "skip" else 2)
        assert received.roots == sent.roots


@virtual
async def test_everything_may_be_there_already(tmp_path: Path) -> None:
    """Skipping every file is a transfer of nothing, done on both sides."""
    async with a_world(tmp_path) as world:
        content: dict[str, bytes | None] = {"x.txt": b"new"}
        alice, sending, bob, getting = await _offered(world, content, already={"x.txt": b"old"})
        bob.submit(AcceptOffer(getting, "skip"))
        assert (await bob.done(getting)).files == (await alice.done(sending)).files == 0
        assert tree(bob.folder / "in") == {"x.txt": b"old"}


@virtual
async def test_a_target_that_appears_meanwhile(tmp_path: Path) -> None:
    """A file that came to be between the question and the name is never overwritten unasked."""
    async with a_world(tmp_path) as world:
        alice, sending, bob, getting = await _offered(world, {"x": b"new"}, already={})
        make(bob.folder / "in", {"x": b"came later"})
        bob.submit(AcceptOffer(getting, "rename"))
        await bob.done(getting)
        await alice.done(sending)
        assert tree(bob.folder / "in") == {"x": b"came later", "x (1)": b"new"}
        assert (await bob.hears(e.TransferFile)).status == "renamed"


@virtual
async def test_a_skipped_target_that_appears_meanwhile(tmp_path: Path) -> None:
    """With skip the file that is there stays, and it is said that the new one was not kept."""
    async with a_world(tmp_path) as world:
        alice, sending, bob, getting = await _offered(world, {"x": b"new"}, already={})
        make(bob.folder / "in", {"x": b"came later"})
        bob.submit(AcceptOffer(getting, "skip"))
        done = await bob.done(getting)
        await alice.done(sending)
        assert tree(bob.folder / "in") == {"x": b"came later"}
        assert (await bob.hears(e.TransferFile)).status == "skipped"
        assert done.files == 0


@virtual
async def test_a_folder_in_the_way_of_a_file(tmp_path: Path) -> None:
    """A folder is never overwritten by a file: that file fails alone, on both sides."""
    async with a_world(tmp_path) as world:
        content: dict[str, bytes | None] = {"x": b"new", "y": b"y"}
        alice, sending, bob, getting = await _offered(world, content, already={"x/in it": b"1"})
        bob.submit(AcceptOffer(getting, "overwrite"))
        received, sent = await bob.done(getting), await alice.done(sending)
        assert tree(bob.folder / "in") == {"x": None, "x/in it": b"1", "y": b"y"}
        assert (received.files, received.failed) == (sent.files, sent.failed) == (1, 1)
        assert (await alice.hears(e.TransferFile)).path == "x"


@virtual
async def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    """A file where a folder would go is said before anything is written (exit 8)."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"p/a": b"1"})
        make(bob.folder, {"in/p": b"a file"})
        sending, getting = await world.send(alice, bob, alice.folder / "p")
        error = await bob.fails(getting)
        assert (error.code, error.exit_code) == ("not-writable", 8)
        assert (await alice.fails(sending)).exit_code == 7
        assert tree(bob.folder / "in") == {"p": b"a file"}


@pytest.mark.parametrize("existing", [False, True])
@virtual
async def test_an_output_that_cannot_be(tmp_path: Path, existing: bool) -> None:
    """An output folder that is missing, or is a file, is exit 8; the sender is told."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"a": b"1", "b": b"2"})
        if existing:
            make(bob.folder, {"out": b"a file"})
        sources = (str(alice.folder / "a"), str(alice.folder / "b"))
        sending = alice.submit(SendFiles(sources))
        output = str(bob.folder / "out")
        error = await bob.fails(bob.submit(Receive(await alice.code(sending), output=output)))
        assert (error.code, error.exit_code) == ("not-writable", 8)
        assert (await alice.fails(sending)).exit_code == 7


@virtual
async def test_an_output_that_may_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder without write permission is exit 8 before the offer is shown."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"a": b"1"})
        monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
        sending, getting = await world.send(alice, bob, alice.folder / "a")
        error = await bob.fails(getting)
        assert (error.code, error.exit_code) == ("not-writable", 8)
        assert (await alice.fails(sending)).exit_code == 7
        assert not bob.all(e.OfferReceived)


@virtual
async def test_more_than_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An offer larger than the free space is exit 8 at the yes, and nothing is written."""
    async with a_world(tmp_path) as world:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=4))
        alice, sending, bob, getting = await _offered(world, {"x": b"12345"}, already={})
        assert bob.all(e.OfferReceived)[0].free_bytes == 4
        bob.submit(AcceptOffer(getting))
        error = await bob.fails(getting)
        assert (error.code, error.exit_code) == ("disk-full", 8)
        told = await alice.fails(sending)
        assert (told.code, told.exit_code) == ("peer-cancelled", 7)
        assert "disk is full" in told.message
        assert tree(bob.folder / "in") == {}


@virtual
async def test_two_yeses_are_one(tmp_path: Path) -> None:
    """A front door that says yes twice accepts once."""
    async with a_world(tmp_path) as world:
        alice, sending, bob, getting = await _offered(world, {"x": b"1", "d": None}, already={})
        bob.submit(AcceptOffer(getting))
        bob.submit(AcceptOffer(getting))
        await bob.done(getting)
        await alice.done(sending)
        assert tree(bob.folder / "in") == {"x": b"1", "d": None}


@virtual
async def test_a_yes_before_the_offer_is_none(tmp_path: Path) -> None:
    """Nobody accepts what was not shown yet."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.person("alice"), await world.person("bob")
        make(alice.folder, {"x": b"1"})
        sending = alice.submit(SendFiles((str(alice.folder / "x"),)))
        getting = bob.submit(Receive(await alice.code(sending), output=str(bob.folder)))
        bob.submit(AcceptOffer(getting))
        await bob.hears(e.OfferReceived)
        await bob.sleep(5)
        assert tree(bob.folder) == {}
        bob.submit(DeclineOffer(getting))
        await alice.fails(sending)


@virtual
async def test_an_offer_waits_ten_minutes(tmp_path: Path) -> None:
    """An unanswered offer is exit 5 at the sender after ten minutes; the receiver is told."""
    async with a_world(tmp_path) as world:
        alice, sending, bob, getting = await _offered(world, {"x": b"1"}, already={})
        offered_at = alice.clock.now()
        error = await alice.fails(sending)
        assert (error.code, error.exit_code) == ("timed-out", 5)
        assert abs(alice.clock.now() - offered_at - limits.DECISION_MAX_S) < 2
        assert (await bob.fails(getting)).exit_code == 7


@virtual
async def test_an_answer_to_what_has_ended(tmp_path: Path) -> None:
    """A command for an exchange that is over is said to have failed, and changes nothing."""
    async with a_world(tmp_path) as world:
        alice, sending, bob, getting = await _offered(world, {"x": b"1"}, already={})
        bob.submit(DeclineOffer(getting))
        await bob.fails(getting)
        view = bob.engine.view
        bob.submit(AcceptOffer(getting))
        bob.submit(AcceptOffer(4711))
        assert [event.ticket for event in (await bob.hears(e.CommandFailed, nth=1),)] == [4711]
        assert bob.engine.view == view
        await alice.fails(sending)
