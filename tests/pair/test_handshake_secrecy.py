"""What words leave on the wire: nothing that two codes of one nameplate do not have in common."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tallow.protocol.code import generate_code
from tallow.protocol.rendezvous import Rendezvous
from tallow.wire import relay as wire
from tests.pair.chance import Chance, RememberingKem
from tests.pair.faults import field
from tests.pair.meeting import PLATE, Flight, Meeting, context, new_creator, new_joiner


@dataclass(frozen=True)
class Transcript:
    """Every byte that left either side of one run."""

    allocate: bytes
    join: bytes
    flights: dict[str, bytes]

    def part(self, flight: Flight, name: str) -> bytes:
        """Return one field of a flight."""
        found = field(flight, name)
        return self.flights[flight][found.start : found.end]

    def without(self, raw: bytes, *names: tuple[Flight, str]) -> bytes:
        """Return bytes with some fields' contents blanked wherever they stand."""
        for flight, name in names:
            content = self.part(flight, name)
            assert raw.count(content) == 1
            raw = raw.replace(content, b"?" * len(content))
        return raw


def said(verb: wire.ClientSays, seed: int) -> bytes:
    """Return what a rendezvous machine sends for a verb."""
    assert isinstance(verb, wire.Allocate | wire.Join)
    machine = Rendezvous(verb, Chance(seed))
    machine.begin(0)
    return b"".join(machine.bytes_to_send())


def run(words: str, kem: RememberingKem) -> Transcript:
    """Run both sides with one code and randomness that is the same for every code."""
    code = context(words)
    meeting = Meeting(new_joiner(code, kem=kem), new_creator(code, kem=kem)).run()
    assert meeting.names == ("Confirmed", "Confirmed")
    first = next(frame for name, frame in meeting.seen if name == "M1")
    return Transcript(
        allocate=said(wire.Allocate(3600), 3),
        join=said(wire.Join(PLATE, first), 4),
        flights={name: frame[5:] for name, frame in meeting.seen},
    )


@pytest.fixture(scope="module")
def two_codes() -> tuple[Transcript, Transcript]:
    """Run twice with two generated codes of one nameplate."""
    kem = RememberingKem()
    words = [generate_code(PLATE, 3, Chance(seed)).words for seed in (21, 22)]
    assert words[0] != words[1]
    return run(words[0], kem), run(words[1], kem)


def test_what_the_relay_is_told_does_not_depend_on_the_words(
    two_codes: tuple[Transcript, Transcript],
) -> None:
    """X02, X22, X23, X24: allocate is byte-equal, and so is join but for the CPace point in it."""
    one, two = two_codes
    assert one.allocate == two.allocate
    assert one.join != two.join
    assert one.without(one.join, ("M1", "Ya")) == two.without(two.join, ("M1", "Ya"))


@pytest.mark.parametrize(
    ("flight", "points"),
    [("M1", ["Ya"]), ("M2", ["Yb", "T_r"]), ("M3", ["T_i"])],
)
def test_only_the_points_and_what_follows_from_them_differ(
    two_codes: tuple[Transcript, Transcript], flight: Flight, points: list[str]
) -> None:
    """A2, X02, X22, X23: with one randomness two codes differ in Ya, Yb, T_r and T_i alone."""
    one, two = two_codes
    secret = [(flight, name) for name in points]
    assert one.without(one.flights[flight], *secret) == two.without(two.flights[flight], *secret)
    assert all(one.part(*each) != two.part(*each) for each in secret)


@pytest.mark.parametrize(
    ("flight", "names"),
    [
        ("M1", ["versions", "suites", "c_I", "ek", "x"]),
        ("M2", ["version", "suite", "n_R", "ct", "x"]),
        ("M3", ["n_I"]),
    ],
)
def test_the_public_parts_are_equal_field_by_field(
    two_codes: tuple[Transcript, Transcript], flight: Flight, names: list[str]
) -> None:
    """X22, X23: ADa, ADb and the opened commitment hold nothing made from the words."""
    one, two = two_codes
    assert all(one.part(flight, name) == two.part(flight, name) for name in names)
