"""A code into the clipboard: which one, what is said, and programs that hang."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

import pytest

from tallow.cli import clipboard
from tallow.cli.clipboard import Copied, copy_text, osc52, put_here, said
from tests.cli.still_console import StillConsole


async def works(text: str) -> str:
    """Play a clipboard."""
    return ""


async def misses(text: str) -> str:
    """Play a machine without one."""
    return "no clipboard program was found"


def terminal(**environment: str) -> StillConsole:
    """Return a terminal."""
    return StillConsole(stderr_tty=True, environment={"TERM": "xterm"} | environment)


async def test_the_clipboard_of_this_machine_comes_first() -> None:
    """C10: where a program takes it, the terminal is left alone."""
    assert await copy_text("7-a", terminal(), works) == Copied("clipboard")


async def test_a_remote_machine_asks_the_terminal() -> None:
    """C10, G3: over SSH the clipboard is the one in front of the person."""
    copied = await copy_text("7-a", terminal(SSH_TTY="/dev/pts/0"), works)
    assert (copied.where, copied.control) == ("terminal", osc52("7-a", {}))
    assert said(copied) == "Asked the terminal to copy the code (this machine is a remote one)."


@pytest.mark.parametrize(
    "console",
    [StillConsole(environment={"TERM": "xterm"}), terminal(TERM="dumb"), terminal(TERM="linux")],
)
async def test_nowhere_to_copy_to(console: StillConsole) -> None:
    """C10: without a program and without a terminal that listens, that is said."""
    copied = await copy_text("7-a", console, misses)
    assert (copied.where, copied.control) == ("nowhere", "")
    assert said(copied).startswith("No clipboard here: no clipboard program was found, and ")


def test_the_sequence_holds_the_text_and_nothing_else() -> None:
    """C10: the text travels in base64, so that nothing in it ends the sequence; tmux is told."""
    plain = osc52("7-\x07a", {})
    assert plain.startswith("\x1b]52;c;")
    assert plain.endswith("\x07")
    assert base64.b64decode(plain[7:-1]) == b"7-\x07a"
    assert osc52("7", {"TMUX": "x"}) == osc52("7", {}) + f"\x1bPtmux;\x1b{osc52('7', {})}\x1b\\"
    assert osc52("7", {"STY": "x"}) == f"\x1bP{osc52('7', {})}\x1b\\"


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import sys; sys.exit(sys.stdin.read() != '7-a')", ""),
        (f"raise SystemExit({clipboard.NO_PROGRAM})", "no clipboard program was found"),
        (f"raise SystemExit({clipboard.NOT_THERE})", "the clipboard did not take it"),
    ],
)
async def test_a_process_of_its_own_takes_it(program: str, why: str) -> None:
    """A4, C10: the text goes in by standard input, never by an argument."""
    assert await put_here("7-a", program=program, wait_s=30.0) == why


@pytest.mark.skipif(os.name != "posix", reason="looks with ps")
async def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    """C10: a clipboard that does not answer is not waited for, and leaves no process behind."""
    note = tmp_path / "pid"
    program = (
        "import subprocess, sys, pathlib;"
        "child = subprocess.Popen(['sleep', '600']);"
        f"pathlib.Path({str(note)!r}).write_text(str(child.pid));"
        "child.wait()"
    )
    waited_s = 1.5
    assert "did not answer" in await put_here("7-a", program=program, wait_s=waited_s)
    assert not _runs(int(note.read_text()))


async def test_nothing_is_imported_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A received file called pyperclip.py beside us is never run."""
    (tmp_path / "pyperclip.py").write_text("open('ran', 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    await put_here("7-a", wait_s=30.0)
    assert not (tmp_path / "ran").exists()


def _runs(process_id: int) -> bool:
    """Tell whether a process is there and no mere entry of one that ended."""
    found = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(process_id)], capture_output=True, text=True, check=False
    )
    return found.stdout.strip()[:1] not in ("", "Z")
