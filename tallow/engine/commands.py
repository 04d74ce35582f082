"""What a front door may ask for: imperative, frozen, encodable, a closed union.

A command never blocks; it is answered with a ticket, and everything after that is events.
Secrets that must not be logged (the words of a code) are fields whose name says so.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tallow.wire import limits

OnConflict = Literal["ask", "rename", "skip", "overwrite"]
SendMode = Literal["copy", "sync", "watch"]
Symlinks = Literal["skip", "keep", "follow"]
TakenName = Literal["rename", "skip", "overwrite"]
"""What becomes of a file whose name exists."""


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
    compress: bool = True
    throttle_bps: int = 0
    """Bytes per second at most; 0: as fast as it goes."""
    receivers: int = 1
    """How many receivers the code is for; 0: as many as come until it expires or is cancelled."""


class SendFiles(Command, frozen=True, tag="send.files"):
    """Offer files and folders."""

    sources: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    options: SendOptions = SendOptions()
    exclude_from: tuple[str, ...] = ()
    """Lines of pattern files, as in .gitignore."""
    git: bool = False
    """Leave out what git would."""
    symlinks: Symlinks = "skip"
    strip_metadata: bool = False
    """Send pictures without EXIF, XMP, places and comments."""
    xattrs: bool = False
    """Send the extended attributes of files too."""
    mode: SendMode = "copy"
    delete: bool = False
    """Whether the receiver should remove what is not listed; only for a sync or watch."""
    poll_s: float = 0.0
    """How often a watch lists everything again; 0: when the system says that it changed."""


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
    disk_wait_s: float = 0.0
    """How long to wait for space on a full disk before giving up."""


class AcceptOffer(Command, frozen=True, tag="offer.accept"):
    """Say yes to an offer, or to a part of it."""

    ticket: int
    on_conflict: TakenName = "rename"
    selection: tuple[tuple[int, int], ...] | None = None
    """First and last entry number of each run that is taken, ascending; None for everything.

    The folders above a chosen entry need not be named.
    """
    conflicts: tuple[tuple[int, TakenName], ...] = ()
    """What was decided for single entries, against ``on_conflict``."""
    sync: bool = False
    """Take a sync as one: replace what changed; and a watch: take later changes without asking."""
    delta: bool = True
    """With ``sync``: let the sender learn which parts of changed files are here already."""
    delete: bool = False
    """With ``sync``: remove what is not listed."""


class Resume(Command, frozen=True, tag="transfer.resume"):
    """Go on with an unfinished transfer of this side; the other side does the same."""

    record: str
    """Its id in this side's state."""
    timeout_s: float | None = None


class PauseTransfer(Command, frozen=True, tag="transfer.pause"):
    """Hold a transfer; the other side is told."""

    ticket: int


class ContinueTransfer(Command, frozen=True, tag="transfer.continue"):
    """Let a held transfer go on."""

    ticket: int


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
    | Resume
    | PauseTransfer
    | ContinueTransfer
)
Answer = (
    AcceptOffer
    | DeclineOffer
    | ConfirmSas
    | ReopenCode
    | CancelTransfer
    | PauseTransfer
    | ContinueTransfer
)
