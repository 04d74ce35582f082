"""Offer a manifest, learn what is wanted, and decide which leaves go when.

Before this room: session.py hands over authenticated messages. After it: engine/lane.py runs the
seal jobs that ``next_job`` gives out while there is credit. Roots are known only after the last
leaf was read, so they travel in trailers. It never reads a file, never sends an entry that was
not accepted, and calls itself done only when the receiver said durable and the roots agree.
Spec: docs/protocol.md §8.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tallow.errors import OfferDeclined, RecordLost, RemoteProtocolError, RootMismatch, TimedOut
from tallow.protocol.bulk import BulkKeys, BulkSendChannel, accept_digest
from tallow.protocol.machine import Outbox, Rules
from tallow.protocol.manifest import EntryKind, Manifest, Selection
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
from tallow.protocol.transfer.jobs import LeavesJob, SealJob, StreamJob
from tallow.protocol.transfer.plan import SendPlan
from tallow.protocol.transfer.roots import RootTable
from tallow.wire import limits

OFFER_NO = 1
"""One offer a session; later versions number more."""


class State(enum.Enum):
    """Where an offer stands at the sender."""

    IDLE = "idle"
    OFFERED = "waiting for an answer"
    SENDING = "sending"
    FINISHING = "waiting for the receiver to finish"
    TEXT_SENT = "waiting for the text to be shown"
    DONE = "done"


class Step(enum.Enum):
    """What moves an offer on."""

    OFFER = "offer"
    OFFER_TEXT = "offer a text"
    ACCEPT = "accept"
    DECLINE = "decline"
    STORED = "stored"
    FINISH = "finish"
    COMPLETE = "complete"
    TEXT_SHOWN = "text shown"


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.IDLE, Step.OFFER): State.OFFERED,
    (State.IDLE, Step.OFFER_TEXT): State.TEXT_SENT,
    (State.TEXT_SENT, Step.TEXT_SHOWN): State.DONE,
    (State.OFFERED, Step.ACCEPT): State.SENDING,
    (State.OFFERED, Step.DECLINE): State.DONE,
    (State.SENDING, Step.STORED): State.SENDING,
    (State.SENDING, Step.FINISH): State.FINISHING,
    (State.FINISHING, Step.STORED): State.FINISHING,
    (State.FINISHING, Step.COMPLETE): State.DONE,
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """The receiver chose these entries."""

    selection: Selection


@dataclass(frozen=True, slots=True)
class Delivered:
    """Everything accepted is durable there, except what failed."""

    roots: bytes
    failed: tuple[FileEnd, ...]
    """The first failures on either side."""
    failed_count: int


SendEvent = Accepted | Delivered


class Sender:
    """The sending side of one offer or one text."""

    def __init__(
        self,
        random_bytes: Callable[[int], bytes],
        open_channel: Callable[[BulkKeys], BulkSendChannel],
    ) -> None:
        self._random_bytes = random_bytes
        self._open_channel = open_channel
        self._rules = Rules(State.IDLE, TRANSITIONS)
        self._events: Outbox[SendEvent] = Outbox()
        self._messages: Outbox[Control] = Outbox()
        self._pages: Iterator[Control] = iter(())
        self._deadline: float | None = None
        self._plan: SendPlan | None = None
        self._oldest_outstanding: int | None = None
        self._trailer: list[FileEnd] = []
        self._trailer_bytes = 0
        self._ended = 0

    @property
    def state(self) -> State:
        """Where the offer stands."""
        return self._rules.state

    # --- verbs --------------------------------------------------------------------------------

    def offer(self, manifest: Manifest, note: str, now: float) -> None:
        """Offer a manifest; its pages leave as the session has room for them."""
        self._rules.local(Step.OFFER)
        self._manifest = manifest
        self._root = manifest.root()
        self._table = RootTable(manifest.entries)
        self._deadline = now + limits.DECISION_MAX_S
        streams = manifest.entries == 1 and manifest.entry(0).kind is EntryKind.STREAM
        self._messages.put(
            Offer(
                OFFER_NO,
                "stream" if streams else "files",
                manifest.entries,
                len(manifest.pages),
                manifest.total_bytes,
                note,
            )
        )
        self._pages = self._page_messages()

    def offer_text(self, text: str, note: str, now: float) -> None:
        """Send a short text; the receiver shows it without asking."""
        self._rules.local(Step.OFFER_TEXT)
        self._deadline = now + limits.DECISION_MAX_S
        self._messages.put(Text(text, note))

    def _page_messages(self) -> Iterator[Control]:
        for index, page in enumerate(self._manifest.pages):
            yield Page(OFFER_NO, index, page)
        yield OfferEnd(OFFER_NO, self._root)

    def next_page(self) -> bool:
        """Queue the next page of the offer; False when none is left."""
        message = next(self._pages, None)
        if message is not None:
            self._messages.put(message)
        return message is not None

    # --- the five doors -----------------------------------------------------------------------

    def receive(self, data: TransferMessage, now: float) -> None:
        """Take a message of the receiver; OfferDeclined, RemoteProtocolError or RootMismatch."""
        match data:
            case Accept():
                self._rules.remote(Step.ACCEPT)
                self._start(data, now)
            case Decline() if data.offer == OFFER_NO:
                self._rules.remote(Step.DECLINE)
                raise OfferDeclined(why=data.reason)
            case Stored() if data.offer == OFFER_NO:
                self._rules.remote(Step.STORED)
                self._must_send().credit(data)
            case Complete() if data.offer == OFFER_NO:
                self._rules.remote(Step.COMPLETE)
                self._deadline = None
                self._complete(data)
            case TextShown():
                self._rules.remote(Step.TEXT_SHOWN)
                self._deadline = None
                self._events.put(Delivered(b"", (), 0))
            case _:
                raise RemoteProtocolError("The other side sent a message out of turn.")

    def next_event(self) -> SendEvent | None:
        """Return what happened."""
        return self._events.take()

    def bytes_to_send(self) -> list[Control]:
        """Return the messages for the session to seal."""
        return self._messages.take_all()

    def next_deadline(self) -> float | None:
        """Return when an unanswered offer, or one that goes nowhere, is given up."""
        waits = self._plan is None or self._plan.oldest_outstanding is not None
        return self._deadline if waits else None

    def on_deadline(self, now: float) -> None:
        """TimedOut for an offer that nobody answered; RecordLost for a record that nobody stores.

        A relay that drops bulk records alone leaves both sides alive and without credit.
        """
        if self._deadline is None or now < self._deadline:
            return
        if self._plan is None:
            raise TimedOut("The other side did not answer the offer in ten minutes.")
        oldest = self._plan.oldest_outstanding
        if oldest is not None and oldest == self._oldest_outstanding:
            raise RecordLost("The other side has not stored what it was sent ten minutes ago.")
        self._oldest_outstanding = oldest
        self._deadline = now + limits.STALLED_S

    # --- answers ------------------------------------------------------------------------------

    def _start(self, accept: Accept, now: float) -> None:
        # A root is public once received; comparing it needs no constant time.
        if accept.offer != OFFER_NO or accept.manifest_root != self._root:
            raise RemoteProtocolError("The other side accepted something that was not offered.")
        selection = Selection(self._manifest.entries, accept.bitmap)
        accept_hash = accept_digest(self._root, accept.accept_no, accept.bitmap)
        ts, transfer_id = self._random_bytes(32), self._random_bytes(16)
        keys = BulkKeys(self._root, ts, transfer_id, accept.accept_no, accept_hash)
        channel = self._open_channel(keys)
        self._messages.put(
            Start(OFFER_NO, channel.channel, transfer_id, accept.accept_no, ts, accept_hash)
        )
        self._deadline = now + limits.STALLED_S
        self._plan = SendPlan(self._manifest, selection, channel, accept.window_bytes)
        self._events.put(Accepted(selection))

    @property
    def ended_files(self) -> int:
        """How many files were sealed to their end, or failed."""
        return self._ended

    @property
    def own_failures(self) -> list[FileEnd]:
        """Files that could not be read on this side."""
        return self._table.failures(limits.ROOTS_PER_TRAILER)

    @property
    def stored_bytes(self) -> int:
        """File bytes that the receiver has written."""
        return self._plan.stored_bytes if self._plan else 0

    def _complete(self, complete: Complete) -> None:
        if complete.roots != self._table.digest():
            raise RootMismatch
        if any(end.file_no not in self._table for end in complete.failed):
            raise RemoteProtocolError("The other side reports failures of files it never got.")
        if not len(complete.failed) <= complete.failed_count <= self._ended:
            raise RemoteProtocolError("The other side reports failures of files it never got.")
        failed = self._table.failures(limits.ROOTS_PER_TRAILER) + complete.failed
        count = len(self._table.failed) + complete.failed_count
        self._events.put(Delivered(complete.roots, tuple(failed), count))

    def _must_send(self) -> SendPlan:
        if self._plan is None:
            raise RemoteProtocolError("The other side sent a message out of turn.")
        return self._plan

    # --- jobs ---------------------------------------------------------------------------------

    def next_job(self) -> SealJob | None:
        """Return what to read and seal next, or None without credit or when all is given out."""
        if self._plan is None or self.state is not State.SENDING:
            return None
        job = self._plan.next_job()
        self._finish_if_all_ended()
        return job

    def leaves_sealed(
        self, job: LeavesJob | StreamJob, hashes: list[bytes], size: int, *, last: bool
    ) -> bool:
        """Take the hashes of a sealed record, in order; False if its file has failed already.

        ``size`` is how many bytes of the file the record carries.
        """
        plan = self._must_send()
        ended = plan.leaves_sealed(job, hashes, size, last=last)
        if ended is False:
            return False
        if isinstance(ended, FileEnd):
            self._file_ended(ended)
            self._flush_trailer()
        return True

    def pack_sealed(self, ended: list[FileEnd]) -> None:
        """Take how each file of a sealed pack ended, in the order of its job."""
        self._must_send().pack_sealed(ended)
        for end in ended:
            self._file_ended(end)
        self._flush_trailer()

    def read_failed(self, job: LeavesJob | StreamJob, reason: str) -> None:
        """Give a file up that cannot be read; the rest goes on."""
        if self._must_send().read_failed(job):
            self._file_ended(FileEnd(job.file_no, 0, b"", reason[: limits.REASON_MAX_CHARS]))
            self._flush_trailer()

    def nothing_sealed(self, job: SealJob) -> None:
        """Return the credit of a number that will never be sent."""
        self._must_send().uncount(job)

    def _file_ended(self, end: FileEnd) -> None:
        if end.failed:
            self._table.fail(end.file_no, end.failed)
        else:
            self._table.set(end.file_no, end.root)
        self._ended += 1
        self._trailer.append(end)
        self._trailer_bytes += 48 + 4 * len(end.failed)
        full = self._trailer_bytes > limits.MANIFEST_PAGE_MAX_BYTES
        if full or len(self._trailer) == limits.ROOTS_PER_TRAILER:
            self._flush_trailer()

    def _flush_trailer(self) -> None:
        if self._trailer:
            self._messages.put(Trailer(OFFER_NO, self._trailer))
            self._trailer, self._trailer_bytes = [], 0
        self._finish_if_all_ended()

    def _finish_if_all_ended(self) -> None:
        plan = self._must_send()
        if plan.exhausted and plan.given_out == self._ended and self.state is State.SENDING:
            self._rules.local(Step.FINISH)
            self._messages.put(Finish(OFFER_NO, self._table.digest()))
