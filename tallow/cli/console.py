"""The three streams of this process, and what is known of them: a terminal, its size, what waits.

It reads from standard input and looks at the terminal; it writes nothing (render.py does) but the
prompt that a line editor draws. Bytes are read from the descriptor itself, never through Python's
buffer, so that what is not taken here is still there for the engine. Tests put a twin in its place.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType, ModuleType
from typing import Final, TextIO

_DEFAULT_SIZE: Final = (80, 24)
_LINE_BYTES: Final = 4096
"""A terminal hands out one line at a time, of at most so many bytes."""
_NEW_CODE_KEYS: Final = " -"
"""What ends a word of a code while it is typed."""


class Console:
    """Standard input, output and error as the command line sees them."""

    def __init__(
        self, stdin: TextIO | None, stdout: TextIO, stderr: TextIO, environment: Mapping[str, str]
    ) -> None:
        """Look at streams; None for a standard input that was closed."""
        self._stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.environment = environment

    @classmethod
    def system(cls) -> Console:
        """Return the console of this process."""
        return cls(sys.stdin, sys.stdout or _nowhere(), sys.stderr or _nowhere(), os.environ)

    @property
    def stdin_tty(self) -> bool:
        """Whether a person can type here."""
        return self._stdin is not None and not self._stdin.closed and self._stdin.isatty()

    @property
    def stdout_tty(self) -> bool:
        """Whether what goes to standard output is seen by a person."""
        return self.stdout.isatty()

    @property
    def stderr_tty(self) -> bool:
        """Whether what goes to standard error is seen by a person."""
        return self.stderr.isatty()

    def size(self) -> tuple[int, int]:
        """Return columns and lines of the terminal; 80 and 24 if nobody knows."""
        try:
            found = os.get_terminal_size(self.stderr.fileno())
        except (OSError, ValueError):
            return _DEFAULT_SIZE
        # A terminal that was never told its size says 0 by 0.
        return (found.columns or _DEFAULT_SIZE[0], found.lines or _DEFAULT_SIZE[1])

    def read_some(self, most_bytes: int, wait_s: float | None) -> bytes | None:
        """Return what standard input has, b"" at its end, None if nothing came in time.

        Waits without end if wait_s is None, and on Windows, where pipes cannot be waited for.
        """
        descriptor = self._descriptor()
        if descriptor is None:
            buffered = b"" if self._stdin is None else self._stdin.buffer.read(most_bytes)
            return bytes(buffered)
        if wait_s is not None and os.name == "posix":
            import select

            ready, _, _ = select.select([descriptor], [], [], max(0.0, wait_s))
            if not ready:
                return None
        return os.read(descriptor, most_bytes)

    def read_answer(self) -> str | None:
        """Return the next line that somebody types, without its end; None at the end of input."""
        try:
            raw = self.read_some(_LINE_BYTES, None)
        except OSError:
            return None  # The terminal is gone.
        return raw.decode("utf-8", "replace").strip() if raw else None

    def read_code(self, prompt: str, complete: Callable[[str], list[str]]) -> str | None:
        """Ask on the terminal, with completion and without history; None at the end of input."""
        readline = _readline()
        if readline is None:
            return _asked(prompt)
        choices: list[str] = []

        def offer(text: str, state: int) -> str | None:
            if state == 0:
                choices[:] = complete(text)
            return choices[state] if state < len(choices) else None

        def draw_again() -> None:
            self.stdout.write(prompt + readline.get_line_buffer())
            self.stdout.flush()

        # libedit, which macOS links in GNU readline's place, has another grammar.
        libedit = "libedit" in (readline.__doc__ or "")
        readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
        # A paste is one line then, not a line and answers to questions that nobody read.
        readline.parse_and_bind("set enable-bracketed-paste on")
        readline.set_auto_history(False)
        readline.set_completer_delims(_NEW_CODE_KEYS)
        readline.set_completer(offer)
        try:
            with _stops_cleanly(self._descriptor(), draw_again):
                return _asked(prompt)
        finally:
            readline.set_completer(None)

    def drop_typed_ahead(self) -> None:
        """Forget what was typed before a question was asked: it cannot be an answer to it."""
        descriptor = self._descriptor()
        if descriptor is None or os.name != "posix" or not self.stdin_tty:
            return
        import termios

        try:
            termios.tcflush(descriptor, termios.TCIFLUSH)
        except termios.error:
            pass  # The terminal is gone; the read that follows says so.

    def _descriptor(self) -> int | None:
        if self._stdin is None or self._stdin.closed:
            return None
        try:
            return self._stdin.fileno()
        except (OSError, ValueError):
            return None


def _nowhere() -> TextIO:
    """Take the place of a stream that was closed before the program began."""
    return io.TextIOWrapper(io.BytesIO(), "utf-8")


def _readline() -> ModuleType | None:
    try:
        import readline
    except ImportError:
        return None
    return readline


@contextmanager
def _stops_cleanly(descriptor: int | None, draw_again: Callable[[], None]) -> Iterator[None]:
    """Give the terminal back at Ctrl+Z and take it again after it: Python's readline does not."""
    main_thread = threading.current_thread() is threading.main_thread()
    if descriptor is None or not os.isatty(descriptor) or os.name != "posix" or not main_thread:
        yield
        return
    import termios

    as_found = termios.tcgetattr(descriptor)

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        for_typing = termios.tcgetattr(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, as_found)
        os.kill(os.getpid(), signal.SIGSTOP)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, for_typing)
        draw_again()

    before = signal.signal(signal.SIGTSTP, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)


def _asked(prompt: str) -> str | None:
    try:
        return input(prompt)
    except EOFError:
        return None
