"""The throttle: the average holds to a few percent whatever the size of records."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.engine.throttle import Throttle

MIB = 1 << 20


def sent_within(throttle: Throttle, begin: float, span_s: float, sizes: list[int]) -> int:
    """Return how many bytes leave in a span when the caller always has more and waits as told."""
    now, sent, turn = begin, 0, 0
    while now < begin + span_s:
        size = sizes[turn % len(sizes)]
        wait_s = throttle.take(size, now)
        if wait_s:
            now += wait_s
        else:
            sent, turn = sent + size, turn + 1
    return sent


@pytest.mark.parametrize("rate", [3 * MIB, 10_000_000, 200 * MIB])
@pytest.mark.parametrize("sizes", [[1400], [64 * 1024], [MIB], [1, MIB, 300_000]])
def test_ten_seconds_hold_the_rate(rate: int, sizes: list[int]) -> None:
    """C6: --throttle is right within 5 percent over ten seconds of a virtual clock."""
    throttle = Throttle(rate, rate // 8, 500.0)
    assert sent_within(throttle, 500.0, 10.0, sizes) == pytest.approx(10 * rate, rel=0.05)


@settings(deadline=None)
@given(
    st.integers(1_000, 1 << 30),
    st.integers(1, 1 << 22),
    st.lists(st.tuples(st.integers(0, 1 << 21), st.floats(0, 3)), max_size=60),
)
def test_no_more_than_rate_and_burst(
    rate: int, burst: int, wishes: list[tuple[int, float]]
) -> None:
    """What was let go never exceeds rate times time, the burst and the record that was last."""
    throttle, now, sent, largest = Throttle(rate, burst, 0.0), 0.0, 0, 0
    for size, pause_s in wishes:
        now += pause_s
        if throttle.take(size, now) == 0.0:
            sent, largest = sent + size, max(largest, size)
        assert sent <= rate * now + burst + largest + 1


def test_a_wait_is_enough_and_not_too_long() -> None:
    """After the seconds that were named the bytes go; a moment earlier they do not."""
    throttle = Throttle(1000, 500, 0.0)
    assert throttle.take(500, 0.0) == 0.0
    assert throttle.take(250, 0.0) == pytest.approx(0.25)
    assert throttle.take(250, 0.2) == pytest.approx(0.05)
    assert throttle.take(250, 0.25) == 0.0


def test_a_rest_does_not_save_up() -> None:
    """After an hour of nothing a burst may go and not an hour's bytes."""
    throttle = Throttle(1000, 500, 0.0)
    assert throttle.take(500, 3600.0) == 0.0
    assert throttle.take(100, 3600.0) == pytest.approx(0.1)


def test_a_record_larger_than_the_burst_is_owed() -> None:
    """A record that never fits still goes once, and the next one waits for both."""
    throttle = Throttle(1000, 500, 0.0)
    assert throttle.take(2500, 0.0) == 0.0
    assert throttle.take(500, 0.0) == pytest.approx(2.5)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    """Time that is counted twice would let twice as much go."""
    throttle = Throttle(1000, 500, 10.0)
    assert throttle.take(500, 10.0) == 0.0
    assert throttle.take(500, 5.0) == pytest.approx(0.5)
    assert throttle.take(500, 10.0) == pytest.approx(0.5)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1.0, 1), (1, 0), (float("nan"), 1)])
def test_a_rate_is_above_zero(rate: float, burst: int) -> None:
    """A rate of nothing would wait for ever without saying so."""
    with pytest.raises(ValueError, match="above zero"):
        Throttle(rate, burst, 0.0)
