"""Speed and time left: smoothed, silent while they would be a guess."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.engine.progress import ETA_AFTER_S, Speedometer, Stall
from tallow.errors import TimedOut


def driven(steps: list[tuple[float, int]]) -> tuple[Speedometer, float]:
    """Return a meter after (seconds, bytes) steps, and the instant."""
    now, done = 100.0, 0
    meter = Speedometer(now)
    for seconds, count in steps:
        now, done = now + seconds, done + count
        meter.update(done, now)
    return meter, now


def test_a_steady_speed_is_that_speed() -> None:
    """The first numbers are right already: nothing creeps up from zero."""
    for count in (1, 3, 50):
        meter, _ = driven([(0.25, 1000)] * count)
        assert meter.rate_bps == pytest.approx(4000)


def test_a_change_is_followed_within_seconds() -> None:
    """After a half-life of three seconds half of the change is seen."""
    meter, _ = driven([(0.25, 1000)] * 200 + [(0.25, 0)] * 12)
    assert meter.rate_bps == pytest.approx(2000, rel=0.01)
    meter, _ = driven([(0.25, 1000)] * 200 + [(0.25, 0)] * 120)
    assert meter.rate_bps < 10


def test_time_left_stays_silent_at_first() -> None:
    """C5: not in the first seconds, not before the first percent, not for streams, not at rest."""
    meter, now = driven([(0.25, 1000)] * 11)
    assert now - 100 < ETA_AFTER_S
    assert meter.eta_s(100_000, now) is None
    meter, now = driven([(0.25, 1000)] * 40)
    assert meter.eta_s(100_000_000, now) is None
    assert meter.eta_s(None, now) is None
    meter, now = driven([(0.25, 0)] * 40)
    assert meter.eta_s(100_000, now) is None
    assert Speedometer(0).eta_s(10, 100) is None


def test_time_left_is_what_remains_at_this_speed() -> None:
    """40 kB done and 60 kB to go at 4 kB/s are 15 seconds, and nothing is left at the end."""
    meter, now = driven([(0.25, 1000)] * 40)
    assert meter.eta_s(100_000, now) == pytest.approx(15)
    assert meter.eta_s(40_000, now) == 0


def test_no_time_no_news() -> None:
    """Two looks at one instant do not divide by nothing."""
    meter = Speedometer(5)
    meter.update(1000, 5)
    assert meter.rate_bps == 0
    meter.update(1000, 6)
    assert meter.rate_bps == pytest.approx(1000)


@given(st.lists(st.tuples(st.floats(0.001, 50), st.integers(0, 10**12)), min_size=1, max_size=60))
def test_the_speed_lies_between_the_slowest_and_the_fastest(
    steps: list[tuple[float, int]],
) -> None:
    """An average is never outside of what was measured, and never negative."""
    meter, now = driven(steps)
    rates = [count / seconds for seconds, count in steps]
    assert min(rates) * 0.99 - 1 <= meter.rate_bps <= max(rates) * 1.01 + 1
    left = meter.eta_s(10**13, now)
    assert left is None or left >= 0 or meter.rate_bps > 0


def test_what_moves_is_not_given_up() -> None:
    """As long as the marker changes in time, the limit starts anew."""
    stall = Stall()
    for step in range(50):
        assert stall.check(step, step * 9.0, 10, wake_at=0.0) == step * 9.0 + 10


def test_what_stands_still_is_given_up() -> None:
    """The limit counts from the last change."""
    stall = Stall()
    stall.check("a", 0.0, 600, wake_at=0.0)
    stall.check("b", 500.0, 600, wake_at=0.0)
    assert stall.check("b", 1099.9, 600, wake_at=0.0) == 1100
    with pytest.raises(TimedOut, match="nothing has moved"):
        stall.check("b", 1100.0, 600, wake_at=0.0)


def test_where_there_is_no_limit_time_does_not_count() -> None:
    """While a person decides, or a stream rests, the clock of the limit does not run."""
    stall = Stall()
    assert stall.check("a", 0.0, None, wake_at=0.0) is None
    assert stall.check("a", 5000.0, None, wake_at=5001.0) == 5001.0
    assert stall.check("a", 5000.0, 600, wake_at=0.0) == 5600


def test_whoever_wakes_first_wakes() -> None:
    """The next progress event and the limit share one timer."""
    stall = Stall()
    assert stall.check("a", 0.0, 600, wake_at=0.25) == 0.25
    assert stall.check("a", 1.0, 600, wake_at=9999.0) == 600
