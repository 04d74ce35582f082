"""The word list is BIP-39's, and a slip of the keyboard leads back to the word that was meant."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tallow.protocol.words as module
from tallow.protocol.words import complete_word, near_words, nearest_word, word_index, word_list

BIP39_ENGLISH_SHA256 = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"


def test_the_list_is_the_english_one_of_bip_39() -> None:
    """The file is byte for byte the list of BIP-39, so codes mean the same everywhere."""
    raw = Path(module.__file__).with_name("wordlist.txt").read_bytes()
    assert hashlib.sha256(raw).hexdigest() == BIP39_ENGLISH_SHA256


def test_the_list_has_2048_sorted_words_with_unique_beginnings() -> None:
    """11 bits a word, and four letters are enough to know it."""
    words = word_list()
    assert len(words) == 2048
    assert list(words) == sorted(words)
    assert len({word[:4] for word in words}) == 2048


def test_every_word_has_its_position_as_value() -> None:
    """word_index is the inverse of the list and knows nothing else."""
    assert all(word_index(word) == index for index, word in enumerate(word_list()))
    assert word_index("Crop") is None
    assert word_index("") is None
    assert word_index("crops") is None


def test_completion_finds_all_words_with_a_beginning() -> None:
    """A prompt offers what can still come; nothing is offered for an impossible beginning."""
    assert complete_word("cro") == ["crop", "cross", "crouch", "crowd"]
    assert complete_word("CROP") == ["crop"]
    assert complete_word("xx") == []
    assert complete_word("") == list(word_list())
    assert complete_word("zoo") == ["zoo"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("corp", "crop"),
        ("crpo", "crop"),
        ("cropp", "crop"),
        ("ovla", "oval"),
        ("abandoned", "abandon"),
        ("ABANDOM", "abandon"),
        ("zbra", "zebra"),
        ("blnaket", "blanket"),
        ("crop", "crop"),
    ],
)
def test_a_slip_leads_to_the_word(typed: str, meant: str) -> None:
    """Swapped, doubled, dropped and wrong letters are all recognised."""
    assert nearest_word(typed) == meant


@pytest.mark.parametrize("typed", ["", "xyz", "qqqqqq", "schifffahrt", "x" * 300, "пароль"])
def test_what_is_near_nothing_has_no_nearest_word(typed: str) -> None:
    """A word of another kind is left alone."""
    assert nearest_word(typed) is None
    assert near_words(typed) == []


@pytest.mark.parametrize("typed", ["dxsh", "ffrm", "eoit"])
def test_a_tie_has_no_nearest_word_but_candidates(typed: str) -> None:
    """Where two words are equally near, neither is claimed to be the one."""
    assert nearest_word(typed) is None
    assert len(near_words(typed)) > 1


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(word_list()), st.data())
def test_one_slip_always_keeps_the_word_among_the_candidates(
    word: str, data: st.DataObject
) -> None:
    """One changed, dropped, added or swapped letter never loses the word that was meant."""
    at = data.draw(st.integers(0, len(word) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
    kind = data.draw(st.sampled_from(["change", "drop", "add", "swap"]))
    match kind:
        case "change":
            typed = word[:at] + letter + word[at + 1 :]
        case "drop":
            typed = word[:at] + word[at + 1 :]
        case "add":
            typed = word[:at] + letter + word[at:]
        case _:
            typed = word[:at] + word[at : at + 2][::-1] + word[at + 2 :]
    if word_index(typed) is None:
        assert word in near_words(typed)
