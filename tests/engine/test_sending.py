"""Sending, from the front door's side: what is told and when."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from tallow.engine import events as e
from tallow.engine.commands import Receive, SendFiles, SendText
from tallow.engine.progress import EMIT_EVERY_S
from tests.fakes import virtual
from tests.world.world import a_world, make


@virtual
async def test_the_offer_is_told_before_its_answer(tmp_path: Path) -> None:
    """Counts of the offer, then of the answer, then the transfer."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"p/a": b"12", "p/b": b"3", "p/d": None})
        sending, getting = await world.send(alice, bob, alice.folder / "p")
        await alice.done(sending)
        await bob.done(getting)
        assert alice.all(e.OfferSent) == [e.OfferSent(sending, "files", 2, 2, 3)]
        assert alice.all(e.OfferAnswered) == [
            e.OfferAnswered(sending, accepted=True, files=2, total_bytes=3)
        ]
        kinds = [type(event) for event in alice.events]
        assert kinds.index(e.OfferSent) < kinds.index(e.OfferAnswered) < kinds.index(e.TransferDone)


@virtual
async def test_a_text_is_an_offer_of_its_own_kind(tmp_path: Path) -> None:
    """C2: a text is told as a text, with its size in bytes."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        sending = alice.submit(SendText("é"))
        await bob.done(bob.submit(Receive(await alice.code(sending))))
        done = await alice.done(sending)
        assert alice.all(e.OfferSent) == [e.OfferSent(sending, "text", 0, 0, 2)]
        assert (done.files, done.total_bytes, done.roots) == (0, 2, "")


@virtual
async def test_progress_comes_at_an_even_pace(tmp_path: Path) -> None:
    """C5: several times a second while it lasts, even where nothing moves; never more often."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        alice.workers.takes_s = lambda job: 2.0 if job.name == "seal" else 0.0
        at: list[float] = []
        alice.whenever(e.TransferProgress, lambda _: at.append(alice.clock.now()))
        make(alice.folder, {"file": bytes(6 << 20)})
        sending, getting = await world.send(alice, bob, alice.folder / "file")
        await alice.done(sending)
        await bob.done(getting)
    gaps = [later - earlier for earlier, later in pairwise(at)]
    assert len(gaps) >= 12
    assert all(abs(gap - EMIT_EVERY_S) < 0.01 for gap in gaps[:-1])


@virtual
async def test_what_was_left_out_is_told_before_the_offer(tmp_path: Path) -> None:
    """C7: the person learns of skipped sources while there is time to stop."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"p/a": b"1"})
        (alice.folder / "p/link").symlink_to("a")
        sending = alice.submit(SendFiles((str(alice.folder / "p"),)))
        await bob.done(bob.submit(Receive(await alice.code(sending), output=str(bob.folder))))
        done = await alice.done(sending)
        kinds = [type(event) for event in alice.events]
        assert kinds.index(e.SourceSkipped) < kinds.index(e.OfferSent)
        assert (done.files, done.failed) == (1, 0)
