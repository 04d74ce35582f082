"""Paths that break: at any frame, again and again, with the relay, under two transfers at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import ConfirmSas, Resume, SendFiles, SendOptions
from tallow.wire.frames import LinkType
from tests.fakes import Job, SeededRng, virtual
from tests.world.losses import (
    BIG,
    MANY,
    a_linked_world,
    cut_after,
    cut_once,
    halted,
    offer_much,
    parts_of,
)
from tests.world.relay import Meddle, Sent
from tests.world.world import Person, World, make, tree

SOME = SeededRng("cuts").bytes(5 << 20)
CONTENT: dict[str, bytes | None] = {
    "in/large": SOME,
    "in/empty": b"",
    "in/folder": None,
    **{f"in/{number:02}": SOME[number : number * 4_000] for number in range(1, 40)},
}


def _slowly(job: Job) -> float:
    return 0.6 if job.name == "seal" else 0.0


def _says_yes_and_means_it(bob: Person) -> Callable[[], bool]:
    """Return whether Bob has begun to act on a yes: the next thing that he sends is his answer."""
    begun: list[Job] = []
    bob.workers.before = lambda job: (
        begun.append(job) if "_accept" in getattr(job.work, "__qualname__", "") else None
    )
    return lambda: bool(begun)


async def _sent_whole(world: World, alice: Person, bob: Person) -> None:
    """Send the content; it must arrive byte for byte, asked about once."""
    make(alice.folder, CONTENT)
    sending, getting = await world.send(alice, bob, alice.folder / "in")
    received, sent = await bob.final(getting), await alice.final(sending)
    assert isinstance(received, e.TransferDone), received
    assert tree(bob.folder / "in") == {"in": None, **CONTENT}
    assert len(bob.all(e.OfferReceived)) == 1
    if isinstance(sent, e.TransferDone):
        assert sent.roots == received.roots
    else:
        # Whoever never hears the last word cannot know that it was said.
        assert (sent.exit_code, sent.resumable) == (5, True)


@pytest.mark.parametrize("slow", [False, True], ids=["fast", "slow"])
@pytest.mark.parametrize("number", range(40))
@virtual
async def test_a_cut_at_any_frame_of_the_sender(tmp_path: Path, number: int, slow: bool) -> None:
    """C3, X25: wherever the sender's wire breaks after the yes, all arrives and nobody is asked."""
    async with a_linked_world(tmp_path) as world:
        alice, bob = await world.pair()
        if slow:
            alice.workers.takes_s = _slowly
        world.relay.meddling.append(cut_once(number, 0, lambda: bool(alice.all(e.OfferAnswered))))
        await _sent_whole(world, alice, bob)


@pytest.mark.parametrize("slow", [False, True], ids=["fast", "slow"])
@pytest.mark.parametrize("number", range(1, 40))
@virtual
async def test_a_cut_at_any_frame_of_the_receiver(tmp_path: Path, number: int, slow: bool) -> None:
    """C3, X25: wherever the receiver's wire breaks after its yes, all arrives, asked about once."""
    async with a_linked_world(tmp_path) as world:
        alice, bob = await world.pair()
        if slow:
            alice.workers.takes_s = _slowly
        world.relay.meddling.append(cut_once(number, 1, _says_yes_and_means_it(bob)))
        await _sent_whole(world, alice, bob)


@virtual
async def test_a_yes_that_is_lost(tmp_path: Path) -> None:
    """X25: a sender that never heard the yes has not begun: both end, and nothing is left."""
    async with a_linked_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, CONTENT)
        world.relay.meddling.append(cut_once(0, 1, _says_yes_and_means_it(bob)))
        sending, getting = await world.send(alice, bob, alice.folder / "in")
        told, error = await alice.fails(sending), await bob.fails(getting)
        assert (told.exit_code, error.exit_code) == (5, 5)
        for final in (told, error):
            assert not final.resumable
            assert "tallow resume" not in final.hint
        assert not [path for path in (bob.folder / "in").rglob("*") if path.is_file()]


@pytest.mark.parametrize("last_first", [False, True], ids=["in order", "youngest first"])
@virtual
async def test_many_cuts(tmp_path: Path, last_first: bool) -> None:
    """C3: a path that breaks every few megabytes still carries everything, once each."""
    async with a_linked_world(tmp_path) as world:
        alice = await world.person("alice")
        bob = await world.person("bob", last_first=last_first)
        bob.says_yes()
        alice.workers.takes_s = lambda job: 0.2 if job.name == "seal" else 0.0
        source, content = offer_much(alice)
        world.relay.meddling.append(cut_after(*(number << 20 for number in (4, 5, 9, 14, 20, 26))))
        sending, getting = await world.send(alice, bob, source)
        await bob.done(getting)
        await alice.done(sending)
        assert tree(bob.folder / "in" / "in") == content
        assert len(bob.all(e.OfferReceived)) == 1
        have = [event.have_bytes for event in bob.all(e.TransferResumed)]
        assert len(have) >= 4


def _cut_again_at(number: int, side: int) -> Meddle:
    """Cut a side of the third and fourth connection at its nth DATA frame."""
    seen = 0

    def meddle(sent: Sent) -> list[bytes] | None:
        nonlocal seen
        if sent.connection.number not in (2, 3) or sent.kind is not LinkType.DATA:
            return None
        if sent.connection.number % 2 != side:
            return None
        seen += 1
        if seen != number + 1:
            return None
        sent.connection.cut()
        return []

    return meddle


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("number", range(8))
@virtual
async def test_a_second_cut_while_they_meet_again(tmp_path: Path, number: int, side: int) -> None:
    """C3: a path that breaks again in the handshake, the greeting or the list is made once more."""
    async with a_linked_world(tmp_path) as world:
        alice, bob = await world.pair()
        source, content = offer_much(alice)
        world.relay.meddling += [cut_after(12 << 20), _cut_again_at(number, side)]
        sending, getting = await world.send(alice, bob, source)
        await bob.done(getting)
        await alice.done(sending)
        assert tree(bob.folder / "in" / "in") == content
        assert len(bob.all(e.OfferReceived)) == 1


@pytest.mark.parametrize("number", range(0, 16, 2))
@virtual
async def test_a_second_cut_and_nobody_comes_back(tmp_path: Path, number: int) -> None:
    """C3: what an earlier session left counts, however early the last one breaks off."""
    async with a_linked_world(tmp_path) as world:
        alice, bob = await world.pair()
        source, _ = offer_much(alice)

        def down(sent: Sent) -> list[bytes] | None:
            if sent.connection.number in (2, 3) and sent.kind is LinkType.DATA:
                nonlocal number
                number -= 1
                if number < 0 and not world.relay.is_down:
                    world.relay.stop()
                    return []
            return None

        world.relay.meddling += [cut_after(12 << 20), down]
        sending, getting = await world.send(alice, bob, source)
        for person, ticket in ((bob, getting), (alice, sending)):
            error = await person.fails(ticket)
            assert (error.exit_code, error.resumable) == (4, True)
            assert "tallow resume" in error.hint
        assert parts_of(bob.folder / "in")
        # What was said is true.
        world.relay.start()
        world.relay.meddling.clear()
        sending, getting = alice.submit(Resume("")), bob.submit(Resume(""))
        await bob.done(getting)
        await alice.done(sending)
        assert not parts_of(bob.folder / "in")


@pytest.mark.parametrize("away_s", [0.0, 20.0, 50.0])
@virtual
async def test_a_relay_that_restarts_midway(tmp_path: Path, away_s: float) -> None:
    """C3: a relay that forgot everything brings the two together again, asking nobody."""
    async with a_linked_world(tmp_path) as world:
        alice, bob = await world.pair()
        alice.workers.takes_s = lambda job: 0.2 if job.name == "seal" else 0.0
        source, content = offer_much(alice)
        sending, getting = await world.send(alice, bob, source)
        await bob.hears(e.TransferProgress, nth=9)
        world.relay.stop()
        await bob.sleep(away_s)
        world.relay.start()
        await bob.done(getting)
        await alice.done(sending)
        assert tree(bob.folder / "in" / "in") == content
        assert len(bob.all(e.OfferReceived)) == 1
        assert bob.all(e.TransferResumed)


@virtual
async def test_two_transfers_do_not_mix(tmp_path: Path) -> None:
    """X15: two senders and one receiver lose the relay together; each goes on with its own."""
    async with a_linked_world(tmp_path) as world:
        alice, carol = await world.person("alice"), await world.person("carol")
        bob = await world.person("bob")
        bob.says_yes()
        for person in (alice, carol):
            person.workers.takes_s = _slowly
        make(alice.folder, {**MANY, "in/big": BIG})
        make(carol.folder, {"other/big": BIG[::-1], "other/many": BIG[:70_000]})
        one = await world.send(alice, bob, alice.folder / "in")
        two = await world.send(carol, bob, carol.folder / "other")
        await bob.hears(e.TransferProgress, one[1], nth=6)
        await bob.hears(e.TransferProgress, two[1], nth=6)
        world.relay.stop()
        await bob.sleep(3)
        world.relay.start()
        for person, (sending, getting) in ((alice, one), (carol, two)):
            sent, received = await person.done(sending), await bob.done(getting)
            assert sent.roots == received.roots
        assert tree(bob.folder / "in") == {**tree(alice.folder), **tree(carol.folder)}
        assert len(bob.all(e.OfferReceived)) == 2
        assert len(bob.all(e.TransferResumed)) == 2


@virtual
async def test_two_transfers_of_the_same_folder(tmp_path: Path) -> None:
    """X15: the same list into the same folder twice at once is told apart by its proofs."""
    async with a_linked_world(tmp_path) as world:
        alice, bob = await world.pair()
        alice.workers.takes_s = _slowly
        make(alice.folder, {"in/big": BIG})
        one = await world.send(alice, bob, alice.folder / "in")
        two = await world.send(alice, bob, alice.folder / "in")
        await bob.hears(e.TransferProgress, two[1], nth=6)
        world.relay.stop()
        await bob.sleep(3)
        world.relay.start()
        for sending, getting in (one, two):
            assert (await alice.done(sending)).roots == (await bob.done(getting)).roots
        assert len(bob.all(e.OfferReceived)) == 2
        # Whoever ends last finds just what it would have named, so one file may stand for both.
        arrived = tree(bob.folder / "in")
        assert arrived.pop("in/big (1)", BIG) == BIG
        assert arrived == {"in": None, "in/big": BIG}


@virtual
async def test_what_was_compared_stays_compared(tmp_path: Path) -> None:
    """C3: a session that was verified meets again without another comparison."""
    async with a_linked_world(tmp_path) as world:
        alice, bob = await world.pair()
        for person in (alice, bob):
            person.whenever(
                e.VerifyStep,
                lambda step: ConfirmSas(step.ticket, True) if step.step == "needed" else None,
            )
        source, content = offer_much(alice)
        world.relay.meddling.append(cut_after(12 << 20))
        sending, getting = await world.send(alice, bob, source, options=SendOptions(verify=True))
        await bob.done(getting)
        await alice.done(sending)
        assert tree(bob.folder / "in" / "in") == content
        for person in (alice, bob):
            assert len([step for step in person.all(e.VerifyStep) if step.step == "needed"]) == 1
            assert len(person.all(e.PeerUp)) == 2


@virtual
async def test_a_restarted_side_may_want_to_compare(tmp_path: Path) -> None:
    """C3: a side that starts again with --verify is compared with by one that only reconnects."""
    async with a_linked_world(tmp_path) as world:
        halt = await halted(world, "alice")
        alice = await halt.restart("alice")
        for person in (alice, halt.bob):
            person.whenever(
                e.VerifyStep,
                lambda step: ConfirmSas(step.ticket, True) if step.step == "needed" else None,
            )
        options = SendOptions(code=halt.code, verify=True)
        sending = alice.submit(SendFiles((str(halt.source),), options=options))
        await halt.bob.done(halt.getting)
        await alice.done(sending)
        halt.check_whole()
