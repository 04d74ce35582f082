"""What comes in by pipe: a text or a stream."""

from __future__ import annotations

import pytest

from tallow.cli.standard_input import text_from, what_comes_in
from tallow.engine.commands import SendOptions, SendStream, SendText
from tallow.errors import UsageError
from tallow.wire import limits
from tests.cli.still_console import StillConsole

OPTIONS = SendOptions(note="n")
LIMIT = limits.TEXT_MAX_BYTES


def read(*chunks: bytes | None, tty: bool = False) -> SendText | SendStream:
    """Return the command for what comes in."""
    console = StillConsole(chunks=chunks, stdin_tty=tty)
    return what_comes_in(console, lambda: 0.0, OPTIONS)


@pytest.mark.parametrize("text", ["hi\n", "", "grüße 🐸", "a\x00b", "x" * LIMIT])
def test_short_text_is_a_text(text: str) -> None:
    """Up to 64 KiB of UTF-8 until the end of input is a text, byte for byte."""
    assert read(text.encode()) == SendText(text, OPTIONS)


def test_text_in_pieces() -> None:
    """A letter may be cut between two reads."""
    assert read("gr\xfc".encode()[:3], "\xfc".encode()[1:]) == SendText("grü", OPTIONS)


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"\x80", b"x" * (LIMIT + 1), "ü".encode()[:1]])
def test_anything_else_is_a_stream(raw: bytes) -> None:
    """What is no text, or too long for one, is a stream whose head is kept whole."""
    command = read(raw)
    assert isinstance(command, SendStream)
    assert command.head == raw[: LIMIT + 1]
    assert command.options == OPTIONS


def test_no_more_is_taken_than_decides() -> None:
    """Of an endless stream only one byte more than a text is read."""
    console = StillConsole(chunks=[b"y" * (LIMIT * 3)])
    command = what_comes_in(console, lambda: 0.0, OPTIONS)
    assert isinstance(command, SendStream)
    assert len(command.head) == LIMIT + 1
    assert console.read_some(1, None) == b"y"


def test_a_slow_producer_is_a_stream() -> None:
    """The code is shown at once: input that has not ended in time goes as a stream."""
    assert read(b"first", None) == SendStream(head=b"first", options=OPTIONS)
    assert read(None) == SendStream(head=b"", options=OPTIONS)


def test_a_person_may_type_slowly() -> None:
    """At a terminal, text is waited for until Ctrl+D."""
    assert read(b"line\n", b"line\n", tty=True) == SendText("line\nline\n", OPTIONS)


def test_text_by_option_is_waited_for() -> None:
    """--text - reads until the end, however slow."""
    assert text_from(StillConsole(chunks=[b"a", b"b"]), lambda: 0.0) == "ab"


@pytest.mark.parametrize("raw", [b"\xff", b"x" * (LIMIT + 1)])
def test_text_by_option_must_be_text(raw: bytes) -> None:
    """--text - refuses what is no text, and says how to send it."""
    with pytest.raises(UsageError) as refused:
        text_from(StillConsole(chunks=[raw]), lambda: 0.0)
    assert "tallow send -" in refused.value.hint
