"""Choosing files on a plain terminal: what is shown, and what a typed line means. Pure.

A numbered list in pages, a line of commands, the sum below it. Numbers begin with 1 here and with
0 everywhere else. Peer text passes sheet.py. offer_talk.py reads the lines and prints.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tallow.cli import sentences, units
from tallow.cli.choice import Choice, Tally
from tallow.cli.sheet import entry_lines
from tallow.display import display_text
from tallow.engine import events as e

PAGE_LINES: Final = 20
PATTERN_CELLS: Final = 40
PROMPT: Final = "Take or leave (Enter = done, ? = help): "
HELP: Final = (
    "  3   2-5   7-      turn entries over; a folder goes with all it holds",
    '  *.jpg   docs/     turn over what matches; names with blanks in "quotes"',
    "  -3   -*.exe       leave out",
    "  +3   +*.jpg       take",
    "  all   none        take everything, or nothing",
    "  n   p             next page, previous page",
    "  q                 forget these changes and go back to the question",
    "  Enter             done",
)
_TOKEN: Final = re.compile(r'[+-]?"[^"]*"|[^\s,]+')
_NUMBERS: Final = re.compile(r"(\d{1,9})(?:(-|\.\.)(\d{0,9}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """Entries by number, first and last counted from 0."""

    first: int
    last: int
    wanted: bool | None
    """True takes, False leaves, None turns over."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Entries by a gitignore pattern."""

    text: str
    wanted: bool | None


@dataclass(frozen=True, slots=True)
class Turn:
    """Another page."""

    pages: int


@dataclass(frozen=True, slots=True)
class Help:
    """The list of what can be typed."""


@dataclass(frozen=True, slots=True)
class Back:
    """Forget the changes."""


@dataclass(frozen=True, slots=True)
class Done:
    """Enough."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A line that means nothing; nothing of it is carried out."""

    why: str


Marking = Span | Pattern
Typed = list[Marking] | Turn | Help | Back | Done | Wrong


def read_line(line: str, count: int) -> Typed:
    """Read what somebody typed below a list of ``count`` entries."""
    match line.strip().casefold():
        case "" | "done" | "y" | "yes":
            return Done()
        case "n" | "next" | ">":
            return Turn(1)
        case "p" | "previous" | "<":
            return Turn(-1)
        case "?" | "h" | "help":
            return Help()
        case "q" | "quit" | "back":
            return Back()
        case _:
            pass
    found: list[Marking] = []
    for token in _TOKEN.findall(line):
        one = _read_token(token, count)
        if isinstance(one, Wrong):
            return one
        found.append(one)
    return found or Wrong("Type numbers, patterns, or ? for help.")


def page_lines(entries: Sequence[e.OfferEntry], choice: Choice, *, columns: int) -> list[str]:
    """Return a page of the list, each line with its number and mark."""
    digits = len(str(len(choice)))
    marks = choice.marks(entry.number for entry in entries)
    heads = [
        f"{entry.number + 1:>{digits}} [{mark}] "
        for entry, mark in zip(entries, marks, strict=True)
    ]
    lines = entry_lines(entries, columns=columns, heads=heads)
    if len(choice) > len(entries) and entries:
        shown = f"{entries[0].number + 1} to {entries[-1].number + 1} of {len(choice)}"
        lines.append(f"  {shown}; n = next page, p = previous page")
    return lines


def sum_line(tally: Tally, offer: e.OfferReceived) -> str:
    """Return what is chosen of how much, and the room for it."""
    of_files = f"{tally.files} of {units.counted(offer.files, 'file')}"
    folders = f", {units.counted(tally.folders, 'folder')}" if tally.folders else ""
    folders += f", {units.counted(tally.links, 'link')}" if tally.links else ""
    room = ""
    if offer.free_bytes is not None:
        room = f" ({units.size(offer.free_bytes)} free in {sentences.place(offer.output)})"
    return f"Chosen: {of_files}{folders}, {units.size(tally.total_bytes)}{room}"


def _read_token(token: str, count: int) -> Marking | Wrong:
    wanted = {"+": True, "-": False}.get(token[0])
    word = token if wanted is None else token[1:]
    if len(word) > 1 and word.startswith('"') and word.endswith('"'):
        return Pattern(word[1:-1], wanted)
    match word.casefold():
        case "":
            return Wrong(f"{display_text(token)} of what? Type ? for help.")
        case "all":
            return Span(0, count - 1, wanted is not False)
        case "none":
            return Span(0, count - 1, wanted is False)
        case _:
            pass
    numbers = _NUMBERS.fullmatch(word)
    if numbers is None:
        return Pattern(word, wanted)
    first = int(numbers[1])
    last = first if numbers[2] is None else int(numbers[3] or count)
    if not 1 <= first <= last <= count:
        return Wrong(f"{word} is not in the list, which goes from 1 to {count}.")
    return Span(first - 1, last - 1, wanted)
