"""Errors as people read them: what happened, why, what to do next; and as events.

It turns whatever ends the program into lines. A traceback shows files, lines and types only:
neither messages of foreign exceptions nor local variables, since either may hold a secret.
Nothing is printed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING

import click

from tallow.cli.exit_codes import error_kinds
from tallow.display import display_block, display_text
from tallow.errors import InternalError, TallowError, UsageError

if TYPE_CHECKING:
    from tallow.engine.events import TransferError


def error_lines(error: TallowError) -> list[str]:
    """Return up to three lines: error, why, try."""
    lines = [f"error: {_indented(error.message)}"]
    if error.why:
        lines.append(f"  why: {_indented(error.why)}")
    if error.hint:
        lines.append(f"  try: {_indented(error.hint)}")
    return lines


def from_event(event: TransferError) -> TallowError:
    """Return the error that an event tells of, as its own class."""
    kind = error_kinds().get(event.code, TallowError)
    return kind(event.message, why=event.why, hint=event.hint)


def as_json(error: TallowError) -> bytes:
    """Return an error from before there was an exchange as a line of JSON, ticket 0."""
    from tallow.engine.events import TransferError, encode_event

    event = TransferError(0, error.code, error.message, error.why, error.hint, error.exit_code)
    return encode_event(event) + b"\n"


def from_click(error: click.ClickException) -> UsageError:
    """Return a wrong command line as an error of ours."""
    context = getattr(error, "ctx", None)
    command = context.command_path if isinstance(context, click.Context) else "tallow"
    return UsageError(error.format_message(), hint=f"{command} --help")


def innermost(error: BaseException) -> BaseException:
    """Return the error of ours inside exception groups, else the first one inside."""
    leaves = list(_leaves(error))
    return next((leaf for leaf in leaves if isinstance(leaf, TallowError)), leaves[0])


def from_bug(error: BaseException) -> InternalError:
    """Return one sentence on an exception that nobody expected: its type and its place."""
    place = ""
    for frame in _frames(error):
        place = f" in {frame[0]}:{frame[1]}"
    return InternalError(
        f"Tallow hit a bug: {type(error).__name__}{place}.",
        hint="Please report it with what  TALLOW_DEBUG=1  prints; no secret is in it.",
    )


def traceback_lines(error: BaseException) -> list[str]:
    """Return where it happened, the oldest cause first, without any message or value."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    lines = []
    for one in reversed(chain):
        lines += [f"  {file}:{line} in {name}" for file, line, name in _frames(one)]
        lines.append(f"  {type(one).__module__}.{type(one).__name__}")
    return lines


def _frames(error: BaseException) -> Iterator[tuple[str, int, str]]:
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        yield "/".join(PurePath(code.co_filename).parts[-2:]), trace.tb_lineno, code.co_name
        trace = trace.tb_next


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _indented(text: str) -> str:
    # Messages may quote names and words of a peer; double spaces set off commands.
    shown = display_block(text) if "\n" in text else display_text(text)
    return re.sub("\n", "\n       ", shown)
