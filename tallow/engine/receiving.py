"""Receive what was accepted: show the offer, wait for an answer, store, name, make durable.

One loop: events in, opened records to the lane, lane results to the machine. Nothing is written
before an AcceptOffer; a file gets its name when its root matched; "complete" is said when all of
it is durable. Whatever ends the loop early, this session's temporary files are removed.
Before: greeting.py. After: lane.py and storage. It never opens a file itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from tallow.engine import events as e
from tallow.engine.commands import AcceptOffer, DeclineOffer, Receive
from tallow.engine.context import ExchangeContext
from tallow.engine.greeting import Conversation, check_event
from tallow.engine.lane import StoreLane
from tallow.engine.naming import NameQueue
from tallow.engine.offer import offer_entry, offer_event, sink_for
from tallow.engine.progress import EMIT_EVERY_S, Speedometer, Stall
from tallow.engine.storage.journal import JournalHead
from tallow.engine.storage.sink import Sink
from tallow.engine.storage.target import STDOUT, Target, plan_target
from tallow.errors import DiskFull, NotVerified, OfferDeclined
from tallow.protocol.manifest import EntryKind, Selection
from tallow.protocol.messages import TransferMessage, Verified
from tallow.protocol.session import BulkReceived
from tallow.protocol.transfer.receiver import (
    AllArrived,
    FileFailed,
    FileReady,
    OfferReceived,
    Receiver,
    Started,
    State,
    TextReceived,
)
from tallow.wire import limits

R = TypeVar("R")


class Receiving:
    """One offer or text on its way in."""

    def __init__(
        self, context: ExchangeContext, conversation: Conversation, command: Receive
    ) -> None:
        self._context = context
        self._conversation = conversation
        self._link = conversation.link
        self._command = command
        self._clock = context.ports.clock
        self._receiver = Receiver(conversation.session.open_bulk_recv)
        self._link.transfer = self._receiver
        self._early = conversation.early or []
        self._target: Target | None = None
        self._sink: Sink | None = None
        self._lane: StoreLane | None = None
        self._names: NameQueue | None = None
        self._work: list[tuple[asyncio.Future[object], Callable[[object], None]]] = []
        self._done: e.TransferDone | None = None
        self._began_at = self._clock.now()
        self._speed = Speedometer(self._began_at)
        self._emit_at = 0.0
        self._synced_at = self._synced_bytes = 0.0
        self._syncing = False
        self._files = 0
        self._bytes: int | None = 0
        self._named = self._messages = 0
        self._arrived = False
        self._path = ""

    async def run(self) -> e.TransferDone:
        """Serve one offer and return the final event; a TallowError ends it early."""
        self._context.emit(e.TransferState(self._context.ticket, "listing"))
        stall = Stall()
        try:
            for message in self._early:
                self._take_message(message)
            while self._done is None:
                busy = self._take_link()
                busy |= self._take_events() | self._take_answers() | self._take_results()
                self._context.check_cancelled()
                self._sync_if_due()
                self._show_progress()
                limit_s = self._stall_limit_s()
                wake_at = stall.check(self._moved(), self._clock.now(), limit_s, self._emit_at)
                if not busy and self._done is None:
                    await self._link.wait(wake_at)
        except BaseException:
            await self._abandon()
            raise
        return self._done

    def _moved(self) -> object:
        """Return what changes whenever the exchange moves on."""
        receiver = self._receiver
        return receiver.state, self._messages, receiver.stored_bytes, self._named

    def _stall_limit_s(self) -> float | None:
        """Return how long nothing may move: a person and a stream have all the time they want."""
        match self._receiver.state:
            case State.DECIDING | State.DONE:
                return None
            case State.RECEIVING if self._bytes is None:
                return None
            case State.IDLE | State.RECEIVING | State.FINISHING:
                return limits.STALLED_S
            case _:
                return limits.PEER_SILENT_MAX_S

    async def _abandon(self) -> None:
        futures = [future for future, _ in self._work]
        if self._lane is not None:
            await self._lane.stop()
        if self._names is not None:
            await self._names.stop()
        await asyncio.gather(*futures, return_exceptions=True)
        if self._sink is not None:
            await self._context.ports.workers.submit(self._sink.abandon)

    # --- one turn of the loop -----------------------------------------------------------------

    def _take_link(self) -> bool:
        if self._lane is not None and not self._lane.has_room:
            self._link.flush()
            return False
        event = self._link.poll()
        if isinstance(event, BulkReceived):
            job = self._receiver.admit(event.number, event.body)
            buffer = self._link.keep()
            if self._lane is not None:
                self._lane.start(job, buffer)
            return True
        self._take_message(check_event(self._context, event))
        return event is not None

    def _take_message(self, message: TransferMessage | Verified | None) -> None:
        if message is not None and not isinstance(message, Verified):
            self._messages += 1
            self._receiver.receive(message, self._clock.now())

    def _take_events(self) -> bool:
        event = self._receiver.next_event()
        match event:
            case TextReceived():
                self._show_text(event)
            case OfferReceived():
                self._plan(event)
            case Started() if self._sink is not None:
                self._sink.begin(JournalHead(event.transfer_id, event.manifest_root))
            case Started():
                pass
            case FileReady():
                self._path = event.entry.path
                if self._names is not None:
                    self._names.put(event)
            case FileFailed():
                self._sender_failed(event)
            case AllArrived():
                self._arrived = True
            case None:
                return False
        return True

    def _take_results(self) -> bool:
        moved, now = False, self._clock.now()
        while self._lane is not None and (stored := self._lane.next_stored()) is not None:
            moved = True
            if stored.buffer is not None:
                self._link.connection.recycle(stored.buffer)
            self._receiver.stored(stored.job, stored.hashes, now)
        if self._names is not None:
            for file_no, outcome in self._names.take():
                moved = True
                self._file_named(file_no, outcome)
        for item in [item for item in self._work if item[0].done()]:
            moved = True
            self._work.remove(item)
            future, then = item
            then(future.result())
        if self._arrived and not self._work:
            # What still runs for a file that failed must not meet folders that are closed.
            self._arrived = False
            self._finish()
        return moved

    def _run_beside(self, work: Callable[[], R], then: Callable[[R], None]) -> None:
        future = self._context.ports.workers.submit(work)
        future.add_done_callback(lambda _: self._link.ring())
        self._work.append((future, then))  # type: ignore[arg-type]  # paired by this signature

    # --- a text -------------------------------------------------------------------------------

    def _show_text(self, event: TextReceived) -> None:
        name = self._conversation.peer_name
        self._context.emit(e.TextArrived(self._context.ticket, event.text, event.note, name))
        self._receiver.text_shown()
        self._link.flush()
        size = len(event.text.encode())
        self._done = self._final(files=0, size=size, roots="", output="")

    # --- the offer ----------------------------------------------------------------------------

    def _plan(self, offer: OfferReceived) -> None:
        output = self._command.output
        if offer.kind == "stream" and self._command.streams_to_stdout:
            output = STDOUT
        manifest = offer.manifest
        self._run_beside(
            lambda: plan_target(manifest, offer.kind, output),
            lambda target: self._show_offer(offer, target),
        )

    def _show_offer(self, offer: OfferReceived, target: Target) -> None:
        self._target = target
        self._context.forget_answers(AcceptOffer, DeclineOffer)
        context = self._context
        context.emit(offer_event(context.ticket, offer, target, self._conversation, self._command))
        self._context.emit(e.TransferState(self._context.ticket, "deciding"))

    def entries(self, start: int, count: int) -> list[e.OfferEntry]:
        """Return lines of the offer, for whoever shows it."""
        target = self._target
        if target is None:
            return []
        numbers = range(start, min(start + count, target.manifest.entries))
        return [offer_entry(target, number) for number in numbers]

    def _take_answers(self) -> bool:
        waiting = self._receiver.state is State.DECIDING and self._sink is None
        if not waiting or self._target is None:
            return False
        declined = self._context.take_answer(DeclineOffer)
        if declined is not None:
            self._receiver.decline(declined.reason)
            self._link.flush()
            raise OfferDeclined("You declined the offer.", hint="Nothing was written.")
        accepted = self._context.take_answer(AcceptOffer)
        if accepted is None:
            return False
        if self._conversation.verify and not self._conversation.verified:
            raise NotVerified
        self._accept(accepted, self._target)
        return True

    def _accept(self, answer: AcceptOffer, target: Target) -> None:
        manifest = target.manifest
        selection = Selection.everything(manifest.entries)
        if answer.on_conflict == "skip":
            for file_no in target.existing:
                selection.discard(file_no)
        files = [manifest.entry(no) for no in selection]
        files = [entry for entry in files if entry.kind is not EntryKind.FOLDER]
        total = sum(entry.size for entry in files)
        if target.free_bytes is not None and total > target.free_bytes:
            raise DiskFull(
                "There is not enough free space for this offer.",
                why=f"it needs {total / 1e6:.1f} MB; free are {target.free_bytes / 1e6:.1f} MB",
            )
        self._files = len(files)
        streams = any(entry.kind is EntryKind.STREAM for entry in files)
        self._bytes = None if streams else total

        sink = self._sink = sink_for(target, answer, self._context.ports)
        self._run_beside(
            lambda: sink.prepare(selection), lambda _: self._begin(sink, selection, total)
        )

    def _begin(self, sink: Sink, selection: Selection, total: int) -> None:
        context = self._context
        self._lane = StoreLane(context.ports.workers, sink, self._link.ring)
        self._names = NameQueue(context.ports.workers, sink, self._link.ring)
        self._receiver.accept(selection)
        self._began_at = self._synced_at = self._clock.now()
        self._speed = Speedometer(self._began_at)
        self._emit_at = self._began_at + EMIT_EVERY_S
        context.emit(e.OfferAnswered(context.ticket, True, self._files, total))
        context.emit(e.TransferState(context.ticket, "transferring"))

    # --- files --------------------------------------------------------------------------------

    def _sender_failed(self, event: FileFailed) -> None:
        sink = self._sink
        if sink is not None:
            self._run_beside(lambda: sink.discard(event.file_no), lambda _: None)
        self._file_ended(event.entry.path, "failed", event.reason)

    def _file_named(self, file_no: int, outcome: e.TransferFile) -> None:
        if outcome.status == "failed":
            self._receiver.file_failed_here(file_no, outcome.reason)
        else:
            self._named += outcome.status != "skipped"
            self._receiver.file_named(file_no)
        if outcome.status != "done":
            self._file_ended(outcome.path, outcome.status, outcome.reason)

    def _file_ended(self, path: str, status: e.FileStatus, reason: str) -> None:
        event = e.TransferFile(self._context.ticket, path, status, reason)
        self._context.emit(event)

    def _sync_if_due(self) -> None:
        sink = self._sink
        if sink is None or self._syncing or self._receiver.state is not State.RECEIVING:
            return
        now, stored = self._clock.now(), self._receiver.stored_bytes
        waited = now - self._synced_at >= limits.DURABLE_EVERY_S
        grown = stored - self._synced_bytes
        if grown >= limits.DURABLE_EVERY_BYTES or (waited and grown):
            self._syncing = True
            self._synced_at, self._synced_bytes = now, stored
            self._run_beside(sink.make_durable, lambda _: self._synced())

    def _synced(self) -> None:
        self._syncing = False

    def _finish(self) -> None:
        sink = self._sink
        if sink is None:
            return
        self._context.emit(e.TransferState(self._context.ticket, "finishing"))
        self._show_progress(last=True)
        self._run_beside(sink.finish, lambda _: self._complete())

    def _complete(self) -> None:
        self._receiver.durable()
        self._link.flush()
        self._show_progress(last=True)
        self._done = self._final(
            files=self._named,
            size=self._receiver.stored_bytes,
            roots=self._receiver.roots_digest.hex(),
            output=self._target.shown if self._target else "",
        )

    # --- what people see ----------------------------------------------------------------------

    def _show_progress(self, *, last: bool = False) -> None:
        now = self._clock.now()
        if not self._emit_at or (now < self._emit_at and not last):
            return
        self._emit_at = now + EMIT_EVERY_S
        done = self._receiver.stored_bytes
        self._speed.update(done, now)
        finishing = self._receiver.state is State.FINISHING
        self._context.emit(
            e.TransferProgress(
                self._context.ticket,
                phase="finishing" if finishing else "receiving",
                done_bytes=done,
                total_bytes=self._bytes,
                done_files=self._named,
                total_files=self._files,
                rate_bps=self._speed.rate_bps,
                eta_s=self._speed.eta_s(self._bytes, now),
                path=self._path,
            )
        )

    def _final(self, *, files: int, size: int, roots: str, output: str) -> e.TransferDone:
        return e.TransferDone(
            self._context.ticket,
            direction="receive",
            files=files,
            total_bytes=size,
            seconds=self._clock.now() - self._began_at,
            failed=len(self._receiver.failures),
            roots=roots,
            output=output,
        )
