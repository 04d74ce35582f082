"""Wrong codes: each side's own clear error, guesses counted on disk, codes that die for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import Receive, ReopenCode, SendOptions, SendText
from tallow.errors import StorageError
from tallow.wire import relay as wire
from tallow.wire.frames import LinkType, PeerType, encode_link, encode_peer
from tests.fakes import MemoryState, virtual
from tests.world import faults
from tests.world.relay import ADDRESS, MemoryConnection
from tests.world.world import Person, World, a_world

RIGHT = "7-violet-tugboat-8142-xylophone-marzipan"
WRONG = "7-violet-tugboat-8142-xylophone-almond"


async def _wait_as_creator(world: World, state: MemoryState | None = None) -> tuple[Person, int]:
    alice = await world.person("alice", state=state)
    ticket = alice.submit(SendText("hi", SendOptions(code=RIGHT, expires_s=2 * 86_400)))
    await alice.state_is("waiting", ticket)
    return alice, ticket


async def _guess(person: Person) -> e.TransferError:
    """Join with a wrong code."""
    return await person.fails(person.submit(Receive(WRONG)))


async def _drop_after_m2(world: World, person: Person) -> None:
    """Join with the right code and vanish when M2 is here."""
    number = len(world.relay.connections)
    world.relay.meddling.append(faults.cut_at(number, 0))
    error = await person.fails(person.submit(Receive(RIGHT)))
    assert error.exit_code in (4, 5)


@virtual
async def test_a_wrong_code_is_an_error_of_its_own_on_each_side(tmp_path: Path) -> None:
    """A2: the joiner learns that the code is wrong, the creator that somebody guessed."""
    async with a_world(tmp_path) as world:
        alice, ticket = await _wait_as_creator(world)
        mallory = await world.person("mallory")
        error = await _guess(mallory)
        assert (error.code, error.exit_code) == ("wrong-code", 3)
        assert error.message == "The code is wrong, or someone interfered; ask for a new one."
        guessed = await alice.hears(e.CodeGuessed)
        assert (guessed.counted, guessed.budget, guessed.can_reopen) == (1, 3, True)
        alice.submit(ReopenCode(ticket, reopen=False))
        error = await alice.fails(ticket)
        assert (error.code, error.exit_code) == ("code-guessed", 3)
        assert "dead" in error.message


@virtual
async def test_a_reopened_code_still_works(tmp_path: Path) -> None:
    """After an explicit yes the right joiner succeeds under the same code."""
    async with a_world(tmp_path) as world:
        alice, ticket = await _wait_as_creator(world)
        mallory, bob = await world.person("mallory"), await world.person("bob")
        await _guess(mallory)
        await alice.hears(e.CodeGuessed)
        alice.submit(ReopenCode(ticket, reopen=True))
        await alice.state_is("waiting", ticket, nth=1)
        await bob.done(bob.submit(Receive(RIGHT)))
        await alice.done(ticket)


@virtual
async def test_nobody_joins_a_burnt_code(tmp_path: Path) -> None:
    """X26: one failed confirmation burns the code: until the person says yes, nobody gets in."""
    async with a_world(tmp_path) as world:
        alice, ticket = await _wait_as_creator(world)
        mallory, bob = await world.person("mallory"), await world.person("bob")
        await _guess(mallory)
        await alice.hears(e.CodeGuessed)
        error = await bob.fails(bob.submit(Receive(RIGHT)))
        assert error.exit_code in (4, 5)
        alice.cancel(ticket)
        assert (await alice.fails(ticket)).exit_code == 130


@virtual
async def test_the_third_guess_burns_for_good(tmp_path: Path) -> None:
    """Three counted runs are the end, whatever the person would say."""
    async with a_world(tmp_path) as world:
        alice, ticket = await _wait_as_creator(world)
        mallory = await world.person("mallory")
        for nth in range(3):
            await _guess(mallory)
            guessed = await alice.hears(e.CodeGuessed, nth=nth)
            assert guessed.counted == nth + 1
            assert guessed.can_reopen == (nth < 2)
            if nth < 2:
                alice.submit(ReopenCode(ticket, reopen=True))
                await alice.state_is("waiting", ticket, nth=nth + 1)
        assert (await alice.fails(ticket)).code == "code-guessed"


@virtual
async def test_a_weak_code_allows_one_guess(tmp_path: Path) -> None:
    """X07: under 28 bits there is no second try."""
    async with a_world(tmp_path) as world:
        alice, mallory = await world.person("alice"), await world.person("mallory")
        ticket = alice.submit(SendText("hi", SendOptions(code="7-mycode")))
        await alice.code(ticket)
        await mallory.fails(mallory.submit(Receive("7-yourcode")))
        assert (await alice.hears(e.CodeGuessed)).can_reopen is False
        assert (await alice.fails(ticket)).code == "code-guessed"


@virtual
async def test_an_early_yes_reopens_nothing(tmp_path: Path) -> None:
    """A yes that was given before the question does not answer it."""
    async with a_world(tmp_path) as world:
        alice, ticket = await _wait_as_creator(world)
        mallory = await world.person("mallory")
        alice.submit(ReopenCode(ticket, reopen=True))
        await _guess(mallory)
        await alice.hears(e.CodeGuessed)
        await mallory.sleep(5)
        assert len([s for s in alice.all(e.TransferState) if s.state == "waiting"]) == 1
        alice.submit(ReopenCode(ticket, reopen=False))
        await alice.fails(ticket)


@virtual
async def test_a_break_reopens_nothing(tmp_path: Path) -> None:
    """A relay that drops the link while the person is asked does not reopen the code for it."""
    async with a_world(tmp_path) as world:
        alice, ticket = await _wait_as_creator(world)
        mallory, bob = await world.person("mallory"), await world.person("bob")
        await _guess(mallory)
        await alice.hears(e.CodeGuessed)
        world.relay.connections[0].cut()
        await mallory.sleep(5)
        error = await bob.fails(bob.submit(Receive(RIGHT)))
        assert error.code == "unknown-nameplate"
        if not any(isinstance(event, e.TransferError) for event in alice.events):
            alice.submit(ReopenCode(ticket, reopen=False))
        assert (await alice.fails(ticket)).code == "code-guessed"


@virtual
async def test_noise_after_a_guess_changes_nothing(tmp_path: Path) -> None:
    """What a guesser sends after its false confirmation is not even looked at."""

    noise = encode_link(LinkType.DATA, encode_peer(PeerType.FLIGHT, b"noise"))
    async with a_world(tmp_path) as world:
        alice, ticket = await _wait_as_creator(world)
        mallory = await world.person("mallory")
        world.relay.meddling.append(faults.followed_by(1, 0, noise, noise))
        await _guess(mallory)
        await alice.hears(e.CodeGuessed)
        await mallory.sleep(1)
        alice.submit(ReopenCode(ticket, reopen=False))
        assert (await alice.fails(ticket)).code == "code-guessed"


@virtual
async def test_counters_survive_a_restart(tmp_path: Path) -> None:
    """A restarted process that waits under the same code gives a stranger no fresh guesses."""
    state = MemoryState()
    for nth in range(2):
        async with a_world(tmp_path / str(nth)) as world:
            alice, ticket = await _wait_as_creator(world, state)
            mallory = await world.person("mallory")
            await _guess(mallory)
            assert (await alice.hears(e.CodeGuessed)).counted == nth + 1
    async with a_world(tmp_path / "2") as world:
        alice, ticket = await _wait_as_creator(world, state)
        await _guess(await world.person("mallory"))
        guessed = await alice.hears(e.CodeGuessed)
        assert (guessed.counted, guessed.can_reopen) == (3, False)
        assert (await alice.fails(ticket)).code == "code-guessed"
    async with a_world(tmp_path / "3") as world:
        alice = await world.person("alice", state=state)
        error = await alice.fails(alice.submit(SendText("hi", SendOptions(code=RIGHT))))
        assert (error.code, error.exit_code) == ("code-guessed", 3)
        assert "last day" in error.message
        assert not alice.all(e.CodeAllocated)
    async with a_world(tmp_path / "4") as world:
        alice = await world.person("alice", state=state)
        alice.clock.set_wall(alice.clock.wall() + 86_410)
        await alice.code(alice.submit(SendText("hi", SendOptions(code=RIGHT))))


@virtual
async def test_the_guess_is_stored_before_the_reply_leaves(tmp_path: Path) -> None:
    """A2: when M2 is on the wire the raised counter is on disk."""
    async with a_world(tmp_path) as world:
        alice, _ = await _wait_as_creator(world)
        sent_before: list[int] = []
        alice.state.on_write = lambda _name, _content: sent_before.append(
            world.relay.connections[0].counts.get(LinkType.DATA, 0)
        )
        await _guess(await world.person("mallory"))
        assert sent_before == [0]
        assert b'"counted":1' in alice.state.content["attempts.json"]


@virtual
async def test_no_reply_without_a_stored_counter(tmp_path: Path) -> None:
    """Where the counter cannot be stored, the run ends (exit 8) and no reply ever leaves."""

    def full(_name: str, _content: bytes) -> None:
        raise StorageError("The disk is full.")

    async with a_world(tmp_path) as world:
        alice, ticket = await _wait_as_creator(world)
        bob = await world.person("bob")
        alice.state.on_write = full
        getting = bob.submit(Receive(RIGHT))
        assert (await alice.fails(ticket)).exit_code == 8
        assert (await bob.fails(getting)).exit_code == 5
        assert world.relay.connections[0].counts.get(LinkType.DATA, 0) == 0


@virtual
async def test_what_is_stored_does_not_tell_the_words(tmp_path: Path) -> None:
    """X22: the stored counter names the number and the relay, never a word of the code."""
    async with a_world(tmp_path) as world:
        alice, _ = await _wait_as_creator(world)
        await _guess(await world.person("mallory"))
        stored = b"".join(alice.state.content.values())
        assert b"7@relay.test:4433" in stored
        for word in RIGHT.split("-")[1:]:
            assert word.encode() not in stored


@virtual
async def test_a_drop_after_the_reply_counts(tmp_path: Path) -> None:
    """Who takes M2 and vanishes may have guessed: it counts, three times are the end."""
    async with a_world(tmp_path) as world:
        alice, ticket = await _wait_as_creator(world)
        mallory = await world.person("mallory")
        for nth in range(3):
            await _drop_after_m2(world, mallory)
            dropped = await alice.hears(e.CodeDropped, nth=nth)
            assert (dropped.counted, dropped.budget, dropped.dead) == (nth + 1, 3, nth == 2)
        error = await alice.fails(ticket)
        assert (error.code, error.exit_code) == ("code-guessed", 3)


@virtual
async def test_drops_and_guesses_share_one_total(tmp_path: Path) -> None:
    """Two drops and a guess are three."""
    async with a_world(tmp_path) as world:
        alice, ticket = await _wait_as_creator(world)
        mallory = await world.person("mallory")
        await _drop_after_m2(world, mallory)
        await _drop_after_m2(world, mallory)
        await _guess(mallory)
        guessed = await alice.hears(e.CodeGuessed)
        assert (guessed.counted, guessed.can_reopen) == (3, False)
        assert (await alice.fails(ticket)).code == "code-guessed"


@virtual
async def test_success_uncounts_only_itself(tmp_path: Path) -> None:
    """A drop stays counted after the right joiner came."""
    async with a_world(tmp_path) as world:
        alice, ticket = await _wait_as_creator(world)
        mallory, bob = await world.person("mallory"), await world.person("bob")
        await _drop_after_m2(world, mallory)
        await alice.hears(e.CodeDropped)
        await bob.done(bob.submit(Receive(RIGHT)))
        await alice.done(ticket)
        assert b'"counted":1' in alice.state.content["attempts.json"]


@virtual
async def test_a_success_leaves_nothing_counted(tmp_path: Path) -> None:
    """A confirmed run was no guess."""
    async with a_world(tmp_path) as world:
        alice, ticket = await _wait_as_creator(world)
        bob = await world.person("bob")
        await bob.done(bob.submit(Receive(RIGHT)))
        await alice.done(ticket)
        assert alice.state.content["attempts.json"] == b"{}"


async def _knock(person: Person, first: bytes) -> MemoryConnection:
    """Join by hand with this first flight."""
    connection = await person.dialer.dial(ADDRESS)
    connection.send(wire.client_frame(wire.ClientHello([1], bytes(32))))
    connection.send(wire.client_frame(wire.Join("7", first)))
    return connection


@pytest.mark.parametrize(
    "first",
    [
        encode_peer(PeerType.FLIGHT, b"nonsense"),
        encode_peer(PeerType.FLIGHT, bytes(4000)),
        encode_peer(PeerType.ABORT, b"\x01"),
        encode_peer(PeerType.ABORT, b"\x03"),
        b"\xff" * 40,
    ],
    ids=["nonsense", "zeros", "abort confirm", "abort", "no frame"],
)
@virtual
async def test_a_failure_before_the_reply_costs_nothing(tmp_path: Path, first: bytes) -> None:
    """Strangers who knock and talk nonsense neither count nor end the waiting."""
    async with a_world(tmp_path) as world:
        alice, ticket = await _wait_as_creator(world)
        mallory, bob = await world.person("mallory"), await world.person("bob")
        knocking = await _knock(mallory, first)
        refused = await alice.hears(e.PeerRefused)
        assert refused.message
        await bob.sleep(1)
        knocking.close()
        assert "attempts.json" not in alice.state.content
        await bob.done(bob.submit(Receive(RIGHT)))
        await alice.done(ticket)


@virtual
async def test_a_quiet_joiner_is_put_out(tmp_path: Path) -> None:
    """A joiner that takes M2 and stays silent frees the seat after ten seconds, counted."""
    async with a_world(tmp_path) as world:
        alice, ticket = await _wait_as_creator(world)
        mallory, bob = await world.person("mallory"), await world.person("bob")
        world.relay.meddling.append(faults.silent_from(1, 0))
        mallory.submit(Receive(RIGHT))
        dropped = await alice.hears(e.CodeDropped)
        assert (dropped.counted, dropped.dead) == (1, False)
        assert 9 < alice.clock.now() - 1000 < 13
        await bob.done(bob.submit(Receive(RIGHT)))
        await alice.done(ticket)


@virtual
async def test_who_left_already_gets_no_reply(tmp_path: Path) -> None:
    """A joiner that came and went unseen costs nothing, and its reply never reaches the next."""
    async with a_world(tmp_path) as world:
        alice, ticket = await _wait_as_creator(world)
        hasty, bob = await world.person("hasty"), await world.person("bob")
        to_alice = world.relay.connections[0].down
        to_alice.hold("test")
        came = hasty.submit(Receive(RIGHT))
        await hasty.hears(e.RelayConnected)
        await hasty.sleep(0.02)
        hasty.cancel(came)
        await hasty.fails(came)
        getting = bob.submit(Receive(RIGHT))
        await bob.sleep(0.1)
        to_alice.let_go("test")
        await bob.done(getting)
        await alice.done(ticket)
        assert not alice.all(e.CodeDropped)


@virtual
async def test_a_false_reply_is_a_wrong_code(tmp_path: Path) -> None:
    """A2: any altered bit of M2's tag is WrongCode at the joiner and a guess at the creator."""
    async with a_world(tmp_path) as world:
        alice, ticket = await _wait_as_creator(world)
        bob = await world.person("bob")
        world.relay.meddling.append(faults.altered(0, 0))
        error = await bob.fails(bob.submit(Receive(RIGHT)))
        assert error.code == "wrong-code"
        await alice.hears(e.CodeGuessed)
        alice.cancel(ticket)
        await alice.fails(ticket)


@virtual
async def test_a_false_third_flight_is_a_guess(tmp_path: Path) -> None:
    """A2: any altered bit of M3's tag is a guess at the creator."""
    async with a_world(tmp_path) as world:
        alice, ticket = await _wait_as_creator(world)
        bob = await world.person("bob")
        world.relay.meddling.append(faults.altered(1, 0))
        error = await bob.fails(bob.submit(Receive(RIGHT)))
        assert error.exit_code in (3, 5, 6)
        assert (await alice.hears(e.CodeGuessed)).counted == 1
        alice.cancel(ticket)
        await alice.fails(ticket)


@virtual
async def test_an_own_flight_sent_back_is_refused(tmp_path: Path) -> None:
    """A relay that reflects a joiner's first flight to a creator of the same process gains nothing.

    It costs the code nothing either."""
    async with a_world(tmp_path) as world:
        alice, ticket = await _wait_as_creator(world)
        bob = await world.person("bob")
        joining = alice.submit(Receive(RIGHT))
        assert (await alice.fails(joining)).exit_code in (5, 6)
        refused = await alice.hears(e.PeerRefused)
        assert "own first message" in refused.message
        await bob.done(bob.submit(Receive(RIGHT)))
        await alice.done(ticket)
