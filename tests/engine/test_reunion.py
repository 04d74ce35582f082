"""Meeting again: the two of the first session, whoever comes first, and nobody else."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tallow.crypto.secret import SecretBytes
from tallow.engine import events as e
from tallow.engine.bond import Bond
from tallow.engine.commands import CancelTransfer
from tallow.engine.context import ExchangeContext
from tallow.engine.meeting import Met
from tallow.engine.reunion import BACK_OFF_S, Reunion, is_lost_path
from tallow.errors import (
    Interrupted,
    LinkError,
    PeerCancelled,
    PeerGone,
    RelayKeyChanged,
    RelayRefused,
    RelayUnreachable,
    RemoteProtocolError,
    SessionEnded,
    TallowError,
    TimedOut,
    WrongCode,
)
from tallow.protocol.session import Role
from tests.engine.kept import context_for
from tests.fakes import virtual
from tests.world.relay import ADDRESS, MemoryRelay

RESUME = bytes(range(64))
LOST = LinkError("The connection to the relay broke.", why="the wire was cut")


def _bond(role: Role, resume: bytes = RESUME) -> Bond:
    return Bond(SecretBytes(resume), role, ADDRESS)


async def _meets(
    context: ExchangeContext, bond: Bond, *, for_s: float = 60.0, lost: TallowError | None = None
) -> Met:
    give_up_at = context.ports.clock.now() + for_s
    try:
        return await Reunion(context, bond, give_up_at).meet(lost)
    finally:
        await context.close_links()


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (LOST, True),
        (PeerGone(), True),
        (RelayUnreachable(), True),
        (SessionEnded(), False),
        (RelayKeyChanged(), False),
        (RelayRefused(), False),
        (TimedOut(), False),
        (PeerCancelled(), False),
        (RemoteProtocolError(), False),
        (Interrupted(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_a_lost_path(error: TallowError, lost: bool) -> None:
    """C3: only what says nothing against the peer is tried again."""
    assert is_lost_path(error) == lost


@pytest.mark.parametrize("first", ["initiator", "responder"])
@virtual
async def test_two_meet_again_whoever_comes_first(first: Role) -> None:
    """C3: roles are those of the first session, and the new session has new keys."""
    relay = MemoryRelay()
    second: Role = "responder" if first == "initiator" else "initiator"
    one, told = context_for("one", relay=relay)
    two, _ = context_for("two", relay=relay)
    waiting = asyncio.create_task(_meets(one, _bond(first)))
    await asyncio.sleep(5)
    mets = [await _meets(two, _bond(second)), await waiting]
    assert bytes(mets[0].secrets.th2) == bytes(mets[1].secrets.th2)
    assert [met.role for met in mets] == [second, first]
    assert all(met.bond is not None for met in mets), "they find each other a third time"
    assert [type(event) for event in told if isinstance(event, e.PeerJoined)] == [e.PeerJoined]
    again = asyncio.create_task(_meets(one, _bond(first)))
    mets += [await _meets(two, _bond(second)), await again]
    assert bytes(mets[2].secrets.th2) != bytes(mets[0].secrets.th2)


@virtual
async def test_nobody_comes() -> None:
    """C3: waiting ends when it was said to, to the second, without a word of going on."""
    context, _ = context_for("alone")
    began_at = context.ports.clock.now()
    with pytest.raises(TimedOut) as caught:
        await _meets(context, _bond("initiator"), for_s=30)
    assert 29 < context.ports.clock.now() - began_at < 31
    assert "tallow resume" not in caught.value.hint


@virtual
async def test_two_that_were_others_do_not_meet() -> None:
    """X15: another first session is another place: neither sees anything of the other."""
    relay = MemoryRelay()
    one, told = context_for("one", relay=relay)
    two, _ = context_for("two", relay=relay)
    waiting = asyncio.create_task(_meets(one, _bond("initiator"), for_s=20))
    with pytest.raises(TimedOut):
        await _meets(two, _bond("responder", RESUME[::-1]), for_s=10)
    with pytest.raises(TimedOut):
        await waiting
    assert not [event for event in told if isinstance(event, e.PeerJoined)]


@virtual
async def test_a_stranger_at_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """X15, X22: the relay knows the place; who proves nothing there costs a try, and no secret."""
    relay = MemoryRelay()
    mallory, _ = context_for("mallory", relay=relay)
    alice, told = context_for("alice", relay=relay)
    bob, _ = context_for("bob", relay=relay)
    with monkeypatch.context() as patch:
        patch.setattr("tallow.engine.reunion.resume_meet_id", lambda _: bytes(32))
        waiting = asyncio.create_task(_meets(alice, _bond("responder")))
        await asyncio.sleep(1)
        with pytest.raises((WrongCode, RemoteProtocolError, PeerGone, TimedOut, LinkError)):
            await _meets(mallory, _bond("initiator", RESUME[::-1]), for_s=1.5)
        other = asyncio.create_task(_meets(bob, _bond("initiator")))
        met = await waiting
        assert bytes((await other).secrets.th2) == bytes(met.secrets.th2)
    assert len([event for event in told if isinstance(event, e.SessionLost)]) >= 1


@virtual
async def test_a_relay_that_is_away() -> None:
    """C3: it is tried more and more seldom, each try is told, and the loss is what ends it."""
    relay = MemoryRelay()
    relay.is_down = True
    context, told = context_for("away", relay=relay)
    with pytest.raises(RelayUnreachable):
        await _meets(context, _bond("initiator"), lost=LOST)
    losses = [event for event in told if isinstance(event, e.SessionLost)]
    assert [event.retry_s for event in losses][: len(BACK_OFF_S)] == list(BACK_OFF_S)
    assert losses[0].why == "the wire was cut"
    assert losses[0].left_s == 60
    left = [event.left_s for event in losses if event.left_s is not None]
    assert left == sorted(left, reverse=True)
    assert left[-1] > 0


@virtual
async def test_a_relay_whose_key_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """X15: a relay that is another one now is no path to be found again."""
    context, _ = context_for("changed")

    async def dial(_address: object) -> object:
        raise RelayKeyChanged

    monkeypatch.setattr(context.ports.dialer, "dial", dial)
    with pytest.raises(RelayKeyChanged):
        await _meets(context, _bond("initiator"))


@pytest.mark.parametrize("is_down", [True, False], ids=["between tries", "at the place"])
@virtual
async def test_a_cancel_is_heard_at_once(is_down: bool) -> None:
    """C11: nobody has to wait for the end of a minute."""
    relay = MemoryRelay()
    relay.is_down = is_down
    context, _ = context_for("cancel", relay=relay)
    waiting = asyncio.create_task(_meets(context, _bond("initiator")))
    await asyncio.sleep(10.5)
    context.put_answer(CancelTransfer(1))
    at = context.ports.clock.now()
    with pytest.raises(Interrupted):
        await waiting
    assert context.ports.clock.now() - at < 2


def test_a_bond_does_not_show_its_secret() -> None:
    """A4: what stands in a log or a traceback of it holds no secret."""
    bond = _bond("initiator")
    assert str(list(RESUME)) not in repr(bond)
    assert repr(RESUME)[2:20] not in repr(replace(bond))
