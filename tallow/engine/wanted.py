"""What a command says about meeting, in one form for both directions, checked before anything.

Whatever the protocol cannot carry is refused here as a usage error, so that no session is begun
that must break. Before: engine.py. After: exchange.py. It never touches the network or the disk.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tallow.engine.commands import Receive, Resume, SendFiles, SendStream, SendText
from tallow.engine.greeting import Wish
from tallow.errors import UsageError
from tallow.wire import limits

if TYPE_CHECKING:
    from tallow.engine.storage.walk import WalkOptions

ExchangeCommand = SendFiles | SendText | SendStream | Receive | Resume


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who is to be met, how, and for what."""

    wish: Wish
    code: str | None
    join: bool
    words: int
    expires_s: int
    name: str
    verify: bool
    weak_code: bool
    no_input: bool
    wait: bool = False
    timeout_s: float | None = None


def wanted_by(command: ExchangeCommand) -> Wanted:
    """Return what a command wants, or raise UsageError for what cannot be said."""
    match command:
        case Receive():
            wanted = _receiving(command)
        case Resume():
            wanted = _resuming(command)
        case _:
            wanted = _sending(command)
    _check_words(wanted.name, "name", limits.NAME_MAX_CHARS)
    if not 1 <= wanted.expires_s <= limits.EXPIRES_MAX_S:
        raise UsageError("A code can live from one second to seven days.")
    return wanted


def _receiving(command: Receive) -> Wanted:
    expires_s = command.expires_s
    if command.timeout_s is not None:
        # Whoever gives up waiting after a time does so under a code of its own too.
        expires_s = min(expires_s, max(1, math.ceil(command.timeout_s)))
    return Wanted(
        "receive",
        command.code,
        join=True,
        words=command.words,
        expires_s=expires_s,
        name=command.name,
        verify=command.verify,
        weak_code=command.weak_code,
        no_input=command.no_input,
        wait=command.wait,
        timeout_s=command.timeout_s,
    )


def _resuming(command: Resume) -> Wanted:
    """Return what is known before the record is read; the exchange completes it."""
    return Wanted(
        "receive",
        None,
        join=True,
        words=3,
        expires_s=limits.EXPIRES_DEFAULT_S,
        name="",
        verify=False,
        weak_code=False,
        no_input=True,
        timeout_s=command.timeout_s,
    )


def _sending(command: SendFiles | SendText | SendStream) -> Wanted:
    options = command.options
    _check_words(options.note, "note", limits.NOTE_MAX_CHARS)
    _check_receivers(command)
    if isinstance(command, SendText):
        _check_text(command.text)
    if isinstance(command, SendStream):
        _check_words(command.stream_name, "stream's name", limits.COMPONENT_MAX_BYTES)
        if not command.stream_name:
            raise UsageError("A stream needs a name.", hint="Leave it out to call it stdin.")
    return Wanted(
        "send",
        options.code,
        join=options.join,
        words=options.words,
        expires_s=options.expires_s,
        name=options.name,
        verify=options.verify,
        weak_code=options.weak_code,
        no_input=options.no_input,
    )


def _check_receivers(command: SendFiles | SendText | SendStream) -> None:
    receivers = command.options.receivers
    if receivers < 0:
        raise UsageError("There cannot be fewer receivers than none.")
    if receivers != 1 and isinstance(command, SendStream):
        raise UsageError(
            "A pipe can be read once, so it goes to one receiver.",
            hint="Write it to a file, and send the file.",
        )
    if receivers != 1 and command.options.join:
        raise UsageError(
            "A code that a receiver made is for that receiver alone.",
            hint="Leave --code out, or choose a code of your own.",
        )


def _check_text(text: str) -> None:
    _check_words(text, "text", limits.TEXT_MAX_BYTES)
    if len(text.encode()) > limits.TEXT_MAX_BYTES:
        raise UsageError(
            f"The text is longer than {limits.TEXT_MAX_BYTES} bytes.", hint="Send it as a file."
        )


def _check_words(words: str, what: str, most_chars: int) -> None:
    if len(words) > most_chars:
        raise UsageError(f"The {what} is longer than {most_chars} characters.", hint="Shorten it.")
    try:
        words.encode()
    except UnicodeEncodeError:
        raise UsageError(f"The {what} is not valid Unicode.", hint="Type it again.") from None


def walk_options(command: SendFiles) -> WalkOptions:
    """Return what a command says about listing."""
    from tallow.engine.storage.walk import WalkOptions

    return WalkOptions(
        exclude_from=command.exclude_from,
        git=command.git,
        symlinks=command.symlinks,
        strip_metadata=command.strip_metadata,
        xattrs=command.xattrs,
    )
