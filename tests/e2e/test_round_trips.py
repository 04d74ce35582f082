"""How many round trips a meeting costs, counted by packets in the network lab.

Needs root and the lab (TALLOW_LAB); delays of the lab stand in for the distance, and packets are
counted by what could have caused them, so that a slow machine does not fail these tests.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.handshake import ROUND_TRIPS_MAX, Meeting, count_flights
from bench.lab import NoLab, load_lab

JOINER_RTT_S = 0.1
TRIES = 3


@pytest.fixture(scope="module")
def lab() -> Iterator[Any]:
    """Two clients and a relay on a public segment of their own."""
    try:
        netlab = load_lab()
    except NoLab as reason:
        pytest.skip(str(reason))
    with netlab.up("nat", lab=f"rt{os.getpid()}", alice="none", bob="none", stun=False) as running:
        yield running


@pytest.mark.e2e
def test_both_have_confirmed_within_four_round_trips(lab: Any, tmp_path: Path) -> None:
    """A3, B2: from the joiner's TCP connect to both confirmed at most four round trips pass.

    A pause of the machine can only add to a count, so the least of a few is the protocol's.
    """
    meeting = Meeting(lab, tmp_path, 0.0, JOINER_RTT_S)
    try:
        found = [meeting.handshake(number) for number in range(TRIES)]
    finally:
        meeting.end()
    assert min(one.round_trips for one in found) <= ROUND_TRIPS_MAX
    # Less than TCP, TLS, one flight each way and the last half would be a broken measurement.
    assert all(one.took_s >= 3.4 * JOINER_RTT_S for one in found)


@pytest.mark.parametrize(
    ("spoken", "flights"),
    [
        ([(0.0, True), (0.0, False), (0.1, True), (0.1, False), (0.2, True)], 3),
        ([(0.0, True), (0.0, False), (0.1, True), (0.1, False), (0.12, True)], 2),
        ([(0.0, True), (0.05, True), (0.3, True)], 1),
    ],
)
def test_flights_are_told_by_what_caused_them(
    spoken: list[tuple[float, bool]], flights: int
) -> None:
    """Words that left before an answer could arrive belong to the flight before it."""
    assert count_flights(spoken, 0.1) == flights
