"""A receiver made by hand: what it answers, acknowledges and claims is judged, never believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import SendFiles
from tallow.protocol.messages import (
    Accept,
    Complete,
    Control,
    Decline,
    FileEnd,
    Finish,
    Offer,
    OfferEnd,
    Start,
    Stored,
    Text,
    TextShown,
)
from tallow.wire import limits
from tests.fakes import SeededRng, virtual
from tests.world.stranger import PROOFS, Gone, Stranger
from tests.world.world import Person, World, a_world, make

SOME = SeededRng("hostile receiver").bytes(200_000)


async def _meet(world: World) -> tuple[Person, int, Stranger, OfferEnd]:
    """Let Mallory, who knows the code, come as receiver to Alice and read her list."""
    alice, mallory = await world.person("alice"), await world.person("mallory")
    make(alice.folder, {"p/large": SOME, "p/small": b"1"})
    sending = alice.submit(SendFiles((str(alice.folder / "p"),)))
    stranger = Stranger(mallory)
    await stranger.join(await alice.code(sending), "receive")
    return alice, sending, stranger, await stranger.hears(OfferEnd)


def _accept(offered: OfferEnd, bitmap: bytes = b"\x07", **changed: object) -> Accept:
    fields = {"offer": 1, "accept_no": 1, "manifest_root": offered.manifest_root} | changed
    return Accept(bitmap=bitmap, window_bytes=limits.WINDOW_BYTES, **fields)  # type: ignore[arg-type]


async def _refused(alice: Person, sending: int, stranger: Stranger) -> None:
    error = await alice.fails(sending)
    assert error.exit_code == 6, error
    await stranger.leave()


@pytest.mark.parametrize(
    "changed",
    [
        {"manifest_root": bytes(32)},
        {"offer": 2},
        {"bitmap": b"\x0f"},
        {"bitmap": b""},
        {"bitmap": b"\x07\x00"},
    ],
    ids=["another list", "another offer", "a file more", "short", "long"],
)
@virtual
async def test_an_answer_that_does_not_fit(tmp_path: Path, changed: dict[str, object]) -> None:
    """X16: only what was offered can be accepted."""
    async with a_world(tmp_path) as world:
        alice, sending, stranger, offered = await _meet(world)
        stranger.say(_accept(offered, **changed))  # type: ignore[arg-type]
        await _refused(alice, sending, stranger)
        assert not alice.all(e.OfferAnswered)


TURNS: dict[str, list[Control]] = {
    "stored before a yes": [Stored(1, [(0, 0)])],
    "complete before a yes": [Complete(1, bytes(32))],
    "an offer back": [Offer(1, "files", 1, 1, 0, PROOFS)],
    "start": [Start(1, 2, bytes(16), 1, bytes(32), bytes(64))],
    "finish": [Finish(1, bytes(32))],
    "a text": [Text("x")],
    "text shown": [TextShown()],
}


@pytest.mark.parametrize("messages", TURNS.values(), ids=TURNS)
@virtual
async def test_messages_out_of_turn(tmp_path: Path, messages: list[Control]) -> None:
    """A receiver that speaks out of turn ends the session with exit 6."""
    async with a_world(tmp_path) as world:
        alice, sending, stranger, _ = await _meet(world)
        stranger.say(*messages)
        await _refused(alice, sending, stranger)


LATER: dict[str, list[Control]] = {
    "accept twice": [Accept(1, 2, bytes(32), b"\x07", limits.WINDOW_BYTES)],
    "stored never sent": [Stored(1, [(50, 60)])],
    "stored twice": [Stored(1, [(0, 0)]), Stored(1, [(0, 0)])],
    "stored backwards": [Stored(1, [(3, 0)])],
    "stored for ever": [Stored(1, [(0, (1 << 63) - 1)])],
    "complete at once": [Complete(1, bytes(32))],
    "decline now": [Decline(1, "no")],
}


@pytest.mark.parametrize("messages", LATER.values(), ids=LATER)
@virtual
async def test_claims_that_cannot_be_true(tmp_path: Path, messages: list[Control]) -> None:
    """X14, X17: what was never sent cannot be stored; nothing loops over what a peer counts."""
    async with a_world(tmp_path) as world:
        alice, sending, stranger, offered = await _meet(world)
        alice.workers.takes_s = lambda job: 0.2 if job.name == "seal" else 0.0
        stranger.say(_accept(offered))
        await alice.state_is("transferring")
        await alice.sleep(0.5)
        stranger.say(*messages)
        await _refused(alice, sending, stranger)


COMPLETE: dict[str, list[FileEnd]] = {
    "false roots": [],
    "a failure of nothing": [FileEnd(4_000_000_000, 0, b"", "no such file")],
    "a failure of the next": [FileEnd(3, 0, b"", "no such file")],
    "a failure of a folder": [FileEnd(0, 0, b"", "no room")],
    "more failures than files": [FileEnd(1, 0, b"", "no room")] * 3,
}


@pytest.mark.parametrize("failed", COMPLETE.values(), ids=COMPLETE)
@virtual
async def test_a_false_end(tmp_path: Path, failed: list[FileEnd]) -> None:
    """ "Complete" with other roots, or with failures of what was never offered, is exit 6."""
    async with a_world(tmp_path) as world:
        alice, sending, stranger, offered = await _meet(world)
        stranger.say(_accept(offered))
        finish = await stranger.hears(Finish)
        roots = finish.roots if failed else bytes(32)
        stranger.say(Complete(1, roots, failed, len(failed)))
        await _refused(alice, sending, stranger)


@virtual
async def test_a_failure_over_there_counts_here(tmp_path: Path) -> None:
    """C11: a file that could not get its name at the receiver is a failed file at the sender."""
    async with a_world(tmp_path) as world:
        alice, sending, stranger, offered = await _meet(world)
        stranger.say(_accept(offered))
        finish = await stranger.hears(Finish)
        end = FileEnd(1, 0, b"", "\x1b[31mno room")
        stranger.say(Complete(1, finish.roots, [end], 1))
        sent = await alice.done(sending)
        assert (sent.files, sent.failed) == (1, 1)
        assert [event.path for event in alice.all(e.TransferFile)] == ["p/large"]
        await stranger.leave()


@virtual
async def test_a_choice_is_respected(tmp_path: Path) -> None:
    """X16: files that were not chosen are not sent, and do not count."""
    async with a_world(tmp_path) as world:
        alice, sending, stranger, offered = await _meet(world)
        stranger.say(_accept(offered, b"\x05"))
        finish = await stranger.hears(Finish)
        stranger.say(Complete(1, finish.roots))
        sent = await alice.done(sending)
        assert (sent.files, sent.failed) == (1, 0)
        assert (await alice.hears(e.OfferAnswered)).total_bytes == 1
        await stranger.leave()


@virtual
async def test_a_receiver_that_only_pings(tmp_path: Path) -> None:
    """X17: a receiver that says yes and then stores nothing is given up in time, exit 5."""
    async with a_world(tmp_path) as world:
        alice, sending, stranger, offered = await _meet(world)
        stranger.say(_accept(offered))
        pinging = stranger.goes_on_pinging()
        error = await alice.fails(sending)
        assert (error.code, error.exit_code) == ("timed-out", 5)
        assert alice.clock.now() - 1000 < 700
        with pytest.raises(Gone):
            await pinging
        await stranger.leave()
