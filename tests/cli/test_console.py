"""The console as the operating system gives it: descriptors, their ends, their absence."""

from __future__ import annotations

import io
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import TextIO

import pytest

from tallow.cli.console import Console
from tests.house.tree import ROOT


@pytest.fixture
def pipe() -> Iterator[tuple[Console, int]]:
    """Return a console whose standard input is a pipe, and the pipe's writing end."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "r") as stdin, os.fdopen(writing, "wb", buffering=0) as writer:
        yield Console(stdin, io.StringIO(), io.StringIO(), {}), writer.fileno()


def without(stdin: TextIO | None) -> Console:
    """Return a console with this standard input and no terminal."""
    return Console(stdin, io.StringIO(), io.StringIO(), {})


def test_bytes_that_wait_are_read(pipe: tuple[Console, int]) -> None:
    """What is there is returned at once, no more than was asked for."""
    console, writer = pipe
    os.write(writer, b"abcdef")
    assert console.read_some(4, 10.0) == b"abcd"
    assert console.read_some(4, None) == b"ef"


@pytest.mark.skipif(os.name != "posix", reason="pipes cannot be waited for on Windows")
def test_a_silent_pipe_is_not_waited_for(pipe: tuple[Console, int]) -> None:
    """Nothing in time is None, not the end of input."""
    console, _ = pipe
    assert console.read_some(4, 0.0) is None
    assert console.read_some(4, -1.0) is None


def test_an_answer_is_a_line_without_its_end(pipe: tuple[Console, int]) -> None:
    """An answer is stripped; bytes that are no UTF-8 do not end the program."""
    console, writer = pipe
    os.write(writer, b" yes\xff \n")
    assert console.read_answer() == "yes\ufffd"


def test_the_end_of_input_is_no_answer() -> None:
    """Ctrl+D is None."""
    reading, writing = os.pipe()
    os.close(writing)
    with os.fdopen(reading, "r") as stdin:
        assert without(stdin).read_answer() is None


def test_a_closed_standard_input() -> None:
    """A program started without standard input reads its end and sees no terminal."""
    console = without(None)
    assert console.read_some(4, None) == b""
    assert not console.stdin_tty
    console.drop_typed_ahead()


def test_streams_that_were_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program started without any stream still runs."""
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(f"sys.{name}", None)
    console = Console.system()
    console.stdout.write("x")
    console.stderr.write("x")
    assert not (console.stdin_tty or console.stdout_tty or console.stderr_tty)


def test_a_stream_without_descriptor() -> None:
    """A standard input that is no file of the system is read through Python."""
    console = without(io.TextIOWrapper(io.BytesIO(b"abc")))
    assert console.read_some(2, 1.0) == b"ab"
    assert console.read_some(2, 1.0) == b"c"
    assert console.read_some(2, 1.0) == b""


def test_no_terminal_has_a_usual_size() -> None:
    """Where nobody knows the size it is 80 by 24."""
    console = without(None)
    assert console.size() == (80, 24)
    assert not (console.stdout_tty or console.stderr_tty)


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo terminal")
def test_what_was_typed_before_a_question_is_dropped() -> None:
    """An Enter pressed while waiting does not answer the question that follows."""
    leader, follower = os.openpty()
    with os.fdopen(follower, "r") as stdin, os.fdopen(leader, "wb", buffering=0) as keyboard:
        console = without(stdin)
        assert console.stdin_tty
        keyboard.write(b"\n")
        assert console.read_some(0, 5.0) == b""  # the line has arrived
        console.drop_typed_ahead()
        assert console.read_some(64, 0.0) is None
        keyboard.write(b"n\n")
        assert console.read_answer() == "n"


def test_the_code_prompt_reads_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A code is read from the terminal with completion, and Ctrl+D is None."""
    typed = iter(["7-a-b-c"])

    def read(prompt: str) -> str:
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", read)
    console = without(None)
    assert console.read_code("Code: ", lambda _: ["crowd"]) == "7-a-b-c"
    assert console.read_code("Code: ", lambda _: []) is None


def test_the_code_prompt_keeps_no_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """X06: what is typed at the code prompt is completed but never kept in a history."""
    readline = pytest.importorskip("readline")
    offered: list[str | None] = []
    automatic: list[bool] = []

    def read(prompt: str) -> str:
        complete = readline.get_completer()
        offered.extend(complete("cro", state) for state in range(3))
        return "7-a-b-c"

    monkeypatch.setattr("builtins.input", read)
    monkeypatch.setattr(readline, "set_auto_history", automatic.append)
    length = readline.get_current_history_length()
    without(None).read_code("Code: ", lambda prefix: [f"{prefix}ss", f"{prefix}wd"])
    assert offered == ["cross", "crowd", None]
    assert automatic == [False]
    assert readline.get_current_history_length() == length


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo terminal and job control")
def test_ctrl_z_gives_the_terminal_back_and_takes_it_again() -> None:
    """C10: stopped at the code prompt the terminal is as before; the line is there afterwards."""
    import termios

    leader, follower = os.openpty()
    program = (
        "from tallow.cli.console import Console;"
        "print(repr(Console.system().read_code('Code: ', lambda _: [])))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=follower, stdout=follower, stderr=follower, cwd=ROOT, start_new_session=True,
    )  # fmt: skip
    try:
        _until(leader, b"Code: ")
        os.write(leader, b"7-ab")
        _until(leader, b"7-ab")
        assert not termios.tcgetattr(follower)[3] & termios.ICANON
        assert os.WIFSTOPPED(_stopped(child))
        assert termios.tcgetattr(follower)[3] & termios.ICANON
        child.send_signal(signal.SIGCONT)
        _until(leader, b"Code: 7-ab")
        assert not termios.tcgetattr(follower)[3] & termios.ICANON
        os.write(leader, b"c\n")
        _until(leader, b"'7-abc'")
        assert child.wait() == 0
        assert termios.tcgetattr(follower)[3] & termios.ICANON
    finally:
        child.kill()
        child.wait()
        os.close(leader)
        os.close(follower)


def _stopped(child: subprocess.Popen[bytes]) -> int:
    """Stop a program and return its status.

    Python looks at signals only while its line editor waits for a key; one that comes a moment
    too early is seen with the next one.
    """
    while True:
        child.send_signal(signal.SIGTSTP)
        for _ in range(20):
            found, status = os.waitpid(child.pid, os.WUNTRACED | os.WNOHANG)
            if found:
                return status
            select.select([], [], [], 0.01)


def _until(terminal: int, wanted: bytes) -> bytes:
    """Read from a terminal until something was shown."""
    shown = b""
    while wanted not in shown:
        shown += os.read(terminal, 4096)
    return shown
