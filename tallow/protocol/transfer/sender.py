"""Offer a manifest, learn what is wanted, and decide which leaves go when.

Before this room: session.py hands over authenticated messages. After it: engine/lane.py runs the
seal jobs that ``next_job`` gives out while there is credit. Roots are known only after the last
leaf was read, so they travel in trailers. It never reads a file, never sends an entry that was
not accepted, and calls itself done only when the receiver said durable and the roots agree. A
receiver that proves an earlier transfer says first what it has of it.
Spec: docs/protocol.md §8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import structs

from tallow.errors import OfferDeclined, RecordLost, RemoteProtocolError, RootMismatch, TimedOut
from tallow.protocol.bulk import BulkKeys, BulkSendChannel, accept_digest
from tallow.protocol.kept import NotKept
from tallow.protocol.machine import Outbox, Rules
from tallow.protocol.manifest import Manifest
from tallow.protocol.messages import (
    Accept,
    Again,
    AskLeaves,
    Complete,
    Continue,
    Control,
    Decline,
    FileEnd,
    Finish,
    Have,
    Pause,
    PauseReason,
    Resumes,
    Start,
    Stored,
    Sync,
    Text,
    TextShown,
    TransferMessage,
    Xattrs,
)
from tallow.protocol.missed import RecordsMissed
from tallow.protocol.transfer.jobs import HashJob, HoleJob, LeavesJob, SealJob, SendJob, StreamJob
from tallow.protocol.transfer.offering import KnownTransfer, Offering
from tallow.protocol.transfer.outgoing import DataRanges
from tallow.protocol.transfer.pace import Pace
from tallow.protocol.transfer.plan import SendPlan
from tallow.protocol.transfer.roots import RootTable
from tallow.protocol.transfer.sender_table import (
    TRANSITIONS,
    Accepted,
    Delivered,
    SendEvent,
    State,
    Step,
)  # fmt: skip
from tallow.protocol.transfer.trailers import Trailers
from tallow.wire import limits

__all__ = ["TRANSITIONS", "Accepted", "Delivered", "SendEvent", "Sender", "State", "Step"]


class Sender:
    """The sending side of one offer or one text."""

    def __init__(
        self,
        random_bytes: Callable[[int], bytes],
        open_channel: Callable[[BulkKeys], BulkSendChannel],
        data_ranges: DataRanges | None = None,
        *,
        offer_no: int = 1,
        xattrs: Callable[[int], Xattrs] | None = None,
        not_kept: Callable[[], NotKept] = NotKept,
    ) -> None:
        """Begin; ``data_ranges`` tells which byte extents of a file hold data.

        Offers of one session, one after the other, are numbered from 1. ``xattrs`` are asked for
        when a file has ended, ``not_kept`` when all have.
        """
        self._offer_no = offer_no
        self._random_bytes = random_bytes
        self._open_channel = open_channel
        self._data_ranges = data_ranges
        self._xattrs = xattrs
        self._not_kept = not_kept
        self._rules = Rules(State.IDLE, TRANSITIONS)
        self._events: Outbox[SendEvent] = Outbox()
        self._messages: Outbox[Control] = Outbox()
        self._pages: Iterator[Control] = iter(())
        self._deadline: float | None = None
        self._offering: Offering | None = None
        self._plan: SendPlan | None = None
        self._pace = Pace()
        self._oldest_outstanding: int | None = None
        self._trailers = Trailers(self._offer_no)
        self._ended = 0

    @property
    def state(self) -> State:
        """Where the offer stands."""
        return self._rules.state

    # --- verbs --------------------------------------------------------------------------------

    def offer(
        self,
        manifest: Manifest,
        note: str,
        now: float,
        *,
        th2: bytes,
        known: Sequence[KnownTransfer] = (),
        delta: bool = False,
        stream_hashes: Sequence[bytes] = (),
        sync: Sync | None = None,
    ) -> None:
        """Offer a manifest; its pages leave as the session has room for them.

        ``known`` are transfers that this may go on with, the likeliest first; ``stream_hashes``
        are of the whole leaves of a stream that were read before; ``delta`` lets the receiver say
        what it has without any of that, as a ``sync`` does too.
        """
        self._rules.local(Step.OFFER)
        self._table = RootTable(manifest.entries)
        self._offering = Offering(
            self._offer_no,
            manifest,
            th2=th2,
            known=known,
            delta=delta,
            stream_hashes=stream_hashes,
            sync=sync,
        )
        self._deadline = now + limits.DECISION_MAX_S
        self._messages.put(self._offering.message(note, self._random_bytes))
        self._pages = self._offering.pages()

    def offer_text(self, text: str, note: str, now: float) -> None:
        """Send a short text; the receiver shows it without asking."""
        self._rules.local(Step.OFFER_TEXT)
        self._deadline = now + limits.DECISION_MAX_S
        self._messages.put(Text(text, note))

    def pause(self, reason: PauseReason, now: float) -> None:
        """Begin nothing new until resume_sending; saying it again changes nothing."""
        self._rules.local(Step.PAUSE)
        said = self._pace.pause(self._offer_no, reason)
        if said is not None:
            self._messages.put(said)
            self._deadline = now + limits.STALLED_S

    def resume_sending(self, now: float) -> None:
        """End this side's pause."""
        self._rules.local(Step.CONTINUE)
        said = self._pace.go_on(self._offer_no)
        if said is not None:
            self._messages.put(said)
            self._deadline = now + limits.STALLED_S

    def next_page(self) -> bool:
        """Queue the next page of the offer, or of leaf hashes; False when none is left."""
        message = next(self._pages, None)
        if message is None and self._plan is not None:
            message = self._plan.repairs.next_list()
        if message is not None:
            self._messages.put(message)
        return message is not None

    # --- the five doors -----------------------------------------------------------------------

    def receive(self, data: TransferMessage, now: float) -> None:
        """Take a message of the receiver; OfferDeclined, RemoteProtocolError or RootMismatch."""
        match data:
            case Resumes() if data.offer == self._offer_no:
                self._rules.remote(Step.RESUMES)
                self._must_offer().match(data)
            case Have() if data.offer == self._offer_no:
                self._rules.remote(Step.HAVE)
                self._must_offer().take_have(data)
            case Accept():
                self._rules.remote(Step.ACCEPT)
                self._start(data, now)
            case Decline() if data.offer == self._offer_no:
                self._rules.remote(Step.DECLINE)
                raise OfferDeclined(why=data.reason)
            case Pause() | Continue() if data.offer == self._offer_no:
                self._rules.remote(Step.PAUSE if isinstance(data, Pause) else Step.CONTINUE)
                self._events.put(self._pace.heard(data))
                self._deadline = now + limits.STALLED_S
            case Complete() if data.offer == self._offer_no:
                self._rules.remote(Step.COMPLETE)
                self._deadline = None
                self._complete(data)
            case TextShown():
                self._rules.remote(Step.TEXT_SHOWN)
                self._deadline = None
                self._events.put(Delivered(b"", (), 0))
            case _:
                self._receive_about_bulk(data)

    def _receive_about_bulk(self, data: TransferMessage) -> None:
        match data:
            case Stored() if data.offer == self._offer_no:
                self._rules.remote(Step.STORED)
                self._must_send().credit(data)
            case AskLeaves() if data.offer == self._offer_no:
                self._rules.remote(Step.ASK_LEAVES)
                self._must_send().repairs.ask(data)
            case Again() if data.offer == self._offer_no:
                self._rules.remote(Step.AGAIN)
                self._must_send().repairs.again(data)
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
        if self._plan is None:
            return self._deadline
        waits = self._plan.oldest_outstanding is not None and not self._pace.held
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
        if self._pace.held:
            oldest = None
        if oldest is not None and oldest == self._oldest_outstanding:
            raise RecordLost("The other side has not stored what it was sent ten minutes ago.")
        self._oldest_outstanding = oldest
        self._deadline = now + limits.STALLED_S

    # --- answers ------------------------------------------------------------------------------

    def _start(self, accept: Accept, now: float) -> None:
        offering = self._must_offer()
        selection, have = offering.answered(accept)
        root, known = offering.root, offering.matched
        accept_hash = accept_digest(root, accept.accept_no, accept.bitmap)
        ts, fresh_id = self._random_bytes(32), self._random_bytes(16)
        transfer_id = known.transfer_id if known else fresh_id
        keys = BulkKeys(root, ts, transfer_id, accept.accept_no, accept_hash)
        channel = self._open_channel(keys)
        self._messages.put(
            Start(self._offer_no, channel.channel, transfer_id, accept.accept_no, ts, accept_hash)
        )
        self._deadline = now + limits.STALLED_S
        self._plan = SendPlan(
            offering.manifest,
            selection,
            channel,
            accept.window_bytes,
            have=have,
            data_ranges=self._data_ranges,
            stream_hashes=offering.stream_hashes,
        )
        have_bytes = self._plan.have_bytes
        self._events.put(Accepted(selection, transfer_id, known is not None, have_bytes))

    def _must_offer(self) -> Offering:
        if self._offering is None:
            raise RemoteProtocolError("The other side sent a message out of turn.")
        return self._offering

    @property
    def paused(self) -> bool:
        """Whether either side holds the transfer."""
        return self._pace.held

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
        """File bytes that the receiver has: written, holes, and what was there before."""
        return self._plan.stored_bytes if self._plan else 0

    @property
    def have_bytes(self) -> int:
        """File bytes that the receiver said it had."""
        return self._plan.have_bytes if self._plan else 0

    def _complete(self, complete: Complete) -> None:
        if complete.roots != self._table.digest():
            raise RootMismatch
        if any(end.file_no not in self._table for end in complete.failed):
            raise RemoteProtocolError("The other side reports failures of files it never got.")
        if not len(complete.failed) <= complete.failed_count <= self._ended:
            raise RemoteProtocolError("The other side reports failures of files it never got.")
        failed = self._table.failures(limits.ROOTS_PER_TRAILER) + complete.failed
        count = len(self._table.failed) + complete.failed_count
        self._events.put(Delivered(complete.roots, tuple(failed), count, complete.not_kept))

    def _must_send(self) -> SendPlan:
        if self._plan is None:
            raise RemoteProtocolError("The other side sent a message out of turn.")
        return self._plan

    # --- jobs ---------------------------------------------------------------------------------

    def next_job(self, record_bytes: int = limits.RECORD_LEAVES_MAX_BYTES) -> SendJob | None:
        """Return what to read and seal or hash next, in records of at most so many bytes.

        None while either side has paused, without credit, or when all is given out.
        """
        if self._plan is None or self._pace.held:
            return None
        if self.state not in (State.SENDING, State.FINISHING):
            return None
        job = self._plan.next_job(record_bytes)
        self._finish_if_all_ended()
        return job

    def leaves_sealed(
        self, job: LeavesJob | StreamJob | HoleJob, hashes: list[bytes], size: int, *, last: bool
    ) -> bool:
        """Take the hashes of a sealed record, in order; False if its file has failed already.

        ``size`` is how many bytes of the file the record carries. Raises SourceUnreadable if what
        was read once more is not what it was.
        """
        ended = self._must_send().leaves_sealed(job, hashes, size, last=last)
        if isinstance(ended, FileEnd):
            self._files_ended([ended])
        return ended is not False

    def leaves_hashed(self, job: HashJob, hashes: list[bytes]) -> None:
        """Take the hashes of leaves that the receiver has."""
        ended = self._must_send().leaves_hashed(job, hashes)
        if ended is not None:
            self._files_ended([ended])

    def pack_sealed(self, ended: list[FileEnd]) -> None:
        """Take how each file of a sealed pack ended, in the order of its job."""
        self._files_ended(self._must_send().pack_sealed(ended))

    def read_failed(self, job: LeavesJob | StreamJob | HoleJob | HashJob, reason: str) -> None:
        """Give a file up that cannot be read; the rest goes on.

        Raises SourceUnreadable if the file had ended and was to go once more in part.
        """
        if self._must_send().read_failed(job):
            end = FileEnd(job.file_no, 0, b"", reason[: limits.REASON_MAX_CHARS])
            self._files_ended([end])

    @property
    def plan(self) -> SendPlan | None:
        """What is on its way, once the offer was accepted: for whoever sends it over lanes."""
        return self._plan

    def missed(self, lost: RecordsMissed) -> None:
        """Give records that never arrived out again, under new numbers."""
        self._must_send().missed(lost)

    def nothing_sealed(self, job: SealJob) -> None:
        """Return the credit of a number that will never be sent."""
        self._must_send().uncount(job)

    def _files_ended(self, ends: list[FileEnd]) -> None:
        for end in ends:
            if end.failed:
                self._table.fail(end.file_no, end.failed)
            else:
                self._table.set(end.file_no, end.root)
            self._ended += 1
            told = None if end.failed or self._xattrs is None else self._xattrs(end.file_no)
            self._trailers.add(structs.replace(end, xattrs=told) if told else end)
        for trailer in self._trailers.take():
            self._messages.put(trailer)
        self._finish_if_all_ended()

    def _finish_if_all_ended(self) -> None:
        plan = self._must_send()
        if plan.exhausted and plan.given_out == self._ended and self.state is State.SENDING:
            self._rules.local(Step.FINISH)
            self._messages.put(Finish(self._offer_no, self._table.digest(), self._not_kept()))
