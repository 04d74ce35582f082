"""The one way by which text from outside reaches a terminal, a log or a prompt.

A stranger's file name, message or error text may hold escape sequences, characters that turn the
line around, or characters nobody sees. Here they become visible text such as ``\\x1b``; emoji
survive. The code points are listed by number, not asked of ``unicodedata``, so that two Python
versions hide the same ones. This module prints nothing and imports nothing of tallow.
Sources: UCD 17 (Cc, Cf, Cs, Zl, Zp, Default_Ignorable, noncharacters), UTS 51 (emoji sequences).
Spec: docs/protocol.md §7.3.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final

ELLIPSIS: Final = "…"
MARKS_SHOWN: Final = 6
"""Combining marks on one character; more of them climb into the lines above and below."""
TAB: Final = "    "

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_HIDDEN = (
    "\x00-\x1f\x7f-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160"
    "\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U00016fe4\U0001bca0-\U0001bca3\U0001d159"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    + "".join(
        f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000)
    )
)
_PICTURE = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u25a0-\u27bf\u2900-\u297f"
    "\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
)
_SHOWN_PICTURE = f"{_PICTURE}\ufe0f?[\U0001f3fb-\U0001f3ff]?\u20e3?"
_FLAGS = "|".join(
    "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in region) + "\U000e007f"
    for region in ("gbeng", "gbsct", "gbwls")
)
_EMOJI = f"{_FLAGS}|[0-9#*]\ufe0f\u20e3|{_SHOWN_PICTURE}(?:\u200d{_SHOWN_PICTURE})*"

_SCAN = re.compile(f"(?P<emoji>{_EMOJI})|(?P<hidden>[{_HIDDEN}])")
_BIDI_CONTROL = re.compile(f"[{_BIDI}]")
_ONE_PICTURE = re.compile(_PICTURE)
_UNIT = re.compile(rf"\\x[0-9a-f]{{2}}|\\u[0-9a-f]{{4}}|\\U[0-9a-f]{{8}}|{_EMOJI}|.", re.DOTALL)


def display_text(text: str, *, max_width: int | None = None) -> str:
    """Return text as one line that no terminal acts on, cut to max_width cells with "…"."""
    shown = text if text.isascii() and text.isprintable() else _visible(text)
    return shown if max_width is None else _cut(shown, max(0, max_width))


def display_block(text: str) -> str:
    """Return text as lines that no terminal acts on: newlines stay, tabs become four spaces."""
    lines = text.replace("\r\n", "\n").replace("\t", TAB).split("\n")
    return "\n".join(display_text(line) for line in lines)


def cell_width(text: str) -> int:
    """Return the most terminal cells that displayed text takes (joined emoji count apart)."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def replace_hidden(text: str, replace: Callable[[str], str]) -> str:
    """Return text with every control, format or invisible character replaced, emoji kept whole."""

    def seen(match: re.Match[str]) -> str:
        return match[0] if match.lastgroup == "emoji" else replace(match[0])

    return _SCAN.sub(seen, text)


def has_bidi_control(text: str) -> bool:
    """Return whether text holds a character that changes the direction of writing."""
    return _BIDI_CONTROL.search(text) is not None


def _escape(character: str) -> str:
    number = ord(character)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _visible(text: str) -> str:
    """Escape what is hidden, what has no agreed glyph, and marks that pile up or lack a letter."""
    shown: list[str] = []
    marks = MARKS_SHOWN
    for character in replace_hidden(text, _escape):
        category = "" if character.isascii() else unicodedata.category(character)
        if category in ("Mn", "Me"):
            marks += 1
            shown.append(character if marks <= MARKS_SHOWN else _escape(character))
        elif category in ("Cn", "Co") and not _ONE_PICTURE.match(character):
            shown.append(_escape(character))
        else:
            marks = 0
            shown.append(character)
    return "".join(shown)


def _cells(character: str) -> int:
    if character == "\ufe0f":
        return 1  # It may widen a narrow sign to two cells.
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    wide = unicodedata.east_asian_width(character) in ("W", "F") or character >= "\U0001f000"
    return 2 if wide else 1


def _units(text: str) -> Iterator[str]:
    """Yield what must not be cut in two: an escape, an emoji, a character with its marks."""
    unit = ""
    for match in _UNIT.finditer(text):
        if unit and _cells(match[0][0]) == 0:
            unit += match[0]
            continue
        if unit:
            yield unit
        unit = match[0]
    if unit:
        yield unit


def _cut(text: str, max_width: int) -> str:
    if len(text) * 2 <= max_width or cell_width(text) <= max_width:
        return text
    if max_width == 0:
        return ""
    kept, width = "", 0
    for unit in _units(text):
        width += cell_width(unit)
        if width > max_width - 1:
            break
        kept += unit
    return kept + ELLIPSIS
