"""What a front door may ask for: imperative, frozen, encodable, a closed union.

A command never blocks; it is answered with a ticket, and everything after that is events.
Secrets that must not be logged (the words of a code) are fields whose name says so.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tallow.wire import limits

OnConflict = Literal["ask", "rename", "skip", "overwrite"]


class Command(msgspec.Struct, frozen=True, tag_field="command", forbid_unknown_fields=True):
    """Something the engine shall do."""


class SendOptions(msgspec.Struct, frozen=True):
    """What every kind of sending has in common."""

    code: str | None = None
    """A code to use: a custom one to wait under, or one that the receiver made."""
    join: bool = False
    """True if the code was made by the receiver (``receive --new``)."""
    words: int = 3
    expires_s: int = limits.EXPIRES_DEFAULT_S
    note: str = ""
    name: str = ""
    verify: bool = False
    weak_code: bool = False
    no_input: bool = False
    """True if nobody can be asked: a near miss in a custom code goes as typed."""


class SendFiles(Command, frozen=True, tag="send.files"):
    """Offer files and folders."""

    sources: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    options: SendOptions = SendOptions()


class SendText(Command, frozen=True, tag="send.text"):
    """Send a short text."""

    text: str
    options: SendOptions = SendOptions()


class SendStream(Command, frozen=True, tag="send.stream"):
    """Offer what comes out of this process's standard input."""

    stream_name: str = "stdin"
    head: bytes = b""
    """What was read already to find out that it is no short text."""
    options: SendOptions = SendOptions()


class Receive(Command, frozen=True, tag="receive"):
    """Wait for an offer: join a code, or make one for the sender to enter."""

    code: str | None = None
    output: str = "."
    """A folder; a file name for a single file or stream; "-" for standard output."""
    streams_to_stdout: bool = False
    """True if a stream goes to standard output although ``output`` names a folder."""
    on_conflict: OnConflict = "ask"
    words: int = 3
    expires_s: int = limits.EXPIRES_DEFAULT_S
    wait: bool = False
    timeout_s: float | None = None
    name: str = ""
    verify: bool = False
    weak_code: bool = False
    no_input: bool = False


class AcceptOffer(Command, frozen=True, tag="offer.accept"):
    """Say yes to an offer."""

    ticket: int
    on_conflict: Literal["rename", "skip", "overwrite"] = "rename"


class DeclineOffer(Command, frozen=True, tag="offer.decline"):
    """Say no to an offer."""

    ticket: int
    reason: str = ""


class ConfirmSas(Command, frozen=True, tag="verify.confirm"):
    """Say whether the symbols on both screens are equal."""

    ticket: int
    equal: bool


class ReopenCode(Command, frozen=True, tag="code.reopen"):
    """Keep a code alive after a wrong guess, or let it die."""

    ticket: int
    reopen: bool


class CancelTransfer(Command, frozen=True, tag="transfer.cancel"):
    """Stop a transfer and tell the other side."""

    ticket: int
    signal: Literal["user", "terminated"] = "user"


AnyCommand = (
    SendFiles
    | SendText
    | SendStream
    | Receive
    | AcceptOffer
    | DeclineOffer
    | ConfirmSas
    | ReopenCode
    | CancelTransfer
)
Answer = AcceptOffer | DeclineOffer | ConfirmSas | ReopenCode | CancelTransfer
