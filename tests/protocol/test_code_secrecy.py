"""What a code gives away: nothing to the relay unless it has no number, nothing to a log ever."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from tallow.crypto.kdf import argon2id
from tallow.errors import BadCode, LocalProtocolError, WeakCode
from tallow.protocol.code import (
    CodeKind,
    check_typed,
    generate_code,
    parse_code,
    unnumbered_ids,
)

ZERO_CODE = "7123-abandon-abandon-access"


def drawn_by(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


def stretch(password: bytes, salt: bytes) -> bytes:
    return hashlib.sha512(salt + password).digest()


# --- un-numbered codes ------------------------------------------------------------------------


def test_a_weak_unnumbered_code_is_refused_unless_wanted() -> None:
    """Under 40 estimated bits the number in front is asked for; --weak-code overrides."""
    with pytest.raises(WeakCode) as caught:
        parse_code("mycode")
    assert "7-mycode" in caught.value.hint
    code = parse_code("mycode", allow_weak=True)
    assert (code.plate, code.kind, code.budget) == ("", CodeKind.UNNUMBERED, 1)
    assert check_typed("mycode", interactive=True, allow_weak=True) == code
    assert parse_code("f3a9c1d07b2e4f68").budget == 3


def test_a_code_whose_number_was_forgotten_is_not_sent_as_unnumbered() -> None:
    """Three list words without a number are refused, and the number is asked for."""
    with pytest.raises(WeakCode, match="easy to guess") as caught:
        parse_code("abandon-abandon-access")
    assert "number in front" in caught.value.hint


def test_the_meeting_id_is_half_of_the_stretched_code() -> None:
    """Password = words, salt = H("tallow/1 meet" ‖ lv(relay key hash, u32 day))[:32]."""
    code = parse_code("f3a9c1d07b2e4f68")
    relay_hash = bytes(range(32))
    listed = b"\0\0\0\x20" + relay_hash + b"\0\0\0\x04" + (20000).to_bytes(4, "big")
    salt = hashlib.sha512(b"tallow/1 meet" + listed).digest()[:32]
    out = stretch(b"f3a9c1d07b2e4f68", salt)
    assert unnumbered_ids(code, relay_hash, 20000, stretch) == (out[:32], out[32:])


def test_the_meeting_id_changes_with_relay_day_and_code() -> None:
    """No table of one relay or day serves another."""
    code = parse_code("f3a9c1d07b2e4f68")
    other = parse_code("f3a9c1d07b2e4f69")
    made = [
        unnumbered_ids(code, b"a" * 32, 1, stretch),
        unnumbered_ids(code, b"b" * 32, 1, stretch),
        unnumbered_ids(code, b"a" * 32, 2, stretch),
        unnumbered_ids(other, b"a" * 32, 1, stretch),
    ]
    assert len({part for pair in made for part in pair}) == 8


def test_the_stretch_of_crypto_fits() -> None:
    """The real Argon2id at full cost gives two halves of 32 bytes."""
    code = parse_code("f3a9c1d07b2e4f68")
    meet_id, prs = unnumbered_ids(
        code, bytes(32), 1, lambda password, salt: argon2id(password, salt, length=64)
    )
    assert (len(meet_id), len(prs)) == (32, 32)


def test_a_stretch_of_another_length_is_refused() -> None:
    """A meeting id is never cut from too short an output."""
    with pytest.raises(LocalProtocolError):
        unnumbered_ids(parse_code("f3a9c1d07b2e4f68"), b"", 1, lambda _p, _s: bytes(63))


# --- what the relay and the log see -----------------------------------------------------------


@pytest.mark.parametrize("text", [ZERO_CODE, "7-mycode"])
def test_nothing_is_computed_for_a_relay_from_the_words_of_a_numbered_code(text: str) -> None:
    """X02 X22 X23 X24 X25: a numbered code has no id but its number, whatever its words are."""
    with pytest.raises(LocalProtocolError):
        unnumbered_ids(parse_code(text), bytes(32), 1, stretch)


def test_plate_and_relay_do_not_depend_on_the_words() -> None:
    """X22 X23 X25: other random words leave everything a relay sees as it was."""
    codes = [generate_code("7123", 3, drawn_by(seed)) for seed in range(100)]
    assert len({code.words for code in codes}) == 100
    assert {(code.plate, code.relay) for code in codes} == {("7123", None)}
    for code in codes:
        assert not any(word in code.plate for word in code.words.split("-"))


def test_words_do_not_depend_on_the_plate() -> None:
    """X22: the number that the relay drew tells nothing about the secret bits."""
    codes = [generate_code(plate, 3, drawn_by(1)) for plate in ("1", "7123", "999999999")]
    starts = {tuple(code.words.split("-")[:2]) for code in codes}
    assert len(starts) == 1


@pytest.mark.parametrize("text", [ZERO_CODE, "7-mycode", "7-mycode@h:1", "f3a9c1d07b2e4f68"])
def test_no_printed_form_of_a_code_shows_its_words(text: str) -> None:
    """A4: repr, str, format and containers redact the words."""
    code = parse_code(text)
    printed = [repr(code), str(code), f"{code!r}", f"{code}", str([code]), str({"code": code})]
    for form in printed:
        assert not any(word in form for word in code.words.split("-"))
    assert repr(replace(code, words="other-words-here")) == repr(code)


def test_errors_about_a_secret_do_not_repeat_it() -> None:
    """A4: a mistyped or weak code is not quoted in its error."""
    for text, kind in (("7123-abandon-ability-zoo", BadCode), ("swordfishes", WeakCode)):
        with pytest.raises(kind) as caught:
            parse_code(text)
        said = f"{caught.value.message} {caught.value.why} {caught.value.hint}"
        assert not any(word in said for word in ("abandon", "ability", "zoo", "swordfishes"))
