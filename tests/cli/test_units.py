"""Bytes, speeds and times as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.cli import units


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1200, "1.2 kB"), (9_949, "9.9 kB"),
        (9_960, "10 kB"), (999_499, "999 kB"), (999_600, "1.0 MB"), (8_100_000, "8.1 MB"),
        (81_000_000_000, "81 GB"), (1 << 60, "1.2 EB"),
    ],
)  # fmt: skip
def test_sizes_are_decimal_and_short(count: int, shown: str) -> None:
    """An amount of bytes has two digits or more and never four."""
    assert units.size(count) == shown


@pytest.mark.parametrize(
    ("bytes_per_s", "shown"),
    [
        (0.0, "0 B/s"), (999.4, "999 B/s"), (1234.0, "1.23 kB/s"), (9_999.0, "10.0 kB/s"),
        (98_400_000.0, "98.4 MB/s"), (998_000_000.0, "998 MB/s"), (1.2e9, "1.20 GB/s"),
    ],
)  # fmt: skip
def test_speeds_have_three_digits(bytes_per_s: float, shown: str) -> None:
    """A speed has three digits whatever its unit."""
    assert units.rate(bytes_per_s) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "1 s"), (6.2, "7 s"), (9.99, "10 s"), (10.0, "10 s"), (12.0, "15 s"), (55.0, "55 s"),
        (56.0, "1 min"), (60.0, "1 min"), (61.0, "2 min"), (3600.0, "1 h 0 min"),
        (7_790.0, "2 h 10 min"), (86_399.0, "more than a day"), (90_000.0, "more than a day"),
    ],
)  # fmt: skip
def test_time_left_gets_coarser(seconds: float, shown: str) -> None:
    """The time left steps by a second, then five seconds, then minutes."""
    assert units.time_left(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.04, "0.0 s"), (3.21, "3.2 s"), (9.96, "10 s"), (12.0, "12 s"), (59.6, "1 min 0 s"),
        (250.0, "4 min 10 s"), (7_800.0, "2 h 10 min"),
    ],
)  # fmt: skip
def test_elapsed_times(seconds: float, shown: str) -> None:
    """What has passed is said exactly while it is short."""
    assert units.elapsed(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(45, "45 s"), (3600, "1 h"), (5400, "1 h 30 min"), (86400, "1 day"), (172800, "2 days")],
)
def test_lifetimes_are_exact(seconds: int, shown: str) -> None:
    """A span that somebody chose is said back as chosen."""
    assert units.lifetime(seconds) == shown


def test_counts_have_their_nouns() -> None:
    """One file, two files, and groups of digits where there are many."""
    assert units.counted(1, "file") == "1 file"
    assert units.counted(2, "file") == "2 files"
    assert units.counted(10_000, "file") == "10 000 files"


@given(st.integers(0, 1 << 60), st.integers(1, 1 << 60))
def test_a_hundred_percent_means_the_end(done: int, total: int) -> None:
    """Per cent is 100 exactly when everything is done."""
    shown = units.percent(done, total)
    assert 0 <= shown <= 100
    assert (shown == 100) == (done >= total)


def test_nothing_to_do_is_done() -> None:
    """Nothing of nothing is all of it."""
    assert units.percent(0, 0) == 100
