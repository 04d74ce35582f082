"""Finding each other: who shows the code, who enters it, numbers or none, at which relay."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from relay.hub import HubRules
from relay.quota import Act, QuotaLimits
from tallow.engine import events as e
from tallow.engine import joining
from tallow.engine.commands import (
    AcceptOffer,
    AnyCommand,
    Receive,
    SendFiles,
    SendOptions,
    SendText,
)
from tallow.wire import limits
from tallow.wire import relay as wire
from tallow.wire.frames import LinkType
from tallow.wire.relay import decode_client
from tallow.wire.relay_auth import relay_key
from tests.fakes import WALL_AT_BEGIN, virtual
from tests.world.relay import KEY_HASH, MemoryRelay
from tests.world.world import Person, World, a_world, make, tree

OWN = "violet tugboat 8142 xylophone marzipan quorum"
"""An un-numbered code of one's own, worth more than 40 bits."""
DAY_S = 86_400
MIDNIGHT = WALL_AT_BEGIN - WALL_AT_BEGIN % DAY_S + DAY_S


@pytest.fixture
def quick_stretch(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Replace Argon2id by something quick that depends on the same; list the salts it saw."""
    salts: list[bytes] = []

    def stretch(password: bytes, salt: bytes) -> bytes:
        salts.append(salt)
        return hashlib.sha512(password + salt).digest()

    monkeypatch.setattr(joining, "_stretch", stretch)
    return salts


def verbs(relay: MemoryRelay) -> list[wire.ClientSays]:
    """Return what clients asked the relay for, in order."""
    said = [decode_client(sent.body) for sent in relay.heard if sent.kind is LinkType.CONTROL]
    around = wire.ClientHello | wire.Take | wire.Leave
    return [message for message in said if not isinstance(message, around)]


@virtual
async def test_a_code_is_shown_and_entered(tmp_path: Path) -> None:
    """The sender's code has the relay's number, the joiner needs nothing else."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        sending = alice.submit(SendText("hi", SendOptions(words=4)))
        shown = await alice.hears(e.CodeAllocated)
        assert (shown.bits, shown.weak, shown.expires_s) == (39.0, False, 3600)
        assert len(shown.code.split("-")) == 5
        await bob.done(bob.submit(Receive(shown.code.upper().replace("-", " "))))
        await alice.done(sending)
        allocate, join = verbs(world.relay)
        assert allocate == wire.Allocate(3600)
        assert isinstance(join, wire.Join)
        assert join.plate == shown.code.split("-")[0]


@virtual
async def test_the_receiver_may_be_first(tmp_path: Path) -> None:
    """C1: ``receive --new`` shows a code that the sender enters."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"file": b"content"})
        getting = bob.submit(Receive(None, output=str(bob.folder)))
        options = SendOptions(code=await bob.code(getting), join=True)
        sending = alice.submit(SendFiles((str(alice.folder / "file"),), options=options))
        await alice.done(sending)
        await bob.done(getting)
        assert tree(bob.folder) == {"file": b"content"}
        assert (await alice.hears(e.PeerUp)).role == "initiator"
        assert (await bob.hears(e.PeerUp)).role == "responder"


@virtual
async def test_a_code_of_ones_own_with_a_number(tmp_path: Path) -> None:
    """C10: ``--code 7-mycode`` claims the number; a weak one allows one guess and says so."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        sending = alice.submit(SendText("hi", SendOptions(code="7-mycode")))
        shown = await alice.hears(e.CodeAllocated)
        assert (shown.code, shown.weak) == ("7-mycode", True)
        await bob.done(bob.submit(Receive("7-mycode")))
        await alice.done(sending)
        assert verbs(world.relay)[0] == wire.Claim("7", 3600)


@virtual
async def test_a_live_number_is_refused(tmp_path: Path) -> None:
    """A number that somebody waits under is not given twice; the first one keeps it."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        carol = await world.person("carol")
        sending = alice.submit(SendText("hi", SendOptions(code="7-mycode")))
        await alice.code(sending)
        error = await carol.fails(carol.submit(SendText("ho", SendOptions(code="7-other"))))
        assert error.exit_code == 4
        assert "taken" in error.message
        await bob.done(bob.submit(Receive("7-mycode")))


@pytest.mark.parametrize("sender_first", [True, False])
@virtual
async def test_a_code_without_a_number(
    tmp_path: Path, quick_stretch: list[bytes], sender_first: bool
) -> None:
    """C10: without a number whoever comes first waits, and either may."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        sending: tuple[Person, AnyCommand] = alice, SendText("hi", SendOptions(code=OWN))
        getting: tuple[Person, AnyCommand] = bob, Receive(OWN)
        (first, one), (second, two) = (sending, getting) if sender_first else (getting, sending)
        waiting = first.submit(one)
        shown = await first.hears(e.CodeAllocated)
        assert (shown.code, shown.weak) == (OWN.replace(" ", "-"), True)
        coming = second.submit(two)
        await second.done(coming)
        await first.done(waiting)
        assert (await first.hears(e.PeerUp)).role == "responder"
        assert (await second.hears(e.PeerUp)).role == "initiator"
        assert {type(verb) for verb in verbs(world.relay)} == {wire.Meet}
        assert len(set(quick_stretch)) == 1


@virtual
async def test_a_code_without_a_number_is_stretched(tmp_path: Path) -> None:
    """X02, X22: the meeting id of an un-numbered code comes out of the real Argon2id."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        sending = alice.submit(SendText("hi", SendOptions(code=OWN)))
        await alice.code(sending)
        await bob.done(bob.submit(Receive(OWN)))
        await alice.done(sending)
        first, second = verbs(world.relay)
        assert isinstance(first, wire.Meet)
        assert first == second


@virtual
async def test_a_weak_code_without_a_number_is_refused(tmp_path: Path) -> None:
    """X07: under 40 bits an un-numbered code is refused before anything is sent."""
    async with a_world(tmp_path) as world:
        alice = await world.person("alice")
        error = await alice.fails(alice.submit(SendText("hi", SendOptions(code="mycode"))))
        assert (error.code, error.exit_code) == ("weak-code", 2)
        assert not world.relay.connections


async def _meet_at(
    world: World, first_at: float, second_at: float
) -> tuple[e.TransferDone, e.TransferDone]:
    alice, bob = await world.pair()
    alice.clock.set_wall(first_at)
    sending = alice.submit(SendText("hi", SendOptions(code=OWN, expires_s=DAY_S)))
    await alice.code(sending)
    bob.clock.set_wall(second_at)
    getting = bob.submit(Receive(OWN))
    return await bob.done(getting), await alice.done(sending)


@pytest.mark.parametrize(
    ("first_at", "second_at"),
    [
        (MIDNIGHT - 600, MIDNIGHT + 600),
        (MIDNIGHT + 600, MIDNIGHT - 600),
        (MIDNIGHT - 7200, MIDNIGHT + 600),
        (MIDNIGHT + 60, MIDNIGHT + 120),
        (MIDNIGHT - 120, MIDNIGHT - 60),
    ],
)
@virtual
async def test_midnight_separates_nobody(
    tmp_path: Path, quick_stretch: list[bytes], first_at: float, second_at: float
) -> None:
    """Two sides whose clocks stand on both sides of UTC midnight meet under one code."""
    async with a_world(tmp_path) as world:
        await _meet_at(world, first_at, second_at)


@virtual
async def test_two_who_come_at_once_around_midnight_meet(
    tmp_path: Path, quick_stretch: list[bytes]
) -> None:
    """Both look at both days at the same moment, and still exactly one of them waits."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        alice.clock.set_wall(MIDNIGHT - 5)
        bob.clock.set_wall(MIDNIGHT + 5)
        sending = alice.submit(SendText("hi", SendOptions(code=OWN)))
        getting = bob.submit(Receive(OWN))
        await bob.done(getting)
        await alice.done(sending)


@virtual
async def test_the_code_may_carry_its_relay(tmp_path: Path) -> None:
    """A relay behind @ in a code wins over the one that is set."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        sending = alice.submit(SendText("hi"))
        pin = KEY_HASH.hex()
        code = f"{await alice.code(sending)}@elsewhere.test:5544#sha256:{pin}"
        await bob.done(bob.submit(Receive(code)))
        await alice.done(sending)
        (dialled,) = bob.dialer.dialled
        assert (str(dialled), dialled.pin) == ("elsewhere.test:5544", pin)


@virtual
async def test_nobody_waits_there(tmp_path: Path) -> None:
    """An unknown number is exit 5 at once."""
    async with a_world(tmp_path) as world:
        bob = await world.person("bob")
        error = await bob.fails(bob.submit(Receive("4711-mycode")))
        assert (error.code, error.exit_code) == ("unknown-nameplate", 5)
        assert bob.clock.now() < 1001


@virtual
async def test_waiting_finds_who_comes_later(tmp_path: Path) -> None:
    """``--wait`` looks again until the other side is there."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        getting = bob.submit(Receive("7-mycode", wait=True))
        await bob.state_is("waiting")
        sending = alice.submit(SendText("hi", SendOptions(code="7-mycode")))
        await bob.done(getting)
        await alice.done(sending)


@virtual
async def test_waiting_has_an_end(tmp_path: Path) -> None:
    """``--wait --timeout`` gives up in time with exit 5."""
    async with a_world(tmp_path) as world:
        bob = await world.person("bob")
        began_at = bob.clock.now()
        error = await bob.fails(bob.submit(Receive("7-mycode", wait=True, timeout_s=20)))
        assert (error.code, error.exit_code) == ("timed-out", 5)
        assert 20 <= bob.clock.now() - began_at < 25


@pytest.mark.parametrize("code", [None, OWN])
@virtual
async def test_whoever_waits_under_an_own_code_gives_up_too(
    tmp_path: Path, quick_stretch: list[bytes], code: str | None
) -> None:
    """``--timeout`` holds for a receiver that made the code, or came first under one."""
    async with a_world(tmp_path) as world:
        bob = await world.person("bob")
        error = await bob.fails(bob.submit(Receive(code, timeout_s=20.5)))
        assert error.exit_code == 5
        assert 20 <= bob.clock.now() - 1000 < 24


@virtual
async def test_two_may_wait_behind_one_address(tmp_path: Path) -> None:
    """Waiting goes on where the relay asks for patience."""
    quota = QuotaLimits(per_minute={Act.CONNECT: 0, Act.CREATE: 0, Act.JOIN: 4, Act.FALSE_PROOF: 5})
    async with a_world(tmp_path, relay=MemoryRelay(quota=quota)) as world:
        alice, bob = await world.pair()
        getting = bob.submit(Receive("7-mycode", wait=True))
        await bob.hears(e.RelayConnected, nth=8)
        sending = alice.submit(SendText("hi", SendOptions(code="7-mycode")))
        await bob.done(getting)
        await alice.done(sending)


@virtual
async def test_a_code_expires(tmp_path: Path) -> None:
    """``--expires`` ends the waiting with exit 5, and a late joiner is told why."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        sending = alice.submit(SendText("hi", SendOptions(expires_s=120)))
        code = await alice.code(sending)
        began_at = alice.clock.now()
        error = await alice.fails(sending)
        assert (error.code, error.exit_code) == ("code-expired", 5)
        assert 119 < alice.clock.now() - began_at < 123
        late = await bob.fails(bob.submit(Receive(code)))
        assert (late.code, late.exit_code) == ("code-expired", 5)


@virtual
async def test_a_third_side_is_crowded_out(tmp_path: Path) -> None:
    """A third side is refused, both others are told, and their transfer goes on."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        carol = await world.person("carol")
        bob.says_nothing()
        make(alice.folder, {"file": b"x"})
        sending, getting = await world.send(alice, bob, alice.folder / "file")
        await bob.hears(e.OfferReceived)
        error = await carol.fails(carol.submit(Receive(await alice.code(sending))))
        assert (error.code, error.exit_code) == ("crowded", 4)
        for person in (alice, bob):
            assert (await person.hears(e.RelayNotice)).kind == "crowded"
        bob.submit(AcceptOffer(getting))
        await bob.done(getting)
        await alice.done(sending)


@virtual
async def test_the_same_wish_costs_no_code(tmp_path: Path) -> None:
    """Two senders: the joiner is told at once (exit 2), the creator waits on for a receiver."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        carol = await world.person("carol")
        sending = alice.submit(SendText("hi", SendOptions(code="7-mycode")))
        code = await alice.code(sending)
        again = SendText("ho", SendOptions(code=code, join=True))
        error = await carol.fails(carol.submit(again))
        assert (error.code, error.exit_code) == ("same-wish", 2)
        assert (await alice.hears(e.SameWishMet)).wish == "send"
        await bob.done(bob.submit(Receive(code)))
        await alice.done(sending)


@virtual
async def test_two_receivers_have_the_same_wish(tmp_path: Path) -> None:
    """Two receivers: the joiner is told, the creator still gets its files from a sender."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        carol = await world.person("carol")
        getting = bob.submit(Receive(None))
        code = await bob.code(getting)
        error = await carol.fails(carol.submit(Receive(code)))
        assert (error.code, error.exit_code) == ("same-wish", 2)
        sending = alice.submit(SendText("hi", SendOptions(code=code, join=True)))
        await alice.done(sending)
        await bob.done(getting)


@pytest.mark.parametrize(
    ("password", "code"), [("right", ""), ("wrong", "wrong"), (None, "wants a password")]
)
@virtual
async def test_a_relay_may_want_a_password(tmp_path: Path, password: str | None, code: str) -> None:
    """Creating a room takes the relay's password; joining does not."""
    rules = HubRules(password_key=relay_key("right", KEY_HASH), key_hash=KEY_HASH)
    async with a_world(tmp_path, relay=MemoryRelay(rules)) as world:
        alice = await world.person("alice", relay_password=password)
        bob = await world.person("bob")
        sending = alice.submit(SendText("hi"))
        if code:
            error = await alice.fails(sending)
            assert error.exit_code == 4
            assert code in error.message
        else:
            await bob.done(bob.submit(Receive(await alice.code(sending))))
            await alice.done(sending)


@virtual
async def test_no_relay_is_set(tmp_path: Path) -> None:
    """Without a relay anywhere it is exit 2 with the line that starts one."""
    async with a_world(tmp_path) as world:
        alice = await world.person("alice", relay=None)
        error = await alice.fails(alice.submit(SendText("hi")))
        assert (error.code, error.exit_code) == ("no-relay", 2)
        assert "tallow relay" in error.hint


@virtual
async def test_the_relay_is_down(tmp_path: Path) -> None:
    """A relay that cannot be reached is exit 4, for a creator and for a joiner."""
    async with a_world(tmp_path, relay=MemoryRelay(is_down=True)) as world:
        alice, bob = await world.pair()
        for person, command in ((alice, SendText("hi")), (bob, Receive("7-mycode"))):
            error = await person.fails(person.submit(command))
            assert (error.code, error.exit_code) == ("relay-unreachable", 4)


@virtual
async def test_a_relay_that_says_nothing(tmp_path: Path) -> None:
    """A relay that takes the connection and never answers is given up in seconds."""
    async with a_world(tmp_path) as world:
        bob = await world.person("bob")
        getting = bob.submit(Receive("7-mycode"))
        await bob.hears(e.RelayConnected)
        world.relay.connections[0].down.hold("test")
        error = await bob.fails(getting)
        assert (error.code, error.exit_code) == ("timed-out", 5)
        assert bob.clock.now() < 1002 + limits.RELAY_FIRST_MESSAGE_S
