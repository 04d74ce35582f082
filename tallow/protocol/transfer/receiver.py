"""Take an offer, answer it, and admit exactly the leaves that were asked for.

Before this room: session.py hands over authenticated messages and opened bulk bodies. After it:
engine/lane.py runs the store jobs, engine/storage/inbox.py gives a file its name when its root
matched. A leaf is refused by state: not accepted, out of range, already here, beyond credit.
It never writes, never believes a size, and says complete only after the shell said durable.
Spec: docs/protocol.md §8.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from tallow.errors import RecordLost, RemoteProtocolError
from tallow.protocol.bulk import BulkKeys, accept_digest, read_body
from tallow.protocol.machine import Outbox, Rules
from tallow.protocol.manifest import Entry, EntryKind, Manifest, Selection
from tallow.protocol.messages import (
    Accept,
    Complete,
    Control,
    Decline,
    FileEnd,
    Finish,
    Offer,
    OfferEnd,
    Page,
    Start,
    Stored,
    Text,
    TextShown,
    Trailer,
    TransferMessage,
)
from tallow.protocol.transfer.admission import Admission, as_ranges
from tallow.protocol.transfer.jobs import StoreJob, StoreLeaves, StorePack
from tallow.protocol.transfer.roots import RootTable
from tallow.wire import limits

STORED_EVERY_S = 0.25
STORED_EVERY_BYTES = limits.WINDOW_BYTES // 8


class State(enum.Enum):
    """Where an offer stands at the receiver."""

    IDLE = "waiting for an offer"
    LISTING = "reading the list of files"
    DECIDING = "waiting for the person"
    ACCEPTED = "waiting for the first byte"
    RECEIVING = "receiving"
    FINISHING = "making it durable"
    TEXT = "showing a text"
    DONE = "done"


class Step(enum.Enum):
    """What moves an offer on."""

    OFFER = "offer"
    PAGE = "page"
    OFFER_END = "end of the list"
    ACCEPT = "accept"
    DECLINE = "decline"
    START = "start"
    TRAILER = "trailer"
    FINISH = "finish"
    COMPLETE = "complete"
    TEXT = "text"
    TEXT_SHOWN = "text shown"


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.IDLE, Step.OFFER): State.LISTING,
    (State.IDLE, Step.TEXT): State.TEXT,
    (State.TEXT, Step.TEXT_SHOWN): State.DONE,
    (State.LISTING, Step.PAGE): State.LISTING,
    (State.LISTING, Step.OFFER_END): State.DECIDING,
    (State.DECIDING, Step.ACCEPT): State.ACCEPTED,
    (State.DECIDING, Step.DECLINE): State.DONE,
    (State.ACCEPTED, Step.START): State.RECEIVING,
    (State.RECEIVING, Step.TRAILER): State.RECEIVING,
    (State.RECEIVING, Step.FINISH): State.FINISHING,
    (State.FINISHING, Step.COMPLETE): State.DONE,
}


@dataclass(frozen=True, slots=True)
class OfferReceived:
    """The whole list is here and its root holds."""

    manifest: Manifest
    kind: str
    note: str


@dataclass(frozen=True, slots=True)
class TextReceived:
    """A short text, to be shown at once."""

    text: str
    note: str


@dataclass(frozen=True, slots=True)
class Started:
    """The sender begins; what it calls the transfer, and the manifest it belongs to."""

    transfer_id: bytes
    manifest_root: bytes


@dataclass(frozen=True, slots=True)
class FileReady:
    """Every leaf is written and the root matches the sender's: it may have its name."""

    file_no: int
    entry: Entry
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class FileFailed:
    """The sender could not read this file; what is here of it must go."""

    file_no: int
    entry: Entry
    reason: str


@dataclass(frozen=True, slots=True)
class AllArrived:
    """Every accepted file has its name or has failed; make it durable, then say so."""


ReceiveEvent = OfferReceived | TextReceived | Started | FileReady | FileFailed | AllArrived


class Receiver:
    """The receiving side of one offer or one text."""

    def __init__(self, open_channel: Callable[[int, BulkKeys], None]) -> None:
        self._open_channel = open_channel
        self._rules = Rules(State.IDLE, TRANSITIONS)
        self._events: Outbox[ReceiveEvent] = Outbox()
        self._messages: Outbox[Control] = Outbox()
        self._offer: Offer | None = None
        self._manifest = Manifest()
        self._admission: Admission | None = None
        self._accept: Accept | None = None
        self._stored: list[int] = []
        self._stored_bytes = 0
        self._flush_at: float | None = None
        self._naming: set[int] = set()
        self._finish_by: float | None = None
        self._peer_roots = b""

    @property
    def state(self) -> State:
        """Where the offer stands."""
        return self._rules.state

    # --- verbs --------------------------------------------------------------------------------

    def accept(self, selection: Selection, window_bytes: int = limits.WINDOW_BYTES) -> None:
        """Accept these entries of the manifest that was shown."""
        self._rules.local(Step.ACCEPT)
        offer = self._must_offer()
        root = self._manifest.root()
        self._accept = Accept(offer.offer, 1, root, selection.bitmap, window_bytes)
        self._admission = Admission(self._manifest, selection, window_bytes)
        self._table = RootTable(self._manifest.entries)
        self._messages.put(self._accept)

    def decline(self, reason: str = "") -> None:
        """Say no."""
        self._rules.local(Step.DECLINE)
        self._messages.put(Decline(self._must_offer().offer, reason[: limits.REASON_MAX_CHARS]))

    def text_shown(self) -> None:
        """Tell the sender that its text was printed."""
        self._rules.local(Step.TEXT_SHOWN)
        self._messages.put(TextShown())

    # --- the five doors -----------------------------------------------------------------------

    def receive(self, data: TransferMessage, now: float) -> None:
        """Take a message of the sender; RemoteProtocolError or RootMismatch end it."""
        match data:
            case Offer():
                self._rules.remote(Step.OFFER)
                self._offer = data
            case Text():
                self._rules.remote(Step.TEXT)
                self._events.put(TextReceived(data.text, data.note))
            case Page():
                self._rules.remote(Step.PAGE)
                self._take_page(data)
            case OfferEnd():
                self._rules.remote(Step.OFFER_END)
                self._end_offer(data)
            case Start():
                self._rules.remote(Step.START)
                self._start(data)
            case Trailer() if data.offer == self._must_offer().offer:
                self._rules.remote(Step.TRAILER)
                for end in data.files:
                    self._take_file_end(end)
            case Finish() if data.offer == self._must_offer().offer:
                self._rules.remote(Step.FINISH)
                self._finish(data, now)
            case _:
                raise RemoteProtocolError("The other side sent a message out of turn.")

    def next_event(self) -> ReceiveEvent | None:
        """Return what happened."""
        return self._events.take()

    def bytes_to_send(self) -> list[Control]:
        """Return the messages for the session to seal."""
        return self._messages.take_all()

    def next_deadline(self) -> float | None:
        """Return when stored records are reported, or missing ones are given up."""
        times = [at for at in (self._flush_at, self._finish_by) if at is not None]
        return min(times, default=None)

    def on_deadline(self, now: float) -> None:
        """Report what was stored; RecordLost if announced data stays away for a minute."""
        if self._flush_at is not None and now >= self._flush_at:
            self._flush_stored()
        if self._finish_by is not None and now >= self._finish_by:
            if not self._naming:
                raise RecordLost("Part of what was announced never arrived.")
            # Our own disk is slow; a deadline left in the past would spin the loop.
            self._finish_by = now + limits.PEER_SILENT_MAX_S

    # --- the list -----------------------------------------------------------------------------

    def _take_page(self, page: Page) -> None:
        offer = self._must_offer()
        pages = len(self._manifest.pages)
        if page.offer != offer.offer or page.index != pages or pages >= offer.pages:
            raise RemoteProtocolError("The other side sent the list of files out of order.")
        self._manifest.add_page(page.page)
        if self._manifest.entries > offer.entries:
            raise RemoteProtocolError("The other side lists more files than it announced.")

    def _end_offer(self, end: OfferEnd) -> None:
        offer, manifest = self._must_offer(), self._manifest
        counted = (len(manifest.pages), manifest.entries, manifest.total_bytes)
        announced = (offer.pages, offer.entries, offer.total_bytes)
        # The root is public to both sides; comparing it needs no constant time.
        if end.offer != offer.offer or counted != announced or end.manifest_root != manifest.root():
            raise RemoteProtocolError("The list of files is not the one that was announced.")
        streams = sum(entry.kind is EntryKind.STREAM for entry in manifest)
        if streams != (offer.kind == "stream") or (streams and manifest.entries != 1):
            raise RemoteProtocolError("The other side mixes a stream with files.")
        self._events.put(OfferReceived(manifest, offer.kind, offer.note))

    def _must_offer(self) -> Offer:
        if self._offer is None:
            raise RemoteProtocolError("The other side sent a message out of turn.")
        return self._offer

    # --- bulk ---------------------------------------------------------------------------------

    def _start(self, start: Start) -> None:
        accept = self._accept
        if accept is None or start.offer != accept.offer or start.accept_no != accept.accept_no:
            raise RemoteProtocolError("The other side starts something that was not accepted.")
        expected = accept_digest(accept.manifest_root, accept.accept_no, accept.bitmap)
        if start.accept_hash != expected:  # public to both sides
            raise RemoteProtocolError("The other side starts something that was not accepted.")
        keys = BulkKeys(
            accept.manifest_root, start.ts, start.transfer_id, start.accept_no, expected
        )
        self.channel = start.channel
        self._open_channel(start.channel, keys)
        self._events.put(Started(start.transfer_id, accept.manifest_root))

    def admit(self, number: int, body: memoryview) -> StoreJob:
        """Judge an opened bulk record and return what to hash and write.

        RemoteProtocolError (exit 6) for anything that was not asked for.
        """
        return self._must_admit().admit(number, read_body(body))

    def stored(self, job: StoreJob, hashes: list[bytes], now: float) -> None:
        """Take the leaf hashes of a written record and return credit for it."""
        admission = self._must_admit()
        match job:
            case StoreLeaves():
                arrivals = admission.leaves_stored(job, hashes)
            case StorePack():
                arrivals = admission.pack_stored(job, hashes)
        for arrival in arrivals:
            self._ready(*arrival)
        self._note_stored(job.number, job.plain_bytes, now)

    def file_failed_here(self, file_no: int, reason: str) -> None:
        """Note that a file that arrived could not get its name."""
        self._naming.discard(file_no)
        self._table.fail(file_no, reason[: limits.REASON_MAX_CHARS])
        self._finish_if_all_ended()

    def file_named(self, file_no: int) -> None:
        """Note that a file has its final name."""
        self._naming.discard(file_no)
        self._finish_if_all_ended()

    def durable(self) -> None:
        """Say complete: everything that could be received survives a power cut."""
        self._rules.local(Step.COMPLETE)
        failed = self._table.failed
        here = {number: why for number, why in failed.items() if number in self._table}
        listed = [FileEnd(number, 0, b"", here[number]) for number in sorted(here)]
        most = limits.ROOTS_PER_TRAILER // 8
        self._messages.put(
            Complete(self._must_offer().offer, self._table.digest(), listed[:most], len(here))
        )

    @property
    def stored_bytes(self) -> int:
        """File bytes that were written."""
        return self._admission.stored_bytes if self._admission else 0

    @property
    def failures(self) -> dict[int, str]:
        """Why files failed, by entry number, on either side."""
        return dict(self._table.failed) if self._accept else {}

    @property
    def roots_digest(self) -> bytes:
        """BLAKE3 over every file number and root."""
        return self._table.digest()

    @property
    def roots_agree(self) -> bool:
        """Whether the sender's digest over all roots equals this side's."""
        return self._peer_roots == self._table.digest()

    def _must_admit(self) -> Admission:
        if self._admission is None:
            raise RemoteProtocolError("The other side sent data that was not asked for.")
        return self._admission

    def _take_file_end(self, end: FileEnd) -> None:
        arrival = self._must_admit().file_ended(end)
        if end.failed:
            self._table.fail(end.file_no, end.failed)
            entry = self._manifest.entry(end.file_no)
            self._events.put(FileFailed(end.file_no, entry, end.failed))
        elif arrival is not None:
            self._ready(*arrival)

    def _ready(self, file_no: int, size: int, root: bytes) -> None:
        self._table.set(file_no, root)
        self._naming.add(file_no)
        self._events.put(FileReady(file_no, self._manifest.entry(file_no), size, root))

    def _finish(self, finish: Finish, now: float) -> None:
        if not self._must_admit().all_named():
            raise RemoteProtocolError("The other side finished without sending everything.")
        self._flush_stored()
        self._peer_roots = finish.roots
        self._finish_by = now + limits.PEER_SILENT_MAX_S
        self._finish_if_all_ended()

    def _finish_if_all_ended(self) -> None:
        if self._finish_by is None or self._naming or self._must_admit().waiting:
            return
        self._finish_by = None
        if not self.roots_agree:
            raise RemoteProtocolError("The two sides disagree about what was sent.")
        self._events.put(AllArrived())

    def _note_stored(self, number: int, size: int, now: float) -> None:
        self._stored.append(number)
        self._stored_bytes += size
        if self._flush_at is None:
            self._flush_at = now + STORED_EVERY_S
        if self._finish_by is not None:
            self._finish_by = now + limits.PEER_SILENT_MAX_S
        if self._stored_bytes >= STORED_EVERY_BYTES or self.state is State.FINISHING:
            self._flush_stored()
        self._finish_if_all_ended()

    def _flush_stored(self) -> None:
        ranges = as_ranges(self._stored)
        for at in range(0, len(ranges), limits.HELD_RECORDS_MAX):
            self._messages.put(
                Stored(self._must_offer().offer, ranges[at : at + limits.HELD_RECORDS_MAX])
            )
        self._must_admit().credited(self._stored_bytes)
        self._stored, self._stored_bytes, self._flush_at = [], 0, None
