"""Receive what was accepted: show the offer, wait for an answer, store, name, make durable.

One loop: events in, opened records to the lane, lane results to the machine. Nothing is written
before an AcceptOffer, or the answer that an unfinished transfer had; a file gets its name when its
root matched; "complete" is said when all of it is durable. What ends the loop early leaves what a
later session can go on from, or nothing at all.
Before: greeting.py. After: lane.py and storage. It never opens a file itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from tallow.engine import events as e
from tallow.engine.commands import ContinueTransfer, PauseTransfer, Receive
from tallow.engine.context import ExchangeContext
from tallow.engine.deciding import Before, Deciding
from tallow.engine.full_disk import FullDisk
from tallow.engine.greeting import Conversation, check_event
from tallow.engine.inflow import Inflow
from tallow.engine.naming import NameQueue
from tallow.engine.progress import Report, Stall
from tallow.engine.reunion import is_lost_path
from tallow.engine.storage.page_store import SpooledPages
from tallow.engine.storage.removing import Removed
from tallow.engine.syncing import Syncing
from tallow.engine.unfinished import Unfinished, worth_keeping
from tallow.errors import DiskFull, LocalProtocolError, RemoteProtocolError, TallowError
from tallow.protocol.kept import ALL_KEPT
from tallow.protocol.messages import TransferMessage, Verified
from tallow.protocol.session import BulkReceived
from tallow.protocol.transfer.pace import PeerContinued, PeerPaused
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
        self,
        context: ExchangeContext,
        conversation: Conversation,
        command: Receive,
        unfinished: Unfinished,
        before: Before,
        offer_no: int = 1,
    ) -> None:
        """``offer_no`` is more than 1 after another offer of the same session."""
        self._context = context
        self._conversation = conversation
        self._link = conversation.link
        self._command = command
        self._unfinished = unfinished
        self._clock = context.ports.clock
        self._receiver = Receiver(
            conversation.session.open_bulk_recv, offer_no, store=SpooledPages()
        )
        self._offer_no = offer_no
        self._link.transfer = self._receiver
        self._link.lanes_open = False
        self._deciding = Deciding(
            context, conversation, command, self._receiver, unfinished, before
        )
        self._early = conversation.early or []
        self._inflow: Inflow | None = None
        self._names: NameQueue | None = None
        self._work: list[tuple[asyncio.Future[object], Callable[[object], None]]] = []
        self._done: e.TransferDone | None = None
        self._began_at = self._clock.now()
        self._report = Report(context.ticket, context.emit)
        self._syncing: Syncing | None = None
        self._named = self._messages = 0
        self._arrived = self._held = False
        self._path = ""
        self.kept = False
        """Whether what ended the loop early left something to go on from."""

    @property
    def idle(self) -> bool:
        """Whether no offer has come yet."""
        return self._receiver.state is State.IDLE

    @property
    def channel(self) -> int | None:
        """The bulk channel of the offer, once it started."""
        return self._receiver.channel

    async def run(self) -> e.TransferDone:
        """Serve one offer and return the final event; a TallowError ends it early."""
        if self._offer_no > 1:
            self._context.emit(e.TransferState(self._context.ticket, "watching"))
        elif not self._early:
            self._context.emit(e.TransferState(self._context.ticket, "listing"))
        stall = Stall()
        try:
            for message in self._early:
                self._take_message(message)
            while self._done is None:
                busy = self._take_link()
                busy |= self._take_events() | self._deciding.take_answers()
                busy |= self._take_results()
                busy |= self._hold_or_go_on()
                self._context.check_cancelled()
                if self._syncing is not None and self._receiver.state is State.RECEIVING:
                    self._syncing.sync_if_due(self._receiver.stored_bytes, self._clock.now())
                self._unfinished.write_if_due(self._clock.now())
                self._show_progress()
                limit_s = self._stall_limit_s()
                wake_at = stall.check(self._moved(), self._clock.now(), limit_s, self._wake_at())
                if not busy and self._done is None:
                    await self._link.wait(wake_at)
        except BaseException as error:  # a cancelled task keeps what is here too
            await self._abandon(error)
            raise
        return self._done

    def _wake_at(self) -> float:
        times = [self._report.due_at, self._inflow.wake_at if self._inflow else 0.0]
        return min((at for at in times if at), default=0.0)

    def _moved(self) -> object:
        """Return what changes whenever the exchange moves on."""
        receiver, inflow = self._receiver, self._inflow
        checking = inflow.checking if inflow is not None else 0
        return receiver.state, self._messages, receiver.stored_bytes, self._named, checking

    def _stall_limit_s(self) -> float | None:
        """Return how long nothing may move: a person and a stream have all the time they want."""
        if self._receiver.paused:
            return None
        match self._receiver.state:
            case State.DECIDING | State.DONE:
                return None
            case State.IDLE if self._offer_no > 1:
                return None
            case State.RECEIVING if self._deciding.endless:
                return None
            case State.IDLE | State.RECEIVING | State.FINISHING:
                return limits.STALLED_S
            case _:
                return limits.PEER_SILENT_MAX_S

    async def _abandon(self, error: BaseException) -> None:
        """Let go of the disk, keeping what a later session can use unless the error forbids it."""
        futures = [future for future, _ in self._work]
        if self._inflow is not None:
            await self._inflow.stop()
        if self._names is not None:
            await self._names.stop()
        await asyncio.gather(*futures, return_exceptions=True)
        sink, unfinished = self._deciding.sink, self._unfinished
        if sink is None:
            # This session wrote nothing; what an earlier one left is as good as before.
            self.kept = unfinished.left and worth_keeping(error) and await unfinished.keep()
            return
        # A pipe ends with its sender, which is told that the disk is full: nothing could follow.
        useless = self._deciding.endless and isinstance(error, DiskFull)
        keep = unfinished.record is not None and worth_keeping(error) and not useless
        submit = self._context.ports.workers.submit
        self.kept = unfinished.left = await submit(partial(sink.abandon, keep=keep))
        if self.kept:
            await self._unfinished.keep()
        elif not (isinstance(error, TallowError) and is_lost_path(error)):
            await self._unfinished.forget()

    # --- one turn of the loop -----------------------------------------------------------------

    def _take_link(self) -> bool:
        inflow = self._inflow
        if inflow is not None and not inflow.has_room:
            self._link.flush()
            return False
        event = self._link.poll()
        if isinstance(event, BulkReceived):
            if inflow is None:
                raise RemoteProtocolError("The other side sent data that was not asked for.")
            inflow.take(event)
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
                self._deciding.offered(event, self._run_beside, self._begin)
            case Started():
                self._deciding.started(event)
                self._link.lanes_open = True
            case FileReady():
                self._path = event.entry.path
                if self._names is not None:
                    self._names.put(event)
            case FileFailed():
                self._sender_failed(event)
            case PeerPaused():
                self._context.emit(e.TransferPaused(self._context.ticket, "there", event.reason))
            case PeerContinued():
                self._context.emit(e.TransferContinued(self._context.ticket))
            case AllArrived():
                self._arrived = True
            case None:
                return False
        return True

    def _take_results(self) -> bool:
        moved = self._inflow.move() | self._inflow.check_leaves() if self._inflow else False
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

    def _still_missing(self) -> int:
        taken = self._deciding.taken
        total = taken.total_bytes if taken else None
        return max(0, total - self._receiver.stored_bytes) if total is not None else 0

    def _hold_or_go_on(self) -> bool:
        context, now, moved = self._context, self._clock.now(), False
        moving = self._receiver.state in (State.RECEIVING, State.FINISHING)
        if moving and not self._held and context.take_answer(PauseTransfer) is not None:
            self._held = moved = True
            self._receiver.pause("user", now)
            context.emit(e.TransferPaused(context.ticket, "here", "user"))
        if self._held and context.take_answer(ContinueTransfer) is not None:
            self._held, moved = False, True
            self._receiver.resume_receiving(now)
            context.emit(e.TransferContinued(context.ticket))
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

    def entries(self, start: int, count: int) -> list[e.OfferEntry]:
        """Return lines of the offer, for whoever shows it."""
        return self._deciding.entries(start, count)

    def _begin(self) -> None:
        """Open the lane: the offer is accepted, and the first bytes may come."""
        sink, taken, context = self._deciding.sink, self._deciding.taken, self._context
        if sink is None or taken is None:
            raise LocalProtocolError("There is no offer to accept.")
        self._names = NameQueue(context.ports.workers, sink, self._link.ring)
        target = self._deciding.target
        folder = target.folder if target else None
        full = FullDisk(context, self._receiver, folder, self._command.disk_wait_s)
        self._inflow = Inflow(context, self._link, self._receiver, sink, full, self._still_missing)
        self._began_at = self._clock.now()
        wait_s = self._command.disk_wait_s
        self._syncing = Syncing(sink, self._run_beside, self._began_at, may_wait=wait_s > 0)
        self._report.begin(taken.have_bytes, self._began_at)

    # --- files --------------------------------------------------------------------------------

    def _sender_failed(self, event: FileFailed) -> None:
        sink = self._deciding.sink
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

    def _finish(self) -> None:
        sink = self._deciding.sink
        if sink is None:
            return
        self._context.emit(e.TransferState(self._context.ticket, "finishing"))
        self._show_progress(last=True)
        deciding = self._deciding

        def finish() -> list[Removed]:
            sink.finish()
            return deciding.mirror()

        self._run_beside(finish, self._complete)

    def _complete(self, removed: list[Removed]) -> None:
        self._deciding.mirrored(removed)
        taken, target = self._deciding.taken, self._deciding.target
        sink = self._deciding.sink
        self._receiver.durable(sink.not_kept() if sink else ALL_KEPT)
        self._link.flush()
        self._show_progress(last=True)
        self._done = self._final(
            files=self._named + (taken.named if taken else 0),
            size=self._receiver.stored_bytes,
            roots=self._receiver.roots_digest.hex(),
            output=target.shown if target else "",
        )

    # --- what people see ----------------------------------------------------------------------

    def _show_progress(self, *, last: bool = False) -> None:
        receiver, taken = self._receiver, self._deciding.taken
        if taken is None:
            return
        self._unfinished.progress(receiver.stored_bytes)
        self._report.show(
            self._clock.now(),
            phase="finishing" if receiver.state is State.FINISHING else "receiving",
            done=(receiver.stored_bytes, self._named),
            total=(taken.total_bytes, taken.files),
            path=self._path,
            last=last,
        )

    def _final(self, *, files: int, size: int, roots: str, output: str) -> e.TransferDone:
        return e.TransferDone(
            self._context.ticket,
            direction="receive",
            files=files,
            total_bytes=size,
            seconds=self._clock.now() - self._began_at,
            failed=len(self._receiver.failures) + self._deciding.unmirrored,
            roots=roots,
            output=output,
            not_kept=self._receiver.not_kept,
            mode=self._deciding.mode,
            left_files=self._deciding.left_files,
            removed=self._deciding.removed,
        )
