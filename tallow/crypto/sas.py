"""Short authentication strings: what two people read to each other to rule out a third.

Either 8 emoji (48 bits) or 40 digits from the session's own secret and both fingerprints. Each
symbol is one code point, two cells wide without a variation selector, and has an English name
for voice and screen readers. The list never changes within protocol version 1: both sides must
show the same. This module never decides that a session is verified; people do.
"""

from __future__ import annotations

from typing import Final

from tallow.crypto.kdf import expand
from tallow.crypto.lv import lv

SAS_BYTES: Final = 32
EMOJI_COUNT: Final = 8
DIGIT_GROUPS: Final = 8
DIGITS_PER_GROUP: Final = 5

_INDEX_BITS: Final = 6

# fmt: off
SYMBOLS: Final[tuple[tuple[str, str], ...]] = (
    ("🐸", "frog"), ("🐝", "bee"), ("🐌", "snail"), ("🐳", "whale"),
    ("🦀", "crab"), ("🦉", "owl"), ("🦊", "fox"), ("🐫", "camel"),
    ("🐵", "monkey"), ("🦆", "duck"), ("🐭", "mouse"), ("🐮", "cow"),
    ("🦇", "bat"), ("🐙", "octopus"), ("🐊", "crocodile"), ("🐞", "ladybird"),
    ("🍋", "lemon"), ("🍇", "grapes"), ("🍒", "cherries"), ("🍍", "pineapple"),
    ("🍉", "melon"), ("🥕", "carrot"), ("🍞", "bread"), ("🧀", "cheese"),
    ("🥚", "egg"), ("🍩", "doughnut"), ("🍯", "honey"), ("🌻", "sunflower"),
    ("🌴", "palm"), ("🌵", "cactus"), ("🍁", "leaf"), ("🍄", "mushroom"),
    ("🔔", "bell"), ("🔑", "key"), ("🎈", "balloon"), ("🎻", "violin"),
    ("🥁", "drum"), ("🎲", "dice"), ("🔭", "telescope"), ("💎", "diamond"),
    ("👑", "crown"), ("👟", "shoe"), ("👕", "shirt"), ("🎒", "backpack"),
    ("☔", "umbrella"), ("🛶", "canoe"), ("🚲", "bicycle"), ("🚜", "tractor"),
    ("🚂", "train"), ("🚀", "rocket"), ("⛵", "sailboat"), ("🚁", "helicopter"),
    ("⛺", "tent"), ("🏠", "house"), ("🏰", "castle"), ("🌋", "volcano"),
    ("🌈", "rainbow"), ("⚡", "lightning"), ("⭐", "star"), ("🌊", "wave"),
    ("⚓", "anchor"), ("⛄", "snowman"), ("🏆", "trophy"), ("👻", "ghost"),
)
# fmt: on


def sas_bits(sas_secret: bytes, fp_i: bytes, fp_r: bytes) -> bytes:
    """Derive 32 bytes from the session's secret and both fingerprints, empty when anonymous."""
    return expand(sas_secret, "show", lv(fp_i, fp_r), SAS_BYTES)


def sas_emoji(bits: bytes) -> tuple[tuple[str, str], ...]:
    """Return 8 pairs of emoji and name for the first 48 bits, 6 bits each."""
    _check_length(bits)
    number = int.from_bytes(bits[: EMOJI_COUNT * _INDEX_BITS // 8], "big")
    shifts = range((EMOJI_COUNT - 1) * _INDEX_BITS, -1, -_INDEX_BITS)
    return tuple(SYMBOLS[number >> shift & (len(SYMBOLS) - 1)] for shift in shifts)


def sas_digits(bits: bytes) -> str:
    """Return the whole value modulo 10^40 as 8 groups of 5 digits."""
    _check_length(bits)
    count = DIGIT_GROUPS * DIGITS_PER_GROUP
    digits = f"{int.from_bytes(bits, 'big') % 10**count:0{count}d}"
    return " ".join(digits[i : i + DIGITS_PER_GROUP] for i in range(0, count, DIGITS_PER_GROUP))


def _check_length(bits: bytes) -> None:
    if len(bits) != SAS_BYTES:
        raise ValueError("short authentication bits have 32 bytes")
