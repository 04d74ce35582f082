"""One side of the handshake at a time: order, clock, counters, and a peer that cheats."""

from __future__ import annotations

import pytest

from tallow.errors import LocalProtocolError, RemoteProtocolError, TimedOut, WrongCode
from tallow.protocol import flights
from tallow.protocol.handshake import (
    TRANSITIONS,
    AttemptCounted,
    OwnFlights,
    State,
    Step,
)
from tallow.wire import limits
from tallow.wire.frames import PeerType, decode_peer, encode_peer
from tests.pair.meeting import Meeting, context, new_creator, new_joiner


def test_the_table_has_no_way_around_confirmation() -> None:
    """X07: CONFIRMED is reached by M2 at the joiner and by M3 at the creator, and never left."""
    into = {key for key, state in TRANSITIONS.items() if state is State.CONFIRMED}
    assert into == {(State.SENT_M1, Step.M2), (State.SENT_M2, Step.M3)}
    assert not [key for key in TRANSITIONS if key[0] in (State.CONFIRMED, State.FAILED)]


# --- order ------------------------------------------------------------------------------------


def test_a_joiner_begins_once() -> None:
    """X07: one run sends one M1; the next run needs fresh randomness, so it is a new machine."""
    joiner = new_joiner()
    joiner.begin(0)
    with pytest.raises(LocalProtocolError):
        joiner.begin(1)
    assert len(joiner.bytes_to_send()) == 1


def test_a_joiner_that_has_not_begun_takes_nothing() -> None:
    """X07: a reply before the question is refused."""
    reply = Meeting().run().flight("M2")
    with pytest.raises(RemoteProtocolError):
        new_joiner().receive(decode_peer(encode_peer(PeerType.FLIGHT, reply)), 0)


def test_the_reply_waits_for_the_counter() -> None:
    """X24: M2 exists only after attempt_stored(), which is asked for once and works once."""
    joiner, creator = new_joiner(), new_creator()
    with pytest.raises(LocalProtocolError):
        creator.attempt_stored()
    joiner.begin(0)
    creator.receive(decode_peer(joiner.bytes_to_send()[0]), 0)
    assert isinstance(creator.next_event(), AttemptCounted)
    assert creator.next_event() is None
    assert creator.state is State.STORING
    assert creator.bytes_to_send() == []
    creator.attempt_stored()
    assert len(creator.bytes_to_send()) == 1
    with pytest.raises(LocalProtocolError):
        creator.attempt_stored()


def test_a_joiner_counts_when_the_reply_is_here() -> None:
    """A3: no M2, no count; a false M2 counts, because it may have tested our words."""
    right = Meeting().run()
    wrong = Meeting(new_joiner(context("zebra-zero-zone"))).run()
    silent = Meeting(edit=lambda name, frame: [frame] if name == "M1" else []).run()
    assert (right.joiner_end.counted, wrong.joiner_end.counted) == (True, True)
    assert not silent.joiner_end.counted


# --- clock ------------------------------------------------------------------------------------


def test_ten_seconds_for_an_answer() -> None:
    """X13: a joiner waits ten seconds for M2, a creator ten for M1 and ten more for M3."""
    joiner, creator = new_joiner(), new_creator()
    assert (joiner.next_deadline(), creator.next_deadline()) == (None, None)
    joiner.begin(100)
    creator.wait(100)
    assert joiner.next_deadline() == 100 + limits.HANDSHAKE_MAX_S == 110
    assert creator.next_deadline() == 110
    creator.receive(decode_peer(joiner.bytes_to_send()[0]), 105)
    assert creator.next_deadline() == 115
    for machine, early in ((joiner, 109.9), (creator, 114.9)):
        machine.on_deadline(early)
        with pytest.raises(TimedOut) as caught:
            machine.on_deadline(early + 0.2)
        assert caught.value.exit_code == 5
        assert machine.state is State.FAILED
        assert machine.next_deadline() is None
        machine.on_deadline(1000)


def test_a_confirmed_run_has_no_deadline() -> None:
    """A3: after confirmation time ends nothing here."""
    meeting = Meeting().run()
    for machine in (meeting.joiner, meeting.creator):
        assert machine.next_deadline() is None
        machine.on_deadline(1e9)


# --- a joiner that knows the words and cheats -------------------------------------------------


def test_another_nonce_than_the_committed_one_is_refused() -> None:
    """A3: a joiner that opens its commitment to another n_I, with a true T_i for it, is caught.

    Without this the joiner could choose n_I after seeing M2 and search for a short string (SAS)
    that matches another session.
    """
    joiner = new_joiner()
    meeting = Meeting(joiner).begin()
    joiner._nonce = bytes(32)
    meeting.to_creator()
    meeting.to_joiner()
    meeting.to_creator()
    assert meeting.joiner_end.name == "Confirmed"
    assert isinstance(meeting.creator_end.error, WrongCode)
    assert meeting.flight("M3")[4:36] == bytes(32)


# --- what this process made -------------------------------------------------------------------


def test_own_flights_are_remembered_up_to_a_cap() -> None:
    """X10: memory for own flights is bounded; the oldest is forgotten first."""
    own = OwnFlights()
    for number in range(OwnFlights.CAP + 10):
        own.add(number.to_bytes(32, "big"))
    assert (9).to_bytes(32, "big") not in own
    assert (10).to_bytes(32, "big") in own
    assert (OwnFlights.CAP + 9).to_bytes(32, "big") in own


def test_each_run_draws_everything_anew() -> None:
    """A3: two runs of one side share no public value, so no two paths race with one share."""
    raw = []
    for seed in (1, 2):
        joiner = new_joiner(seed=seed)
        joiner.begin(0)
        raw.append(joiner.bytes_to_send()[0][5:])
    (ya1, _, one), (ya2, _, two) = (flights.decode_m1(each) for each in raw)
    assert ya1 != ya2
    assert not {one.commitment, one.ek, one.x} & {two.commitment, two.ek, two.x}


def test_the_generator_is_not_printed() -> None:
    """A4: what is made from the words appears in no printed form of the context or a machine."""
    code = context()
    shown = repr(code) + repr(new_joiner(code)) + repr(new_creator(code))
    assert repr(code.generator)[2:14] not in shown
    assert "7123" in repr(code)
