"""One code for several receivers: a door that opens again, and an exchange for each who came in.

Handshakes are run one at a time under one budget of guesses; a false one closes the door and no
session. Each receiver has its own ticket, symbols, consent, progress and record, below the ticket
of the whole. Files are listed once, and read once for those who are within a window of each other.
Before: engine.py. After: meeting.py at the door, exchange.py for each receiver.
Spec: docs/protocol.md §4.3 (succession), §5.5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tallow.engine import events as e
from tallow.engine.commands import SendFiles, SendText
from tallow.engine.context import ExchangeContext, Final
from tallow.engine.exchange import Exchange
from tallow.engine.guest import Guest
from tallow.engine.meeting import Met
from tallow.engine.opening import new_creator, start_walk
from tallow.engine.outflow import new_throttle
from tallow.engine.storage.outbox import Outbox
from tallow.engine.storage.shared_reads import SharedReads
from tallow.engine.storage.sources import SourceTree
from tallow.engine.verdict import verdict_on
from tallow.engine.wanted import wanted_by
from tallow.errors import (
    Cancelled,
    InternalError,
    LocalProtocolError,
    OtherPurpose,
    SameWish,
    TallowError,
    UsageError,
)
from tallow.protocol.code import Code, CodeKind, check_typed
from tallow.wire import limits

NO_RECEIVER = (SameWish.code, OtherPurpose.code)
"""Ends of whoever knew the code and never was a receiver: the place is free again."""


@dataclass(slots=True)
class _Served:
    """How it stands with those who came."""

    running: list[asyncio.Task[Final]] = field(default_factory=list)
    ended: list[Final] = field(default_factory=list)

    def collect(self) -> None:
        """Move whoever is done from one list to the other."""
        for task in [task for task in self.running if task.done()]:
            self.running.remove(task)
            final = task.result()
            if not (isinstance(final, e.TransferError) and final.code in NO_RECEIVER):
                self.ended.append(final)

    @property
    def seats(self) -> int:
        """How many receivers there are and were."""
        return len(self.running) + len(self.ended)


class Receivers:
    """Sends one thing to several receivers."""

    def __init__(self, context: ExchangeContext, command: SendFiles | SendText) -> None:
        self._context = context
        self._command = command
        self._wanted = wanted_by(command)
        self._receivers = command.options.receivers
        self._served = _Served()
        self._walk: asyncio.Future[SourceTree] | None = None
        self._reads: SharedReads | None = None
        rate_bps = command.options.throttle_bps
        self._throttle = new_throttle(rate_bps, context.ports.clock.now())
        self._closed_by: TallowError | None = None
        """Why nobody else may come in."""

    async def run(self) -> Final:
        """Serve everybody and return the final event, which was emitted; raises nothing else."""
        context = self._context
        context.emit(e.TransferAdded(context.ticket, "send"))
        context.emit(e.TransferState(context.ticket, "connecting"))
        began_at = context.ports.clock.now()
        error: TallowError | None = None
        try:
            await self._serve()
        except TallowError as failure:
            error = failure
        except Exception as failure:  # the last wall of one exchange: others must go on
            context.crashes.append(failure)
            error = InternalError(why=type(failure).__name__)
        finally:
            await context.close_links()
        await self._wait_for_all()
        seconds = context.ports.clock.now() - began_at
        final = verdict_on(
            context.ticket,
            self._served.ended,
            self._receivers,
            error or self._closed_by,
            seconds=seconds,
        )
        context.emit(final)
        return final

    # --- the door -----------------------------------------------------------------------------

    async def _serve(self) -> None:
        creator = new_creator(self._context, self._wanted, self._code(), receivers=self._receivers)
        if isinstance(self._command, SendFiles):
            self._walk = await start_walk(self._context, self._command)
            self._walk.add_done_callback(self._listed)
        opening: Callable[[], Awaitable[Met]] = creator.meet
        door: asyncio.Task[None] | None = None
        try:
            while True:
                self._served.collect()
                if (door is None or door.done()) and self._may_open():
                    door = asyncio.ensure_future(self._open(opening))
                    opening = creator.meet_next
                at_door = door if door is not None and not door.done() else None
                if at_door is None and not self._served.running:
                    return
                await self._something_happens(at_door)
        finally:
            if door is not None:
                door.cancel()
                await asyncio.gather(door, return_exceptions=True)

    def _code(self) -> Code | None:
        """Return the code of the sender's own, if it has one."""
        wanted = self._wanted
        if wanted.code is None:
            return None
        code = check_typed(
            wanted.code, interactive=not wanted.no_input, allow_weak=wanted.weak_code
        )
        if code.kind is CodeKind.UNNUMBERED:
            raise UsageError(
                "A code for several receivers needs a number in front of it.",
                hint=f"Use  7-{code.text}  or leave --code out.",
            )
        return code

    def _may_open(self) -> bool:
        """Tell whether somebody else may come in now."""
        served = self._served
        more = self._receivers == 0 or served.seats < self._receivers
        if self._closed_by is not None or not more:
            if self._reads is not None and not served.running:
                self._reads.expect_no_more()
            return False
        return len(served.running) < limits.RECEIVERS_MAX

    async def _open(self, opening: Callable[[], Awaitable[Met]]) -> None:
        """Wait for one receiver and let it in; what closes the door for good is kept."""
        try:
            self._admit(await opening())
        except Cancelled:
            raise
        except TallowError as error:
            self._closed_by = error
            if self._served.running:
                ticket = self._context.ticket
                self._context.emit(e.CodeClosed(ticket, error.code, error.message, error.why))

    def _admit(self, met: Met) -> None:
        """Start a receiver's exchange over the link that it came on."""
        link, guest = met.link, Guest(met, self._walk, self._new_reader)
        self._context.links.remove(link)

        async def run(context: ExchangeContext) -> Final:
            context.links.append(link)
            context.ring = link.ring
            context.throttle = self._throttle
            return await Exchange(context, self._command, guest).run()

        if self._context.spawn is None:
            raise LocalProtocolError("There is nothing to start a receiver's exchange with.")
        self._served.running.append(self._context.spawn(run))

    async def _something_happens(self, door: asyncio.Task[None] | None) -> None:
        """Wait until somebody came, somebody is done, or the list of files is there or cannot be.

        Raises: Interrupted, Terminated, and what went wrong with the list.
        """
        resting = asyncio.ensure_future(self._context.pause(None)) if door is None else None
        waiting: list[asyncio.Future[None] | asyncio.Future[Final] | asyncio.Future[SourceTree]]
        waiting = [*self._served.running]
        waiting += [future for future in (door, resting) if future is not None]
        if self._walk is not None and not self._walk.done():
            waiting.append(self._walk)
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if resting is not None and not resting.done():
                resting.cancel()
        for future in (door, resting, self._walk):
            if future is not None and future.done() and not future.cancelled():
                future.result()

    async def _wait_for_all(self) -> None:
        """Let those who are in finish, or tell their peers that they cannot."""
        await asyncio.gather(*self._served.running, return_exceptions=True)
        self._served.collect()

    # --- what they share ----------------------------------------------------------------------

    def _listed(self, walk: asyncio.Future[SourceTree]) -> None:
        if walk.cancelled() or walk.exception() is not None:
            return
        for item in walk.result().skipped:
            self._context.emit(
                e.SourceSkipped(self._context.ticket, item.path, item.reason, item.failed)
            )

    def _new_reader(self, tree: SourceTree) -> Outbox:
        if self._reads is None:
            self._reads = SharedReads(tree)
        return self._reads.reader()
