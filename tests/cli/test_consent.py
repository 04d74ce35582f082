"""Answers and questions, as pure decisions."""

from __future__ import annotations

from typing import Literal

import pytest

from tallow.cli.consent import (
    Accept,
    Ask,
    Decline,
    Policy,
    accepted,
    conflict_prompt,
    judge,
    read_conflict,
    read_yes_no,
    yes_no,
)
from tests.cli.happenings import PLAIN, entry, offer

PERSON = Policy(may_ask=True)


def asked(verdict: Accept | Decline | Ask) -> Ask:
    """Return the question that was decided on."""
    assert isinstance(verdict, Ask)
    return verdict


def test_the_question_says_how_much_and_where() -> None:
    """The prompt holds the number of files, their size and the place."""
    question = asked(judge(offer(*PLAIN), PERSON))
    assert question.prompt == "Receive these 3 files (9.3 MB) into ./? "
    assert asked(judge(offer(), PERSON)).prompt == "Receive this file (3 B) into ./? "


def test_a_folder_and_a_stream_have_their_words() -> None:
    """Folders without files, and streams, are called what they are."""
    empty = offer(entry(0, "a", kind="folder"))
    assert asked(judge(empty, PERSON)).prompt == "Receive this folder (0 B) into ./? "
    stream = offer(entry(0, "stdin", kind="stream"), kind="stream", output="standard output")
    assert asked(judge(stream, PERSON)).prompt == "Receive this stream into standard output? "


@pytest.mark.parametrize(
    ("flags", "verified", "free_bytes", "enter_means_yes"),
    [
        ((), False, 100, True),
        (("executable",), False, 100, False),
        (("executable",), True, 100, True),
        ((), False, 2, False),
        ((), True, 2, False),
        ((), False, None, True),
    ],
)
def test_what_enter_means(
    flags: tuple[str, ...], verified: bool, free_bytes: int | None, enter_means_yes: bool
) -> None:
    """Enter is yes, unless a stranger's offer has a warning or the disk is too small."""
    found = judge(
        offer(flags=flags, verified=verified, free_bytes=free_bytes, total_bytes=3), PERSON
    )
    assert asked(found).enter_means_yes is enter_means_yes


def test_yes_is_not_asked_again() -> None:
    """--yes accepts; names that are taken stay untouched unless an option says otherwise."""
    everything = offer(flags=("executable", "overwrite"), conflicts=2)
    assert judge(everything, Policy(may_ask=True, yes=True)) == Accept("rename")
    overwrite = Policy(may_ask=False, yes=True, on_conflict="overwrite")
    assert judge(everything, overwrite) == Accept("overwrite")


def test_standard_output_is_its_own_consent() -> None:
    """Who sends the bytes into a pipe has said yes."""
    assert judge(offer(), Policy(may_ask=False, to_stdout=True)) == Accept()


def test_nobody_there_is_no() -> None:
    """Without a person and without --yes nothing is accepted."""
    assert isinstance(judge(offer(), Policy(may_ask=False)), Decline)


def test_taken_names_are_asked_about_once() -> None:
    """The second question comes only where names are taken and no option has answered it."""
    assert conflict_prompt(offer(), PERSON) is None
    assert conflict_prompt(offer(conflicts=1), PERSON) == (
        "1 exists already: rename, skip, overwrite, or stop? [r/s/o/N] "
    )
    assert (conflict_prompt(offer(conflicts=2), PERSON) or "").startswith("2 exist already")
    assert conflict_prompt(offer(conflicts=2), Policy(True, on_conflict="skip")) is None
    assert accepted(Policy(True, on_conflict="skip")) == Accept("skip")


@pytest.mark.parametrize(
    ("answer", "enter_means_yes", "read"),
    [
        ("", True, True), ("", False, False), ("y", False, True), (" YES ", False, True),
        ("n", True, False), ("No", True, False), (None, True, False), ("maybe", True, None),
    ],
)  # fmt: skip
def test_yes_and_no(answer: str | None, enter_means_yes: bool, read: bool | None) -> None:
    """Enter is the default, the end of input is no, anything else is no answer."""
    assert read_yes_no(answer, enter_means_yes=enter_means_yes) is read


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ("r", "rename"), ("S", "skip"), ("overwrite", "overwrite"), ("", "stop"), (None, "stop"),
        ("n", "stop"), ("y", None),
    ],
)  # fmt: skip
def test_answers_about_taken_names(
    answer: str | None, read: Literal["rename", "skip", "overwrite", "stop"] | None
) -> None:
    """Only a clear word overwrites; a yes is not one."""
    assert read_conflict(answer) == read


def test_brackets_show_the_default() -> None:
    """The capital letter is what Enter means."""
    assert (yes_no(True), yes_no(False)) == ("[Y/n] ", "[y/N] ")
