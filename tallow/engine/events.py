"""What happened: past tense, frozen, NDJSON-encodable, a closed union, never a secret.

The one secret that is an event is the pairing code, in a field of its own that logs redact.
Names are the dotted ones that the command line's --json and the terminal interface use.
Strings that came from a peer are raw here; whoever shows them escapes them (display_text).
Spec: docs/cli.md, "Events".
"""

from __future__ import annotations

from typing import Literal

import msgspec

EVENT_VERSION = 1

FileStatus = Literal["done", "failed", "skipped", "renamed"]


class Event(msgspec.Struct, frozen=True, tag_field="event", forbid_unknown_fields=True):
    """Something happened to the exchange of this ticket."""

    ticket: int


class RelayConnected(Event, frozen=True, tag="relay.connected"):
    """The link to the relay stands."""

    relay: str
    pin: str
    """sha256 of the relay's public key, hex."""
    transport: str
    first_use: bool
    """True if this key was not known before and is now pinned."""


class RelayFallback(Event, frozen=True, tag="relay.fallback"):
    """One transport did not connect, and the link stands over another one."""

    relay: str
    tried: str
    """"tcp" or "quic"."""
    used: str
    why: str


class RelayLost(Event, frozen=True, tag="relay.lost"):
    """The link broke while waiting; it is being made again."""

    relay: str
    why: str
    retry_s: float


class RelayNotice(Event, frozen=True, tag="relay.notice"):
    """The relay says something about the room."""

    kind: str


class CodeAllocated(Event, frozen=True, tag="code.allocated"):
    """The other side can come: this is the code (a secret, redacted in logs)."""

    code: str
    relay: str
    pin: str
    expires_s: int
    bits: float
    weak: bool
    """True if the relay could guess this code (un-numbered, or few bits)."""


class CodeGuessed(Event, frozen=True, tag="code.guessed"):
    """Somebody joined with a wrong code."""

    counted: int
    budget: int
    can_reopen: bool


class CodeDropped(Event, frozen=True, tag="code.dropped"):
    """Somebody joined and left before confirming; it counts as a guess."""

    counted: int
    budget: int
    dead: bool


class PeerJoined(Event, frozen=True, tag="peer.joined"):
    """Somebody is at the door; keys are being agreed."""


class PeerRefused(Event, frozen=True, tag="peer.refused"):
    """Somebody came who could not be talked to; it cost the code nothing and waiting goes on."""

    code: str
    message: str
    why: str


class PeerUp(Event, frozen=True, tag="peer.up"):
    """The session is confirmed and both sides said who they are."""

    name: str
    """A claim of the peer, never an identity."""
    fingerprint: str
    """Empty: no identity."""
    emoji: list[tuple[str, str]]
    digits: str
    role: Literal["initiator", "responder"]
    session: str
    """First bytes of a public session id, hex: the same on both sides."""
    verify: bool


class SameWishMet(Event, frozen=True, tag="peer.same_wish"):
    """Somebody with the right code wants the same as this side; the code still works."""

    wish: str


class VerifyStep(Event, frozen=True, tag="verify.step"):
    """Where the comparison of symbols stands."""

    step: Literal["needed", "confirmed_here", "confirmed_there", "done"]


class SourceSkipped(Event, frozen=True, tag="source.skipped"):
    """Something under the sources will not be sent."""

    path: str
    reason: str
    failed: bool = False
    """True if it should have been sent (exit 9), false if it was left out by rule."""


class OfferSent(Event, frozen=True, tag="offer.sent"):
    """The other side sees the list."""

    kind: Literal["files", "stream", "text"]
    files: int
    folders: int
    total_bytes: int


class OfferEntry(msgspec.Struct, frozen=True):
    """One line of an offer."""

    number: int
    path: str
    """As offered, unescaped."""
    target: str
    """Where it would go, relative to the output folder."""
    kind: Literal["file", "folder", "stream"]
    size: int
    flags: list[str]


class OfferReceived(Event, frozen=True, tag="offer.received"):
    """The whole list is here; nothing is written until an answer."""

    kind: Literal["files", "stream"]
    files: int
    folders: int
    total_bytes: int
    free_bytes: int | None
    """Free space at the target; None for standard output."""
    note: str
    entries: list[OfferEntry]
    """The first ones; ask ``query`` for the rest."""
    flags: list[str]
    conflicts: int
    output: str
    verified: bool
    fingerprint: str
    name: str
    on_conflict: str


class OfferAnswered(Event, frozen=True, tag="offer.answered"):
    """The receiver said yes or no."""

    accepted: bool
    files: int
    total_bytes: int


class TextArrived(Event, frozen=True, tag="text.received"):
    """A short text, to be shown."""

    text: str
    note: str
    name: str


class TransferAdded(Event, frozen=True, tag="transfer.added"):
    """An exchange exists."""

    direction: Literal["send", "receive"]


class TransferState(Event, frozen=True, tag="transfer.state"):
    """An exchange moved on."""

    state: Literal[
        "connecting",
        "waiting",
        "handshake",
        "verifying",
        "listing",
        "deciding",
        "transferring",
        "finishing",
        "done",
        "failed",
    ]


class TransferProgress(Event, frozen=True, tag="transfer.progress"):
    """How far it is; a newer one replaces an older one."""

    phase: str
    done_bytes: int
    total_bytes: int | None
    """None while a stream's end is unknown."""
    done_files: int
    total_files: int
    rate_bps: float
    """Bytes per second, smoothed."""
    eta_s: float | None
    path: str


class TransferFile(Event, frozen=True, tag="transfer.file"):
    """One file ended."""

    path: str
    status: FileStatus
    reason: str = ""


class TransferDone(Event, frozen=True, tag="transfer.done"):
    """Durable on the other side, and the roots agree."""

    direction: Literal["send", "receive"]
    files: int
    total_bytes: int
    seconds: float
    failed: int
    roots: str
    """BLAKE3 over all roots, hex; empty for a text."""
    output: str


class TransferError(Event, frozen=True, tag="transfer.error"):
    """The exchange ended without being done."""

    code: str
    message: str
    why: str
    hint: str
    exit_code: int


class CommandFailed(Event, frozen=True, tag="command.failed"):
    """A command could not be carried out; nothing changed."""

    message: str


AnyEvent = (
    RelayConnected
    | RelayFallback
    | RelayLost
    | RelayNotice
    | CodeAllocated
    | CodeGuessed
    | CodeDropped
    | PeerJoined
    | PeerRefused
    | PeerUp
    | SameWishMet
    | VerifyStep
    | SourceSkipped
    | OfferSent
    | OfferReceived
    | OfferAnswered
    | TextArrived
    | TransferAdded
    | TransferState
    | TransferProgress
    | TransferFile
    | TransferDone
    | TransferError
    | CommandFailed
)


_encoder = msgspec.json.Encoder()


def encode_event(event: AnyEvent) -> bytes:
    """Return an event as one line of JSON: {"v":1,"event":…}, without the line's end."""
    try:
        body = _encoder.encode(event)
    except UnicodeEncodeError:
        # A local file name may be no Unicode; JSON must be.
        body = _encoder.encode(_printable(msgspec.to_builtins(event)))
    return b'{"v":%d,' % EVENT_VERSION + body[1:]


def _printable(value: object) -> object:
    match value:
        case str():
            return value.encode(errors="surrogatepass").decode(errors="replace")
        case list() | tuple():
            return [_printable(item) for item in value]
        case dict():
            return {key: _printable(item) for key, item in value.items()}
        case _:
            return value


def is_final(event: AnyEvent) -> bool:
    """Return whether nothing more will come of this ticket."""
    return isinstance(event, TransferDone | TransferError)
