"""Send what was offered: pages, then records from the lane, until the receiver says durable.

One loop: events in, lane results out to the connection, new jobs while there is credit.
Before: greeting.py. After: lane.py and the connection. It never reads a file itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallow.engine import events as e
from tallow.engine.context import ExchangeContext
from tallow.engine.greeting import Conversation, check_event
from tallow.engine.lane import Sealed, SealLane
from tallow.engine.progress import EMIT_EVERY_S, Speedometer, Stall
from tallow.engine.storage.outbox import Outbox, ReadFailed, Skipped
from tallow.engine.storage.stdio import StreamSource
from tallow.errors import RemoteProtocolError
from tallow.protocol.manifest import EntryKind, Manifest
from tallow.protocol.messages import TransferMessage, Verified
from tallow.protocol.transfer.jobs import LeavesJob, PackJob, StreamJob
from tallow.protocol.transfer.sender import Accepted, Delivered, Sender, State
from tallow.wire import limits


@dataclass(frozen=True, slots=True)
class Source:
    """What is offered and how it is read."""

    manifest: Manifest
    reader: Outbox | StreamSource
    skipped: tuple[Skipped, ...] = ()


class Sending:
    """One offer on its way out."""

    def __init__(
        self, context: ExchangeContext, conversation: Conversation, source: Source, note: str
    ) -> None:
        self._context = context
        self._link = conversation.link
        self._session = conversation.session
        self._clock = context.ports.clock
        self._source = source
        self._note = note
        self._early = conversation.early or []
        self._sender = Sender(context.ports.rng.bytes, conversation.session.open_bulk_send)
        self._link.transfer = self._sender
        self._lane = SealLane(context.ports.workers, source.reader, self._link.ring)
        self._began_at = self._clock.now()
        self._speed = Speedometer(self._began_at)
        self._emit_at = 0.0
        self._accepted_files = 0
        self._accepted_bytes: int | None = 0
        self._path = ""
        self._failed: set[int] = set()
        self._delivered: Delivered | None = None

    async def run(self) -> e.TransferDone:
        """Offer, send, and return the final event; a TallowError ends it early."""
        self._offer()
        stall = Stall()
        try:
            for message in self._early:
                self._take_message(message)
            while self._delivered is None:
                event = self._link.poll()
                self._take_message(check_event(self._context, event))
                busy = self._take_events() | self._move()
                self._context.check_cancelled()
                self._show_progress()
                wake_at = stall.check(
                    (self._sender.state, self._sender.stored_bytes, self._sender.ended_files),
                    self._clock.now(),
                    self._stall_limit_s(),
                    self._emit_at,
                )
                if event is None and not busy:
                    await self._link.wait(wake_at)
        finally:
            await self._lane.stop()
        self._show_progress(last=True)
        return self._done(self._delivered)

    def _stall_limit_s(self) -> float | None:
        """Return how long nothing may move: a stream has all the time it wants."""
        moving = self._sender.state in (State.SENDING, State.FINISHING)
        return limits.STALLED_S if moving and self._accepted_bytes is not None else None

    def _offer(self) -> None:
        manifest, context = self._source.manifest, self._context
        self._sender.offer(manifest, self._note, self._clock.now())
        kind = manifest.entry(0).kind if manifest.entries == 1 else EntryKind.FILE
        context.emit(
            e.OfferSent(
                context.ticket,
                kind="stream" if kind is EntryKind.STREAM else "files",
                files=manifest.files,
                folders=manifest.folders,
                total_bytes=manifest.total_bytes,
            )
        )
        context.emit(e.TransferState(context.ticket, "deciding"))

    # --- one turn of the loop -----------------------------------------------------------------

    def _take_message(self, message: TransferMessage | Verified | None) -> None:
        if message is not None and not isinstance(message, Verified):
            self._sender.receive(message, self._clock.now())

    def _take_events(self) -> bool:
        event = self._sender.next_event()
        match event:
            case Accepted():
                self._accepted(event)
            case Delivered():
                self._delivered = event
            case None:
                return False
        return True

    def _accepted(self, event: Accepted) -> None:
        manifest = self._source.manifest
        chosen = [manifest.entry(number) for number in event.selection]
        files = [entry for entry in chosen if entry.kind is not EntryKind.FOLDER]
        self._accepted_files = len(files)
        total = sum(entry.size for entry in files)
        streams = any(entry.kind is EntryKind.STREAM for entry in files)
        self._accepted_bytes = None if streams else total
        context = self._context
        context.emit(e.OfferAnswered(context.ticket, True, len(files), total))
        context.emit(e.TransferState(context.ticket, "transferring"))
        self._began_at = self._clock.now()
        self._speed = Speedometer(self._began_at)
        self._emit_at = self._began_at + EMIT_EVERY_S

    def _move(self) -> bool:
        """Send pages, write sealed records, start jobs; False if there was nothing to do."""
        connection, moved = self._link.connection, False
        while self._sender.state is State.OFFERED and not connection.congested:
            if self._session.congested or not self._sender.next_page():
                break
            self._link.flush()
            moved = True
        while not connection.congested and (sealed := self._lane.next_sealed()) is not None:
            self._write(sealed)
            self._lane.give_back(sealed)
            moved = True
        while self._lane.has_room and (job := self._sender.next_job()) is not None:
            self._lane.start(job)
            moved = True
        return moved

    def _write(self, sealed: Sealed) -> None:
        match sealed.job:
            case PackJob() as job:
                if sealed.frame:
                    self._link.connection.send(sealed.frame)
                else:
                    self._sender.nothing_sealed(job)
                self._sender.pack_sealed(sealed.ended)
                self._path = self._source.manifest.entry(job.files[-1][0]).path
                for end in sealed.ended:
                    self._file_failed(end.file_no, end.failed)
            case LeavesJob() | StreamJob() as job:
                self._path = self._source.manifest.entry(job.file_no).path
                failed = sealed.failed or self._listed_still(sealed, job)
                if failed:
                    self._sender.read_failed(job, failed)
                    self._file_failed(job.file_no, failed)
                    self._let_go(job.file_no)
                    return
                goes = self._sender.leaves_sealed(job, sealed.hashes, sealed.size, last=sealed.last)
                if goes and sealed.frame:
                    self._link.connection.send(sealed.frame)
                elif goes:
                    self._sender.nothing_sealed(job)
                else:
                    self._let_go(job.file_no)
        # Trailers that these records caused must follow them, never overtake them.
        self._link.flush()

    def _listed_still(self, sealed: Sealed, job: LeavesJob | StreamJob) -> str:
        reader = self._source.reader
        if not sealed.last or not isinstance(reader, Outbox):
            return ""
        try:
            reader.finish(job.file_no)
        except ReadFailed as failure:
            return str(failure)
        return ""

    def _let_go(self, file_no: int) -> None:
        """Close a file that failed: jobs of it that were under way may have opened it again."""
        if isinstance(self._source.reader, Outbox):
            self._source.reader.release(file_no)

    def _file_failed(self, file_no: int, reason: str) -> None:
        if reason and file_no not in self._failed:
            self._failed.add(file_no)
            path = self._source.manifest.entry(file_no).path
            self._context.emit(e.TransferFile(self._context.ticket, path, "failed", reason))

    # --- what people see ----------------------------------------------------------------------

    def _show_progress(self, *, last: bool = False) -> None:
        now = self._clock.now()
        if not self._emit_at or (now < self._emit_at and not last):
            return
        self._emit_at = now + EMIT_EVERY_S
        done = self._sender.stored_bytes
        self._speed.update(done, now)
        finishing = self._sender.state is State.FINISHING
        self._context.emit(
            e.TransferProgress(
                self._context.ticket,
                phase="finishing" if finishing else "sending",
                done_bytes=done,
                total_bytes=self._accepted_bytes,
                done_files=self._sender.ended_files,
                total_files=self._accepted_files,
                rate_bps=self._speed.rate_bps,
                eta_s=self._speed.eta_s(self._accepted_bytes, now),
                path=self._path,
            )
        )

    def _done(self, delivered: Delivered) -> e.TransferDone:
        if delivered.failed_count > self._accepted_files:
            raise RemoteProtocolError("The other side reports failures of files it never wanted.")
        shown = {end.file_no for end in self._sender.own_failures}
        for end in delivered.failed:
            if end.file_no not in shown:
                self._file_failed(end.file_no, end.failed)
        unread = sum(item.failed for item in self._source.skipped)
        return e.TransferDone(
            self._context.ticket,
            direction="send",
            files=self._accepted_files - delivered.failed_count,
            total_bytes=self._sender.stored_bytes,
            seconds=self._clock.now() - self._began_at,
            failed=delivered.failed_count + unread,
            roots=delivered.roots.hex(),
            output="",
        )
