"""A session's rules: who speaks first, what is acknowledged, when silence ends it."""

from __future__ import annotations

import pytest

from tallow.errors import (
    LocalProtocolError,
    PeerGone,
    RecordLost,
    RemoteProtocolError,
)
from tallow.protocol.chain import ChainLimits, SendChain
from tallow.protocol.messages import (
    Ack,
    Close,
    Control,
    Ping,
    Pong,
    Text,
    Verified,
    encode_control,
)
from tallow.protocol.session import Session, State
from tallow.wire import limits
from tallow.wire.frames import PeerType, encode_peer
from tests.pair.sessions import RECEIVE, SEND, Side, Two, damaged, forged, secrets


def peers_chain() -> SendChain:
    """Return the chain of a responder that says what no honest one would."""
    same = secrets()
    return SendChain(0, "r", bytes(same.traffic_r.view()))


def hear(two: Two, *messages: Control) -> Side:
    """Let the initiator hear these from a peer that ignores every rule."""
    chain = peers_chain()
    for message in messages:
        two.i.receive(chain.seal(encode_control(message), 0))
    return two.i


def greeted() -> Two:
    """Return two sides of which only the initiator's own HELLO is out."""
    two = Two()
    two.i.session.greet(SEND, 0)
    two.i.take()
    return two


# --- HELLO ------------------------------------------------------------------------------------


def test_hello_goes_both_ways() -> None:
    """A3: each side hears the other's first record and is open then."""
    two = Two().greet()
    assert (two.i.hellos, two.r.hellos) == ([RECEIVE], [SEND])
    assert two.i.session.state is two.r.session.state is State.OPEN


@pytest.mark.parametrize(
    "message", [Text("hi"), Ping(), Pong(), Ack(0, 0), Verified(True), Close([(0, 0)])]
)
def test_hello_must_be_the_first_record(message: Control) -> None:
    """X07: any other first message ends the session."""
    two = greeted()
    with pytest.raises(RemoteProtocolError) as caught:
        hear(two, message)
    assert caught.value.exit_code == 6
    assert two.i.got == []


def test_hello_must_be_the_first_record_for_a_side_that_leaves_too() -> None:
    """X07: own CLOSE does not open a door for messages of a peer that never greeted."""
    for message in (Text("hi"), Ping(), Close([(0, 0)])):
        two = greeted()
        two.i.session.close(0)
        with pytest.raises(RemoteProtocolError):
            hear(two, message)


def test_hello_comes_once() -> None:
    """X07: a second HELLO cannot change who the peer is, before or after own CLOSE."""
    for closes in (False, True):
        two = greeted()
        hear(two, RECEIVE)
        if closes:
            two.i.session.close(0)
        chain = peers_chain()
        chain.seal(b"", 0)
        with pytest.raises(RemoteProtocolError):
            two.i.receive(chain.seal(encode_control(RECEIVE), 0))


def test_own_order_is_held_too() -> None:
    """X07: this side greets once, says nothing before it and nothing after CLOSE."""
    session = Two().i.session
    with pytest.raises(LocalProtocolError):
        session.send(Text("hi"), 0)
    with pytest.raises(LocalProtocolError):
        session.close(0)
    session.greet(SEND, 0)
    with pytest.raises(LocalProtocolError):
        session.greet(SEND, 0)
    session.send(Text("rides with HELLO"), 0)
    session.close(0)
    session.close(0)
    with pytest.raises(LocalProtocolError):
        session.send(Text("late"), 0)
    assert len(session.bytes_to_send()) == 3


def test_secrets_serve_one_session() -> None:
    """A3: traffic secrets are wiped as they are taken, so no second session repeats their keys."""
    once = secrets()
    Session(once, "initiator", 0)
    with pytest.raises(ValueError, match="wiped"):
        Session(once, "initiator", 0)


# --- messages ---------------------------------------------------------------------------------


def test_messages_arrive_once_in_order() -> None:
    """B1: what one side says, the other hears."""
    two = Two(limit=ChainLimits(records=3)).greet()
    for n in range(100):
        two.i.say(Text(f"i{n}"))
        two.r.say(Text(f"r{n}"))
        two.carry()
    assert two.r.texts == [f"i{n}" for n in range(100)]
    assert two.i.texts == [f"r{n}" for n in range(100)]


def test_a_malformed_message_ends_the_session() -> None:
    """X14: bytes that opened but are no message are the peer's fault, not a traceback."""
    for body in (b"", b"\xc1", b"\x81\xa1t\xa5hello", bytes(100)):
        chain = peers_chain()
        chain.seal(b"", 0)
        two = Two().greet()
        with pytest.raises(RemoteProtocolError):
            two.i.receive(chain.seal(body, 0))
        assert two.i.got == []


def test_ping_is_answered() -> None:
    """A peer that asks is told that we live."""
    two = Two().greet()
    two.i.say(Ping(), 1)
    two.carry(1)
    assert len(two.r.sent) == 2
    assert two.i.session.state is State.OPEN


# --- clock ------------------------------------------------------------------------------------


def test_a_quiet_side_pings() -> None:
    """A side that said nothing for fifteen seconds asks whether the peer is there."""
    two = Two(now=100).greet(100)
    assert two.i.session.next_deadline() == 115
    two.i.session.on_deadline(114.9)
    assert two.i.take() == []
    two.i.session.on_deadline(115)
    assert len(two.i.take()) == 1
    two.carry(115)
    assert two.i.session.next_deadline() == 130


def test_a_minute_of_silence_is_a_peer_that_is_gone() -> None:
    """X13: no frame for sixty seconds ends the session with exit 5."""
    two = Two(now=100).greet(100)
    for now in (115, 130, 145):
        two.i.session.on_deadline(now)
    with pytest.raises(PeerGone) as caught:
        two.i.session.on_deadline(160)
    assert caught.value.exit_code == 5


def test_every_word_of_the_peer_gives_it_a_minute() -> None:
    """X13: the minute begins again with each record that opens, on any channel."""
    two = Two(now=100).greet(100)
    two.r.say(Pong(), 140)
    two.carry(140)
    two.i.session.on_deadline(160)
    two.i.session.on_deadline(199)
    with pytest.raises(PeerGone):
        two.i.session.on_deadline(200)


def test_frames_that_do_not_open_are_silence() -> None:
    """X13: a relay that repeats old records and makes up new ones cannot fake a living peer."""
    two = Two(now=100).greet(100)
    old = two.r.sent[0]
    ahead = forged(old, number=9, epoch=7)
    for now in (110, 120, 130, 140, 150):
        for frame in (old, damaged(old), forged(old, number=1), forged(old, channel=1)):
            two.i.receive(frame, now)
    assert two.i.session._heard_at == 100
    two.i.receive(ahead, 155)
    with pytest.raises(PeerGone):
        two.i.session.on_deadline(160)


def test_a_peer_whose_frames_wait_unread_is_not_silent() -> None:
    """X13: while we are the slow side, silence is not counted."""
    two = Two(now=100).greet(100)
    two.i.session.heard(150)
    two.i.session.on_deadline(160)
    with pytest.raises(PeerGone):
        two.i.session.on_deadline(210)


@pytest.mark.parametrize("state", [State.NEW, State.CLOSING])
def test_no_ping_before_hello_or_after_close(state: State) -> None:
    """X07: HELLO is the first record and CLOSE the last, so nothing is said outside them."""
    two = Two(now=100)
    if state is State.CLOSING:
        two.greet(100).i.session.close(100)
        two.i.take()
    assert two.i.session.state is state
    assert two.i.session.next_deadline() == 160
    made = len(two.i.sent)
    two.i.session.on_deadline(130)
    two.i.take()
    assert len(two.i.sent) == made


def test_a_gap_that_stays_open_ends_the_session() -> None:
    """X25: ten seconds after a later record came, the missing one counts as deleted (exit 6)."""
    two = Two(now=100).greet(100)
    two.i.say(Text("deleted"))
    second = two.i.say(Text("follows"))
    two.r.receive(second, 105)
    assert two.r.session.next_deadline() == 115
    two.r.session.on_deadline(114)
    with pytest.raises(RecordLost) as caught:
        two.r.session.on_deadline(115)
    assert caught.value.exit_code == 6
    assert two.r.texts == []


# --- touched frames ---------------------------------------------------------------------------


def test_an_altered_record_spoils_its_connection_only() -> None:
    """A4, X07: nothing of it is delivered, and the genuine record still opens afterwards."""
    two = Two().greet()
    frame = two.i.say(Text("genuine"))
    two.r.receive(damaged(frame))
    assert (two.r.spoiled, two.r.got) == (1, [])
    two.r.receive(frame)
    assert two.r.texts == ["genuine"]


@pytest.mark.parametrize("kind", [PeerType.FLIGHT, PeerType.ABORT])
def test_a_forged_flight_or_abort_changes_nothing(kind: PeerType) -> None:
    """X07: after confirmation a third side can spoil a connection, never end the session."""
    two = Two().greet()
    two.r.receive(encode_peer(kind, b"\1"))
    assert two.r.spoiled == 1
    two.i.say(Text("still here"))
    two.carry()
    assert two.r.texts == ["still here"]


def test_a_reflected_record_does_not_open() -> None:
    """X08, X25: what this side said is not taken for the peer's word."""
    two = Two().greet()
    frame = two.i.say(Text("echo"))
    two.i.receive(forged(frame, number=1))
    assert (two.i.spoiled, two.i.got) == (1, [])


def test_a_record_of_another_session_does_not_open() -> None:
    """A3: sessions of one pair share no key."""
    two, other = Two().greet(), Two(seed=2).greet()
    two.r.receive(other.i.say(Text("elsewhere")))
    assert (two.r.spoiled, two.r.got) == (1, [])


def test_too_many_failed_opens_end_the_session() -> None:
    """X10: 1 024 of them are the end; until then each costs a connection."""
    two = Two().greet()
    bad = damaged(two.i.say(Text("x")))
    for _ in range(limits.FAILED_OPENS_MAX - 1):
        two.r.receive(bad)
    assert two.r.spoiled == limits.FAILED_OPENS_MAX - 1
    with pytest.raises(RemoteProtocolError):
        two.r.receive(bad)


# --- acknowledgement --------------------------------------------------------------------------


def test_records_are_kept_until_the_peer_acknowledges() -> None:
    """Every 32 records are acknowledged, and what is acknowledged is not kept."""
    two = Two().greet()
    for n in range(limits.ACK_EVERY_RECORDS - 1):
        two.i.say(Text(str(n)))
    two.carry()
    assert two.i.session._send[0].kept_bytes == 0
    two.i.say(Text("one more"))
    two.carry()
    assert two.i.session._send[0].kept() == two.i.sent[-1:]


@pytest.mark.parametrize("ack", [Ack(0, 2), Ack(0, 1 << 62), Ack(1, 0), Ack(65535, 0)])
def test_a_false_acknowledgement_is_refused(ack: Ack) -> None:
    """X14: an unknown channel, or a number that was never sent, ends the session."""
    with pytest.raises(RemoteProtocolError):
        hear(greeted(), RECEIVE, ack)


def test_a_sender_pauses_and_then_gives_up_on_a_peer_that_never_acknowledges() -> None:
    """X10: 4 MiB unacknowledged is congestion, 16 MiB the end; memory stays bounded."""
    two = Two().greet()
    text = Text("x" * 60_000)
    while not two.i.session.congested:
        two.i.session.send(text, 0)
    kept = two.i.session._send[0].kept_bytes
    assert limits.UNACKED_MAX_BYTES <= kept < limits.UNACKED_MAX_BYTES + 100_000
    with pytest.raises(RemoteProtocolError):
        for _ in range(300):
            two.i.session.send(text, 0)
    assert two.i.session._send[0].kept_bytes < limits.UNACKED_END_BYTES + 100_000


def test_a_flood_of_pings_costs_bounded_memory() -> None:
    """X10, X17: a peer that asks for ever and acknowledges nothing is let go."""
    two = Two().greet()
    chain = peers_chain()
    chain.seal(b"", 0)
    two.i.session._send[0]._kept_bytes = limits.UNACKED_END_BYTES
    with pytest.raises(RemoteProtocolError):
        two.i.receive(chain.seal(encode_control(Ping()), 0))
