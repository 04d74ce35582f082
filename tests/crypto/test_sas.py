"""Short authentication strings: what is shown is fixed, distinct and covers its inputs."""

from __future__ import annotations

import hashlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tallow.crypto.kdf import expand
from tallow.crypto.sas import SYMBOLS, sas_bits, sas_digits, sas_emoji

SECRET = bytes(32)
sas_values = st.binary(min_size=32, max_size=32)


def test_symbols_suit_every_terminal() -> None:
    """D2: 64 different single code points, two cells wide, with different plain names."""
    emoji = [symbol for symbol, _ in SYMBOLS]
    names = [name for _, name in SYMBOLS]
    assert len(SYMBOLS) == len(set(emoji)) == len(set(names)) == 64
    assert all(len(symbol) == 1 and cell_len(symbol) == 2 for symbol in emoji)
    assert all(unicodedata.east_asian_width(symbol) == "W" for symbol in emoji)
    assert all(name.isascii() and name.isalpha() and name.islower() for name in names)


def test_the_list_is_frozen() -> None:
    """D2: two versions of the program must show the same, so the list never changes."""
    text = ",".join(f"{symbol} {name}" for symbol, name in SYMBOLS)
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "0ec66b6cf4bde07a43902311cc3b45171936d67ab1a16afcece7f9378852d9f7"


def test_bits_cover_secret_and_both_fingerprints() -> None:
    """D2: the value is expand(secret, "show", lv(fp_i, fp_r)); roles do not commute."""
    bits = sas_bits(SECRET, b"i" * 32, b"r" * 32)
    context = b"\0\0\0\x20" + b"i" * 32 + b"\0\0\0\x20" + b"r" * 32
    assert bits == expand(SECRET, "show", context, 32)
    others = [
        sas_bits(SECRET, b"r" * 32, b"i" * 32),
        sas_bits(SECRET, b"", b"r" * 32),
        sas_bits(b"\1" * 32, b"i" * 32, b"r" * 32),
    ]
    assert len({bits, *others}) == 4


def test_emoji_are_six_bits_each() -> None:
    """D2: the first 48 bits, most significant first."""
    first_48 = 0
    for index in (0, 1, 2, 3, 60, 61, 62, 63):
        first_48 = first_48 << 6 | index
    shown = sas_emoji(first_48.to_bytes(6, "big") + b"\xff" * 26)
    assert [name for _, name in shown] == [
        "frog", "bee", "snail", "whale", "anchor", "snowman", "trophy", "ghost",
    ]  # fmt: skip


@given(sas_values)
def test_emoji_and_digits_say_the_bits(bits: bytes) -> None:
    """D2: the symbols give 48 bits back, the digits the value modulo 10^40 in 8 groups of 5."""
    back = 0
    for pair in sas_emoji(bits):
        back = back << 6 | SYMBOLS.index(pair)
    assert back.to_bytes(6, "big") == bits[:6]
    groups = sas_digits(bits).split(" ")
    assert [len(group) for group in groups] == [5] * 8
    assert int("".join(groups)) == int.from_bytes(bits, "big") % 10**40


def test_digits_keep_leading_zeros() -> None:
    """D2: a small value still fills forty digits."""
    assert sas_digits(bytes(31) + b"\7") == "00000 " * 7 + "00007"


@pytest.mark.parametrize("length", [0, 6, 31, 33])
def test_other_lengths_are_refused(length: int) -> None:
    """A value of another length is a mistake of the caller."""
    for show in (sas_emoji, sas_digits):
        with pytest.raises(ValueError, match="32 bytes"):
            show(bytes(length))
