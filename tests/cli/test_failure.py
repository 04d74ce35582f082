"""Errors in three lines, bugs in one, tracebacks without values."""

from __future__ import annotations

import json

import click

from tallow.cli import failure
from tallow.errors import BadCode, NoRelaySet, TallowError, WrongCode
from tests.cli.happenings import ended

SECRET = "banana-crane-oxygen"


def caught(deep: str) -> ValueError:
    """Return an error whose message, cause and frames hold a secret."""
    try:
        try:
            raise KeyError(deep)
        except KeyError as cause:
            raise ValueError(deep) from cause
    except ValueError as error:
        return error


def test_three_lines() -> None:
    """What happened, why, and what to do next; lines without content are left out."""
    assert failure.error_lines(BadCode("No.", why="because", hint="Do this.")) == [
        "error: No.", "  why: because", "  try: Do this.",
    ]  # fmt: skip
    assert failure.error_lines(TallowError("No.")) == ["error: No."]


def test_hints_with_commands_keep_their_spaces() -> None:
    """Commands in hints stay set off by two spaces."""
    assert "with  tallow relay  and" in failure.error_lines(NoRelaySet())[1]


def test_errors_quote_peers_harmlessly() -> None:
    """X05: what a peer put into an error cannot drive the terminal."""
    lines = failure.error_lines(BadCode("No \x1b[2J.", why="a\nb\x07", hint="\u202eDo."))
    assert lines == [
        "error: No \\x1b[2J.", "  why: a\n       b\\x07", "  try: \\u202eDo.",
    ]  # fmt: skip


def test_events_become_their_errors() -> None:
    """A final event is its own class again, with its own words."""
    error = failure.from_event(ended("wrong-code", 3, "No."))
    assert isinstance(error, WrongCode)
    assert (error.message, error.why, error.hint) == ("No.", "for a reason", "Do something.")
    assert type(failure.from_event(ended("from-the-future", 4))) is TallowError


def test_errors_become_events() -> None:
    """D8: an error from before there was an exchange is a line of JSON with ticket 0."""
    line = json.loads(failure.as_json(NoRelaySet()))
    assert line["v"] == 1
    assert (line["event"], line["ticket"]) == ("transfer.error", 0)
    assert (line["code"], line["exit_code"]) == ("no-relay", 2)


def test_a_wrong_command_line_points_to_its_help() -> None:
    """click's errors come in our form, with the help of the command that was meant."""
    command = click.Command("send")
    ctx = click.Context(
        command, info_name="send", parent=click.Context(command, info_name="tallow")
    )
    error = failure.from_click(click.UsageError("No such option: --foo", ctx))
    assert failure.error_lines(error) == [
        "error: No such option: --foo",
        "  try: tallow send --help",
    ]


def test_groups_are_unwrapped() -> None:
    """An error of ours inside exception groups is found, else the first one is taken."""
    ours, other = WrongCode(), ValueError("x")
    assert failure.innermost(ExceptionGroup("", [other, ExceptionGroup("", [ours])])) is ours
    assert failure.innermost(ExceptionGroup("", [other])) is other
    assert failure.innermost(other) is other


def test_a_bug_is_one_sentence_with_its_place() -> None:
    """An unexpected exception names its type and its line, and nothing of its message (A4)."""
    error = failure.from_bug(caught(SECRET))
    assert "ValueError in cli/test_failure.py:" in error.message
    assert error.exit_code == 1
    assert SECRET not in "".join(failure.error_lines(error))


def test_a_traceback_holds_no_value() -> None:
    """A traceback shows files, lines and types of the whole chain, never a message (A4)."""
    lines = failure.traceback_lines(caught(SECRET))
    assert lines[-1] == "  builtins.ValueError"
    assert "  builtins.KeyError" in lines
    assert sum("in caught" in line for line in lines) == 2
    assert SECRET not in "\n".join(lines)
