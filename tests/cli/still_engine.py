"""A twin of the engine that replays written events and remembers what it was told.

A script is a list of events; ``Until`` waits for a command of a kind, ``Call`` does something at
that point (a signal, a look at the screen), ``Once`` waits until something is so. Nothing here
knows a protocol.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tallow.engine.commands import AnyCommand
from tallow.engine.engine import OfferEntries
from tallow.engine.events import AnyEvent, OfferEntry, OfferReceived
from tallow.engine.settings import Settings

TICKET = 1


@dataclass(frozen=True, slots=True)
class Until:
    """Wait until a command of this kind was submitted."""

    kind: type[AnyCommand]


@dataclass(frozen=True, slots=True)
class Call:
    """Do something at this point of the script."""

    act: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Once:
    """Wait until something is so that no command announces."""

    ready: Callable[[], bool]


Step = AnyEvent | Until | Call | Once


class StillEngine:
    """Replays a script and records commands."""

    def __init__(self, script: Sequence[Step] = ()) -> None:
        """Hold a script."""
        self.script = script
        self.settings: Settings | None = None
        self.submitted: list[AnyCommand] = []
        self.crashes: list[BaseException] = []
        self.closed = False
        self._bell = asyncio.Event()

    @asynccontextmanager
    async def open(self, settings: Settings) -> AsyncIterator[StillEngine]:
        """Remember the settings and play the engine for the length of a block."""
        self.settings = settings
        try:
            yield self
        finally:
            self.closed = True

    def query(self, question: OfferEntries) -> list[OfferEntry]:
        """Return lines of the offer in the script."""
        for step in self.script:
            if isinstance(step, OfferReceived):
                return step.entries[question.start : question.start + question.count]
        return []

    def submit(self, command: AnyCommand) -> int:
        """Remember a command."""
        self.submitted.append(command)
        self._bell.set()
        return TICKET

    async def events(self) -> AsyncIterator[AnyEvent]:
        """Yield the script."""
        for step in self.script:
            # The questions of the exchange get their turn between two events.
            await asyncio.sleep(0)
            match step:
                case Until():
                    await self._wait_for(step.kind)
                case Once():
                    while not step.ready():  # noqa: ASYNC110 - nobody rings a bell for it
                        await asyncio.sleep(0)
                case Call():
                    step.act()
                case _:
                    yield step

    async def _wait_for(self, kind: type[AnyCommand]) -> None:
        while not any(isinstance(command, kind) for command in self.submitted):
            self._bell.clear()
            await self._bell.wait()
