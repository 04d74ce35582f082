"""Receiving, from the front door's side: what of an offer is an event and what is asked for."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import AcceptOffer, DeclineOffer, Receive, SendFiles
from tallow.engine.engine import OfferEntries
from tallow.engine.offer import ENTRIES_SHOWN
from tallow.engine.storage.inbox import Inbox
from tallow.wire import limits
from tests.fakes import SeededRng, virtual
from tests.world.world import a_world, make, tree


@virtual
async def test_a_long_list_is_asked_for_in_pieces(tmp_path: Path) -> None:
    """The event holds the first lines; ``query`` gives any others, and none beyond the end."""
    count = ENTRIES_SHOWN * 3
    async with a_world(tmp_path) as world:
        alice, bob = await world.person("alice"), await world.person("bob")
        make(alice.folder, {f"p/{number:04}": b"x" for number in range(count)})
        sending, getting = await world.send(alice, bob, alice.folder / "p")
        offer = await bob.hears(e.OfferReceived)
        assert len(offer.entries) == ENTRIES_SHOWN
        assert offer.files == count
        rest = bob.engine.query(OfferEntries(getting, ENTRIES_SHOWN, 10_000))
        numbers = [entry.number for entry in (*offer.entries, *rest)]
        assert numbers == list(range(count + 1))
        assert rest[-1].path == rest[-1].target == f"p/{count - 1:04}"
        assert bob.engine.query(OfferEntries(getting, count + 1, 5)) == []
        bob.submit(DeclineOffer(getting))
        await alice.fails(sending)


@pytest.mark.parametrize("streams_to_stdout", [True, False])
@virtual
async def test_files_go_to_the_folder_in_any_case(tmp_path: Path, streams_to_stdout: bool) -> None:
    """A pipe behind this program takes streams; files go where ``-o`` says."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"file": b"x"})
        sending = alice.submit(SendFiles((str(alice.folder / "file"),)))
        command = Receive(
            await alice.code(sending), output=str(bob.folder), streams_to_stdout=streams_to_stdout
        )
        await bob.done(bob.submit(command))
        await alice.done(sending)
        assert tree(bob.folder) == {"file": b"x"}


@virtual
async def test_a_long_transfer_is_synced_as_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What arrived becomes durable every second, not only at the end."""
    synced: list[float] = []
    make_durable = Inbox.make_durable
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        alice.workers.takes_s = lambda job: 1.0 if job.name == "seal" else 0.0

        def noting(inbox: Inbox) -> None:
            synced.append(bob.clock.now())
            make_durable(inbox)

        monkeypatch.setattr(Inbox, "make_durable", noting)
        make(alice.folder, {"file": SeededRng("long").bytes(20 << 20)})
        sending, getting = await world.send(alice, bob, alice.folder / "file")
        await bob.done(getting)
        await alice.done(sending)
    assert len(synced) >= 3
    gaps = [later - earlier for earlier, later in pairwise(synced)]
    assert all(gap >= limits.DURABLE_EVERY_S for gap in gaps)


@virtual
async def test_a_yes_can_be_taken_back(tmp_path: Path) -> None:
    """Between the yes and the first byte a cancel still leaves nothing but folders."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.person("alice"), await world.person("bob")
        make(alice.folder, {"p/file": b"x"})
        sending, getting = await world.send(alice, bob, alice.folder / "p")
        await bob.hears(e.OfferReceived)
        bob.submit(AcceptOffer(getting))
        bob.cancel(getting)
        assert (await bob.fails(getting)).exit_code == 130
        assert (await alice.fails(sending)).exit_code == 7
        assert "p/file" not in tree(bob.folder / "in")
