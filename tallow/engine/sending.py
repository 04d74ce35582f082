"""Send what was offered: pages, then records from the lane, until the receiver says durable.

One loop: events in, lane results out to the connection, new jobs while there is credit. What the
receiver has from an earlier session is read and hashed beside the flow, and not sent again.
Before: greeting.py. After: lane.py and the connection. It never reads a file itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tallow.engine import events as e
from tallow.engine.commands import ContinueTransfer, PauseTransfer, SendOptions
from tallow.engine.context import ExchangeContext
from tallow.engine.greeting import Conversation, check_event
from tallow.engine.outflow import Outflow, lanes_wanted
from tallow.engine.progress import Report, Stall
from tallow.engine.source import Source
from tallow.engine.storage.outbox import Outbox, ReadFailed
from tallow.engine.storage.stdio import StreamSource
from tallow.engine.unfinished import (
    Past,
    Unfinished,
    Wanted,
    absolute_sources,
    new_record,
)
from tallow.errors import RemoteProtocolError, SourceUnreadable
from tallow.protocol.kept import ALL_KEPT, NotKept
from tallow.protocol.manifest import EntryKind, has_leaves
from tallow.protocol.messages import TransferMessage, Verified
from tallow.protocol.missed import RecordsMissed
from tallow.protocol.transfer.offering import KnownTransfer
from tallow.protocol.transfer.pace import PeerContinued, PeerPaused
from tallow.protocol.transfer.sender import (
    Accepted,
    Delivered,
    Sender,
    State,
)
from tallow.wire import limits


class Sending:
    """One offer on its way out."""

    def __init__(
        self,
        context: ExchangeContext,
        conversation: Conversation,
        source: Source,
        options: SendOptions,
        unfinished: Unfinished,
        known: Sequence[Past] = (),
        offer_no: int = 1,
    ) -> None:
        """``known`` are earlier transfers of the same source that did not end."""
        self._context = context
        self._link = conversation.link
        self._session = conversation.session
        self._clock = context.ports.clock
        self._source = source
        self._options = options
        self._early = conversation.early or []
        self._conversation = conversation
        self._unfinished = unfinished
        self._known = known
        reader = source.reader
        self._sender = Sender(
            context.ports.rng.bytes,
            conversation.session.open_bulk_send,
            reader.data_ranges if isinstance(reader, Outbox) else None,
            offer_no=offer_no,
            xattrs=reader.xattrs if isinstance(reader, Outbox) else None,
            not_kept=self._not_kept,
        )
        self._link.transfer = self._sender
        self._outflow = Outflow(context, conversation, self._sender, source, options)
        self._began_at = self._clock.now()
        self._report = Report(context.ticket, context.emit)
        self._accepted_files = 0
        self._accepted_bytes: int | None = 0
        self._held = False
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
                if isinstance(event, RecordsMissed):
                    self._sender.missed(event)
                self._take_message(check_event(self._context, event))
                busy = self._take_events() | self._outflow.move()
                self._context.check_cancelled()
                self._hold_or_go_on()
                self._unfinished.write_if_due(self._clock.now())
                self._show_progress()
                wake_at = stall.check(
                    (self._sender.state, self._sender.stored_bytes, self._sender.ended_files),
                    self._clock.now(),
                    self._stall_limit_s(),
                    self._wake_at(),
                )
                if event is None and not busy:
                    await self._link.wait(wake_at)
        finally:
            await self._outflow.stop()
        self._show_progress(last=True)
        return self._done(self._delivered)

    def _wake_at(self) -> float:
        times = [self._report.due_at, self._outflow.wake_at]
        return min((at for at in times if at), default=0.0)

    def _stall_limit_s(self) -> float | None:
        """Return how long nothing may move: a stream has all the time it wants."""
        if self._sender.paused:
            return None
        moving = self._sender.state in (State.SENDING, State.FINISHING)
        return limits.STALLED_S if moving and self._accepted_bytes is not None else None

    def _offer(self) -> None:
        manifest, context = self._source.manifest, self._context
        self._sender.offer(
            manifest,
            self._options.note,
            self._clock.now(),
            known=[KnownTransfer(past.record.transfer_id, past.key) for past in self._known],
            th2=self._session.th2,
            stream_hashes=self._source.stream_hashes,
            sync=self._source.sync,
        )
        kind = manifest.entry(0).kind if manifest.entries == 1 else EntryKind.FILE
        context.emit(
            e.OfferSent(
                context.ticket,
                kind="stream" if kind is EntryKind.STREAM else "files",
                files=manifest.files,
                folders=manifest.folders,
                links=manifest.links,
                total_bytes=manifest.total_bytes,
                mode=self._mode,
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
            case PeerPaused():
                self._context.emit(e.TransferPaused(self._context.ticket, "there", event.reason))
            case PeerContinued():
                self._context.emit(e.TransferContinued(self._context.ticket))
            case None:
                return False
        return True

    def _accepted(self, event: Accepted) -> None:
        manifest = self._source.manifest
        files = total = 0
        for number in event.selection:
            entry = manifest.entry(number)
            files += has_leaves(entry)
            total += entry.size
        self._accepted_files = files
        self._accepted_bytes = None if manifest.streams else total
        context = self._context
        if not event.resumed:
            context.emit(e.OfferAnswered(context.ticket, True, files, total))
        context.emit(e.TransferState(context.ticket, "transferring"))
        self._go_back(event.have_bytes)
        if event.resumed:
            context.emit(e.TransferResumed(context.ticket, event.have_bytes, 0, 0))
        self._began_at = self._clock.now()
        self._report.begin(event.have_bytes, self._began_at)
        self._note_begin(event, total)
        self._ask_for_lanes(total)

    def _ask_for_lanes(self, total: int) -> None:
        """Ask the relay to let bulk around TLS; until lanes stand, it goes over the link."""
        link, lanes = self._link, self._link.lanes
        # A pipe cannot be read twice, so its records never go where they may be lost.
        if lanes is None or self._source.manifest.streams or not link.rendezvous.paired:
            return
        # Nothing belongs on the way back; whatever comes there spoils its lane.
        link.lanes_open = True
        mode = self._context.settings.lanes
        count = lanes.to_ask_for(lanes_wanted(mode, total, self._conversation.rtt_s))
        if count:
            link.rendezvous.ask_lanes(count)

    def _go_back(self, have_bytes: int) -> None:
        """Give a stream out again from where the receiver's part of it ends."""
        reader, hashes = self._source.reader, self._source.stream_hashes
        if isinstance(reader, StreamSource):
            try:
                reader.go_back(have_bytes)
            except ReadFailed as failure:
                raise SourceUnreadable(
                    "The other side lost more of the stream than can be sent again.",
                    why=str(failure),
                    hint="Start the stream again on both sides.",
                ) from None
            del hashes[have_bytes // limits.STREAM_LEAF_BYTES :]

    def _note_begin(self, event: Accepted, total: int) -> None:
        """Remember this transfer, so that it can go on over another path or after a crash."""
        conversation, command = self._conversation, self._source.command
        record = new_record(
            self._context,
            conversation,
            event.transfer_id,
            direction="send",
            wanted=Wanted(send=command),
        )
        record = msgspec.structs.replace(
            record,
            sources=absolute_sources(command) if command else (),
            exclude=command.exclude if command else (),
            manifest_root=self._source.manifest.root(),
            files=self._accepted_files,
            total_bytes=total,
            done_bytes=event.have_bytes,
        )
        kept = [past.record for past in self._known]
        same = [item for item in kept if item.transfer_id == event.transfer_id]
        self._unfinished.begin(
            record,
            self._clock.now(),
            kept=same[0] if same else None,
            lasting=command is not None,
        )

    def _hold_or_go_on(self) -> None:
        """Carry out what the person said about pausing."""
        context, now = self._context, self._clock.now()
        moving = self._sender.state in (State.SENDING, State.FINISHING)
        if moving and not self._held and context.take_answer(PauseTransfer) is not None:
            self._held = True
            self._sender.pause("user", now)
            context.emit(e.TransferPaused(context.ticket, "here", "user"))
        if self._held and context.take_answer(ContinueTransfer) is not None:
            self._held = False
            self._sender.resume_sending(now)
            context.emit(e.TransferContinued(context.ticket))

    # --- what people see ----------------------------------------------------------------------

    def _show_progress(self, *, last: bool = False) -> None:
        sender = self._sender
        self._unfinished.progress(sender.stored_bytes)
        self._report.show(
            self._clock.now(),
            phase="finishing" if sender.state is State.FINISHING else "sending",
            done=(sender.stored_bytes, sender.ended_files),
            total=(self._accepted_bytes, self._accepted_files),
            path=self._outflow.path,
            last=last,
        )

    def _not_kept(self) -> NotKept:
        reader = self._source.reader
        return reader.not_kept() if isinstance(reader, Outbox) else ALL_KEPT

    def _done(self, delivered: Delivered) -> e.TransferDone:
        if delivered.failed_count > self._accepted_files:
            raise RemoteProtocolError("The other side reports failures of files it never wanted.")
        shown = {end.file_no for end in self._sender.own_failures}
        for end in delivered.failed:
            if end.file_no not in shown:
                self._outflow.file_failed(end.file_no, end.failed)
        unread = self._source.unread
        return e.TransferDone(
            self._context.ticket,
            direction="send",
            files=self._accepted_files - delivered.failed_count,
            total_bytes=self._sender.stored_bytes,
            seconds=self._clock.now() - self._began_at,
            failed=delivered.failed_count + unread,
            roots=delivered.roots.hex(),
            output="",
            not_kept=self._not_kept() + delivered.not_kept,
            mode=self._mode,
            left_files=self._source.manifest.files - self._accepted_files,
        )

    @property
    def _mode(self) -> e.SendMode:
        sync = self._source.sync
        return "copy" if sync is None else "watch" if sync.watch else "sync"

    @property
    def failed_paths(self) -> frozenset[str]:
        """Files that did not arrive, by their path in the list."""
        entry = self._source.manifest.entry
        return frozenset(entry(number).path for number in self._outflow.failed)
