"""Take an offer, answer it, and admit exactly the leaves that were asked for.

Before this room: session.py hands over authenticated messages and opened bulk bodies. After it:
engine/lane.py runs the store jobs, engine/storage/inbox.py gives a file its name when its root
matched. A leaf is refused by state: not accepted, out of range, already here, beyond credit.
It never writes, never believes a size, and says complete only after the shell said durable. What
is here of an earlier transfer is told only after the sender proved it, and hashed all the same.
Spec: docs/protocol.md §8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tallow.errors import LocalProtocolError, RecordLost, RemoteProtocolError
from tallow.protocol.bulk import BulkKeys, accept_digest, read_body
from tallow.protocol.kept import ALL_KEPT, NotKept
from tallow.protocol.machine import Outbox, Rules
from tallow.protocol.manifest import PageStore, Selection
from tallow.protocol.messages import (
    Accept,
    Continue,
    Control,
    Decline,
    FileEnd,
    Finish,
    LeafList,
    Offer,
    OfferEnd,
    Page,
    Pause,
    PauseReason,
    Resumes,
    Start,
    Text,
    TextShown,
    Trailer,
    TransferMessage,
)
from tallow.protocol.ranges import NOTHING, Ranges
from tallow.protocol.transfer.admission import Admission
from tallow.protocol.transfer.attributes import HeldXattrs
from tallow.protocol.transfer.have import claimed, have_messages
from tallow.protocol.transfer.jobs import CheckLeaves, StoreJob
from tallow.protocol.transfer.listing import Listing
from tallow.protocol.transfer.pace import Pace
from tallow.protocol.transfer.receiver_table import (
    TRANSITIONS,
    AllArrived,
    FileFailed,
    FileReady,
    OfferReceived,
    ReceiveEvent,
    Started,
    State,
    Step,
    TextReceived,
)
from tallow.protocol.transfer.report import StoredReport
from tallow.protocol.transfer.roots import RootTable
from tallow.wire import limits

__all__ = [
    "TRANSITIONS", "AllArrived", "FileFailed", "FileReady", "OfferReceived", "ReceiveEvent",
    "Receiver", "Started", "State", "Step", "TextReceived",
]  # fmt: skip


class Receiver:
    """The receiving side of one offer or one text."""

    def __init__(
        self,
        open_channel: Callable[[int, BulkKeys], None],
        offer_no: int = 1,
        store: PageStore | None = None,
    ) -> None:
        """Await an offer; those of one session, one after the other, are numbered from 1."""
        self._open_channel = open_channel
        self._store = store
        self._expected_no = offer_no
        self._rules = Rules(State.IDLE, TRANSITIONS)
        self._events: Outbox[ReceiveEvent] = Outbox()
        self._messages: Outbox[Control] = Outbox()
        self._listing: Listing | None = None
        self._admission: Admission | None = None
        self._accept: Accept | None = None
        self._pace = Pace()
        self._report = StoredReport()
        self._naming: set[int] = set()
        self._finish_by: float | None = None
        self._peer_roots = b""
        self.channel: int | None = None
        """Where bulk of this offer comes, once it started."""
        self.not_kept = ALL_KEPT
        """What did not survive on either side, once everything is durable."""
        self._xattrs = HeldXattrs()

    @property
    def state(self) -> State:
        """Where the offer stands."""
        return self._rules.state

    # --- verbs --------------------------------------------------------------------------------

    def resume(self, proof: bytes) -> None:
        """Say that the offer is the transfer that this proves, before what is here of it."""
        self._rules.local(Step.RESUME)
        self._messages.put(Resumes(self._offer_no, proof))

    def accept(
        self,
        selection: Selection,
        window_bytes: int = limits.WINDOW_BYTES,
        *,
        have: Mapping[int, Ranges] = NOTHING,
        accept_no: int = 1,
    ) -> None:
        """Accept these entries of the manifest that was shown, and say what is here of them.

        Raises LocalProtocolError for leaves that are none of the sender's business: neither did
        this side resume nor did the offer ask for a delta.
        """
        listing = self._must_list()
        here = claimed(listing.manifest, selection, have)
        if here and self.state is not State.RESUMING and not listing.offer.delta:
            raise LocalProtocolError("What is here is not told to a sender that proved nothing.")
        self._rules.local(Step.ACCEPT)
        manifest = listing.manifest
        bitmap = selection.bitmap
        self._accept = Accept(self._offer_no, accept_no, manifest.root(), bitmap, window_bytes)
        self._admission = Admission(
            manifest, selection, window_bytes, have=here, offer_no=self._offer_no
        )
        self._table = RootTable(manifest.entries)
        for message in have_messages(self._offer_no, here):
            self._messages.put(message)
        self._messages.put(self._accept)

    def decline(self, reason: str = "") -> None:
        """Say no."""
        self._rules.local(Step.DECLINE)
        self._messages.put(Decline(self._offer_no, reason[: limits.REASON_MAX_CHARS]))

    def pause(self, reason: PauseReason, now: float) -> None:
        """Ask for nothing new until resume_receiving; saying it again changes nothing."""
        self._rules.local(Step.PAUSE)
        said = self._pace.pause(self._offer_no, reason)
        if said is not None:
            self._messages.put(said)
            self._wait_anew(now)

    def resume_receiving(self, now: float) -> None:
        """End this side's pause."""
        self._rules.local(Step.CONTINUE)
        said = self._pace.go_on(self._offer_no)
        if said is not None:
            self._messages.put(said)
            self._wait_anew(now)

    def text_shown(self) -> None:
        """Tell the sender that its text was printed."""
        self._rules.local(Step.TEXT_SHOWN)
        self._messages.put(TextShown())

    # --- the five doors -----------------------------------------------------------------------

    def receive(self, data: TransferMessage, now: float) -> None:
        """Take a message of the sender; RemoteProtocolError or RootMismatch end it."""
        match data:
            case Offer() if data.offer == self._expected_no:
                self._rules.remote(Step.OFFER)
                self._listing = Listing(data, self._store)
            case Text():
                self._rules.remote(Step.TEXT)
                self._events.put(TextReceived(data.text, data.note))
            case Page():
                self._rules.remote(Step.PAGE)
                self._must_list().add(data)
            case OfferEnd():
                self._rules.remote(Step.OFFER_END)
                self._end_offer(data)
            case Start():
                self._rules.remote(Step.START)
                self._start(data)
            case Trailer() if data.offer == self._offer_no:
                self._rules.remote(Step.TRAILER)
                for end in data.files:
                    self._take_file_end(end)
            case LeafList() if data.offer == self._offer_no:
                self._rules.remote(Step.LEAF_LIST)
                self._must_admit().leaves_listed(data)
                self._ask()
                self._wait_anew(now)
            case Pause() | Continue() if self._is_over(data.offer):
                # It was said before our complete was heard, and holds nothing any more.
                pass
            case Pause() | Continue() if data.offer == self._offer_no:
                self._rules.remote(Step.PAUSE if isinstance(data, Pause) else Step.CONTINUE)
                self._events.put(self._pace.heard(data))
                self._wait_anew(now)
            case Finish() if data.offer == self._offer_no:
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
        finish_by = None if self._pace.held else self._finish_by
        times = [at for at in (self._report.due_at, finish_by) if at is not None]
        return min(times, default=None)

    def on_deadline(self, now: float) -> None:
        """Report what was stored; RecordLost if announced data stays away for a minute."""
        if self._report.due_at is not None and now >= self._report.due_at:
            self._flush_stored()
        if self._pace.held or self._finish_by is None or now < self._finish_by:
            return
        if not self._naming and not self._must_admit().checking:
            raise RecordLost("Part of what was announced never arrived.")
        # Our own disk is slow; a deadline left in the past would spin the loop.
        self._wait_anew(now)

    def _wait_anew(self, now: float) -> None:
        if self._finish_by is not None:
            self._finish_by = now + limits.PEER_SILENT_MAX_S

    # --- the list -----------------------------------------------------------------------------

    def _end_offer(self, end: OfferEnd) -> None:
        listing = self._must_list()
        listing.close(end)
        offer, manifest = listing.offer, listing.manifest
        told = (offer.kind, offer.note, tuple(offer.proofs), offer.delta, offer.sync)
        self._events.put(OfferReceived(manifest, *told))

    def _must_list(self) -> Listing:
        if self._listing is None:
            raise RemoteProtocolError("The other side sent a message out of turn.")
        return self._listing

    @property
    def _offer_no(self) -> int:
        return self._must_list().offer.offer

    def _is_over(self, offer_no: int) -> bool:
        done = self.state is State.DONE and self._accept is not None
        return offer_no < self._expected_no or (done and offer_no == self._expected_no)

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

    def is_moot(self, job: StoreJob) -> bool:
        """Tell whether nothing is to be written for a record: its file failed at the sender."""
        return self._must_admit().is_moot(job)

    def stored(self, job: StoreJob, hashes: list[bytes], now: float) -> None:
        """Take the leaf hashes of a written record and return credit for it."""
        for arrival in self._must_admit().stored(job, hashes):
            self._ready(*arrival)
        self._ask()
        hurry = self._report.note(job, now) or self.state is State.FINISHING
        self._wait_anew(now)
        if hurry:
            self._flush_stored()
        self._finish_if_all_ended()

    def next_check(self) -> CheckLeaves | None:
        """Return the next leaves to hash that were here before, or None while paused or done."""
        if self._admission is None or self._pace.held:
            return None
        return self._admission.next_check()

    def checked(self, job: CheckLeaves, hashes: list[bytes], now: float) -> None:
        """Take the hashes of leaves that were here before, b"" for one that cannot be read."""
        arrival = self._must_admit().leaves_checked(job, hashes)
        if arrival is not None:
            self._ready(*arrival)
        self._ask()
        self._wait_anew(now)
        self._finish_if_all_ended()

    def file_failed_here(self, file_no: int, reason: str) -> None:
        """Note that a file that arrived could not get its name."""
        self._naming.discard(file_no)
        self._xattrs.forget(file_no)
        self._table.fail(file_no, reason[: limits.REASON_MAX_CHARS])
        self._finish_if_all_ended()

    def file_named(self, file_no: int) -> None:
        """Note that a file has its final name."""
        self._naming.discard(file_no)
        self._xattrs.forget(file_no)
        self._finish_if_all_ended()

    def durable(self, not_kept: NotKept = ALL_KEPT) -> None:
        """Say complete: everything that could be received survives a power cut."""
        self._rules.local(Step.COMPLETE)
        lost = not_kept + NotKept(xattrs=self._xattrs.lost)
        self._messages.put(self._table.complete(self._offer_no, lost))
        self.not_kept += lost

    @property
    def stored_bytes(self) -> int:
        """File bytes that are here: written, holes, and what was here before."""
        return self._admission.stored_bytes if self._admission else 0

    @property
    def paused(self) -> bool:
        """Whether either side holds the transfer."""
        return self._pace.held

    @property
    def failures(self) -> dict[int, str]:
        """Why files failed, by entry number, on either side."""
        return dict(self._table.failed) if self._accept else {}

    @property
    def roots_digest(self) -> bytes:
        """BLAKE3 over every file number and root."""
        return self._table.digest()

    def _must_admit(self) -> Admission:
        if self._admission is None:
            raise RemoteProtocolError("The other side sent data that was not asked for.")
        return self._admission

    def _take_file_end(self, end: FileEnd) -> None:
        arrival = self._must_admit().file_ended(end)
        if end.failed:
            self._table.fail(end.file_no, end.failed)
            entry = self._must_list().manifest.entry(end.file_no)
            self._events.put(FileFailed(end.file_no, entry, end.failed))
        else:
            self._xattrs.put(end)
            if arrival is not None:
                self._ready(*arrival)
        self._ask()

    def _ask(self) -> None:
        for question in self._must_admit().questions.take_all():
            self._messages.put(question)

    def _ready(self, file_no: int, size: int, root: bytes) -> None:
        self._table.set(file_no, root)
        self._naming.add(file_no)
        entry = self._must_list().manifest.entry(file_no)
        self._events.put(FileReady(file_no, entry, size, root, self._xattrs.of(file_no)))

    def _finish(self, finish: Finish, now: float) -> None:
        if not self._must_admit().all_named():
            raise RemoteProtocolError("The other side finished without sending everything.")
        self._flush_stored()
        self._peer_roots = finish.roots
        self.not_kept = finish.not_kept
        self._finish_by = now + limits.PEER_SILENT_MAX_S
        self._finish_if_all_ended()

    def _finish_if_all_ended(self) -> None:
        if self._finish_by is None or self._naming or self._must_admit().waiting:
            return
        self._finish_by = None
        if self._peer_roots != self._table.digest():  # public to both sides
            raise RemoteProtocolError("The two sides disagree about what was sent.")
        self._events.put(AllArrived())

    def _flush_stored(self) -> None:
        for message in self._report.messages(self._offer_no):
            self._messages.put(message)
        self._must_admit().credited(self._report.credit_bytes, self._report.hole_records)
        self._report = StoredReport()
