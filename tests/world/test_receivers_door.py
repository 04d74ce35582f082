"""The door of one code for several: who is let in, who is not, and when it closes."""

from __future__ import annotations

from pathlib import Path

from tallow.engine import events as e
from tallow.engine.commands import AcceptOffer, Receive, ReopenCode, SendOptions, SendText
from tests.fakes import virtual
from tests.world.test_receivers import CODE, check_whole, getting, offering, options, parts
from tests.world.world import a_world

WRONG = "7-violet-tugboat-8142-xylophone-almond"


@virtual
async def test_a_wrong_guess_closes_the_door_and_no_session(tmp_path: Path) -> None:
    """C13, X06: after a false confirmation newcomers are refused, and who is in finishes."""
    async with a_world(tmp_path) as world:
        alice, ticket = await offering(world, 3)
        await alice.code(ticket)
        bob, mallory, carol = [await world.person(name) for name in ("bob", "mallory", "carol")]
        bobs = getting(bob)
        await bob.hears(e.OfferReceived)
        assert (await mallory.fails(getting(mallory, WRONG))).code == "wrong-code"
        guessed = await alice.hears(e.CodeGuessed)
        assert (guessed.ticket, guessed.counted, guessed.can_reopen) == (ticket, 1, True)
        assert (await carol.fails(getting(carol))).exit_code in (4, 5)
        alice.submit(ReopenCode(ticket, reopen=False))
        closed = await alice.hears(e.CodeClosed)
        assert closed.code == "code-guessed"
        late = await world.person("late")
        assert (await late.fails(getting(late))).exit_code in (4, 5)
        bob.submit(AcceptOffer(bobs))
        await bob.done(bobs)
        check_whole(alice, bob)
        error = await alice.fails(ticket)
        assert (error.code, error.exit_code) == ("partly-done", 9)
        assert "wrong code" in error.why


@virtual
async def test_a_reopened_code_lets_others_in(tmp_path: Path) -> None:
    """C13, X08: the person's yes opens the door again, while what runs goes on."""
    async with a_world(tmp_path) as world:
        alice, ticket = await offering(world, 2)
        alice.whenever(e.CodeGuessed, lambda event: ReopenCode(event.ticket, reopen=True))
        await alice.code(ticket)
        bob, mallory, carol = [await world.person(name) for name in ("bob", "mallory", "carol")]
        bobs = getting(bob)
        await bob.hears(e.OfferReceived)
        await mallory.fails(getting(mallory, WRONG))
        await alice.state_is("waiting", ticket, nth=1)
        carol.says_yes()
        await carol.done(getting(carol))
        bob.submit(AcceptOffer(bobs))
        await bob.done(bobs)
        await alice.done(ticket)


@virtual
async def test_guesses_share_one_budget(tmp_path: Path) -> None:
    """C13, X07: receivers who come in give a stranger no fresh guesses: the third is the end."""
    async with a_world(tmp_path) as world:
        alice = await world.person("alice")
        alice.whenever(e.CodeGuessed, lambda event: ReopenCode(event.ticket, reopen=True))
        ticket = alice.submit(SendText("hi", options(0)))
        await alice.code(ticket)
        for nth in range(3):
            friend, mallory = await world.person(f"f{nth}"), await world.person(f"m{nth}")
            await friend.done(friend.submit(Receive(CODE)))
            await mallory.fails(mallory.submit(Receive(WRONG)))
            assert (await alice.hears(e.CodeGuessed, nth=nth)).counted == nth + 1
        error = await alice.fails(ticket)
        assert error.exit_code == 9
        assert error.message == "3 of 3 receivers have everything."
        assert b'"counted":3' in alice.state.content["attempts.json"]


@virtual
async def test_as_many_as_come_until_the_code_expires(tmp_path: Path) -> None:
    """C13: with 0 receivers the end of the code's life is the end, and it is a good one."""
    async with a_world(tmp_path) as world:
        alice = await world.person("alice")
        ticket = alice.submit(SendText("hi", options(0, expires_s=600)))
        await alice.code(ticket)
        for number in range(3):
            friend = await world.person(f"f{number}")
            await friend.done(friend.submit(Receive(CODE)))
        final = await alice.done(ticket)
        assert 550 < final.seconds < 650
        assert len(parts(alice, ticket)) == 3


@virtual
async def test_nobody_came(tmp_path: Path) -> None:
    """C13: a code that ran out unused is an error of its own, as for one receiver."""
    async with a_world(tmp_path) as world:
        alice = await world.person("alice")
        ticket = alice.submit(SendText("hi", options(2, expires_s=60)))
        assert (await alice.fails(ticket)).code == "code-expired"


@virtual
async def test_who_wants_the_same_takes_no_place(tmp_path: Path) -> None:
    """C13: a second sender with the code is sent away, and its place stays free."""
    async with a_world(tmp_path) as world:
        alice = await world.person("alice")
        ticket = alice.submit(SendText("hi", options(2)))
        await alice.code(ticket)
        eve, bob, carol = [await world.person(name) for name in ("eve", "bob", "carol")]
        generated = SendOptions(code=CODE, join=True)
        assert (await eve.fails(eve.submit(SendText("me too", generated)))).code == "same-wish"
        for person in (bob, carol):
            await person.done(person.submit(Receive(CODE)))
        await alice.done(ticket)


@virtual
async def test_the_door_survives_a_broken_link(tmp_path: Path) -> None:
    """C13: a waiting link that breaks is made again under the same number, sessions go on."""
    async with a_world(tmp_path) as world:
        alice, ticket = await offering(world, 2)
        await alice.code(ticket)
        bob, carol = await world.person("bob"), await world.person("carol")
        bobs = getting(bob)
        await bob.hears(e.OfferReceived)
        await bob.sleep(1)
        waiting = [wire for wire in world.relay.connections if not wire.is_closed][-1]
        waiting.cut()
        await alice.hears(e.RelayLost)
        await bob.sleep(100)
        carol.says_yes()
        await carol.done(getting(carol))
        bob.submit(AcceptOffer(bobs))
        await bob.done(bobs)
        await alice.done(ticket)
