"""What a typed line means, and what stands on the screen."""

from __future__ import annotations

import pytest

from tallow.cli.picker import (
    Back,
    Done,
    Help,
    Marking,
    Pattern,
    Span,
    Turn,
    Typed,
    Wrong,
    page_lines,
    read_line,
    sum_line,
)
from tests.cli.happenings import PLAIN, choice_of, entry, offer


@pytest.mark.parametrize(
    ("line", "typed"),
    [
        ("", Done()), (" done ", Done()), ("y", Done()), ("?", Help()), ("HELP", Help()),
        ("n", Turn(1)), (">", Turn(1)), ("p", Turn(-1)), ("q", Back()),
    ],
)  # fmt: skip
def test_words(line: str, typed: Typed) -> None:
    """One word alone is a command, however it is written."""
    assert read_line(line, 9) == typed


@pytest.mark.parametrize(
    ("line", "markings"),
    [
        ("3", [Span(2, 2, None)]),
        ("-3", [Span(2, 2, False)]),
        ("+3", [Span(2, 2, True)]),
        ("2-5", [Span(1, 4, None)]),
        ("-2-5", [Span(1, 4, False)]),
        ("2..5", [Span(1, 4, None)]),
        ("7-", [Span(6, 8, None)]),
        ("1,3 5", [Span(0, 0, None), Span(2, 2, None), Span(4, 4, None)]),
        ("all", [Span(0, 8, True)]),
        ("none", [Span(0, 8, False)]),
        ("none 4", [Span(0, 8, False), Span(3, 3, None)]),
        ("*.jpg -docs/", [Pattern("*.jpg", None), Pattern("docs/", False)]),
        ('-"my file.txt" "3"', [Pattern("my file.txt", False), Pattern("3", None)]),
        ("3a", [Pattern("3a", None)]),
        ("٣", [Pattern("٣", None)]),
    ],
)
def test_numbers_and_patterns(line: str, markings: list[Marking]) -> None:
    """C4: numbers count from 1; a sign takes or leaves; anything else is a pattern."""
    assert read_line(line, 9) == markings


@pytest.mark.parametrize(
    "line", ["0", "10", "5-2", "1 99", "-", "+ 3", ",", "999999999", "7-999999999"]
)
def test_what_cannot_be_is_said(line: str) -> None:
    """A line with a mistake in it changes nothing at all."""
    assert isinstance(read_line(line, 9), Wrong)


def test_a_page_shows_numbers_and_marks() -> None:
    """C4: each line has its number, its mark, its size and its warnings."""
    choice = choice_of(offer(*PLAIN))
    choice.mark([2], wanted=False)
    assert page_lines(PLAIN, choice, columns=80) == [
        "  1 [-] holiday/",
        "  2 [x]   DSC_0132.jpg    8.1 MB",
        "  3 [ ]   setup.exe       1.2 MB  ! program",
        "  4 [x]   notes.txt        512 B",
    ]
    tail = page_lines(PLAIN[2:], choice, columns=80)
    assert tail[0].startswith("  3 [ ] holiday/setup.exe")
    assert tail[-1] == "  3 to 4 of 4; n = next page, p = previous page"


def test_names_on_a_page_are_harmless() -> None:
    """X05: a name on the list cannot act on the terminal, and long ones are cut."""
    hostile = (entry(0, "a\x1b[2J" + "漢" * 60, 1), entry(1, "b", 1))
    lines = page_lines(hostile, choice_of(offer(*hostile)), columns=60)
    assert "\x1b" not in "".join(lines)
    assert "\\x1b[2J" in lines[0]


def test_the_sum_shows_the_room() -> None:
    """C4: files, folders, bytes and free space of what is chosen."""
    choice = choice_of(offer(*PLAIN))
    choice.mark([1], wanted=False)
    assert sum_line(choice.tally(), offer(*PLAIN)) == (
        "Chosen: 2 of 3 files, 1 folder, 1.2 MB (81 GB free in ./)"
    )
    pipe = offer(entry(0, "a", 5), free_bytes=None)
    assert sum_line(choice_of(pipe).tally(), pipe) == "Chosen: 1 of 1 file, 5 B"
