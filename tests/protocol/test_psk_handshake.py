"""One side of the psk handshake at a time: order, clock, silence, memory, and peers that cheat."""

from __future__ import annotations

import pytest

from tallow.crypto.kem import default_kem
from tallow.crypto.lv import lv
from tallow.crypto.secret import SecretBytes
from tallow.errors import (
    LocalProtocolError,
    PeerGone,
    PeerVersion,
    RemoteProtocolError,
    TimedOut,
    WrongCode,
)
from tallow.protocol import flights, psk_flights
from tallow.protocol.flights import Hello1
from tallow.protocol.handshake import AbortReason
from tallow.protocol.psk_handshake import (
    TRANSITIONS,
    AnsweredFlights,
    PskInitiator,
    PskResponder,
    State,
    Step,
)
from tallow.wire import limits
from tallow.wire.frames import PeerType, RecordHeader, decode_peer, encode_peer, encode_record
from tests.pair.chance import Chance
from tests.pair.reunion import RESUME, Reunion, flight_frame, new_initiator, new_responder


def f1_of(hello: Hello1, resume: bytes = RESUME) -> bytes:
    """Return the frame of an F1 with a true mac1, whatever its fields hold."""
    secret = SecretBytes(resume)
    h0 = psk_flights.opening(psk_flights.resume_meet_id(secret))
    ada = flights.encode_hello1(hello)
    mac1 = psk_flights.caller_tag(psk_flights.resume_psk(secret), h0, ada)
    return flight_frame(psk_flights.encode_f1(ada, mac1))


def honest_hello() -> Hello1:
    """Return what an initiator offers."""
    initiator = new_initiator()
    initiator.begin(0)
    ada, _ = psk_flights.decode_f1(initiator.bytes_to_send()[0][5:])
    return flights.decode_hello1(ada)


def abort(reason: int) -> bytes:
    """Return an abort that anybody can write."""
    return encode_peer(PeerType.ABORT, bytes([reason]))


RECORD = encode_record(RecordHeader(PeerType.RECORD, 0, 0, 0), bytes(40))


def test_the_table_has_no_way_around_confirmation() -> None:
    """X07: CONFIRMED is reached by F2 at the initiator and F3 at the responder, and never left."""
    into = {key for key, state in TRANSITIONS.items() if state is State.CONFIRMED}
    assert into == {(State.SENT_F1, Step.F2), (State.SENT_F2, Step.F3)}
    assert not [key for key in TRANSITIONS if key[0] in (State.CONFIRMED, State.FAILED)]


# --- order and clock --------------------------------------------------------------------------


def test_an_initiator_begins_once() -> None:
    """X07: one run sends one F1; the next run needs fresh randomness, so it is a new machine."""
    initiator = new_initiator()
    initiator.begin(0)
    with pytest.raises(LocalProtocolError):
        initiator.begin(1)
    assert len(initiator.bytes_to_send()) == 1


def test_nothing_is_taken_out_of_turn() -> None:
    """X07: an F2 before F1 was sent, and any flight after the end, are refused."""
    reunion = Reunion().run()
    for machine in (new_initiator(), reunion.initiator, reunion.responder):
        with pytest.raises(RemoteProtocolError):
            machine.receive(decode_peer(flight_frame(reunion.flight("F2"))), 0)


def test_ten_seconds_for_each_flight() -> None:
    """X13: an initiator waits ten seconds, a responder ten for a true F1 and ten more for F3."""
    initiator, responder = new_initiator(), new_responder()
    assert (initiator.next_deadline(), responder.next_deadline()) == (None, None)
    initiator.begin(100)
    responder.wait(100)
    assert initiator.next_deadline() == responder.next_deadline() == 110
    responder.receive(decode_peer(initiator.bytes_to_send()[0]), 105)
    assert responder.next_deadline() == 115
    responder.bytes_to_send()
    for machine, early in ((initiator, 109.9), (responder, 114.9)):
        machine.on_deadline(early)
        with pytest.raises(TimedOut):
            machine.on_deadline(early + 0.2)
        assert machine.state is State.FAILED
        assert machine.bytes_to_send() == [abort(AbortReason.TIMEOUT)]
        assert machine.next_deadline() is None
        machine.on_deadline(1000)


def test_a_confirmed_run_has_no_deadline() -> None:
    """A3: after confirmation time ends nothing here."""
    reunion = Reunion().run()
    for machine in (reunion.initiator, reunion.responder):
        assert machine.next_deadline() is None
        machine.on_deadline(1e9)


# --- silence ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [
        flight_frame(b""),
        flight_frame(bytes(4096)),
        flight_frame(psk_flights.encode_f1(b"", bytes(32))),
        flight_frame(psk_flights.encode_f1(flights.encode_hello1(honest_hello()), bytes(32))),
        f1_of(honest_hello(), bytes(64)),
        *(abort(reason) for reason in AbortReason),
        RECORD,
    ],
    ids=["empty", "zeros", "no hello", "no mac1", "another psk", *"1234", "record"],
)
def test_a_stranger_gets_no_answer_and_changes_nothing(frame: bytes) -> None:
    """X13: what proves nothing meets silence, moves no deadline, and does not keep the peer out."""
    responder = new_responder()
    responder.wait(100)
    responder.receive(decode_peer(frame), 105)
    assert responder.state is State.WAITING_F1
    assert responder.next_deadline() == 110
    assert (responder.bytes_to_send(), responder.next_event()) == ([], None)
    reunion = Reunion(responder=responder)
    assert reunion.run().names == ("Confirmed", "Confirmed")


def test_a_stranger_is_not_even_told_of_the_end() -> None:
    """X13: a responder that met no true F1 gives up without a byte."""
    responder = new_responder()
    responder.wait(0)
    with pytest.raises(TimedOut):
        responder.on_deadline(limits.HANDSHAKE_MAX_S)
    assert responder.state is State.FAILED
    assert responder.bytes_to_send() == []


# --- what was answered ------------------------------------------------------------------------


def test_a_true_f1_is_answered_once() -> None:
    """X07: a repeated F1 meets silence in every later run of the process."""
    answered = AnsweredFlights()
    first = Reunion(responder=new_responder(answered=answered)).run()
    assert first.names == ("Confirmed", "Confirmed")
    again = new_responder(seed=3, answered=answered)
    again.wait(0)
    again.receive(decode_peer(flight_frame(first.flight("F1"))), 1)
    assert again.state is State.WAITING_F1
    assert again.bytes_to_send() == []
    fresh = Reunion(new_initiator(seed=4), again).run()
    assert fresh.names == ("Confirmed", "Confirmed")


def test_only_true_flights_are_remembered() -> None:
    """X10: a stranger fills no memory; only who holds the psk is remembered."""
    answered = AnsweredFlights()
    hello = honest_hello()
    new_responder(answered=answered).receive(decode_peer(f1_of(hello, bytes(64))), 0)
    assert hello.commitment not in answered
    new_responder(answered=answered).receive(decode_peer(f1_of(hello)), 0)
    assert hello.commitment in answered


def test_the_memory_is_bounded() -> None:
    """X10: 1 024 commitments are remembered; the oldest is forgotten first."""
    answered = AnsweredFlights()
    for number in range(limits.ANSWERED_FLIGHTS_MAX + 10):
        answered.add(number.to_bytes(32, "big"))
    assert (9).to_bytes(32, "big") not in answered
    assert (10).to_bytes(32, "big") in answered


# --- a peer that holds the psk and cheats or differs ------------------------------------------


def test_another_nonce_than_the_committed_one_is_refused() -> None:
    """A3: an initiator that opens c_I to another n_I, with a true T_i for it, is caught."""
    initiator = new_initiator()
    reunion = Reunion(initiator).begin()
    initiator._nonce = bytes(32)
    reunion.settle()
    assert reunion.names == ("Confirmed", "WrongCode")
    assert reunion.flight("F3")[4:36] == bytes(32)


@pytest.mark.parametrize(
    ("field", "content"), [("x", bytes(32)), ("ek", b"\xff" * 1568)], ids=["x", "ek"]
)
def test_invalid_keys_behind_a_true_tag_are_refused(field: str, content: bytes) -> None:
    """X08: a low-order point or an ek of q or more ends the run, and the peer is told."""
    hello = honest_hello()
    values = {"commitment": hello.commitment, "ek": hello.ek, "x": hello.x, field: content}
    responder = new_responder()
    with pytest.raises(RemoteProtocolError):
        responder.receive(decode_peer(f1_of(Hello1((1,), (1,), **values))), 0)
    assert responder.state is State.FAILED
    assert responder.bytes_to_send() == [abort(AbortReason.MALFORMED)]


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_field_of_a_false_length_behind_a_true_tag_is_refused(size: int) -> None:
    """X20: mac1 vouches for who speaks, not for what is said; lengths are checked all the same."""
    hello = honest_hello()
    responder = new_responder()
    frame = f1_of(Hello1((1,), (1,), bytes(size), hello.ek, hello.x))
    with pytest.raises(RemoteProtocolError):
        responder.receive(decode_peer(frame), 0)
    assert responder.bytes_to_send() == [abort(AbortReason.MALFORMED)]


def test_another_version_is_a_version_error_on_both_sides() -> None:
    """A3, X07: a peer of version 2 alone is told so; it holds the psk, so it may know."""
    reunion = Reunion(new_initiator(versions=(2,))).run()
    assert reunion.names == ("PeerVersion", "PeerVersion")
    assert reunion.said == ["F1", "ABORT"]
    assert Reunion(new_initiator(versions=(2, 1))).run().names == ("Confirmed", "Confirmed")


def test_no_common_suite_is_a_version_error() -> None:
    """X26: a true F1 without suite 1 ends the run."""
    hello = honest_hello()
    with pytest.raises(PeerVersion):
        new_responder().receive(
            decode_peer(f1_of(Hello1((1,), (2,), hello.commitment, hello.ek, hello.x))), 0
        )


# --- aborts -----------------------------------------------------------------------------------


def waiting_initiator() -> PskInitiator:
    """Return an initiator that has sent F1."""
    initiator = new_initiator()
    initiator.begin(0)
    initiator.bytes_to_send()
    return initiator


def waiting_responder() -> PskResponder:
    """Return a responder that has sent F2."""
    responder = new_responder()
    responder.receive(decode_peer(f1_of(honest_hello())), 0)
    responder.bytes_to_send()
    return responder


@pytest.mark.parametrize(
    ("reason", "of_initiator", "of_responder"),
    [
        (AbortReason.CONFIRM, PeerGone, WrongCode),
        (AbortReason.VERSION, PeerVersion, PeerVersion),
        (AbortReason.MALFORMED, PeerGone, PeerGone),
        (AbortReason.TIMEOUT, TimedOut, TimedOut),
        (0, PeerGone, PeerGone),
        (255, PeerGone, PeerGone),
    ],
)
def test_an_abort_is_one_known_error(
    reason: int, of_initiator: type[Exception], of_responder: type[Exception]
) -> None:
    """X14: every abort ends a run under way; CONFIRM means something after F2 alone."""
    for machine, error in (
        (waiting_initiator(), of_initiator),
        (waiting_responder(), of_responder),
    ):
        with pytest.raises(error) as caught:
            machine.receive(decode_peer(abort(reason)), 1)
        assert type(caught.value) is error
        assert machine.state is State.FAILED
        assert machine.bytes_to_send() == []


def test_a_forged_abort_reads_like_a_true_one() -> None:
    """X07: whoever wrote abort(confirm), the words are those of a false tag, and name no code."""
    with pytest.raises(WrongCode) as forged:
        waiting_responder().receive(decode_peer(abort(AbortReason.CONFIRM)), 1)
    found = waiting_responder()
    with pytest.raises(WrongCode) as true:
        found.receive(decode_peer(flight_frame(lv(bytes(32), bytes(64)))), 1)
    assert (forged.value.message, forged.value.hint) == (true.value.message, true.value.hint)
    assert "first session" in forged.value.message
    assert forged.value.exit_code == 3


def test_a_record_before_confirmation_ends_the_run() -> None:
    """X07, X26: nothing but flights and aborts is taken before confirmation."""
    for machine in (waiting_initiator(), waiting_responder()):
        with pytest.raises(RemoteProtocolError):
            machine.receive(decode_peer(RECORD), 1)
        assert machine.state is State.FAILED


# --- what is kept -----------------------------------------------------------------------------


@pytest.mark.parametrize("resume", [RESUME, bytes(64)], ids=["confirmed", "failed"])
def test_nothing_that_a_run_computed_is_kept(resume: bytes) -> None:
    """A4: psk, private keys and PRK are gone after success and failure; the secret is only lent."""
    ours, theirs = SecretBytes(RESUME), SecretBytes(resume)
    initiator = PskInitiator(ours, Chance(1), default_kem())
    responder = PskResponder(theirs, Chance(2), default_kem(), AnsweredFlights())
    Reunion(initiator, responder).run()
    for machine in (initiator, responder):
        held = vars(machine)
        assert machine.state is (State.CONFIRMED if resume is RESUME else State.FAILED)
        assert "_x" not in held
        # A responder keeps the provider, which holds nothing; an initiator's own pair must go.
        assert machine is responder or "_kem" not in held
        assert not held.get("_prk")
        with pytest.raises(ValueError, match="wiped"):
            machine._psk.view()
    assert ours.same_as(RESUME)
    assert theirs.same_as(resume)
