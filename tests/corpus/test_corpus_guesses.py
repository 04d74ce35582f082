"""The faults of flights once more, through whole programs: what is stored, asked and burnt.

Each fault meets a creator that has counted nothing yet, and one that was started again after two
counted runs. Bytes that end alike are represented by the first of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.attempt_book import AttemptBook
from tallow.engine.commands import Receive, ReopenCode, SendOptions, SendText
from tallow.wire import relay as wire
from tallow.wire.errors import WireError
from tallow.wire.frames import LinkType, PeerType, encode_link
from tests.corpus.cases import Case, Ends
from tests.corpus.entries import load
from tests.corpus.flights import edit_of
from tests.fakes import MemoryState, TestClock, virtual
from tests.pair.meeting import Flight
from tests.world.relay import Meddle, Sent
from tests.world.world import Person, World, a_world

CODE = "7-violet-tugboat-8142-xylophone-marzipan"
KEY = "7@relay.test:4433"
CREATOR, JOINER = 0, 1


def represented() -> list[tuple[Case, Ends]]:
    """Return one fault for every run of bytes that end alike, and every fault without a place."""
    found: list[tuple[Case, Ends]] = []
    for entry in load()["flights"]:
        cases = list(entry.cases())
        found += [(case, entry.ends) for case in (cases[:1] if entry.at else cases)]
    return found


FAULTS = represented()


def meddler(case: Case) -> Meddle:
    """Return a relay that does one fault to the flights of a creator and its joiner."""
    edit = edit_of(case)

    def meddle(sent: Sent) -> list[bytes] | None:
        name = _flight(sent)
        if name is None:
            return None
        if name != "M1":
            return [encode_link(LinkType.DATA, frame) for frame in edit(name, sent.body)]
        join = _join(sent)
        assert join is not None
        first, *more = edit("M1", join.first) or [b""]
        # The relay takes no join without a flight: to lose M1 is to lose the join.
        joins = [wire.client_frame(wire.Join(join.plate, first))] if len(first) > 5 else []
        return joins + [encode_link(LinkType.DATA, frame) for frame in more]

    return meddle


def _flight(sent: Sent) -> Flight | None:
    if sent.kind is LinkType.CONTROL and _join(sent) is not None:
        return "M1"
    if sent.kind is LinkType.DATA and sent.number == 0:
        # The dict's values are two of the literals that are asked for.
        return {CREATOR: "M2", JOINER: "M3"}.get(sent.connection.number)  # type: ignore[return-value]
    return None


def _join(sent: Sent) -> wire.Join | None:
    try:
        message = wire.decode_client(sent.body)
    except WireError:
        return None
    return message if isinstance(message, wire.Join) else None


def counted(state: MemoryState) -> int:
    """Return what a program that starts now would find counted for the code."""
    return AttemptBook(state, TestClock(), KEY, 3).read().counted


async def _play(world: World, state: MemoryState, case: Case) -> tuple[Person, int, Person]:
    """Let somebody join under a fault; return when both rest."""
    alice = await world.person("alice", state=state)
    ticket = alice.submit(SendText("hi", SendOptions(code=CODE, expires_s=3600)))
    await alice.state_is("waiting", ticket)
    world.relay.meddling.append(meddler(case))
    bob = await world.person("bob")
    joining = bob.submit(Receive(CODE))
    await bob.sleep(100)
    final = [*bob.all(e.TransferDone, joining), *bob.all(e.TransferError, joining)]
    assert len(final) == 1, "the joiner hangs"
    return alice, ticket, bob


@pytest.mark.parametrize("before", [0, 2], ids=["first run", "restarted, two counted"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault[0].what} {fault[0].fault}")
@virtual
async def test_a_fault_is_counted_stored_and_burnt(
    tmp_path: Path, fault: tuple[Case, Ends], before: int
) -> None:
    """A2, X25: for every fault in a flight the stored counter, the question to the person and the
    death of the code are those of the rules, also in a program that was started again; and no
    reply leaves before its run is stored."""
    case, ends = fault
    state = MemoryState()
    book = AttemptBook(state, TestClock(), KEY, 3)
    for _ in range(before):
        book.write(book.read().started())
    async with a_world(tmp_path) as world:
        replies: list[int] = []
        state.on_write = lambda *_: replies.append(_replies(world))
        alice, ticket, bob = await _play(world, state, case)
        if case == Case("M1", "double"):
            # What arrives before the run begins is dropped, and the code does its work.
            assert counted(state) == before
            assert bob.all(e.TransferDone)
            return
        replied = _replied(world)
        assert replied == (ends["code"] != "whole")
        code = ends["code"] if replied else "whole"
        now = before + (code in ("counted", "burnt"))
        assert counted(state) == now
        assert replies[:1] == [0] * replied
        guesses, drops = alice.all(e.CodeGuessed), alice.all(e.CodeDropped)
        assert [guess.counted for guess in guesses] == [now] * (code == "burnt")
        assert [drop.counted for drop in drops] == [now] * (code == "counted")
        assert all(guess.can_reopen == (now < 3) for guess in guesses)
        assert all(drop.dead == (now == 3) for drop in drops)
        if code == "spent":
            assert bob.all(e.TransferDone) or case.fault == "double"
            return
        assert not bob.all(e.TransferDone)
        await _ends(alice, ticket, dead=now == 3, asked=bool(guesses))


def _replies(world: World) -> int:
    return world.relay.connections[CREATOR].counts.get(LinkType.DATA, 0)


def _replied(world: World) -> bool:
    """Tell whether M2 left the creator."""
    return any(
        sent.connection.number == CREATOR and sent.body[4:5] == bytes([PeerType.FLIGHT])
        for sent in world.relay.heard
        if sent.kind is LinkType.DATA
    )


async def _ends(alice: Person, ticket: int, *, dead: bool, asked: bool) -> None:
    if dead:
        assert (await alice.fails(ticket)).code == "code-guessed"
        return
    assert not alice.all(e.TransferError), "the code died too early"
    if asked:
        alice.submit(ReopenCode(ticket, reopen=False))
        assert (await alice.fails(ticket)).code == "code-guessed"
        return
    assert alice.is_waiting(ticket)
    alice.cancel(ticket)
    await alice.fails(ticket)
