"""What stands on standard input for ``send``: a short text, or the beginning of a stream.

Up to 64 KiB of UTF-8 until the end of input is a text; everything else is a stream, whose first
bytes are handed on. A producer that is slow is a stream too, so that the code is shown at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tallow.cli.console import Console
from tallow.engine.commands import SendOptions, SendStream, SendText
from tallow.errors import UsageError
from tallow.wire import limits

SLOW_S: Final = 0.3
"""Input that has not ended after this time goes as a stream."""
_CHUNK_BYTES: Final = 64 * 1024


def what_comes_in(
    console: Console, now: Callable[[], float], options: SendOptions
) -> SendText | SendStream:
    """Read as much as it takes to know what it is, and return the command that sends it."""
    head, ended = _read_head(console, now)
    if ended and len(head) <= limits.TEXT_MAX_BYTES:
        try:
            return SendText(head.decode("utf-8"), options)
        except UnicodeDecodeError:
            pass  # Not a text: it goes byte by byte.
    return SendStream(head=head, options=options)


def text_from(console: Console, now: Callable[[], float]) -> str:
    """Return all of standard input as a text, or raise UsageError if it is none."""
    head, ended = _read_head(console, now, wait=True)
    if not ended or len(head) > limits.TEXT_MAX_BYTES:
        raise UsageError(
            f"A text has at most {limits.TEXT_MAX_BYTES // 1024} KiB; this is longer.",
            hint="Leave --text away:  tallow send -  sends it as a stream.",
        )
    try:
        return head.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(
            "Standard input is no text in UTF-8.",
            hint="Leave --text away:  tallow send -  sends it as a stream.",
        ) from None


def _read_head(
    console: Console, now: Callable[[], float], *, wait: bool = False
) -> tuple[bytes, bool]:
    """Return the first bytes and whether they are all; a person at a terminal is waited for."""
    deadline = None if wait or console.stdin_tty else now() + SLOW_S
    head = bytearray()
    while len(head) <= limits.TEXT_MAX_BYTES:
        wait_s = None if deadline is None else deadline - now()
        room = limits.TEXT_MAX_BYTES + 1 - len(head)
        chunk = console.read_some(min(room, _CHUNK_BYTES), wait_s)
        if chunk is None:
            return bytes(head), False
        if not chunk:
            return bytes(head), True
        head += chunk
    return bytes(head), False
