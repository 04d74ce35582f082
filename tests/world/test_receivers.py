"""One code for several: each with its own session, one reading, one budget of guesses."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import (
    AcceptOffer,
    ConfirmSas,
    DeclineOffer,
    Receive,
    SendFiles,
    SendOptions,
    SendStream,
    SendText,
)
from tallow.engine.storage.outbox import Outbox
from tests.fakes import SeededRng, virtual
from tests.world.world import Person, World, a_world, make, tree

CODE = "7-violet-tugboat-8142-xylophone-marzipan"
BIG = SeededRng("receivers").bytes(20 << 20)
CONTENT: dict[str, bytes | None] = {
    "p/big": BIG,
    "p/empty": b"",
    **{f"p/small/{number}": SeededRng(str(number)).bytes(100 + number) for number in range(60)},
}


def options(receivers: int, **others: object) -> SendOptions:
    """Return options for so many receivers under a code of the sender's own."""
    return SendOptions(code=CODE, receivers=receivers, **others)  # type: ignore[arg-type]  # by name


async def offering(world: World, receivers: int, **others: object) -> tuple[Person, int]:
    """Start Alice, who sends the content to so many."""
    alice = await world.person("alice")
    make(alice.folder, CONTENT)
    source = str(alice.folder / "p")
    return alice, alice.submit(SendFiles((source,), options=options(receivers, **others)))


def getting(person: Person, code: str = CODE) -> int:
    """Join a code and receive into the folder ``in``."""
    (person.folder / "in").mkdir(exist_ok=True)
    return person.submit(Receive(code, output=str(person.folder / "in")))


def parts(alice: Person, ticket: int) -> list[int]:
    """Return the tickets of the receivers so far, in the order in which they came."""
    return [event.ticket for event in alice.all(e.TransferAdded) if event.parent == ticket]


def check_whole(alice: Person, *people: Person) -> None:
    """Everybody has what Alice has."""
    for person in people:
        assert tree(person.folder / "in" / "p") == tree(alice.folder / "p")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[int, int]]:
    """Count every byte range that is read from a source."""
    seen: Counter[tuple[int, int]] = Counter()
    plain = Outbox.read_into

    def read_into(outbox: Outbox, file_no: int, offset: int, room: memoryview) -> None:
        for at in range(offset, offset + len(room), 64 << 10):
            seen[file_no, at] += 1
        plain(outbox, file_no, offset, room)

    monkeypatch.setattr(Outbox, "read_into", read_into)
    return seen


@virtual
async def test_three_receivers_at_different_speeds(
    tmp_path: Path, reads: Counter[tuple[int, int]]
) -> None:
    """C13: each has its own session, symbols and progress; nothing is read twice."""
    async with a_world(tmp_path) as world:
        alice, ticket = await offering(world, 3)
        await alice.code(ticket)
        people, tickets = [], []
        for number, name in enumerate(("bob", "carol", "dave")):
            person = await world.person(name)
            first = len(world.relay.connections)
            tickets.append(getting(person))
            await person.hears(e.OfferReceived)
            world.relay.connections[first].down.latency_s = 0.005 * 10**number
            people.append(person)
        for person, get in zip(people, tickets, strict=True):
            person.submit(AcceptOffer(get))
        final = await alice.done(ticket)
        for person, get in zip(people, tickets, strict=True):
            assert (await person.done(get)).roots == final.roots
        check_whole(alice, *people)
        assert len(parts(alice, ticket)) == 3
        assert final.total_bytes == 3 * sum(len(body or b"") for body in CONTENT.values())
        assert max(reads.values()) == 1
        shown = [alice.all(e.PeerUp, part) for part in parts(alice, ticket)]
        emoji = [[event.digits for event in each] for each in shown]
        assert emoji == [[event.digits for event in person.all(e.PeerUp)] for person in people]
        assert len({digits for (digits,) in emoji}) == 3
        for part in parts(alice, ticket):
            assert alice.all(e.TransferProgress, part)
            assert alice.engine.view.transfers[part].parent == ticket
        assert len(alice.all(e.CodeAllocated)) == 1
        assert not alice.state.names("transfer-")


@virtual
async def test_all_at_once_get_in_one_after_the_other(tmp_path: Path) -> None:
    """C13: who types the code while another agrees on keys waits a moment and gets in."""
    async with a_world(tmp_path) as world:
        alice = await world.person("alice")
        ticket = alice.submit(SendText("to all of you", options(6)))
        await alice.code(ticket)
        people = [await world.person(f"r{number}") for number in range(6)]
        tickets = [person.submit(Receive(CODE)) for person in people]
        for person, get in zip(people, tickets, strict=True):
            await person.done(get)
            assert [event.text for event in person.all(e.TextArrived)] == ["to all of you"]
        await alice.done(ticket)
        assert not alice.all(e.RelayNotice), "nobody inside is told of those who wait their turn"


@virtual
async def test_one_declines(tmp_path: Path) -> None:
    """C13: a no is that receiver's own; the others get everything and the sum says so (exit 9)."""
    async with a_world(tmp_path) as world:
        alice, ticket = await offering(world, 3)
        await alice.code(ticket)
        bob, carol, dave = [await world.person(name) for name in ("bob", "carol", "dave")]
        bob.says_yes()
        dave.says_yes()
        carol.whenever(e.OfferReceived, lambda event: DeclineOffer(event.ticket, "no room"))
        tickets = []
        for person in (bob, carol, dave):
            tickets.append(getting(person))
            await person.hears(e.PeerUp)
        error = await alice.fails(ticket)
        assert (error.code, error.exit_code) == ("partly-done", 9)
        assert error.message == "2 of 3 receivers have everything."
        assert (await carol.fails(tickets[1])).exit_code == 7
        check_whole(alice, bob, dave)
        ends = [alice.all(e.TransferError, part) for part in parts(alice, ticket)]
        assert [[end.code for end in each] for each in ends] == [[], ["declined"], []]


@virtual
async def test_one_is_cut_and_comes_back(tmp_path: Path, reads: Counter[tuple[int, int]]) -> None:
    """C13, C3: a receiver whose path is lost meets the sender again by its own bond."""
    async with a_world(tmp_path) as world:
        alice, ticket = await offering(world, 2)
        await alice.code(ticket)
        bob, carol = await world.person("bob"), await world.person("carol")
        bobs = getting(bob)
        await bob.hears(e.OfferReceived)
        number = len(world.relay.connections)
        carols = getting(carol)
        await carol.hears(e.OfferReceived)
        wire = world.relay.connections[number]

        def cut(event: e.TransferProgress) -> None:
            if event.done_bytes > 4 << 20 and not wire.is_closed:
                wire.cut()

        carol.whenever(e.TransferProgress, cut)
        wire.down.latency_s = 0.3
        carol.submit(AcceptOffer(carols))
        bob.submit(AcceptOffer(bobs))
        await bob.done(bobs)
        await carol.done(carols)
        await alice.done(ticket)
        check_whole(alice, bob, carol)
        assert carol.all(e.SessionLost)
        assert not bob.all(e.SessionLost)
        assert len(carol.all(e.OfferReceived)) == 1
        assert max(reads.values()) == 1, "what the receiver has is hashed once for all"


@virtual
async def test_every_receiver_compares_its_own_symbols(tmp_path: Path) -> None:
    """C13: --verify holds each transfer alone; whose symbols differ gets nothing (X03)."""
    async with a_world(tmp_path) as world:
        alice, ticket = await offering(world, 2, verify=True)
        await alice.code(ticket)
        bob, carol = await world.person("bob"), await world.person("carol")
        people = [(bob, getting(bob))]
        await bob.hears(e.VerifyStep)
        people.append((carol, getting(carol)))
        await carol.hears(e.VerifyStep)
        for person, _ in people:
            person.says_yes()
        while len(parts(alice, ticket)) < 2:
            await bob.sleep(0.1)
        for (person, get), part, equal in zip(
            people, parts(alice, ticket), (True, False), strict=True
        ):
            await alice.hears(e.VerifyStep, part)
            alice.submit(ConfirmSas(part, equal))
            person.submit(ConfirmSas(get, equal=True))
        await bob.done(people[0][1])
        assert (await carol.fails(people[1][1])).exit_code == 3
        assert (await alice.fails(ticket)).exit_code == 9
        check_whole(alice, bob)
        assert not tree(carol.folder / "in")


@virtual
async def test_ctrl_c_ends_the_door_and_everybody(tmp_path: Path) -> None:
    """C13: cancelling the whole tells every receiver and ends with 130."""
    async with a_world(tmp_path) as world:
        alice, ticket = await offering(world, 0)
        await alice.code(ticket)
        bob, carol = await world.person("bob"), await world.person("carol")
        tickets = []
        for person in (bob, carol):
            tickets.append(getting(person))
            await person.hears(e.OfferReceived)
        alice.cancel(ticket)
        assert (await alice.fails(ticket)).exit_code == 130
        for person, get in zip((bob, carol), tickets, strict=True):
            assert (await person.fails(get)).code == "peer-cancelled"


@virtual
async def test_one_receiver_can_be_cancelled_alone(tmp_path: Path) -> None:
    """C13: a receiver's own ticket cancels it and nobody else."""
    async with a_world(tmp_path) as world:
        alice, ticket = await offering(world, 2)
        await alice.code(ticket)
        bob, carol = await world.person("bob"), await world.person("carol")
        tickets = []
        for person in (bob, carol):
            tickets.append(getting(person))
            await person.hears(e.OfferReceived)
        alice.cancel(parts(alice, ticket)[0])
        assert (await bob.fails(tickets[0])).code == "peer-cancelled"
        carol.submit(AcceptOffer(tickets[1]))
        await carol.done(tickets[1])
        assert (await alice.fails(ticket)).exit_code == 9


@virtual
async def test_one_rate_for_all(tmp_path: Path) -> None:
    """C13: --throttle is what this side sends at most, however many receive."""
    async with a_world(tmp_path) as world:
        alice, ticket = await offering(world, 2, throttle_bps=1 << 20)
        await alice.code(ticket)
        bob, carol = await world.person("bob"), await world.person("carol")
        gets = []
        for person in (bob, carol):
            person.says_yes()
            gets.append(getting(person))
            await person.hears(e.PeerUp)
        for person, get in zip((bob, carol), gets, strict=True):
            await person.done(get)
        assert (await alice.done(ticket)).seconds > 2 * len(BIG) / (1 << 20) - 2


@virtual
async def test_sources_that_are_not_there(tmp_path: Path) -> None:
    """C13: nothing is shown and nobody waits where there is nothing to send."""
    async with a_world(tmp_path) as world:
        alice = await world.person("alice")
        ticket = alice.submit(SendFiles((str(tmp_path / "none"),), options=options(2)))
        assert (await alice.fails(ticket)).code == "source-unreadable"
        assert not alice.all(e.CodeAllocated)


@pytest.mark.parametrize(
    "command",
    [
        SendStream(options=SendOptions(receivers=2)),
        SendText("hi", SendOptions(code="7123-banana-crane-oxygen", join=True, receivers=2)),
        SendText("hi", SendOptions(code="violet tugboat xylophone marzipan nine", receivers=2)),
        SendText("hi", SendOptions(receivers=-1)),
    ],
)
@virtual
async def test_what_cannot_go_to_several(tmp_path: Path, command: SendStream | SendText) -> None:
    """C13: a pipe, a receiver's own code and a code without a number are for one receiver."""
    async with a_world(tmp_path) as world:
        alice = await world.person("alice")
        assert (await alice.fails(alice.submit(command))).exit_code == 2
