"""Codes: made as the protocol says, read as people type, refused before anything is sent."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.errors import BadCode, LocalProtocolError, UsageError
from tallow.protocol.address import RelayAddress
from tallow.protocol.code import (
    Code,
    CodeKind,
    check_typed,
    estimate_bits,
    generate_code,
    near_misses,
    parse_code,
    valid_plate,
)
from tallow.protocol.words import word_index, word_list
from tallow.wire import limits

WORD_COUNTS = range(3, 9)


def drawn_by(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


def slip(word: str, rng: random.Random) -> str:
    """Change, drop, double or swap one letter so that no list word results."""
    while True:
        at = rng.randrange(len(word))
        typed = rng.choice(
            [
                word[:at] + rng.choice("abcdefghijklmnopqrstuvwxyz") + word[at + 1 :],
                word[:at] + word[at + 1 :],
                word[:at] + word[at] + word[at:],
                word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
            ]
        )
        if word_index(typed) is None:
            return typed


# --- making -----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", WORD_COUNTS)
def test_a_generated_code_follows_the_formula(count: int) -> None:
    """The words are s and the first five bits of H("tallow/1 code" ‖ lv(plate, s))."""
    for seed in range(50):
        plate = str(random.Random(seed).randrange(1, 10**9))
        code = generate_code(plate, count, drawn_by(seed))
        groups = 0
        for word in code.words.split("-"):
            groups = groups * 2048 + word_list().index(word)
        raw = (groups >> 5).to_bytes((11 * count - 5 + 7) // 8, "big")
        item = plate.encode()
        listed = len(item).to_bytes(4, "big") + item + len(raw).to_bytes(4, "big") + raw
        assert groups & 31 == hashlib.sha512(b"tallow/1 code" + listed).digest()[0] >> 3
        assert code.bits == 11 * count - 5
        assert code.kind is CodeKind.GENERATED
        assert code.text == f"{plate}-{code.words}"


def test_known_answer_of_a_generated_code() -> None:
    """All-zero and all-one randomness give these words for ever."""
    assert generate_code("7123", 3, lambda n: bytes(n)).text == ZERO_CODE
    assert generate_code("7123", 3, lambda n: b"\xff" * n).text == ONES_CODE


ZERO_CODE = "7123-abandon-abandon-access"
ONES_CODE = "7123-zoo-zoo-zoo"


@pytest.mark.parametrize("count", WORD_COUNTS)
def test_a_generated_code_reads_back(count: int) -> None:
    """What one side shows the other side understands, with three guesses allowed."""
    for seed in range(20):
        code = generate_code("7123", count, drawn_by(seed))
        assert parse_code(code.text) == code
        assert check_typed(code.text.upper(), interactive=True) == code
        assert code.budget == 3


@pytest.mark.parametrize("count", [0, 2, 9, -1])
def test_other_numbers_of_words_are_refused(count: int) -> None:
    """Three to eight words, nothing else."""
    with pytest.raises(UsageError, match="words"):
        generate_code("7123", count, drawn_by(1))


@pytest.mark.parametrize("plate", ["", "0", "0123", "1234567890", "12a", "-1", "１２", "1\n"])
def test_a_plate_is_one_to_nine_digits_without_leading_zero(plate: str) -> None:
    """A relay's number is checked before it is used."""
    assert not valid_plate(plate)
    with pytest.raises(BadCode):
        generate_code(plate, 3, drawn_by(1))


def test_good_plates_are_valid() -> None:
    """One digit to nine digits."""
    assert all(map(valid_plate, ("1", "10", "7123", "999999999")))


def test_a_broken_source_of_randomness_is_noticed() -> None:
    """Too few random bytes never make a code."""
    with pytest.raises(LocalProtocolError):
        generate_code("7123", 3, lambda n: bytes(n - 1))


# --- reading ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    [
        "  7123-abandon-abandon-access\n",
        "7123 abandon abandon access",
        "7123_abandon_abandon_access",
        "7123 - Abandon - ABANDON - Access",
        "7123-abandon--abandon-access-",
        "7123\u2013abandon\u2014abandon\u2011access",
        "7123\u00a0abandon\u00a0abandon\u3000access",
        "７１２３－ａｂａｎｄｏｎ－abandon－access",
    ],
)
def test_all_usual_ways_of_typing_a_code_are_one(typed: str) -> None:
    """Case, spaces, underscores, typographic dashes and wide letters do not matter."""
    assert parse_code(typed).text == ZERO_CODE


def test_a_code_may_carry_its_relay() -> None:
    """…@host:port#sha256:… gives the relay; the words stay the words."""
    pin = "0f" * 32
    code = parse_code(f"{ZERO_CODE}@Relay.example.org:443#sha256:{pin}")
    assert code.relay == RelayAddress("relay.example.org", 443, pin)
    assert code.text == ZERO_CODE
    assert parse_code(f"{ZERO_CODE}@[::1]:4433").relay == RelayAddress("::1", 4433)
    assert parse_code(ZERO_CODE).relay is None


@pytest.mark.parametrize("tail", ["ssword", "", "h:0", "h:1#x", "a@b:1", "h:x"])
def test_an_unreadable_relay_behind_a_code_is_refused(tail: str) -> None:
    """A custom code with @ in it is never taken apart into a name to look up."""
    with pytest.raises(BadCode):
        parse_code(f"7-p@{tail}")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "7123-word-word-word"),
        (" - _ ", "7123-word-word-word"),
        ("7123", "words"),
        ("7123-", "words"),
        ("0123-mycode", "did you mean 123?"),
        ("0-mycode", "digits"),
        ("1234567890-mycode", "digits"),
        ("7-my\ncode", "by hand"),
        ("7-my\x1b[31mcode", "by hand"),
        ("7-my\u202ecode", "by hand"),
        ("7-my\u200bcode", "by hand"),
        ("7-my\u00adcode", "by hand"),
        ("7-my\ue000code", "by hand"),
        ("7-my\ud800code", "by hand"),
        ("7-my\ufdd0code", "by hand"),
        ("7-" + "x" * 300, "characters"),
        ("7-" + "x" * 5000, "characters"),
        ("7-" + "\ufdfa" * 100, "characters"),
    ],
)
def test_what_cannot_be_a_code_is_refused_with_a_way_out(text: str, hint: str) -> None:
    """Each mistake has its own hint, and no message holds what a terminal acts on."""
    with pytest.raises(BadCode) as caught:
        parse_code(text)
    assert hint in caught.value.hint
    shown = caught.value.message + caught.value.why + caught.value.hint
    assert shown.isprintable()


def test_a_wrong_number_or_word_is_caught_on_the_keyboard() -> None:
    """97 % of wrong plates and wrong list words fail the five check bits; none is caught late."""
    rng = random.Random(7)
    caught = {"plate": 0, "word": 0}
    rounds = 1500
    for seed in range(rounds):
        code = generate_code(str(rng.randrange(1000, 10000)), 3, drawn_by(seed))
        words = code.words.split("-")
        words[rng.randrange(3)] = rng.choice(word_list())
        wrong_word = "-".join(words) != code.words
        for what, typed in (
            ("plate", f"{rng.randrange(10000, 99999)}-{code.words}"),
            ("word", f"{code.plate}-{'-'.join(words)}" if wrong_word else "1-zoo-zoo-zoo"),
        ):
            try:
                parse_code(typed)
            except BadCode as error:
                assert "the number or one of the words is mistyped" in error.message
                caught[what] += 1
    assert caught["plate"] > 0.95 * rounds
    assert caught["word"] > 0.95 * rounds


def test_custom_codes_keep_their_number_and_get_an_estimate() -> None:
    """A numbered code with a word outside the list is one's own; a weak one allows one guess."""
    weak = parse_code("7-mycode")
    assert (weak.plate, weak.words, weak.kind) == ("7", "mycode", CodeKind.CUSTOM)
    assert weak.bits == estimate_bits("mycode") < 28
    assert weak.budget == 1
    strong = parse_code("7-f3a9c1d07b2e4f68")
    assert strong.kind is CodeKind.CUSTOM
    assert strong.budget == 3
    assert parse_code("7-crop").kind is CodeKind.CUSTOM
    assert parse_code("7-" + "-".join(["crop"] * 9)).kind is CodeKind.CUSTOM


def test_one_custom_code_has_one_form() -> None:
    """Composed and decomposed, upper and lower case letters give the same PAKE password."""
    forms = {parse_code(f"7-{word}-x").words for word in ("Stra\u00dfe", "STRASSE", "strasse")}
    assert forms == {"strasse-x"}
    assert parse_code("7-caf\u00e9").words == parse_code("7-CAFE\u0301").words


# --- slips ------------------------------------------------------------------------------------


def test_a_slip_is_refused_with_the_nearest_word() -> None:
    """C10: a typo in a generated code is refused on the keyboard, with the word it meant."""
    code = generate_code("7123", 3, drawn_by(3))
    words = code.words.split("-")
    for position, typed in enumerate(word[:-1] + "qq" for word in words):
        mistyped = "-".join([*words[:position], typed, *words[position + 1 :]])
        with pytest.raises(BadCode) as caught:
            check_typed(f"7123-{mistyped}", interactive=True)
        assert f"did you mean {words[position]}?" in caught.value.hint
        assert "Nothing was sent" in caught.value.hint
        assert f"Word {position + 1} " in caught.value.message
        assert near_misses(f"7123-{mistyped}") == [(typed, words[position])]


def test_without_a_person_the_code_goes_as_typed() -> None:
    """With --no-input a near miss is a code of one's own."""
    typed = "7123-abandno-abandon-ability"
    code = check_typed(typed, interactive=False)
    assert code.kind is CodeKind.CUSTOM
    assert code.text == typed
    assert parse_code(typed) == code


def test_the_check_bits_find_the_word_that_was_meant() -> None:
    """Of several near words the one that fits the check bits is suggested."""
    rng = random.Random(11)
    rounds, right = 300, 0
    for seed in range(rounds):
        code = generate_code(str(rng.randrange(1000, 10000)), 3, drawn_by(seed))
        words = code.words.split("-")
        at = rng.randrange(3)
        typed = slip(words[at], rng)
        misses = near_misses("-".join([code.plate, *words[:at], typed, *words[at + 1 :]]))
        assert [miss[0] for miss in misses] == [typed]
        right += misses[0][1] == words[at]
    assert right > 0.85 * rounds


def test_two_slips_in_four_words_are_both_named() -> None:
    """Half of the words must be right; each of the others is asked about."""
    code = generate_code("7123", 4, drawn_by(5))
    words = code.words.split("-")
    typed = [words[0] + "s", words[1], words[2] + "x", words[3]]
    with pytest.raises(BadCode, match="Words 1 and 3 "):
        check_typed("-".join(["7123", *typed]), interactive=True)


@pytest.mark.parametrize(
    "text",
    [
        "7-mycode",
        "7-crop-mycode",
        "7-crop-hund-schiff",
        "7-crop-oval-schifffahrt",
        "7-crop-oval-zzzzzz",
        "7-crop-oval-blankit-zebre-tigre",
        "7123-abandon-abandon-access",
        "k3x9-p2mq-7tzw-b4rr-x81f",
        "",
        "7-\u202e",
    ],
)
def test_what_does_not_look_generated_has_no_near_misses(text: str) -> None:
    """Codes of one's own are left alone."""
    assert near_misses(text) == []


@settings(deadline=None, max_examples=1500)
@given(
    st.text(max_size=80)
    | st.builds("-".join, st.lists(st.sampled_from([*word_list()[:50], "7", "ß", "ſ", "İ"])))
)
def test_any_text_is_a_code_or_a_usage_error(text: str) -> None:
    """No text raises anything else, and a code that was read reads back as itself."""
    assert isinstance(near_misses(text), list)
    try:
        code = check_typed(text, interactive=False, allow_weak=True)
    except UsageError:
        return
    again: Code = parse_code(code.text, allow_weak=True)
    assert again == replace(code, relay=None)
    assert len(code.words) <= limits.CODE_MAX_CHARS
    assert code.budget in (1, 3)


def test_a_code_with_a_word_left_out_is_refused_on_the_keyboard() -> None:
    """Two list words behind a number are a generated code with a word missing."""
    with pytest.raises(BadCode, match="a word is missing"):
        check_typed("7123-abandon-ability", interactive=True)
    assert check_typed("7123-abandon-ability", interactive=False).words == "abandon-ability"
