"""The only place that prints: results to standard output, words for people to standard error.

``Output`` writes to the two streams and keeps passing lines (progress) below what stays. It
knows no event: styles.py chooses the words. What a peer said comes in already escaped, except raw
text for a pipe. The engine alone writes the bytes of ``-o -``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TextIO

from tallow.cli.console import Console
from tallow.cli.failure import error_lines
from tallow.cli.paint import Paint, wants_colour
from tallow.display import display_block
from tallow.errors import TallowError

_CLEAR: Final = "\r\x1b[K"
_UP_AND_CLEAR: Final = "\x1b[A" + _CLEAR


class Output:
    """Standard output for results, standard error for people."""

    def __init__(self, console: Console, *, no_color: bool = False) -> None:
        """Write to a console; colour only what its person wants coloured."""
        self.console = console
        environment = console.environment
        self.paint = Paint(
            enabled=wants_colour(tty=console.stderr_tty, environment=environment, no_color=no_color)
        )
        self.animated = console.stderr_tty and environment.get("TERM") != "dumb"
        """Whether a passing line can be drawn and taken back."""
        self._passing = ""
        self._question = ""

    def result(self, line: str) -> None:
        """Write one line of standard output at once."""
        self._clear()
        _write(self.console.stdout, line + "\n")

    def result_raw(self, raw: bytes) -> None:
        """Write one line of JSON, or text to a pipe, exactly as it is."""
        self._clear()
        self.console.stdout.flush()
        self.console.stdout.buffer.write(raw)
        self.console.stdout.buffer.flush()

    def text(self, text: str) -> None:
        """Write a peer's text: as it is into a pipe, harmless on a terminal."""
        if self.console.stdout_tty:
            self.result(display_block(text).removesuffix("\n"))
        else:
            self.result_raw(text.encode("utf-8", "surrogatepass"))

    def tell(self, line: str, style: str = "") -> None:
        """Write one line for a person; style goes to its first word with a colon, or all of it."""
        self._clear()
        if style:
            head, colon, rest = line.partition(":")
            line = self.paint(style, head + colon) + rest
        if self._question:
            line = f"\n{line}\n{self._question}"
        else:
            line += "\n"
        _write(self.console.stderr, line)

    def tell_all(self, lines: Iterable[str]) -> None:
        """Write several lines for a person."""
        for line in lines:
            self.tell(line)

    def failure(self, error: TallowError) -> None:
        """Write an error in its three lines."""
        for at, line in enumerate(error_lines(error)):
            self.tell(line, "bold red" if at == 0 else "")

    def passing(self, line: str) -> None:
        """Draw the line, or lines, that the next ones replace; nothing where that cannot be."""
        if self.animated and not self._question and line != self._passing:
            _write(self.console.stderr, self._erasing() + line)
            self._passing = line

    def ask(self, prompt: str) -> None:
        """Write a question and stay on its line; what is told meanwhile goes above it."""
        self._clear()
        self._question = self.paint("bold", prompt)
        _write(self.console.stderr, self._question)

    def control(self, sequence: str) -> None:
        """Send a terminal a control sequence that moves nothing on the screen."""
        if self.console.stderr_tty:
            _write(self.console.stderr, sequence)

    def answered(self) -> None:
        """Note that the person ended the question's line."""
        self._question = ""

    def withdraw(self) -> None:
        """Take a question back that nobody answered."""
        if self._question:
            self._question = ""
            _write(self.console.stderr, "\n")

    def close(self) -> None:
        """Leave the terminal at the beginning of an empty line."""
        self._clear()
        self.withdraw()

    def _clear(self) -> None:
        if self._passing:
            _write(self.console.stderr, self._erasing())
            self._passing = ""

    def _erasing(self) -> str:
        """Return what takes the passing lines away and leaves the cursor where they began."""
        return _CLEAR + _UP_AND_CLEAR * self._passing.count("\n")


def _write(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    # A terminal without these letters shows escapes instead of ending the program.
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
