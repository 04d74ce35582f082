"""The façade: submit a command, read events, look at the view. Both front doors use only this.

One TaskGroup owns every task. A subscriber that falls behind loses older progress events and
nothing else. It never prints, never asks, never waits for a front door.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from tallow.engine import events as e
from tallow.engine.commands import AnyCommand, CancelTransfer, SendFiles, SendText
from tallow.engine.context import ExchangeContext, Final, Run
from tallow.engine.dispatch import starts_exchange
from tallow.engine.exchange import Exchange
from tallow.engine.kem_choice import kem_provider
from tallow.engine.ports import Ports
from tallow.engine.settings import Settings
from tallow.engine.view import View, fold
from tallow.engine.wanted import ExchangeCommand
from tallow.errors import TallowError
from tallow.protocol.handshake import OwnFlights


@dataclass(frozen=True, slots=True)
class OfferEntries:
    """Ask for lines of an offer that is too long to be an event."""

    ticket: int
    start: int
    count: int


class Subscription:
    """One reader of events: a newer progress event takes the place of an older one."""

    def __init__(self) -> None:
        self._queue: deque[e.AnyEvent] = deque()
        self._bell = asyncio.Event()
        self._closed = False

    def put(self, event: e.AnyEvent) -> None:
        """Queue an event."""
        if isinstance(event, e.TransferProgress):
            for index, queued in enumerate(self._queue):
                if isinstance(queued, e.TransferProgress) and queued.ticket == event.ticket:
                    del self._queue[index]
                    break
        self._queue.append(event)
        self._bell.set()

    def close(self) -> None:
        """End the iteration once everything was read."""
        self._closed = True
        self._bell.set()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> e.AnyEvent:
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._bell.clear()
            await self._bell.wait()
        return self._queue.popleft()


class Engine:
    """Commands in, events out."""

    def __init__(self, settings: Settings, ports: Ports, tasks: asyncio.TaskGroup) -> None:
        self.view = View()
        self.crashes: list[BaseException] = []
        self._settings = settings
        self._ports = ports
        self._tasks = tasks
        self._next_ticket = 1
        self._contexts: dict[int, ExchangeContext] = {}
        self._exchanges: dict[int, Exchange] = {}
        self._running: set[asyncio.Task[Final]] = set()
        self._subscriptions: list[Subscription] = []
        self._own_flights = OwnFlights()
        self._kem = kem_provider(settings.kem)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, ports: Ports) -> AsyncIterator[Engine]:
        """Run an engine for the length of a block; leaving it ends every exchange."""
        try:
            async with asyncio.TaskGroup() as tasks:
                engine = cls(settings, ports, tasks)
                try:
                    yield engine
                finally:
                    for task in engine._running:
                        task.cancel()
                    for subscription in engine._subscriptions:
                        subscription.close()
        finally:
            # Exchanges that were cancelled need a thread to take their temporary files away.
            ports.workers.close()

    def submit(self, command: AnyCommand) -> int:
        """Start or answer an exchange and return its ticket; never blocks."""
        starting = starts_exchange(command)
        if starting is not None:
            return self._start(starting)
        if not isinstance(command, ExchangeCommand):
            context = self._contexts.get(command.ticket)
            if context is None:
                self._emit(e.CommandFailed(command.ticket, "This transfer has ended."))
            else:
                context.put_answer(command)
                self._cancel_parts(command)
            return command.ticket
        return 0

    def _cancel_parts(self, command: AnyCommand) -> None:
        """Whoever cancels the whole cancels every part of it."""
        if isinstance(command, CancelTransfer):
            for part in self._contexts.values():
                if part.parent == command.ticket:
                    part.put_answer(command)

    def _start(self, command: ExchangeCommand) -> int:
        ticket = self._next_ticket

        async def run(context: ExchangeContext) -> Final:
            if isinstance(command, SendFiles | SendText) and command.options.receivers != 1:
                from tallow.engine.receivers import Receivers

                return await Receivers(context, command).run()
            exchange = self._exchanges[ticket] = Exchange(context, command)
            return await exchange.run()

        self._spawn(run)
        return ticket

    def _spawn(self, run: Run, *, parent: int = 0) -> asyncio.Task[Final]:
        """Start an exchange under the next ticket."""
        ticket, self._next_ticket = self._next_ticket, self._next_ticket + 1
        context = ExchangeContext(
            ticket, self._settings, self._ports, self._emit, self._own_flights, self._kem
        )
        context.crashes, context.parent = self.crashes, parent
        context.spawn = partial(self._spawn, parent=ticket)
        self._contexts[ticket] = context
        task = self._tasks.create_task(self._run(ticket, context, run))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _run(self, ticket: int, context: ExchangeContext, run: Run) -> Final:
        try:
            return await run(context)
        except TallowError as error:
            final = e.TransferError(
                ticket, error.code, error.message, error.why, error.hint, error.exit_code
            )
            self._emit(final)
            return final
        finally:
            del self._contexts[ticket]
            self._exchanges.pop(ticket, None)

    def events(self) -> Subscription:
        """Return a subscription to everything that happens from now on."""
        subscription = Subscription()
        self._subscriptions.append(subscription)
        return subscription

    def query(self, question: OfferEntries) -> list[e.OfferEntry]:
        """Answer what is too big to be an event; empty if the exchange has ended."""
        exchange = self._exchanges.get(question.ticket)
        if exchange is None or exchange.receiving is None:
            return []
        return exchange.receiving.entries(question.start, question.count)

    def _emit(self, event: e.AnyEvent) -> None:
        self.view = fold(self.view, event)
        for subscription in self._subscriptions:
            subscription.put(event)
