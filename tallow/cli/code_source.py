"""Where a code comes from, and what is said about it before anything goes out.

In order: the command line, TALLOW_CODE, a file, standard input, a visible prompt. A slip of the
keyboard is caught here, with the nearest word; nothing has been sent by then. Codes stay out of
the shell's history wherever they are not an argument.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tallow.cli import sentences
from tallow.cli.console import Console
from tallow.cli.path_policy import read_first_line
from tallow.cli.render import Output
from tallow.errors import BadCode, TallowError, Terminated, UsageError, WeakCode
from tallow.protocol.code import Code, CodeKind, check_typed, near_misses, parse_code
from tallow.protocol.words import complete_word, nearest_word
from tallow.wire import limits

PROMPT: Final = "Code (Enter for a new one): "
LINE_BYTES: Final = 4 * (limits.CODE_MAX_CHARS + limits.ADDRESS_MAX_CHARS)
SESSIONS_FOLDER: Final = "/run/user"
FIRST_PERSON: Final = 1000
"""User ids below belong to services."""


def weak_code_warning(code: Code | None) -> str | None:
    """Return the warning for a code that the relay could guess, whatever its strength."""
    if code is None or code.kind is not CodeKind.UNNUMBERED:
        return None
    return sentences.weak_code(code.bits, numbered=False)


def code_from_file(name: str, console: Console) -> str:
    """Return the first line of a file, or of standard input for "-"."""
    if name == "-":
        return code_from_input(console)
    raw = read_first_line(name, LINE_BYTES, what="code file")
    return _one_line(raw, f"The file {name}")


def code_from_input(console: Console) -> str:
    """Return the first line of standard input."""
    raw = b""
    while b"\n" not in raw and len(raw) < LINE_BYTES:
        chunk = console.read_some(LINE_BYTES, None)
        if not chunk:
            break
        raw += chunk
    return _one_line(raw, "Standard input")


def prompt_for_code(console: Console, output: Output, *, weak: bool) -> Code | None:
    """Ask until a code can be right; None for an empty line, which asks for a new code."""
    while True:
        typed = _typed(console, output, PROMPT)
        if not typed:
            return None
        try:
            return check_typed(typed, interactive=True, allow_weak=weak)
        except (BadCode, WeakCode, UsageError) as wrong:
            output.failure(wrong)
            code = _offer_correction(typed, console, output, weak=weak)
            if code is not None:
                return code


def completions(incomplete: str) -> list[str]:
    """Return whole codes that a half-typed one may become, by completing its last word."""
    head, dash, last = incomplete.rpartition("-")
    if not dash or not last or not re.match(r"[1-9]\d*(?:-|$)", head):
        return []
    return [f"{head}-{word}" for word in complete_word(last)]


def words_for(prefix: str) -> list[str]:
    """Return the words that begin with what is typed, or the one that a slip of it meant."""
    if not prefix.isalpha():
        return []
    meant = nearest_word(prefix)
    return complete_word(prefix) or ([meant] if meant else [])


def visible_code_warning() -> str | None:
    """Return the warning for a code on the command line of a machine that others use now."""
    if not others_logged_in():
        return None
    return (
        "warning: other users of this machine can see a code on the command line;"
        " type it at the prompt, or use TALLOW_CODE or --code-file."
    )


def others_logged_in(sessions: str = SESSIONS_FOLDER) -> bool:
    """Return whether another person has a session here; False where nobody can tell."""
    if os.name != "posix":
        return False
    try:
        names = [entry.name for entry in Path(sessions).iterdir()]
    except OSError:
        return False
    people = {int(name) for name in names if name.isdigit() and int(name) >= FIRST_PERSON}
    return bool(people - {os.getuid()})


def _typed(console: Console, output: Output, prompt: str) -> str:
    output.close()
    if console.stdout_tty:
        try:
            answer = console.read_code(prompt, words_for)
        except Terminated:
            output.result("")  # What is said now begins on a line of its own.
            raise
    else:
        output.ask(prompt)
        answer = console.read_answer()
        output.answered()
    if answer is None:
        raise UsageError("No code was given.", hint="Type it, or set TALLOW_CODE.")
    # A paste may hold more than the code; what follows it is no answer to anything.
    return answer.strip().partition("\n")[0].strip()


def _offer_correction(typed: str, console: Console, output: Output, *, weak: bool) -> Code | None:
    """Ask whether the nearest words were meant; None to type again."""
    corrected = typed.casefold()
    for wrong, meant in near_misses(typed):
        corrected = re.sub(rf"(?<![^\W\d_]){re.escape(wrong)}(?![^\W\d_])", meant, corrected)
    if corrected == typed.casefold():
        return None
    code = _or_none(lambda: check_typed(corrected, interactive=True, allow_weak=weak))
    if code is None:
        return None
    console.drop_typed_ahead()
    output.ask(f"Use {code.text}? [Y/n, a = as typed] ")
    answer = console.read_answer()
    output.answered()
    match (answer if answer is not None else "n").strip().casefold():
        case "" | "y" | "yes":
            return code
        case "a":
            return _or_none(lambda: parse_code(typed, allow_weak=weak))
        case _:
            return None


def _or_none(read: Callable[[], Code]) -> Code | None:
    try:
        return read()
    except TallowError:
        return None


def _one_line(raw: bytes, where: str) -> str:
    lines = raw.decode("utf-8", "replace").strip().splitlines()
    if not lines:
        raise UsageError(
            f"{where} holds no code.",
            hint="Pass it as  tallow receive CODE,  in TALLOW_CODE or with --code-file.",
        )
    return lines[0].strip()
