"""A code into the clipboard, when somebody asked for it: through a program here, or the terminal.

pyperclip may start programs that hang, keep our streams open or die with Ctrl+C, so it runs in a
process of its own, in a session of its own, for two seconds at most; the code goes in through its
standard input and is read back. Over SSH, or without such a program, the terminal is asked
(OSC 52), which never says whether it did. Printing is render.py's.
"""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tallow.cli.console import Console

WAIT_S: Final = 2.0
NO_PROGRAM: Final = 3
NOT_THERE: Final = 4
_PUT: Final = f"""
import sys, pyperclip
text = sys.stdin.read()
try:
    pyperclip.copy(text)
    sys.exit(0 if pyperclip.paste() == text else {NOT_THERE})
except pyperclip.PyperclipException:
    sys.exit({NO_PROGRAM})
"""
_REMOTE: Final = ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")
_DEAF_TERMINALS: Final = ("", "dumb", "linux")

Put = Callable[[str], Awaitable[str]]
"""Puts a text into the clipboard of this machine; returns why not, or ""."""


@dataclass(frozen=True, slots=True)
class Copied:
    """Where a text went."""

    where: Literal["clipboard", "terminal", "nowhere"]
    why: str = ""
    control: str = ""
    """What asks the terminal for it."""


async def copy_text(text: str, console: Console, put: Put) -> Copied:
    """Put a text into the clipboard that the person at the terminal uses."""
    remote = any(console.environment.get(name) for name in _REMOTE)
    why = "this machine is a remote one"
    if not remote:
        why = await put(text)
        if not why:
            return Copied("clipboard")
    if console.stderr_tty and console.environment.get("TERM", "") not in _DEAF_TERMINALS:
        return Copied("terminal", why, osc52(text, console.environment))
    return Copied("nowhere", f"{why}, and there is no terminal that could be asked")


def said(copied: Copied) -> str:
    """Return the sentence on where the code went."""
    match copied.where:
        case "clipboard":
            return "Code copied."
        case "terminal":
            return f"Asked the terminal to copy the code ({copied.why})."
        case "nowhere":
            return f"No clipboard here: {copied.why}."


def osc52(text: str, environment: Mapping[str, str]) -> str:
    """Return the control sequence that asks a terminal to copy a text (xterm, OSC 52)."""
    plain = f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\x07"
    if environment.get("TMUX"):
        # tmux takes one or the other, depending on set-clipboard and allow-passthrough.
        return f"{plain}\x1bPtmux;\x1b{plain}\x1b\\"
    return f"\x1bP{plain}\x1b\\" if environment.get("STY") else plain


async def put_here(text: str, *, program: str = _PUT, wait_s: float = WAIT_S) -> str:
    """Put a text into this machine's clipboard; return why that failed, or ""."""
    try:
        # -P: nothing is imported from the working folder, which may hold received files.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-c", program,
            stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return f"the clipboard could not be reached: {error.strerror}"
    try:
        async with asyncio.timeout(wait_s):
            await process.communicate(text.encode())
    except TimeoutError:
        return f"the clipboard did not answer in {wait_s:.0f} s"
    finally:
        if process.returncode is None:
            _end(process)
            await process.wait()
    match process.returncode:
        case 0:
            return ""
        case _ if process.returncode == NO_PROGRAM:
            return "no clipboard program was found"
        case _:
            return "the clipboard did not take it"


def _end(process: Process) -> None:
    """End a process with everything that it started."""
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except ProcessLookupError:
        pass  # It ended meanwhile.
