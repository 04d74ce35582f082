"""How many bits a code that a person made up is worth: a sober estimate, never a proof.

It errs on the low side: words, years, runs, repeats and walks over the keyboard count little, and
only text without any such pattern counts nearly as much as its characters could carry. Codes that
Tallow generates are not judged here; their bits are known. This module never refuses a code.
Spec: docs/protocol.md §3.1.
"""

from __future__ import annotations

import math
import re
from typing import Final

from tallow.protocol.words import word_index

LIST_WORD_BITS: Final = 11.0
DRAWN_WORDS_MIN: Final = 3
"""So many different list words and nothing else were probably drawn; others were thought up."""
THOUGHT_WORD_BITS: Final = 8.0
COMMON_BITS: Final = 5.0
YEAR_BITS: Final = 5.0
WALK_BITS: Final = 3.0
REPEATED_BITS: Final = 1.0
LETTER_BITS: Final = 2.3
"""One of the first letters of something that can be spoken (Shannon, for short English text)."""
LATER_LETTER_BITS: Final = 1.5
SPOKEN_LETTERS: Final = 8
"""From here on a spoken text is more and more guessable from what came before."""
DIGIT_BITS: Final = 2.5
"""One digit that a person chose: dates, telephone numbers and patterns prevail."""
SIGN_BITS: Final = 3.0
JUMBLE_DISCOUNT: Final = 0.75

COMMON: Final = frozenset(
    """
    123456 123456789 12345678 12345 1234567 1234567890 111111 123123 000000 654321 666666 112233
    password passwort passw0rd pass secret geheim qwerty qwertz azerty qwerty123 qwertyuiop
    1q2w3e4r 1qaz2wsx zaq12wsx q1w2e3r4 abc123 a1b2c3 abcd1234 admin administrator root user guest
    login welcome letmein master hello hallo test testing demo default changeme access code mycode
    iloveyou princess dragon monkey sunshine football baseball superman batman pokemon starwars
    shadow michael jordan jennifer jessica ashley daniel charlie thomas andrew george summer
    winter spring autumn flower cheese cookie chocolate banana orange purple computer internet
    samsung google facebook killer hunter ranger soccer hockey freedom whatever trustno1 ninja
    mustang matrix pepper ginger buster tigger maggie love lovely angel blink182
    correct horse battery staple tallow croc wormhole transfer file files share temp foobar foo bar
    """.split()  # noqa: SIM905 - a table stays readable, a list of a hundred strings does not
)
_WALKS: Final = tuple(
    walk + " " + walk[::-1]
    for walk in (
        "abcdefghijklmnopqrstuvwxyz",
        "01234567890",
        "qwertyuiop",
        "qwertzuiop",
        "azertyuiop",
        "asdfghjkl",
        "zxcvbnm",
        "yxcvbnm",
        "qazwsxedcrfvtgbyhnujmikolp",
        "1qaz2wsx3edc4rfv5tgb",
        "1q2w3e4r5t6y7u8i9o0p",
    )
)
_LEET: Final = str.maketrans("013457@$!", "oieastasi")
_YEAR = re.compile(r"(?:19|20)\d\d")
_RUN = re.compile(r"[^\W\d_]+|\d+|.", re.DOTALL)
_REPEAT = re.compile(r"(.+?)\1+", re.DOTALL)
_MIXED_RUNS: Final = 4


def estimate_bits(words: str) -> float:
    """Estimate the secret bits of a code's words as a person would have chosen them."""
    tokens = [token for token in words.split("-") if token]
    distinct = tuple(dict.fromkeys(tokens))
    drawn = len(distinct) >= DRAWN_WORDS_MIN and all(
        word_index(token) is not None for token in distinct
    )
    together = "".join(tokens)
    if len(tokens) > 1 and _known_pattern(together):
        return COMMON_BITS
    signs = "".join(distinct)
    room = len(signs) * math.log2(len(set(signs)) + 1)
    bits = min(room, sum(_token_bits(token, drawn) for token in distinct))
    return bits + REPEATED_BITS * (len(tokens) - len(distinct))


def _token_bits(token: str, drawn: bool) -> float:
    if word_index(token) is not None and token not in COMMON:
        return LIST_WORD_BITS if drawn else THOUGHT_WORD_BITS
    if _known_pattern(token):
        return COMMON_BITS
    repeat = _REPEAT.fullmatch(token)
    if repeat:
        return _token_bits(repeat[1], drawn) + math.log2(len(token) / len(repeat[1]))
    runs: list[str] = _RUN.findall(token)
    plain = [run for run in _RUN.findall(token.translate(_LEET)) if run]
    spelled = sum(map(_run_bits, plain)) + math.log2(len(token) + 1)
    mixed = (
        _jumble_bits(token)
        if len(runs) >= _MIXED_RUNS
        else sum(map(_run_bits, runs)) + len(runs) - 1
    )
    return min(mixed, spelled) if len(plain) < len(runs) else mixed


def _known_pattern(text: str) -> bool:
    """Whether text is a very common password, spelled plainly or with digits for letters."""
    bare = text.rstrip("0123456789!?.")
    return bool({text, text.translate(_LEET)} & COMMON) or (len(bare) > 2 and bare in COMMON)


def _run_bits(run: str) -> float:
    if run in COMMON or run.translate(_LEET) in COMMON:
        return COMMON_BITS
    if len(run) > 2 and any(run in walk for walk in _WALKS):
        return WALK_BITS + math.log2(len(run))
    repeat = _REPEAT.fullmatch(run)
    if repeat:
        return _run_bits(repeat[1]) + math.log2(len(run) / len(repeat[1]))
    if run.isdigit():
        return YEAR_BITS if _YEAR.fullmatch(run) else DIGIT_BITS * len(run)
    if run.isalpha():
        return _letters_bits(run)
    return SIGN_BITS * len(run)


def _letters_bits(run: str) -> float:
    if word_index(run) is not None:
        return THOUGHT_WORD_BITS
    spoken = LETTER_BITS * min(len(run), SPOKEN_LETTERS)
    spoken += LATER_LETTER_BITS * max(0, len(run) - SPOKEN_LETTERS)
    if not run.isascii():
        # A sign of a large script says about twice what a letter says, and stands for more.
        return spoken * 2 if run[0] >= "\u2e80" else spoken
    vowels = sum(letter in "aeiouy" for letter in run) / len(run)
    if len(run) < 5 or 0.2 <= vowels <= 0.7:
        return spoken
    return len(run) * math.log2(26) * JUMBLE_DISCOUNT


def _jumble_bits(token: str) -> float:
    pool = 0
    for present, size in (
        (any(c.isdigit() for c in token), 10),
        (any(c.isalpha() for c in token), 26),
        (any(not c.isalnum() for c in token), 20),
    ):
        pool += size * present
    return len(token) * math.log2(pool) * JUMBLE_DISCOUNT
