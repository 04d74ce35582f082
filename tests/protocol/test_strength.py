"""Estimates of codes that people make up are sober: patterns count little, chance counts much."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.protocol.strength import estimate_bits


@pytest.mark.parametrize(
    "words",
    [
        "password", "p4ssw0rd", "123456", "qwertyuiop", "summer2024", "hunter2", "aaaaaaaaaaaa",
        "abababababab", "mycode", "abcdefgh", "2024", "letmein!", "qwe-rty", "1", "secret-secret",
        "asdf", "1q2w3e4r", "drowssap1"[::-1],
    ],
)  # fmt: skip
def test_what_everybody_tries_first_is_worth_little(words: str) -> None:
    """Common passwords, walks, years and repeats stay far below the floor of 28 bits."""
    assert estimate_bits(words) < 13


@pytest.mark.parametrize(
    "words",
    [
        "my-dog-rex", "project-x-2024", "hellothere", "crop-oval", "01021999",
        "correct-horse-battery", "geheimnis", "tr0mbone", "mysecret",
    ],
)  # fmt: skip
def test_what_a_person_thinks_up_is_below_the_numbered_floor(words: str) -> None:
    """A short phrase of one's own allows one guess only."""
    assert estimate_bits(words) < 28


@pytest.mark.parametrize(
    ("words", "least", "most"),
    [
        ("crop-oval-zebra-blanket", 40, 44),
        ("f3a9c1d07b2e4f68", 40, 64),
        ("k3x9p2mq7tzwb4", 40, 72),
        ("xkqzvwmtprbdlhgf", 40, 75),
    ],
)
def test_what_was_drawn_by_chance_counts(words: str, least: float, most: float) -> None:
    """Drawn words and drawn characters reach 40 bits, and never more than they can carry."""
    assert least <= estimate_bits(words) <= most


def test_few_list_words_count_less_than_drawn_ones() -> None:
    """Eleven bits a word are believed only where several different list words stand alone."""
    assert estimate_bits("crop-oval") == 16
    assert estimate_bits("crop-oval-zebra") == 33
    assert estimate_bits("crop-crop-crop") < 11


@settings(deadline=None, max_examples=500)
@given(st.text(max_size=80))
def test_every_text_has_a_finite_estimate(words: str) -> None:
    """No text breaks the estimate or is worth more than its characters could carry."""
    assert 0 <= estimate_bits(words) <= 21 * len(words)


@settings(deadline=None, max_examples=200)
@given(st.text("abcdefghij0123456789-", min_size=1, max_size=40))
def test_saying_it_twice_adds_next_to_nothing(words: str) -> None:
    """Repeating the whole code is not a second secret."""
    tokens = len([token for token in words.split("-") if token])
    assert estimate_bits(f"{words}-{words}") <= estimate_bits(words) + max(tokens, 8)
