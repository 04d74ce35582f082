"""The sliding window of a bulk channel, held against the set that it stands for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.protocol.replay import ReplayWindow
from tallow.wire import limits


class Naive:
    """Every number ever opened, and the rule in its own words."""

    def __init__(self, size: int) -> None:
        """Begin with nothing seen."""
        self._size = size
        self._opened: set[int] = set()

    def fresh(self, number: int) -> bool:
        """Return whether the number is new and not too far behind the highest."""
        highest = max(self._opened, default=-1)
        return number not in self._opened and number > highest - self._size

    def opened(self, number: int) -> None:
        """Remember a number."""
        self._opened.add(number)


steps = st.lists(
    st.tuples(st.integers(0, 60) | st.sampled_from([0, 7, 8, 9, 1000, 2**63]), st.booleans()),
    max_size=80,
)


@given(st.sampled_from([1, 2, 8, 64]), steps)
def test_the_window_agrees_with_a_set(size: int, numbers: list[tuple[int, bool]]) -> None:
    """X14: over any order of numbers, forged or opened, window and set say the same."""
    window, naive = ReplayWindow(size), Naive(size)
    for number, opens in numbers:
        assert window.fresh(number) == naive.fresh(number)
        if opens and naive.fresh(number):
            window.opened(number)
            naive.opened(number)


@given(st.permutations(range(40)))
def test_each_number_is_taken_once_in_any_order(order: list[int]) -> None:
    """Inside the window every order delivers everything exactly once."""
    window = ReplayWindow(64)
    for number in order:
        assert window.fresh(number)
        window.opened(number)
        assert not window.fresh(number)


def test_a_forged_number_moves_nothing() -> None:
    """X07: asking about a number far ahead leaves the window where it was."""
    window = ReplayWindow(8)
    window.opened(3)
    assert window.fresh(1 << 60)
    assert window.fresh(0)


def test_the_window_of_the_protocol() -> None:
    """X17: 2^16 records behind the highest are still taken, one more is not; memory is bounded."""
    window = ReplayWindow()
    window.opened(limits.BULK_WINDOW_RECORDS)
    assert window.fresh(1)
    assert not window.fresh(0)
    window.opened(1 << 40)
    assert window._seen.bit_length() <= limits.BULK_WINDOW_RECORDS


@pytest.mark.parametrize("jump", [7, 8, 9, 1 << 50])
def test_a_jump_forgets_what_fell_out(jump: int) -> None:
    """A jump by the size of the window or more leaves only the new highest as seen."""
    window = ReplayWindow(8)
    window.opened(0)
    window.opened(jump)
    assert not window.fresh(0)
    assert window.fresh(jump - 1)
    assert not window.fresh(jump)
