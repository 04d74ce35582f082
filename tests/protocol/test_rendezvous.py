"""The dialogue with a relay: what each answer becomes, and what an unruly relay gets."""

from __future__ import annotations

from typing import get_args

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.errors import (
    CodeExpired,
    Crowded,
    LinkError,
    LocalProtocolError,
    PlateLive,
    RelayRefused,
    RelayUnreachable,
    RelayVersion,
    TallowError,
    TimedOut,
    UnknownNameplate,
)
from tallow.protocol.rendezvous import (
    Greeted,
    PlateAllocated,
    RelayNoticed,
    Rendezvous,
    RendezvousEvent,
    SeatsPaired,
    SeatTaken,
    State,
    Verb,
    refusal,
)
from tallow.wire import limits
from tallow.wire import relay as wire
from tallow.wire.frames import LinkReader, LinkType
from tallow.wire.relay_auth import client_proof
from tests.pair.chance import Chance

HELLO = wire.RelayHello(wire.RELAY_VERSION, 1_700_000_000, b"r" * 32, auth=False, data_max=1 << 20)
FIRST = b"\0\0\0\2\1x"
ALLOCATE = wire.Allocate(3600)
CLAIM = wire.Claim("7123", 3600)
JOIN = wire.Join("7123", FIRST)
MEET = wire.Meet(b"m" * 32, 3600)
KEY, KEY_HASH = b"k" * 32, b"h" * 32


def begun(verb: Verb = ALLOCATE, *, key: bytes | None = None) -> Rendezvous:
    """Return a machine that has greeted."""
    machine = Rendezvous(verb, Chance(1), auth_key=key, relay_key_hash=KEY_HASH)
    machine.begin(100)
    return machine


def hear(machine: Rendezvous, *messages: wire.RelaySays, now: float = 100) -> None:
    """Let the relay say something."""
    for message in messages:
        machine.receive((LinkType.CONTROL, wire.relay_frame(message)[5:]), now)


def events(machine: Rendezvous) -> list[RendezvousEvent]:
    """Empty a machine of its events."""
    found = []
    while (event := machine.next_event()) is not None:
        found.append(event)
    return found


def said(machine: Rendezvous) -> list[wire.ClientSays | LinkType]:
    """Return what a machine has sent, read as a relay reads it."""
    found: list[wire.ClientSays | LinkType] = []
    for kind, body in LinkReader().feed(b"".join(machine.bytes_to_send())):
        found.append(wire.decode_client(body) if kind is LinkType.CONTROL else kind)
    return found


# --- the way to a seat ------------------------------------------------------------------------


@pytest.mark.parametrize("verb", [ALLOCATE, CLAIM, JOIN, MEET])
def test_the_verb_goes_in_the_first_packet(verb: Verb) -> None:
    """A3: hello and verb, a joiner's M1 with it, leave together and cost no round trip."""
    hello, asked = said(begun(verb))
    assert isinstance(hello, wire.ClientHello)
    assert hello.versions == [wire.RELAY_VERSION]
    assert asked == verb


def test_allocate_shows_a_plate_and_then_pairs() -> None:
    """C1: greeted, a nameplate, a joiner with its first flight."""
    machine = begun()
    hear(machine, HELLO, wire.Allocated("7123", 600), wire.Paired("creator", FIRST, 1))
    assert events(machine) == [
        Greeted(1_700_000_000, False),
        PlateAllocated("7123", 600),
        SeatsPaired("creator", FIRST),
    ]
    assert machine.state is State.PAIRED


def test_claim_takes_its_own_plate_only() -> None:
    """X11: a claimed number is confirmed as it was asked for; another one is a relay's trick."""
    machine = begun(CLAIM)
    hear(machine, HELLO, wire.Allocated("7123", 600))
    assert events(machine)[-1] == PlateAllocated("7123", 600)
    with pytest.raises(LinkError):
        hear(begun(CLAIM), HELLO, wire.Allocated("7124", 600))


def test_join_and_meet_take_their_seats() -> None:
    """C1: a joiner is paired at once; whoever meets first waits as creator."""
    machine = begun(JOIN)
    hear(machine, HELLO, wire.Paired("joiner"))
    assert events(machine)[-1] == SeatsPaired("joiner", b"")
    machine = begun(MEET)
    hear(machine, HELLO, wire.Waiting(), wire.Paired("creator", pairing=1))
    assert events(machine)[1:] == [SeatTaken(), SeatsPaired("creator", b"")]


@pytest.mark.parametrize("verb", [JOIN, MEET])
def test_nobody_is_given_a_number_that_they_did_not_ask_for(verb: Verb) -> None:
    """X11: a joiner never becomes the creator of a room of the relay's choice."""
    with pytest.raises(LinkError):
        hear(begun(verb), HELLO, wire.Allocated("7123", 600))


def test_a_creator_puts_a_joiner_out_and_waits_again() -> None:
    """A2: after a run without agreement the seat is opened for another joiner."""
    machine = begun()
    with pytest.raises(LocalProtocolError):
        machine.reopen()
    hear(machine, HELLO, wire.Allocated("7123", 600), wire.Paired("creator", FIRST, 1))
    said(machine)
    machine.reopen()
    assert said(machine) == [wire.Reopen()]
    hear(machine, wire.Waiting(), wire.Paired("creator", FIRST, 2))
    assert events(machine)[-2:] == [SeatTaken(), SeatsPaired("creator", FIRST)]


def test_leaving_and_notices() -> None:
    """B3: leave is said; notices are passed on in any state and change nothing."""
    machine = begun()
    hear(machine, HELLO, wire.Allocated("7123", 600), wire.Notice("crowded"))
    assert events(machine)[-1] == RelayNoticed("crowded")
    hear(machine, wire.Paired("creator", FIRST, 1), wire.Notice("peer-gone"), wire.Waiting())
    assert events(machine)[-2:] == [RelayNoticed("peer-gone"), SeatTaken()]
    said(machine)
    machine.leave()
    machine.leave()
    assert said(machine) == [wire.Leave()]


def test_a_creator_takes_each_pairing_before_it_says_anything() -> None:
    """A2: the answer names the pairing, so that no reply reaches a joiner who came later."""
    machine = begun()
    hear(machine, HELLO, wire.Allocated("7123", 600))
    said(machine)
    for pairing in (1, 2, limits.RELAY_PAIRINGS_MAX):
        hear(machine, wire.Paired("creator", FIRST, pairing))
        assert said(machine) == [wire.Take(pairing)]
        hear(machine, wire.Notice("peer-gone"), wire.Waiting())
        assert said(machine) == []


def test_a_joiner_takes_nothing() -> None:
    """A joiner is paired once; there is nothing to tell apart."""
    machine = begun(JOIN)
    said(machine)
    hear(machine, HELLO, wire.Paired("joiner"))
    assert said(machine) == []


@pytest.mark.parametrize(
    ("verb", "paired"),
    [(ALLOCATE, wire.Paired("creator", FIRST)), (JOIN, wire.Paired("joiner", b"", 1))],
)
def test_a_pairing_of_nobodys_ends_the_link(verb: Verb, paired: wire.Paired) -> None:
    """X07, X14: a creator's pairing has a number and a joiner's has none."""
    machine = begun(verb)
    hear(machine, HELLO)
    if verb is ALLOCATE:
        hear(machine, wire.Allocated("7123", 600))
    said(machine)
    with pytest.raises(LinkError):
        hear(machine, paired)
    assert said(machine) == []


# --- password ---------------------------------------------------------------------------------


def test_the_password_is_proven_and_never_sent() -> None:
    """B3, A4: with a password the verb waits for the greeting, then a proof goes before it."""
    machine = begun(key=KEY)
    (hello,) = said(machine)
    assert isinstance(hello, wire.ClientHello)
    assert machine.state is State.GREETING
    hear(machine, wire.RelayHello(1, 0, b"r" * 32, auth=True, data_max=1))
    proof, verb = said(machine)
    assert proof == wire.Auth(client_proof(KEY, hello.nonce, b"r" * 32, KEY_HASH))
    assert verb == ALLOCATE


def test_no_proof_goes_to_a_relay_that_wants_none() -> None:
    """A4: a proof that nobody asked for would only be something to test passwords against."""
    machine = begun(key=KEY)
    said(machine)
    hear(machine, HELLO)
    assert said(machine) == [ALLOCATE]


def test_without_a_password_the_relay_decides() -> None:
    """B3: a join needs none where the creator had it; the relay's answer tells."""
    machine = begun(JOIN)
    hear(machine, wire.RelayHello(1, 0, b"r" * 32, auth=True, data_max=1), wire.Paired("joiner"))
    assert machine.state is State.PAIRED


# --- refusals ---------------------------------------------------------------------------------

REFUSALS: dict[str, tuple[type[LinkError], int]] = {
    "version": (RelayVersion, 4),
    "auth-required": (RelayRefused, 4),
    "auth-failed": (RelayRefused, 4),
    "unknown-plate": (UnknownNameplate, 5),
    "plate-live": (PlateLive, 4),
    "crowded": (Crowded, 4),
    "expired": (CodeExpired, 5),
    "rate": (RelayRefused, 4),
    "full": (RelayRefused, 4),
    "draining": (RelayRefused, 4),
    "malformed": (RelayRefused, 4),
}


def test_every_refusal_is_tested() -> None:
    """B3: the table below names each code that a relay may send."""
    assert set(REFUSALS) == set(get_args(wire.RefusalCode))


@pytest.mark.parametrize("code", get_args(wire.RefusalCode))
def test_each_refusal_is_an_error_of_its_own(code: wire.RefusalCode) -> None:
    """B3: its class, its exit code, its own sentence and a hint."""
    kind, exit_code = REFUSALS[code]
    with pytest.raises(LinkError) as caught:
        hear(begun(JOIN), wire.Refused(code))
    assert type(caught.value) is kind
    assert caught.value.exit_code == exit_code
    assert caught.value.hint
    sentences = {refusal(wire.Refused(each)).message for each in get_args(wire.RefusalCode)}
    assert len(sentences) == len(REFUSALS)


def test_a_refusal_says_when_to_try_again() -> None:
    """B3: seconds that the relay names stand in the hint."""
    for code in ("rate", "full"):
        assert "40 seconds" in refusal(wire.Refused(code, 40)).hint
        assert "Try again" in refusal(wire.Refused(code)).hint


def test_another_relay_version_is_named() -> None:
    """B3: the error says both numbers."""
    with pytest.raises(RelayVersion) as caught:
        hear(begun(), wire.RelayHello(2, 0, bytes(32), auth=False, data_max=1))
    assert caught.value.why == "it speaks 2, this program 1"


# --- out of turn ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "messages",
    [
        [wire.Allocated("7123", 600)],
        [wire.Waiting()],
        [wire.Paired("creator", FIRST, 1)],
        [HELLO, HELLO],
        [HELLO, wire.Paired("creator", FIRST, 1)],
        [HELLO, wire.Allocated("7123", 600), wire.Paired("joiner")],
        [HELLO, wire.Allocated("7123", 600), wire.Allocated("7123", 600)],
        [HELLO, wire.Waiting(), wire.Allocated("7123", 600)],
        [
            HELLO,
            wire.Allocated("7123", 600),
            wire.Paired("creator", pairing=1),
            wire.Paired("creator", pairing=1),
        ],
    ],
)
def test_a_message_out_of_turn_ends_the_link(messages: list[wire.RelaySays]) -> None:
    """X07, X24: a relay is held to the order of the dialogue; exit 4."""
    with pytest.raises(LinkError) as caught:
        hear(begun(), *messages)
    assert caught.value.exit_code == 4
    assert "out of turn" in caught.value.message


def test_a_seat_before_the_verb_is_out_of_turn() -> None:
    """X07: while the password waits for the greeting, nothing but a greeting fits."""
    with pytest.raises(LinkError):
        hear(begun(key=KEY), wire.Paired("creator", pairing=1))


@pytest.mark.parametrize("plate", ["", "0", "01", "1234567890", "7 ", "7\x1b[2J", "seven", "-1"])
def test_a_plate_is_a_number_before_it_is_shown(plate: str) -> None:
    """X05, X14: what a relay calls a nameplate must look like one."""
    raw = msgpack.packb({"t": "allocated", "plate": plate, "expires_s": 600})
    machine = begun()
    hear(machine, HELLO)
    with pytest.raises(LinkError):
        machine.receive((LinkType.CONTROL, raw), 100)
    assert events(machine) == [Greeted(1_700_000_000, False)]


@given(st.binary(max_size=100))
def test_any_bytes_from_a_relay_are_a_known_error(raw: bytes) -> None:
    """X14, A4: arbitrary control bytes are a message or a LinkError."""
    machine = begun()
    try:
        machine.receive((LinkType.CONTROL, raw), 100)
    except TallowError as error:
        assert isinstance(error, LinkError)


def test_data_is_none_of_its_business() -> None:
    """X24: DATA and PONG change nothing here."""
    machine = begun()
    for kind in (LinkType.DATA, LinkType.PONG):
        machine.receive((kind, b"anything"), 100)
    assert events(machine) == []


# --- clock ------------------------------------------------------------------------------------


def test_a_relay_has_ten_seconds_to_answer() -> None:
    """X13: neither a dead relay nor one that only greets holds a client for ever."""
    machine = begun()
    assert machine.next_deadline() == 110
    hear(machine, HELLO, now=109)
    machine.on_deadline(109.9)
    with pytest.raises(TimedOut) as caught:
        machine.on_deadline(110)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    "answer", [wire.Allocated("7123", 600), wire.Waiting(), wire.Paired("joiner")]
)
def test_a_seat_may_wait(answer: wire.RelaySays) -> None:
    """C1: once the relay has answered, waiting is for the code's life to end."""
    machine = begun()
    hear(machine, HELLO, answer)
    assert machine.next_deadline() == 125


def test_pings_keep_the_link_and_silence_ends_it() -> None:
    """X13: a ping every 25 s, a pong for each of the relay's, and 90 s of silence is the end."""
    machine = begun()
    hear(machine, HELLO, wire.Allocated("7123", 600))
    said(machine)
    for now in (125, 150, 175):
        assert machine.next_deadline() == now
        machine.on_deadline(now)
        assert said(machine) == [LinkType.PING]
    machine.receive((LinkType.PONG, b""), 176)
    machine.on_deadline(200)
    machine.receive((LinkType.PING, b""), 201)
    assert said(machine) == [LinkType.PING, LinkType.PONG]
    machine.on_deadline(290)
    with pytest.raises(RelayUnreachable) as caught:
        machine.on_deadline(291)
    assert caught.value.exit_code == 4


def test_a_relay_whose_frames_wait_unread_is_not_silent() -> None:
    """X13: while we are the slow side, or only DATA comes, silence is not counted."""
    machine = begun()
    hear(machine, HELLO, wire.Allocated("7123", 600))
    machine.heard(180)
    machine.on_deadline(200)
    with pytest.raises(RelayUnreachable):
        machine.on_deadline(270)


def test_a_dialogue_begins_once() -> None:
    """X07: one link, one greeting."""
    machine = begun()
    with pytest.raises(LocalProtocolError):
        machine.begin(101)
