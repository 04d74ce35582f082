"""Two sides of an earlier session over an honest path, and over one that touches each flight."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.crypto.secret import SecretBytes
from tallow.errors import TallowError
from tallow.protocol.flights import SessionSecrets
from tallow.protocol.psk_handshake import State
from tallow.protocol.session import Session
from tallow.wire.frames import PeerType, decode_peer
from tests.pair.chance import RememberingKem
from tests.pair.reunion import (
    FLIGHTS,
    OTHER,
    Flight,
    Reunion,
    body_edit,
    field_names,
    flight_frame,
    frame_swap,
    new_initiator,
    new_responder,
    place,
)

STRANGER = ("TimedOut", "TimedOut")
MALFORMED = ("RemoteProtocolError", "PeerGone")
WRONG = ("WrongCode", "WrongCode")
VERSION = ("PeerVersion", "PeerVersion")


def values(secrets: SessionSecrets | None) -> dict[str, bytes]:
    """Return every secret of a session by name, and th2."""
    assert secrets is not None
    found = {"th2": secrets.th2}
    for each in fields(secrets):
        value = getattr(secrets, each.name)
        if isinstance(value, SecretBytes):
            found[each.name] = bytes(value.view())
    return found


# --- agreement --------------------------------------------------------------------------------


def test_the_same_secret_gives_both_sides_the_same_keys() -> None:
    """A3: nine new session secrets and th2 agree, no two of them equal, in three flights."""
    reunion = Reunion().run()
    assert reunion.names == ("Confirmed", "Confirmed")
    ours, theirs = values(reunion.initiator_end.secrets), values(reunion.responder_end.secrets)
    assert ours == theirs
    assert len(set(ours.values())) == len(ours) == 10
    assert reunion.said == ["F1", "F2", "F3"]
    assert all(decode_peer(frame).kind is PeerType.FLIGHT for _, frame in reunion.seen)
    assert all(len(reunion.flight(name)) <= 4096 for name in FLIGHTS)


def test_a_session_opens_from_it_as_from_a_code() -> None:
    """A3: the secrets are of the type that a session takes."""
    reunion = Reunion().run()
    initiator, responder = reunion.initiator_end.secrets, reunion.responder_end.secrets
    assert initiator is not None
    assert responder is not None
    one, two = Session(initiator, "initiator", 0), Session(responder, "responder", 0)
    assert one.th2 == two.th2 == initiator.th2


def test_a_session_may_be_taken_up_again_and_again() -> None:
    """A3: the resume secret of each session leads to the next, and no key comes twice."""
    first = values(Reunion().run().initiator_end.secrets)
    resume = first["resume"]
    second = Reunion(new_initiator(resume, seed=3), new_responder(resume, seed=4)).run()
    found = values(second.initiator_end.secrets)
    assert found == values(second.responder_end.secrets)
    assert not set(first.values()) & set(found.values())


@pytest.mark.parametrize("fresh", ["initiator", "responder"])
def test_freshness_of_either_side_is_enough(fresh: str) -> None:
    """A3: one side that repeats all its randomness still gets other keys from a fresh peer."""
    kem = RememberingKem()
    exporters = set()
    for seed in (11, 12):
        initiator = new_initiator(seed=seed if fresh == "initiator" else 1, kem=kem)
        responder = new_responder(seed=seed if fresh == "responder" else 2, kem=kem)
        exporters.add(values(Reunion(initiator, responder).run().initiator_end.secrets)["exporter"])
    assert len(exporters) == 2


def test_the_same_randomness_gives_the_same_bytes() -> None:
    """A3: with every draw fixed a run repeats to the byte, so nothing else enters it."""
    kem = RememberingKem()
    runs = [Reunion(new_initiator(kem=kem), new_responder(kem=kem)).run() for _ in range(2)]
    assert runs[0].seen == runs[1].seen
    assert values(runs[0].initiator_end.secrets) == values(runs[1].responder_end.secrets)


# --- the wrong side ---------------------------------------------------------------------------


def test_another_secret_meets_silence() -> None:
    """X13: without the psk a caller gets no byte, and no side confirms."""
    reunion = Reunion(new_initiator(OTHER)).run()
    assert reunion.names == STRANGER
    assert reunion.said == ["F1", "ABORT"]


def test_a_false_responder_is_caught_by_its_tag() -> None:
    """A3: an F2 of somebody who answered another F1 is a false tag, said as such on both sides."""
    other = Reunion(new_initiator(seed=7), new_responder(seed=8)).run()
    reunion = Reunion(edit=frame_swap("F2", flight_frame(other.flight("F2")))).run()
    assert reunion.names == WRONG
    assert reunion.said == ["F1", "F2", "ABORT"]


def test_two_initiators_never_agree() -> None:
    """X08: roles are those of the first session; an F1 is no answer to an F1."""
    one, two = new_initiator(seed=1), new_initiator(seed=2)
    for machine in (one, two):
        machine.begin(0)
    frames = [one.bytes_to_send()[0], two.bytes_to_send()[0]]
    for machine, frame in ((one, frames[1]), (two, frames[0])):
        with pytest.raises(TallowError) as caught:
            machine.receive(decode_peer(frame), 1)
        assert type(caught.value).__name__ == "RemoteProtocolError"


def test_two_responders_never_speak() -> None:
    """X08: two sides that wait stay silent until their time is up."""
    for machine in (new_responder(seed=1), new_responder(seed=2)):
        machine.wait(0)
        with pytest.raises(TallowError):
            machine.on_deadline(10)
        assert machine.bytes_to_send() == []


# --- reflection and replay --------------------------------------------------------------------


def test_a_reflected_flight_is_refused() -> None:
    """X08: a relay that sends a side's own flight back never makes it agree with itself."""
    seen: dict[Flight, bytes] = {}

    def remember(name: Flight, frame: bytes) -> list[bytes]:
        seen[name] = frame
        return [seen["F1"]] if name == "F2" else [frame]

    assert Reunion(edit=remember).run().names == MALFORMED
    back = Reunion(edit=lambda name, frame: [seen["F2"]] if name == "F3" else [frame])
    assert back.run().names == ("Confirmed", "RemoteProtocolError")


def test_a_mirror_that_dresses_up_is_refused() -> None:
    """X08: F1's own hello passed off as F2's, which has the same shape, fails the tag."""
    seen: dict[Flight, bytes] = {}

    def dress(name: Flight, frame: bytes) -> list[bytes]:
        seen[name] = frame[5:]
        if name != "F2":
            return [frame]
        ada = seen["F1"][: place("F1", "x").stop]
        return [flight_frame(ada + seen["F2"][place("F2", "x").stop :])]

    assert Reunion(edit=dress).run().names == WRONG


@pytest.mark.parametrize("flight", FLIGHTS)
def test_a_flight_of_an_earlier_run_is_refused(flight: Flight) -> None:
    """X07: what was recorded in one run with the same secret is worth nothing in the next."""
    old = Reunion(new_initiator(seed=5), new_responder(seed=6)).run()
    reunion = Reunion(edit=frame_swap(flight, flight_frame(old.flight(flight)))).run()
    # The old F1 is answered by a process that forgot it, but F2 then fits no run.
    assert reunion.names == (("Confirmed", "WrongCode") if flight == "F3" else WRONG)


def test_a_flight_sent_twice_does_not_confirm_twice() -> None:
    """X07: a doubled F1 ends the responder's run; a doubled F3 finds it done."""
    twice = Reunion(edit=lambda name, frame: [frame] * (2 if name == "F1" else 1)).run()
    assert twice.names == ("Confirmed", "RemoteProtocolError")
    again = Reunion(edit=lambda name, frame: [frame] * (2 if name == "F3" else 1)).run()
    assert again.names == ("Confirmed", "Confirmed")
    assert again.responder.next_event() is None


# --- one fault --------------------------------------------------------------------------------

EXPECTED: dict[Flight, dict[str, tuple[str, str]]] = {
    "F1": {"": STRANGER},
    "F2": {"length": MALFORMED, "versions": VERSION, "suites": VERSION, "": WRONG},
    # The initiator is done when T_r held; a stranger between them keeps the responder from it.
    "F3": {"length": ("Confirmed", "RemoteProtocolError"), "": ("Confirmed", "WrongCode")},
}
"""(initiator, responder) for one changed byte; "" is every field that is not named."""


@pytest.mark.parametrize("flight", FLIGHTS)
def test_the_layout_covers_a_real_flight(flight: Flight) -> None:
    """Every byte of a flight stands in exactly one named field."""
    raw = Reunion().run().flight(flight)
    names = field_names(flight)
    assert len(raw) == len(names)
    for at in range(len(raw) - 4):
        if names[at : at + 4] == ["length"] * 4 and (at == 0 or names[at - 1] != "length"):
            assert 0 < int.from_bytes(raw[at : at + 4], "big") <= len(raw) - at - 4


@pytest.mark.parametrize("flight", FLIGHTS)
def test_one_changed_bit_anywhere_is_noticed(flight: Flight) -> None:
    """A3, X08, X25: each byte of F1, F2, F3, one bit each: the expected errors, no agreement."""
    for at, name in enumerate(field_names(flight)):

        def flip(raw: bytes, at: int = at) -> bytes:
            return raw[:at] + bytes([raw[at] ^ 1 << (at % 8)]) + raw[at + 1 :]

        reunion = Reunion(edit=body_edit(flight, flip)).run()
        expected = EXPECTED[flight].get(name, EXPECTED[flight][""])
        assert reunion.names == expected, (flight, name, at)


@pytest.mark.parametrize("flight", FLIGHTS)
def test_every_cut_of_a_flight_is_noticed(flight: Flight) -> None:
    """X14: no prefix of a flight and no flight with a byte more leads to agreement."""
    size = len(field_names(flight))
    ends = {"F1": STRANGER, "F2": MALFORMED, "F3": ("Confirmed", "RemoteProtocolError")}
    for cut in [*range(0, size, 7), size - 1]:
        edit = body_edit(flight, lambda raw, cut=cut: raw[:cut])  # type: ignore[misc]
        assert Reunion(edit=edit).run().names == ends[flight], (flight, cut)
    assert Reunion(edit=body_edit(flight, lambda raw: raw + b"\0")).run().names == ends[flight]


LOW_ORDER = [0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18]


@pytest.mark.parametrize("point", LOW_ORDER)
def test_low_order_points_end_the_run(point: int) -> None:
    """X08: a point that would fix the X25519 half is refused before any tag."""
    where = place("F2", "x")
    content = point.to_bytes(32, "little")
    edit = body_edit("F2", lambda raw: raw[: where.start] + content + raw[where.stop :])
    assert Reunion(edit=edit).run().names == MALFORMED


@given(st.sampled_from(FLIGHTS), st.data())
def test_any_damage_to_a_flight_is_a_known_error(flight: Flight, data: st.DataObject) -> None:
    """X14: cut, grown or overwritten anywhere, a flight is never agreed on."""

    def change(raw: bytes) -> bytes:
        start = data.draw(st.integers(0, len(raw)), label="start")
        end = data.draw(st.integers(start, len(raw)), label="end")
        made = raw[:start] + data.draw(st.binary(max_size=40), label="content") + raw[end:]
        return made if made != raw else raw + b"\0"

    reunion = Reunion(edit=body_edit(flight, change)).run()
    assert reunion.responder_end.name != "Confirmed"
    assert reunion.responder.state is State.FAILED
