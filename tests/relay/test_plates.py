"""Nameplates: long enough to be hard to hit, rested before they are used again."""

from __future__ import annotations

import random

import pytest

from relay.plates import Plates, digits_for
from tallow.wire import limits


def drawing(first: int) -> Plates:
    """Return plates whose generator starts at a number and counts up."""
    state = iter(range(first, first + 1_000_000))
    return Plates(lambda below: next(state) % below)


@pytest.mark.parametrize(
    ("live", "digits"), [(0, 4), (1, 4), (9, 4), (10, 5), (90, 5), (91, 6), (900, 6), (901, 7)]
)
def test_at_most_one_number_in_a_thousand_is_live(live: int, digits: int) -> None:
    """Four digits serve nine rooms, five ninety, six nine hundred."""
    assert digits_for(live) == digits
    assert live <= 9 * 10 ** (digits - 4)


def test_plates_are_drawn_uniformly_and_never_start_with_zero() -> None:
    """Every drawn plate matches what the wire allows."""
    plates = Plates(random.Random(3).randrange)
    drawn = [plates.draw((), 0, 0.0) for _ in range(2000)]
    assert all(plate is not None and len(plate) == 4 and plate[0] != "0" for plate in drawn)
    assert len(set(drawn)) > 1700


def test_a_used_plate_rests_for_a_day() -> None:
    """A plate that was in use is drawn again after 24 hours and not before."""
    plates = drawing(0)
    plates.used("1000", 50.0)
    assert plates.draw((), 0, 50.0) == "1001"
    assert drawing(0).draw({"1000", "1001"}, 0, 50.0) == "1002"
    rested = drawing(0)
    rested.used("1000", 50.0)
    assert rested.draw((), 0, 50.0 + limits.PLATE_REST_S) == "1000"


def test_a_crowded_length_gives_way_to_the_next() -> None:
    """When every short plate rests, a longer one is drawn instead of looping for ever."""
    plates = Plates(random.Random(3).randrange)
    for number in range(1000, 10_000):
        plates.used(str(number), 0.0)
    drawn = plates.draw((), 0, 1.0)
    assert drawn is not None
    assert len(drawn) == 5


def test_no_plate_is_better_than_one_in_use() -> None:
    """When nothing is free the answer is none."""

    class Everything:
        def __contains__(self, plate: object) -> bool:
            return True

    assert Plates(random.Random(3).randrange).draw(Everything(), 0, 0.0) is None


def test_expired_plates_are_told_for_a_day() -> None:
    """A late joiner hears that the code ran out, not that it never was."""
    plates = drawing(0)
    plates.expired("1000", 10.0)
    assert plates.has_expired("1000", 10.0)
    assert not plates.has_expired("1001", 10.0)
    assert not plates.has_expired("1000", 10.0 + limits.PLATE_REST_S)


def test_both_memories_are_bounded() -> None:
    """X10: rooms that come and go for ever fill no memory; the oldest plate is forgotten."""
    plates = drawing(0)
    for number in range(limits.PLATES_EXPIRED_MAX + 1):
        plates.expired(str(number), 0.0)
    assert not plates.has_expired("0", 0.0)
    assert plates.has_expired("1", 0.0)
    for number in range(1000, 1000 + limits.PLATES_REMEMBERED_MAX + 1):
        plates.used(str(number), 0.0)
    assert plates.draw((), 0, 0.0) == "1000"
