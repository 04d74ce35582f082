"""A relay that alters, cuts, drops, doubles or delays what it forwards gains nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.engine import events as e
from tests.fakes import SeededRng, virtual
from tests.world import faults
from tests.world.relay import Meddle
from tests.world.world import Final, Person, World, a_world, finished, make

SOME = SeededRng("tampering").bytes(3 << 20)
SENDER, RECEIVER = 0, 1
NUMBER_AT = range(11, 19)
"""Where a record's number stands in its frame."""
FIRST_RECORD = 1
"""Frame 0 of either side is a handshake flight."""


async def _transfer_under(world: World, meddle: Meddle) -> tuple[Final, Person, Final]:
    alice, bob = await world.pair()
    make(alice.folder, {"file": SOME})
    world.relay.meddling.append(meddle)
    sending, getting = await world.send(alice, bob, alice.folder / "file")
    received = await bob.final(getting)
    if alice.is_waiting(sending):
        alice.cancel(sending)
    return await alice.final(sending), bob, received


def _nothing_false(bob: Person) -> None:
    assert finished(bob.folder / "in") in ({}, {"file": SOME})


@pytest.mark.parametrize("number", range(FIRST_RECORD, 9))
@pytest.mark.parametrize("who", [SENDER, RECEIVER], ids=["sender", "receiver"])
@pytest.mark.parametrize("at", [0, 4, 5, 7, 12, 18, 19, -1])
@virtual
async def test_an_altered_record_ends_it(tmp_path: Path, who: int, number: int, at: int) -> None:
    """X25: one flipped bit anywhere in a record ends the session for whom it was meant for."""
    async with a_world(tmp_path) as world:
        sent, bob, received = await _transfer_under(world, faults.altered(who, number, at))
        _nothing_false(bob)
        victim, other = (received, sent) if who == SENDER else (sent, received)
        if isinstance(victim, e.TransferDone):
            # The flipped frame was this side's CLOSE, or was never sent at all.
            assert isinstance(sent, e.TransferDone)
            assert isinstance(received, e.TransferDone)
        else:
            # A false number makes a record look early: it is waited for, then given up.
            assert victim.exit_code in ((5, 6) if at in NUMBER_AT else (6,))
            if isinstance(other, e.TransferDone):
                # A receiver knows that its files are durable before anybody confirms it.
                assert who == RECEIVER
                assert finished(bob.folder / "in") == {"file": SOME}
            else:
                assert other.exit_code in (5, 7)


@pytest.mark.parametrize("number", range(FIRST_RECORD, 7))
@pytest.mark.parametrize("who", [SENDER, RECEIVER], ids=["sender", "receiver"])
@pytest.mark.parametrize("by", [1, 16, 40])
@virtual
async def test_a_truncated_record_ends_it(tmp_path: Path, who: int, number: int, by: int) -> None:
    """X14: a record that is shorter than it says is exit 6, never a crash or a hang."""
    async with a_world(tmp_path) as world:
        sent, bob, received = await _transfer_under(world, faults.truncated(who, number, by))
        _nothing_false(bob)
        victim = received if who == SENDER else sent
        if isinstance(victim, e.TransferError):
            assert victim.exit_code == 6


@pytest.mark.parametrize("number", range(FIRST_RECORD, 8))
@pytest.mark.parametrize("who", [SENDER, RECEIVER], ids=["sender", "receiver"])
@virtual
async def test_a_lost_record_is_noticed(tmp_path: Path, who: int, number: int) -> None:
    """A record that the relay keeps back ends the session in bounded time, or was of no account."""
    async with a_world(tmp_path) as world:
        sent, bob, received = await _transfer_under(world, faults.dropped(who, number))
        _nothing_false(bob)
        for final in (sent, received):
            if isinstance(final, e.TransferError):
                assert final.exit_code in (5, 6, 7)
        if isinstance(sent, e.TransferDone):
            assert finished(bob.folder / "in") == {"file": SOME}
        assert bob.clock.now() - 1000 < 800


@pytest.mark.parametrize("number", range(FIRST_RECORD, 8))
@pytest.mark.parametrize("who", [SENDER, RECEIVER], ids=["sender", "receiver"])
@virtual
async def test_a_doubled_record_is_taken_once(tmp_path: Path, who: int, number: int) -> None:
    """A replayed record changes nothing: the transfer is done as if it came once."""
    async with a_world(tmp_path) as world:
        sent, bob, received = await _transfer_under(world, faults.doubled(who, number))
        assert isinstance(sent, e.TransferDone)
        assert isinstance(received, e.TransferDone)
        assert sent.roots == received.roots
        assert finished(bob.folder / "in") == {"file": SOME}


@pytest.mark.parametrize("seconds", [1.0, 9.0, 50.0])
@pytest.mark.parametrize("number", [2, 4])
@virtual
async def test_a_late_record_is_waited_for(tmp_path: Path, number: int, seconds: float) -> None:
    """A path that stalls for less than a minute costs time and nothing else."""
    async with a_world(tmp_path) as world:
        meddle = faults.delayed(SENDER, number, seconds)
        sent, bob, received = await _transfer_under(world, meddle)
        assert isinstance(sent, e.TransferDone)
        assert isinstance(received, e.TransferDone)
        assert finished(bob.folder / "in") == {"file": SOME}


@virtual
async def test_what_the_relay_sees_tells_nothing_of_the_file(tmp_path: Path) -> None:
    """X03, X24: neither names nor content nor words of the code pass the relay in clear."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"very-secret-name": b"very secret content " * 10})
        sending, getting = await world.send(alice, bob, alice.folder / "very-secret-name")
        await bob.done(getting)
        await alice.done(sending)
        seen = b"".join(sent.body for sent in world.relay.heard)
        words = (await alice.code(sending)).split("-")[1:]
        for secret in ("very-secret-name", "very secret content", *words):
            assert secret.encode() not in seen
