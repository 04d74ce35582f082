"""What happened: past tense, frozen, NDJSON-encodable, a closed union, never a secret.

The one secret that is an event is the pairing code, in a field of its own that logs redact.
Names are the dotted ones that the command line's --json and the terminal interface use.
Strings that came from a peer are raw here; whoever shows them escapes them (display_text).
Spec: docs/cli.md, "Events".
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tallow.engine.event_shapes import Event as Event
from tallow.engine.event_shapes import FileStatus as FileStatus
from tallow.engine.event_shapes import OfferEntry as OfferEntry
from tallow.engine.event_shapes import SendMode as SendMode
from tallow.engine.event_shapes import SyncRemoved as SyncRemoved
from tallow.engine.event_shapes import SyncRound as SyncRound
from tallow.engine.event_shapes import SyncView as SyncView
from tallow.engine.meeting_events import CodeAllocated as CodeAllocated
from tallow.engine.meeting_events import CodeClosed as CodeClosed
from tallow.engine.meeting_events import CodeDropped as CodeDropped
from tallow.engine.meeting_events import CodeGuessed as CodeGuessed
from tallow.engine.meeting_events import MeetingEvent as MeetingEvent
from tallow.engine.meeting_events import PeerJoined as PeerJoined
from tallow.engine.meeting_events import PeerRefused as PeerRefused
from tallow.engine.meeting_events import PeerUp as PeerUp
from tallow.engine.meeting_events import RelayConnected as RelayConnected
from tallow.engine.meeting_events import RelayFallback as RelayFallback
from tallow.engine.meeting_events import RelayLost as RelayLost
from tallow.engine.meeting_events import RelayNotice as RelayNotice
from tallow.engine.meeting_events import SameWishMet as SameWishMet
from tallow.engine.meeting_events import VerifyStep as VerifyStep
from tallow.engine.printable import printable
from tallow.protocol.kept import ALL_KEPT
from tallow.protocol.kept import NotKept as NotKept

EVENT_VERSION = 1


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
    mode: SendMode = "copy"
    links: int = 0


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
    here_files: int = 0
    """Files of an unfinished transfer that are complete here and will not travel again."""
    changed_files: int = 0
    """Files that were changed at the sender since that transfer began."""
    sync: SyncView | None = None
    links: int = 0
    """Symbolic links, none of which leads out of what is offered."""


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
    parent: int = 0
    """The ticket of the whole that this receiver is one of; 0: it stands for itself."""


class TransferState(Event, frozen=True, tag="transfer.state"):
    """An exchange moved on."""

    state: Literal[
        "connecting",
        "waiting",
        "handshake",
        "reconnecting",
        "verifying",
        "watching",
        "listing",
        "deciding",
        "transferring",
        "finishing",
        "done",
        "failed",
    ]


class SessionLost(Event, frozen=True, tag="session.lost"):
    """The path to the other side is gone; both sides look for each other again."""

    why: str
    retry_s: float
    left_s: float | None
    """How long this side goes on trying; None: for as long as it runs."""


class TransferResumed(Event, frozen=True, tag="transfer.resumed"):
    """A transfer that had begun goes on, from what is on the receiver's disk."""

    have_bytes: int
    """How many bytes need not travel again."""
    files: int
    """How many files are complete already."""
    changed: int
    """How many files were changed at the sender since, and start anew."""


class TransferNotResumed(Event, frozen=True, tag="transfer.not_resumed"):
    """Something is here of this transfer that cannot be used; it starts anew."""

    why: str


class TransferPaused(Event, frozen=True, tag="transfer.paused"):
    """Nothing is sent until whoever paused goes on."""

    by: Literal["here", "there"]
    reason: Literal["user", "disk-full"]
    missing_bytes: int = 0
    """How much space has to be freed on this side's disk; 0 if that is not what is wrong."""


class TransferContinued(Event, frozen=True, tag="transfer.continued"):
    """A paused transfer goes on."""


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
    mode: SendMode = "copy"
    left_files: int = 0
    """Files of a sync that were offered and did not travel: unchanged, or not wanted."""
    removed: int = 0
    """Files that a sync took away here."""
    not_kept: NotKept = ALL_KEPT
    """What did not survive the way, on either side."""


class TransferError(Event, frozen=True, tag="transfer.error"):
    """The exchange ended without being done."""

    code: str
    message: str
    why: str
    hint: str
    exit_code: int
    resumable: bool = False
    """True if what is there was kept:  tallow resume  goes on from it."""


class TransferUnfinished(Event, frozen=True, tag="transfer.unfinished"):
    """A transfer of this side that did not end and can go on."""

    id: str
    direction: Literal["send", "receive"]
    what: list[str]
    """Sources, or the folder that it goes to."""
    peer: str
    """What the other side called itself."""
    done_bytes: int
    total_bytes: int
    age_s: float
    expired: bool
    """True if it is older than a week, and --clean removes it."""


class CommandFailed(Event, frozen=True, tag="command.failed"):
    """A command could not be carried out; nothing changed."""

    message: str


AnyEvent = (
    MeetingEvent
    | SourceSkipped
    | OfferSent
    | OfferReceived
    | OfferAnswered
    | TextArrived
    | TransferAdded
    | TransferState
    | SessionLost
    | TransferResumed
    | TransferNotResumed
    | TransferPaused
    | TransferContinued
    | TransferProgress
    | TransferFile
    | SyncRemoved
    | SyncRound
    | TransferDone
    | TransferError
    | TransferUnfinished
    | CommandFailed
)


_encoder = msgspec.json.Encoder()


def encode_event(event: AnyEvent) -> bytes:
    """Return an event as one line of JSON: {"v":1,"event":…}, without the line's end."""
    try:
        body = _encoder.encode(event)
    except UnicodeEncodeError:
        # A local file name may be no Unicode; JSON must be.
        body = _encoder.encode(printable(msgspec.to_builtins(event)))
    return b'{"v":%d,' % EVENT_VERSION + body[1:]


def is_final(event: AnyEvent) -> bool:
    """Return whether nothing more will come of this ticket."""
    return isinstance(event, TransferDone | TransferError)
