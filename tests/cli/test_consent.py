"""Answers and questions, as pure decisions."""

from __future__ import annotations

from typing import Literal

import pytest

from tallow.cli.consent import (
    Accept,
    Ask,
    Decline,
    Policy,
    Taken,
    accepted,
    judge,
    narrowed,
    read_consent,
    read_taken,
    read_yes_no,
    taken_prompt,
    yes_no,
)
from tests.cli.happenings import PLAIN, choice_of, entry, offer

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


def test_a_part_is_judged_by_itself() -> None:
    """C4: with the program left out, Enter is yes again, and the question says how much of it."""
    whole = offer(*PLAIN, flags=("executable",), free_bytes=9_000_000)
    choice = choice_of(whole)
    assert narrowed(whole, choice).flags == ["executable"]
    choice.mark([2], wanted=False)
    part = narrowed(whole, choice)
    assert (part.files, part.folders, part.total_bytes, part.flags) == (2, 1, 8_100_512, [])
    question = asked(judge(part, PERSON, of=whole))
    assert question == Ask("Receive these 2 of 3 files (8.1 MB) into ./? ", True, True)
    choice.mark([1], wanted=False)
    question = asked(judge(narrowed(whole, choice), PERSON, of=whole))
    assert question.prompt == "Receive this 1 of 3 files (512 B) into ./? "


def test_a_warning_of_the_whole_list_stays() -> None:
    """A flag that no entry carries cannot be chosen away."""
    whole = offer(entry(0, "a", 1), entry(1, "b", 1, flags=("dotfile",)), flags=("bidi", "dotfile"))
    choice = choice_of(whole)
    choice.mark([1], wanted=False)
    assert narrowed(whole, choice).flags == ["bidi"]


def test_there_must_be_something_to_choose_from() -> None:
    """Choosing is offered from two entries on."""
    assert not asked(judge(offer(), PERSON)).may_select
    assert asked(judge(offer(*PLAIN), PERSON)).may_select


def test_a_taken_name_is_asked_about() -> None:
    """C4: the question names the file where it would go, and says how many follow."""
    one = entry(3, "a\x1b[2J", 5, target="d/a_")
    assert taken_prompt(one, 0) == (
        "d/a_ exists already: overwrite, rename, skip, or stop? [o/r/s/N] "
    )
    assert taken_prompt(one, 2).endswith(" [o/r/s/N; O/R/S = all 3] ")
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
    ("answer", "may_select", "read"),
    [
        ("s", True, "select"), ("S", True, "select"), ("s", False, None), ("", True, "yes"),
        ("n", True, "no"), (None, True, "no"), ("perhaps", True, None),
    ],
)  # fmt: skip
def test_an_offer_is_answered(answer: str | None, may_select: bool, read: str | None) -> None:
    """Yes, no or s; s only where there is something to choose from."""
    assert read_consent(answer, enter_means_yes=True, may_select=may_select) == read


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ("r", Taken("rename")), ("skip", Taken("skip")), ("o", Taken("overwrite")),
        ("R", Taken("rename", True)), ("S", Taken("skip", True)), ("O", Taken("overwrite", True)),
        ("overwrite all", Taken("overwrite", True)), ("Overwrite", Taken("overwrite")),
        ("", "stop"), (None, "stop"), ("n", "stop"), ("y", None),
    ],
)  # fmt: skip
def test_answers_about_taken_names(
    answer: str | None, read: Taken | Literal["stop"] | None
) -> None:
    """Only a clear word overwrites; a yes is not one; a capital stands for all that follow."""
    assert read_taken(answer) == read


def test_brackets_show_the_default() -> None:
    """The capital letter is what Enter means."""
    assert (yes_no(True), yes_no(False)) == ("[Y/n] ", "[y/N] ")
    assert (yes_no(True, may_select=True), yes_no(False, may_select=True)) == (
        "[Y/n/s] ",
        "[y/N/s] ",
    )
