"""What an answer takes of an offer: runs of numbers, folders above them, decisions."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tallow.engine import events as e
from tallow.engine.commands import AcceptOffer, Receive, SendFiles, TakenName
from tallow.engine.offer import accepted_entries
from tallow.engine.storage.target import plan_target
from tallow.errors import UsageError
from tallow.protocol.manifest import Entry, EntryKind, Manifest
from tests.fakes import virtual
from tests.world.world import World, a_world, make, tree

ENTRIES = ("p/", "p/a", "p/d/", "p/d/e/", "p/d/e/f", "p/d/g", "q")


def taken(folder: Path, answer: AcceptOffer, listed: tuple[str, ...] = ENTRIES) -> list[int]:
    """Return the numbers that an answer takes."""
    manifest = Manifest.of(
        Entry(
            name.rstrip("/"),
            EntryKind.FOLDER if name.endswith("/") else EntryKind.FILE,
            0,
            0o644,
            0,
        )
        for name in listed
    )
    return list(accepted_entries(plan_target(manifest, "files", str(folder)), answer))


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [
        (None, [0, 1, 2, 3, 4, 5, 6]),
        (((6, 6),), [6]),
        (((1, 1),), [0, 1]),
        (((4, 4),), [0, 2, 3, 4]),
        (((1, 1), (5, 6)), [0, 1, 2, 5, 6]),
        (((3, 3),), [0, 2, 3]),
    ],
)
def test_the_folders_above_come_with_it(
    tmp_path: Path, selection: tuple[tuple[int, int], ...] | None, numbers: list[int]
) -> None:
    """C4: exactly what was chosen is taken, and the folders that it needs."""
    assert taken(tmp_path, AcceptOffer(1, selection=selection)) == numbers


def test_a_folder_that_is_listed_after_its_file(tmp_path: Path) -> None:
    """Whatever the order of the list, a chosen file brings its folder."""
    assert taken(tmp_path, AcceptOffer(1, selection=((0, 0),)), ("p/a", "p/")) == [0, 1]


@pytest.mark.parametrize(
    "answer",
    [
        AcceptOffer(1, selection=((0, 7),)),
        AcceptOffer(1, selection=((-1, 0),)),
        AcceptOffer(1, selection=((3, 2),)),
        AcceptOffer(1, selection=((3, 4), (4, 5))),
        AcceptOffer(1, selection=((3, 4), (0, 1))),
        AcceptOffer(1, conflicts=((7, "skip"),)),
        AcceptOffer(1, conflicts=((-1, "skip"),)),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, answer: AcceptOffer) -> None:
    """Runs ascend, do not overlap and stay in the list; decisions name entries of it."""
    with pytest.raises(UsageError):
        taken(tmp_path, answer)


def test_decisions_for_single_files(tmp_path: Path) -> None:
    """C4: a file that is skipped is not asked for; one that is not skipped is, against the rule."""
    make(tmp_path, {"q": b"", "p/a": b"", "p/d/g": b""})
    assert 6 not in taken(tmp_path, AcceptOffer(1, conflicts=((6, "skip"),)))
    found = taken(tmp_path, AcceptOffer(1, "skip", conflicts=((6, "overwrite"),)))
    assert found == [0, 2, 3, 4, 6]


async def _answered(world: World, answer: AcceptOffer) -> dict[str, bytes | None]:
    """Let Alice offer p to Bob, who has some of it, and return what Bob has after his answer."""
    alice, bob = await world.person("alice"), await world.person("bob")
    make(alice.folder, {f"p/{name}": b"new" for name in ("a", "b", "d/c", "d/e", "z")})
    make(bob.folder, {"in/p/a": b"old", "in/p/b": b"old", "in/p/d/c": b"old"})
    sending = alice.submit(SendFiles((str(alice.folder / "p"),)))
    getting = bob.submit(Receive(await alice.code(sending), output=str(bob.folder / "in")))
    await bob.hears(e.OfferReceived)
    bob.submit(answer)
    received, sent = await bob.done(getting), await alice.done(sending)
    assert (received.files, received.roots) == (sent.files, sent.roots)
    return tree(bob.folder / "in" / "p")


@virtual
async def test_a_part_arrives_and_nothing_else(tmp_path: Path) -> None:
    """C4: both sides agree on the part that was chosen; the rest is neither sent nor written."""
    async with a_world(tmp_path) as world:
        found = await _answered(world, AcceptOffer(1, selection=((5, 5),)))
    files = {name: content for name, content in found.items() if content is not None}
    assert files == {"a": b"old", "b": b"old", "d/c": b"old", "d/e": b"new"}


@virtual
async def test_every_taken_name_as_it_was_decided(tmp_path: Path) -> None:
    """C4: one file is replaced, one is kept beside, one is left out, in one transfer."""
    decided: tuple[tuple[int, TakenName], ...] = ((1, "overwrite"), (2, "rename"), (4, "skip"))
    async with a_world(tmp_path) as world:
        found = await _answered(world, AcceptOffer(1, conflicts=decided))
    files = {name: content for name, content in found.items() if content is not None}
    assert files == {
        "a": b"new", "b": b"old", "b (1)": b"new", "d/c": b"old", "d/e": b"new", "z": b"new",
    }  # fmt: skip


@virtual
async def test_an_empty_choice_is_a_no(tmp_path: Path) -> None:
    """C4: an answer that takes nothing declines, and zero bytes are written."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.person("alice"), await world.person("bob")
        make(alice.folder, {"p/a": b"1"})
        sending = alice.submit(SendFiles((str(alice.folder / "p"),)))
        getting = bob.submit(Receive(await alice.code(sending), output=str(bob.folder)))
        await bob.hears(e.OfferReceived)
        bob.submit(AcceptOffer(getting, selection=()))
        assert (await bob.fails(getting)).code == "declined"
        assert (await alice.fails(sending)).exit_code == 7
        assert tree(bob.folder) == {}


def test_a_choice_survives_json() -> None:
    """A front door elsewhere can send a choice and its decisions."""
    answer = AcceptOffer(1, "skip", ((0, 3), (7, 7)), ((2, "overwrite"),))
    assert msgspec.json.decode(msgspec.json.encode(answer), type=AcceptOffer) == answer
