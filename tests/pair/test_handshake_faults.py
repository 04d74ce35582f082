"""One fault in one flight: every byte, every field, every order; never confirmed on both sides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.errors import RemoteProtocolError, TallowError, WrongCode
from tallow.protocol.handshake import State
from tallow.wire.frames import PeerType, RecordHeader, decode_peer, encode_peer, encode_record
from tests.pair.faults import EXPECTED, Field, field, layout
from tests.pair.meeting import Edit, Flight, Meeting, body_edit, context, new_creator, new_joiner

FLIGHTS: tuple[Flight, ...] = ("M1", "M2", "M3")
FIELDS = [(flight, found) for flight in FLIGHTS for found in layout(flight)]


def field_id(value: object) -> str:
    """Name a case after its field and place."""
    return f"{value.name}@{value.start}" if isinstance(value, Field) else str(value)


def flip(flight: Flight, at: int, mask: int) -> Edit:
    """Return an edit that changes bits of one byte of a flight."""

    def change(raw: bytes) -> bytes:
        changed = bytearray(raw)
        changed[at] ^= mask
        return bytes(changed)

    return body_edit(flight, change)


def overwrite(flight: Flight, found: Field, content: bytes) -> Edit:
    """Return an edit that puts other bytes in a field's place."""
    return body_edit(flight, lambda raw: raw[: found.start] + content + raw[found.end :])


@pytest.mark.parametrize("flight", FLIGHTS)
def test_the_layout_covers_a_real_flight(flight: Flight) -> None:
    """Every byte of a flight stands in exactly one named field."""
    raw = Meeting().run().flight(flight)
    at = 0
    for found in layout(flight):
        assert found.start == at
        at = found.end
        if found.name == "length":
            following = int.from_bytes(raw[found.start : found.end], "big")
            assert 0 < following <= len(raw) - at
    assert at == len(raw)


@pytest.mark.parametrize(("flight", "found"), FIELDS, ids=field_id)
def test_one_changed_bit_anywhere_is_noticed(flight: Flight, found: Field) -> None:
    """A2, A3, X08: each byte of M1, M2, M3, one bit each: the expected errors, no agreement."""
    for at in range(found.start, found.end):
        meeting = Meeting(edit=flip(flight, at, 1 << (at % 8))).run()
        assert meeting.names in EXPECTED[flight][found.name], (flight, found.name, at)


@pytest.mark.parametrize(("flight", "found"), FIELDS, ids=field_id)
@pytest.mark.parametrize("content", ["zeros", "ones", "missing", "twice"])
def test_a_field_that_is_blank_missing_or_doubled_is_noticed(
    flight: Flight, found: Field, content: str
) -> None:
    """A3, X08, X20: no field may be zero, absent, doubled or all ones and still be agreed on."""
    size = found.end - found.start
    made = {"zeros": bytes(size), "ones": b"\xff" * size, "missing": b""}.get(content)

    def change(raw: bytes) -> bytes:
        inside = raw[found.start : found.end] * 2 if made is None else made
        return raw[: found.start] + inside + raw[found.end :]

    meeting = Meeting(edit=body_edit(flight, change)).run()
    assert meeting.names.count("Confirmed") < 2
    assert not (meeting.joiner_end.open or meeting.creator_end.open)
    assert meeting.creator_end.name != "Confirmed"


LOW_ORDER = [0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18]


@pytest.mark.parametrize("point", LOW_ORDER)
@pytest.mark.parametrize(
    ("flight", "name", "names"),
    [
        ("M1", "Ya", ("PeerGone", "RemoteProtocolError")),
        ("M1", "x", ("PeerGone", "RemoteProtocolError")),
        ("M2", "Yb", ("RemoteProtocolError", "PeerGone")),
        ("M2", "x", ("RemoteProtocolError", "PeerGone")),
    ],
)
def test_low_order_points_end_the_run(
    flight: Flight, name: str, names: tuple[str, str], point: int
) -> None:
    """A2, X08: a point that would fix the key is refused on both sides, before any tag."""
    edit = overwrite(flight, field(flight, name), point.to_bytes(32, "little"))
    assert Meeting(edit=edit).run().names == names


def test_the_other_sides_point_is_not_accepted_as_ones_own() -> None:
    """X08: a Yb equal to Ya is refused, so a mirror never agrees with itself."""
    seen: dict[str, bytes] = {}

    def mirror(name: Flight, frame: bytes) -> list[bytes]:
        seen[name] = frame
        if name != "M2":
            return [frame]
        ya = seen["M1"][9:41]
        return [frame[:9] + ya + frame[41:]]

    assert Meeting(edit=mirror).run().names == ("RemoteProtocolError", "PeerGone")


@pytest.mark.parametrize(
    ("flight", "name"),
    [("M1", "ek"), ("M1", "x"), ("M1", "c_I"), ("M1", "Ya"), ("M2", "ct"), ("M2", "x"),
     ("M2", "n_R"), ("M2", "Yb"), ("M2", "T_r"), ("M3", "n_I"), ("M3", "T_i")],
)  # fmt: skip
def test_a_field_of_another_run_does_not_fit(flight: Flight, name: str) -> None:
    """A3: a well-formed field spliced in from another run with the same code is noticed."""
    other = Meeting(new_joiner(seed=31), new_creator(seed=32)).run().flight(flight)
    found = field(flight, name)
    edit = overwrite(flight, found, other[found.start : found.end])
    expected = {"M3": ("Confirmed", "WrongCode")}.get(flight, ("WrongCode", "WrongCode"))
    assert Meeting(edit=edit).run().names == expected


@pytest.mark.parametrize("flight", FLIGHTS)
def test_a_flight_of_another_run_does_not_fit(flight: Flight) -> None:
    """A3: a whole flight replayed from a finished run with the same code leads nowhere."""
    other = Meeting(new_joiner(seed=31), new_creator(seed=32)).run().flight(flight)
    meeting = Meeting(edit=body_edit(flight, lambda _: other)).run()
    assert meeting.creator_end.name != "Confirmed"
    assert meeting.names.count("Confirmed") < 2


def test_a_recorded_joiner_cannot_be_played_back() -> None:
    """A3: M1 and M3 of a finished run, replayed at a fresh creator, give WrongCode."""
    recorded = Meeting().run()
    creator = new_creator(seed=77)
    creator.receive(decode_peer(encode_peer(PeerType.FLIGHT, recorded.flight("M1"))), 0)
    creator.attempt_stored()
    with pytest.raises(WrongCode):
        creator.receive(decode_peer(encode_peer(PeerType.FLIGHT, recorded.flight("M3"))), 1)
    assert creator.state is State.FAILED


# --- order ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dropped", "names"),
    [
        ("M1", ("TimedOut", "TimedOut")),
        ("M2", ("TimedOut", "TimedOut")),
        ("M3", ("Confirmed", "TimedOut")),
    ],
)
def test_a_dropped_flight_ends_in_time(dropped: Flight, names: tuple[str, str]) -> None:
    """X13: whoever waits for a flight gives up after ten seconds; no side waits for ever."""
    meeting = Meeting(edit=lambda name, frame: [] if name == dropped else [frame])
    began_at = meeting.now
    meeting.run()
    assert meeting.names == names
    assert meeting.now == began_at + 10
    assert meeting.creator_end.counted is (dropped != "M1")
    assert meeting.joiner_end.counted is (dropped == "M3")


@pytest.mark.parametrize(
    ("doubled", "names"),
    [
        ("M1", ("Confirmed", "RemoteProtocolError")),
        # The copy reaches what runs next: a session, which takes it for a record that fails.
        ("M2", ("Confirmed", "Confirmed")),
        ("M3", ("Confirmed", "Confirmed")),
    ],
)
def test_a_doubled_flight_never_gives_two_answers(doubled: Flight, names: tuple[str, str]) -> None:
    """X07: the second copy of a flight is refused, and one M1 gets at most one M2."""
    meeting = Meeting(edit=lambda name, frame: [frame] * (1 + (name == doubled))).run()
    assert [name for name, _ in meeting.seen].count("M2") == 1
    assert meeting.names == names


def test_a_second_first_flight_ends_the_run() -> None:
    """X07: a creator that stores its counter takes no other M1, and answers neither."""
    meeting = Meeting(stores=False)
    meeting.joiner.begin(0)
    first = meeting.joiner.bytes_to_send()[0]
    meeting.creator.receive(decode_peer(first), 0)
    with pytest.raises(RemoteProtocolError):
        meeting.creator.receive(decode_peer(first), 0)
    assert meeting.creator.state is State.FAILED
    assert [frame[4] for frame in meeting.creator.bytes_to_send()] == [PeerType.ABORT]


@pytest.mark.parametrize("wanted", FLIGHTS)
@pytest.mark.parametrize("instead", FLIGHTS)
def test_flights_do_not_stand_in_for_each_other(wanted: Flight, instead: Flight) -> None:
    """X07: a flight where another is due, one's own reflected one included, is refused."""
    recorded = Meeting().run()
    if wanted == instead:
        return
    meeting = Meeting(edit=body_edit(wanted, lambda _: recorded.flight(instead))).run()
    assert meeting.creator_end.name in ("RemoteProtocolError", "PeerGone", "PeerVersion")
    assert meeting.names.count("Confirmed") == (wanted == "M3")


@pytest.mark.parametrize("kind", [PeerType.RECORD, PeerType.BULK])
@pytest.mark.parametrize("when", ["before M1", "instead of M2", "before M3"])
def test_no_record_is_taken_before_confirmation(kind: PeerType, when: str) -> None:
    """X03, X07, X26: sealed or not, nothing but flights passes before both have confirmed."""
    record = encode_record(RecordHeader(kind, 0, 0, 0), bytes(48))

    def inject(name: Flight, frame: bytes) -> list[bytes]:
        early = {"before M1": "M1", "instead of M2": "M2", "before M3": "M3"}[when]
        return [record, frame] if name == early else [frame]

    meeting = Meeting(edit=inject).run()
    expected = {
        "before M1": ("PeerGone", "RemoteProtocolError"),
        "instead of M2": ("RemoteProtocolError", "PeerGone"),
        "before M3": ("Confirmed", "RemoteProtocolError"),
    }[when]
    assert meeting.names == expected


def test_a_finished_run_takes_nothing_more() -> None:
    """X07: after the end, in either way, a frame is refused and nothing goes out."""
    for code in (None, context("zebra-zero-zone")):
        meeting = Meeting(new_joiner(code)).run()
        for machine in (meeting.joiner, meeting.creator):
            state = machine.state
            for frame in [frame for _, frame in meeting.seen] + [
                encode_record(RecordHeader(PeerType.RECORD, 0, 0, 0), bytes(48))
            ]:
                with pytest.raises(TallowError):
                    machine.receive(decode_peer(frame), meeting.now)
            assert machine.state is state
            assert machine.bytes_to_send() == []
            assert machine.next_deadline() is None


# --- anything at all --------------------------------------------------------------------------


@given(st.sampled_from(FLIGHTS), st.binary(max_size=200))
def test_any_bytes_as_a_flight_are_a_known_error(flight: Flight, raw: bytes) -> None:
    """X14, A4: arbitrary bytes in place of a flight end in a TallowError, never agreement."""
    meeting = Meeting(edit=body_edit(flight, lambda _: raw)).run()
    assert meeting.names.count("Confirmed") < 2


@given(st.data())
def test_any_damage_to_a_flight_is_a_known_error(data: st.DataObject) -> None:
    """X14, A4: cut, grown or overwritten anywhere, a flight is never agreed on."""
    flight = data.draw(st.sampled_from(FLIGHTS))

    def change(raw: bytes) -> bytes:
        start = data.draw(st.integers(0, len(raw)), label="start")
        end = data.draw(st.integers(start, len(raw)), label="end")
        made = raw[:start] + data.draw(st.binary(max_size=40), label="content") + raw[end:]
        return made if made != raw else raw + b"\0"

    meeting = Meeting(edit=body_edit(flight, change)).run()
    assert meeting.creator_end.name != "Confirmed"
