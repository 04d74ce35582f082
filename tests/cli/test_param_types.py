"""How options are read, and how they are refused."""

from __future__ import annotations

import click
import pytest

from tallow.cli.param_types import Amount, Capped, Patterns, Span


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90), ("45s", 45), ("30m", 1800), ("1h", 3600), ("2d", 172_800), ("1h30m", 5400),
        (" 1H ", 3600), ("7d", 604_800),
    ],
)  # fmt: skip
def test_spans_of_time(text: str, seconds: int) -> None:
    """Spans are read in the units that people write."""
    assert Span().convert(text, None, None) == seconds
    assert Span().convert(seconds, None, None) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1h", "1.5h", "0", "0s", "8d", "9" * 30, "1h 30m"])
def test_spans_that_are_none(text: str) -> None:
    """Nonsense, nothing, and more than a week are refused with an example."""
    with pytest.raises(click.BadParameter, match=r"30m|seven days"):
        Span().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("5000", 5000), ("200MB", 200_000_000), ("1gb", 10**9), ("64KiB", 65_536),
        ("1.5 MB", 1_500_000), ("3b", 3), ("2T", 2 * 10**12),
    ],
)  # fmt: skip
def test_amounts_of_bytes(text: str, count: int) -> None:
    """Amounts are decimal unless the unit says binary."""
    assert Amount().convert(text, None, None) == count
    assert Amount().convert(count, None, None) == count


@pytest.mark.parametrize("text", ["", "much", "-1MB", "5i", "5iB", "1PB"])
def test_amounts_that_are_none(text: str) -> None:
    """Nonsense is refused with an example."""
    with pytest.raises(click.BadParameter, match="200MB"):
        Amount().convert(text, None, None)


def test_patterns_are_split_at_commas() -> None:
    """One value may hold several patterns; empty ones are dropped."""
    assert Patterns().convert("*.o, build/,,", None, None) == ("*.o", "build/")
    assert Patterns().convert(("a",), None, None) == ("a",)


def test_long_text_is_refused_here() -> None:
    """What the protocol would cut off is refused on the command line."""
    assert Capped(3).convert("abc", None, None) == "abc"
    with pytest.raises(click.BadParameter, match="4 of at most 3"):
        Capped(3).convert("abcd", None, None)
