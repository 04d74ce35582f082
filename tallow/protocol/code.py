"""Pairing codes: make them, read what a person typed, and say what is wrong with it.

A code is a public number (nameplate) and secret words. Only the words are the PAKE's password,
and nothing that a relay sees is computed from them; the one exception, un-numbered codes, goes
through a slow stretch and needs 40 estimated bits. This module never asks, never sends and draws
no randomness of its own. Neighbours: words.py (the list), strength.py (estimates), address.py.
Spec: docs/protocol.md §3.1, §3.2.
"""

from __future__ import annotations

import enum
import hmac
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Final

from tallow.crypto.kdf import sha512
from tallow.crypto.lv import lv, u32
from tallow.display import display_text
from tallow.errors import BadCode, LocalProtocolError, UsageError, WeakCode
from tallow.protocol.address import RelayAddress, parse_address
from tallow.protocol.strength import estimate_bits
from tallow.protocol.words import WORD_BITS, near_words, word_index, word_list
from tallow.wire import limits

__all__ = [
    "Code",
    "CodeKind",
    "check_typed",
    "estimate_bits",
    "generate_code",
    "near_misses",
    "parse_code",
    "unnumbered_ids",
    "valid_plate",
]

CHECK_BITS: Final = 5
NUMBERED_BITS_FLOOR: Final = 28.0
"""Below this a numbered code of one's own allows one guess only."""
UNNUMBERED_BITS_FLOOR: Final = 40.0
STRETCHED_BYTES: Final = 64
MEET_ID_BYTES: Final = 32
NORMALISE_ROUNDS: Final = 3
"""Folding can undo a composition and the reverse; after two rounds nothing changes any more."""
READINGS_TRIED: Final = 4096
"""How many readings of a mistyped code are tried against its check bits."""

_PLATE = re.compile(rf"[1-9][0-9]{{0,{limits.PLATE_MAX_DIGITS - 1}}}")
_REFUSED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class CodeKind(enum.Enum):
    """Where a code comes from, and so what is known about its strength."""

    GENERATED = "generated"
    CUSTOM = "custom"
    UNNUMBERED = "unnumbered"


@dataclass(frozen=True, slots=True, repr=False)
class Code:
    """A code as both sides understand it; its repr never shows the words."""

    plate: str
    """The public number in ASCII decimal, or "" for an un-numbered code."""
    words: str
    """The secret: normalised words joined by "-"."""
    kind: CodeKind
    bits: float
    """Secret bits: exact for a generated code, an estimate otherwise."""
    relay: RelayAddress | None = None

    @property
    def text(self) -> str:
        """The whole code as it is spoken, without its relay."""
        return f"{self.plate}-{self.words}" if self.plate else self.words

    @property
    def budget(self) -> int:
        """How many counted handshake runs the code allows."""
        weak = self.kind is not CodeKind.GENERATED and self.bits < NUMBERED_BITS_FLOOR
        return 1 if weak else limits.ATTEMPTS_MAX

    def __repr__(self) -> str:
        return f"Code(plate={self.plate!r}, words=…, kind={self.kind.name}, relay={self.relay!r})"


def valid_plate(text: str) -> bool:
    """Return whether text is a nameplate: one to nine digits without a leading zero."""
    return _PLATE.fullmatch(text) is not None


def generate_code(plate: str, word_count: int, random_bytes: Callable[[int], bytes]) -> Code:
    """Make a code of 3 to 8 list words: 11k-5 random bits and five check bits.

    Raises UsageError for another number of words, BadCode for a plate that is none.
    """
    if not limits.GENERATED_WORDS_MIN <= word_count <= limits.GENERATED_WORDS_MAX:
        raise UsageError(
            f"A code cannot have {word_count} words.",
            hint=f"Choose --words {limits.GENERATED_WORDS_MIN} to {limits.GENERATED_WORDS_MAX}.",
        )
    if not valid_plate(plate):
        raise _bad_plate(plate)
    bits = _secret_bits(word_count)
    drawn = random_bytes(_secret_bytes(word_count))
    if len(drawn) != _secret_bytes(word_count):
        raise LocalProtocolError("The source of randomness gave another length than asked for.")
    secret = int.from_bytes(drawn, "big") & ((1 << bits) - 1)
    groups = secret << CHECK_BITS | _check(plate, secret, word_count)
    chosen = [
        word_list()[groups >> WORD_BITS * (word_count - 1 - position) & (1 << WORD_BITS) - 1]
        for position in range(word_count)
    ]
    return Code(plate, "-".join(chosen), CodeKind.GENERATED, float(bits))


def parse_code(text: str, *, allow_weak: bool = False) -> Code:
    """Read a code as typed, pasted or spoken.

    Raises BadCode when it cannot be right, WeakCode for an un-numbered code under 40 estimated
    bits unless allow_weak. A near miss of a list word passes as a code of one's own: see
    check_typed and near_misses.
    """
    plate, words, relay = _read(text)
    secret = "-".join(words)
    if not plate:
        bits = estimate_bits(secret)
        if bits < UNNUMBERED_BITS_FLOOR and not allow_weak:
            raise _weak(words, bits)
        return Code("", secret, CodeKind.UNNUMBERED, bits, relay)
    if _generated_length(words) and all(word_index(word) is not None for word in words):
        if not _check_holds(plate, words):
            raise BadCode(
                "In this code the number or one of the words is mistyped.",
                why="Every word is in the list, but the check bits do not fit.",
                hint="Check it against the other screen; nothing was sent and the code still works."
                " A code of your own needs a word that is not in the list.",
            )
        return Code(plate, secret, CodeKind.GENERATED, float(_secret_bits(len(words))), relay)
    return Code(plate, secret, CodeKind.CUSTOM, estimate_bits(secret), relay)


def check_typed(text: str, *, interactive: bool, allow_weak: bool = False) -> Code:
    """Read a code and refuse one that looks like a generated code with a slip.

    With interactive False (--no-input) such a code goes as typed. Raises as parse_code does.
    """
    code = parse_code(text, allow_weak=allow_weak)
    words = code.words.split("-")
    if interactive and code.plate and _word_missing(words):
        raise BadCode(
            "In this code a word is missing.",
            why=f"A generated code has at least {limits.GENERATED_WORDS_MIN} words from the list.",
            hint="Check it against the other screen; nothing was sent and the code still works."
            " A code of your own goes as typed with --no-input.",
        )
    slips = _slips(code.plate, words) if interactive else {}
    if not slips:
        return code
    places = " and ".join(str(position + 1) for position in slips)
    noun, verb = ("Word", "is") if len(slips) == 1 else ("Words", "are")
    asked = " ".join(f"In word {at + 1}, did you mean {meant}?" for at, meant in slips.items())
    raise BadCode(
        f"{noun} {places} of this code {verb} not in the word list.",
        why="The rest looks like a generated code, so this is probably a slip of the keyboard.",
        hint=f"{asked} Nothing was sent and the code still works."
        " A code of your own goes as typed with --no-input.",
    )


def near_misses(text: str) -> list[tuple[str, str]]:
    """Return (typed, suggestion) for each slip in what looks like a generated code, else []."""
    try:
        plate, words, _ = _read(text)
    except UsageError:
        return []
    return [(words[position], meant) for position, meant in _slips(plate, words).items()]


def unnumbered_ids(
    code: Code,
    relay_key_hash: bytes,
    utc_day: int,
    stretch: Callable[[bytes, bytes], bytes],
) -> tuple[bytes, bytes]:
    """Return meet id and PAKE password, 32 bytes each, of an un-numbered code at one relay and day.

    ``stretch`` is Argon2id(password, salt) with 256 MiB, t=3, p=4 and 64 bytes out. A numbered
    code is refused with LocalProtocolError: nothing may be computed from its words for a relay.
    """
    if code.kind is not CodeKind.UNNUMBERED:
        raise LocalProtocolError("Only an un-numbered code has a meeting id.")
    salt = sha512(b"tallow/1 meet", lv(relay_key_hash, u32(utc_day)))[:32]
    out = stretch(code.words.encode(), salt)
    if len(out) != STRETCHED_BYTES:
        raise LocalProtocolError("The stretched code has another length than asked for.")
    return out[:MEET_ID_BYTES], out[MEET_ID_BYTES:]


# --- reading ----------------------------------------------------------------------------------


def _read(text: str) -> tuple[str, list[str], RelayAddress | None]:
    """Split text into plate ("" if none), normalised words and relay, or raise BadCode."""
    trimmed = text.strip()
    if len(trimmed) > limits.CODE_MAX_CHARS + limits.ADDRESS_MAX_CHARS:
        raise _too_long()
    _refuse_odd_characters(trimmed)
    secret, at, tail = unicodedata.normalize("NFKC", trimmed).partition("@")
    parts = _parts(secret)
    relay = _relay(tail) if at else None
    if not parts:
        raise BadCode("There is no code here.", hint="A code looks like 7123-word-word-word.")
    if not (parts[0].isascii() and parts[0].isdigit()):
        return "", parts, relay
    if len(parts) == 1:
        raise BadCode(
            "This is only the number of a code.",
            hint="Type the words behind it too: 7123-word-word-word.",
        )
    if not valid_plate(parts[0]):
        raise _bad_plate(parts[0])
    return parts[0], parts[1:], relay


def _parts(secret: str) -> list[str]:
    """Normalise (NFKC, casefold, every space, underscore or dash is a "-") and split."""
    if len(secret) > limits.CODE_MAX_CHARS:
        raise _too_long()
    folded = secret
    for _ in range(NORMALISE_ROUNDS):
        folded = unicodedata.normalize("NFKC", folded.casefold())
    if len(folded) > limits.CODE_MAX_CHARS:
        raise _too_long()
    _refuse_odd_characters(folded)
    joined = "".join("-" if _separates(character) else character for character in folded)
    return [part for part in joined.split("-") if part]


def _separates(character: str) -> bool:
    # Chat programs turn "-" into typographic dashes and spaces into no-break spaces.
    return character in "_−" or unicodedata.category(character) in ("Pd", "Zs")


def _refuse_odd_characters(text: str) -> None:
    for character in text:
        if unicodedata.category(character) in _REFUSED:
            raise BadCode(
                "This code holds a character that cannot be part of a code.",
                why=f"{display_text(character)} is invisible, a control, or not assigned.",
                hint="Type the code by hand instead of pasting it.",
            )


def _relay(tail: str) -> RelayAddress:
    try:
        if ":" not in tail and "#" not in tail:
            # "p@ssword" must not look up "ssword" in the DNS.
            raise UsageError("Behind @ stands the relay as HOST:PORT.")
        return parse_address(tail)
    except UsageError as wrong:
        raise BadCode(
            "The relay behind @ in this code is not readable.",
            why=wrong.message,
            hint="It reads CODE@HOST:PORT; a code of your own cannot contain @.",
        ) from None


def _too_long() -> BadCode:
    return BadCode(
        "This code is too long.",
        hint=f"A code has at most {limits.CODE_MAX_CHARS} characters.",
    )


def _bad_plate(plate: str) -> BadCode:
    without_zeros = plate.lstrip("0")
    if without_zeros != plate and valid_plate(without_zeros):
        hint = f"Numbers of codes never start with 0; did you mean {without_zeros}?"
    else:
        hint = f"It has one to {limits.PLATE_MAX_DIGITS} digits and does not start with 0."
    return BadCode("The number in front of this code cannot be right.", hint=hint)


def _weak(words: list[str], bits: float) -> WeakCode:
    hint = WeakCode.default_hint
    if len(words) > 1 and all(word_index(word) is not None for word in words):
        hint = f"If it was given to you, type the number in front of it too. {hint}"
    return WeakCode(
        why=f"Without a number the relay can try guesses; this is worth about {bits:.0f} of the"
        f" {UNNUMBERED_BITS_FLOOR:.0f} bits that it needs.",
        hint=hint,
    )


# --- check bits -------------------------------------------------------------------------------


def _generated_length(words: list[str]) -> bool:
    return limits.GENERATED_WORDS_MIN <= len(words) <= limits.GENERATED_WORDS_MAX


def _word_missing(words: list[str]) -> bool:
    """Return whether two words of the list stand where three would."""
    listed = all(word_index(word) is not None for word in words)
    return listed and len(words) == limits.GENERATED_WORDS_MIN - 1


def _secret_bits(word_count: int) -> int:
    return WORD_BITS * word_count - CHECK_BITS


def _secret_bytes(word_count: int) -> int:
    return (_secret_bits(word_count) + 7) // 8


def _check(plate: str, secret: int, word_count: int) -> int:
    """Return the five check bits over number and secret."""
    raw = secret.to_bytes(_secret_bytes(word_count), "big")
    return sha512(b"tallow/1 code", lv(plate, raw))[0] >> 8 - CHECK_BITS


def _check_holds(plate: str, words: list[str]) -> bool:
    groups = 0
    for word in words:
        groups = groups << WORD_BITS | (word_index(word) or 0)
    found = groups & (1 << CHECK_BITS) - 1
    wanted = _check(plate, groups >> CHECK_BITS, len(words))
    return hmac.compare_digest(bytes([found]), bytes([wanted]))


def _slips(plate: str, words: list[str]) -> dict[int, str]:
    """Return position and likely meaning of each word that is not in the list.

    Empty unless the code looks generated: numbered, 3 to 8 words, at least two and at least half
    of them in the list, and every other one near a list word.
    """
    unknown = [position for position, word in enumerate(words) if word_index(word) is None]
    known = len(words) - len(unknown)
    if not (plate and unknown and _generated_length(words) and known >= max(2, len(unknown))):
        return {}
    readings = [near_words(words[position]) for position in unknown]
    if not all(readings):
        return {}
    # The check bits tell which of several near words was meant.
    depth = int(READINGS_TRIED ** (1 / len(unknown)))
    ranked = sorted(product(*(range(len(reading[:depth])) for reading in readings)), key=sum)
    tried = list(words)
    for ranks in ranked:
        for position, reading, rank in zip(unknown, readings, ranks, strict=True):
            tried[position] = reading[rank]
        if _check_holds(plate, tried):
            return {position: tried[position] for position in unknown}
    return dict(zip(unknown, (reading[0] for reading in readings), strict=True))
