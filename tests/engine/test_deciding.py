"""From an offer to an answer: who is asked, what counts as an answer, and what a no leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import AcceptOffer, AnyCommand, DeclineOffer, Resume, SendFiles
from tests.fakes import virtual
from tests.world.losses import BIG, a_linked_world, both_gone, cut_after, halted, parts_of
from tests.world.world import Person, World, a_world, make, tree


async def _offered(world: World) -> tuple[Person, int, Person, int]:
    alice, bob = await world.person("alice"), await world.person("bob")
    make(alice.folder, {"p/a": b"1", "p/b": b"22"})
    sending, getting = await world.send(alice, bob, alice.folder / "p")
    await bob.hears(e.OfferReceived)
    return alice, sending, bob, getting


@virtual
async def test_nothing_is_written_before_a_yes(tmp_path: Path) -> None:
    """C4: however long a person thinks, no byte and no folder is there; a no leaves none."""
    async with a_world(tmp_path) as world:
        alice, sending, bob, getting = await _offered(world)
        await bob.sleep(300)
        assert tree(bob.folder / "in") == {}
        bob.submit(DeclineOffer(getting, "no room"))
        error = await bob.fails(getting)
        assert (error.code, error.exit_code, error.resumable) == ("declined", 7, False)
        assert (await alice.fails(sending)).why == "no room"
        assert tree(bob.folder / "in") == {}


@virtual
async def test_an_answer_before_the_question_does_not_count(tmp_path: Path) -> None:
    """C4: a yes that was given before the offer was seen is no yes to this offer."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.person("alice"), await world.person("bob")
        make(alice.folder, {"p/a": b"1"})
        bob.whenever(e.TransferAdded, lambda event: AcceptOffer(event.ticket))
        bob.whenever(e.PeerUp, lambda event: AcceptOffer(event.ticket))
        sending, getting = await world.send(alice, bob, alice.folder / "p")
        await bob.hears(e.OfferReceived)
        await bob.sleep(60)
        assert tree(bob.folder / "in") == {}
        bob.submit(AcceptOffer(getting))
        await bob.done(getting)
        await alice.done(sending)


@pytest.mark.parametrize(
    ("answer", "exit_code"),
    [
        (AcceptOffer(1, selection=()), 7),
        (AcceptOffer(1, selection=((0, 9),)), 2),
        (AcceptOffer(1, selection=((1, 1), (1, 1))), 2),
        (AcceptOffer(1, conflicts=((9, "skip"),)), 2),
    ],
    ids=["nothing", "too much", "twice", "nobody's"],
)
@virtual
async def test_answers_that_take_nothing_or_do_not_fit(
    tmp_path: Path, answer: AnyCommand, exit_code: int
) -> None:
    """C4: nothing chosen is a no; what does not fit the offer is an error, and nothing is there."""
    async with a_world(tmp_path) as world:
        alice, sending, bob, getting = await _offered(world)
        bob.submit(answer)
        assert (await bob.fails(getting)).exit_code == exit_code
        assert (await alice.fails(sending)).exit_code == 7
        assert tree(bob.folder / "in") == {}


@virtual
async def test_a_part_that_was_chosen_stays_the_part(tmp_path: Path) -> None:
    """C3, C4: after a loss just what was chosen comes, and not what was left out."""
    async with a_linked_world(tmp_path) as world:
        alice, bob = await world.person("alice"), await world.person("bob")
        content: dict[str, bytes | None] = {f"p/{name}": BIG[: 9 << 20] for name in "abc"}
        make(alice.folder, content)
        bob.whenever(
            e.OfferReceived,
            lambda offer: AcceptOffer(offer.ticket, selection=((1, 1), (3, 3))),
        )
        alice.workers.takes_s = lambda job: 0.6 if job.name == "seal" else 0.0
        sending, getting = await world.send(alice, bob, alice.folder / "p")
        await bob.hears(e.TransferProgress, nth=5)
        world.relay.connections[1].cut()
        await bob.done(getting)
        await alice.done(sending)
        assert tree(bob.folder / "in") == {
            "p": None,
            "p/a": content["p/a"],
            "p/c": content["p/c"],
        }
        assert len(bob.all(e.OfferReceived)) == 1


@virtual
async def test_another_list_over_a_new_path_is_asked_about(tmp_path: Path) -> None:
    """C4, X04: who meets again with another list than was accepted has to ask for it."""
    async with a_linked_world(tmp_path) as world:
        halt = await halted(world, "alice")
        make(halt.source, {"surprise": b"#!/bin/sh"})
        halt.bob.says_nothing()
        alice = await halt.restart("alice")
        sending = alice.submit(Resume(""))
        offer = await halt.bob.hears(e.OfferReceived, nth=1)
        assert offer.files == len([1 for body in halt.content.values() if body is not None]) + 1
        assert offer.here_files or offer.total_bytes
        await halt.bob.sleep(30)
        assert not (halt.inbox / "in" / "surprise").exists()
        halt.bob.submit(DeclineOffer(halt.getting))
        assert (await halt.bob.fails(halt.getting)).exit_code == 7
        assert (await alice.fails(sending)).exit_code == 7
        assert not (halt.inbox / "in" / "surprise").exists()
        assert parts_of(halt.inbox), "a no to something else takes nothing away"


@virtual
async def test_the_same_list_from_a_stranger_is_asked_about(tmp_path: Path) -> None:
    """X15: a yes to one sender is none to another with the very same list."""
    async with a_linked_world(tmp_path) as world:
        halt = await both_gone(world)
        mallory, bob = await world.person("mallory"), await halt.restart("bob")
        sending = mallory.submit(SendFiles((str(halt.source),)))
        getting = halt.receive(bob, await mallory.code(sending))
        offer = await bob.hears(e.OfferReceived)
        assert (offer.here_files, offer.changed_files) == (0, 0)
        bob.submit(DeclineOffer(getting))
        assert (await bob.fails(getting)).exit_code == 7
        await mallory.fails(sending)


@virtual
async def test_a_yes_that_has_no_room_over_a_new_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C3: only what is missing needs room: a disk with just that much is enough to go on."""
    async with a_linked_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"file": bytes(range(256)) * 80_000})
        alice.workers.takes_s = lambda job: 0.6 if job.name == "seal" else 0.0
        world.relay.meddling.append(cut_after(1 << 30))
        sending, getting = await world.send(alice, bob, alice.folder / "file")
        await bob.hears(e.TransferProgress, nth=7)
        written = max(path.stat().st_size for path in parts_of(bob.folder / "in"))
        assert written > 1_000_000
        free = (20_480_000 - written) + 8_000_000
        monkeypatch.setattr(
            "tallow.engine.storage.target.shutil.disk_usage",
            lambda _: type("F", (), {"free": free}),
        )
        world.relay.connections[0].cut()
        await bob.done(getting)
        await alice.done(sending)
