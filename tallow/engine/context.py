"""What every step of one exchange shares: ports, settings, its ticket, events out, answers in.

A person's choice is an event out and a command back: ``answer`` waits for that command while the
caller goes on serving its link. It never knows which front door is there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from tallow.crypto.kem import KemProvider, default_kem
from tallow.engine.commands import Answer, CancelTransfer
from tallow.engine.events import AnyEvent, TransferDone, TransferError
from tallow.engine.link import Link
from tallow.engine.ports import Ports
from tallow.engine.settings import Settings
from tallow.engine.throttle import Throttle
from tallow.errors import Interrupted, Terminated
from tallow.protocol.handshake import OwnFlights

A = TypeVar("A", bound=Answer)
Final: TypeAlias = TransferDone | TransferError
Run: TypeAlias = "Callable[[ExchangeContext], Awaitable[Final]]"


@dataclass(slots=True)
class ExchangeContext:
    """One exchange's surroundings."""

    ticket: int
    settings: Settings
    ports: Ports
    emit: Callable[[AnyEvent], None]
    own_flights: OwnFlights
    kem: KemProvider = field(default_factory=default_kem)
    links: list[Link] = field(default_factory=list)
    """Every link of this exchange, to be closed with it."""
    crashes: list[BaseException] = field(default_factory=list)
    """Mistakes of our own, for a front door that was asked to show tracebacks."""
    ring: Callable[[], None] = field(default=lambda: None)
    parent: int = 0
    """The ticket of the whole that this exchange is a part of; 0: none."""
    spawn: Callable[[Run], asyncio.Task[Final]] | None = None
    """Starts an exchange of its own ticket below this one; None where there can be none."""
    throttle: Throttle | None = None
    """What several receivers share of one rate; None: this exchange has its own."""
    _answers: deque[Answer] = field(default_factory=deque)

    def put_answer(self, answer: Answer) -> None:
        """Take a command for this exchange and wake its loop."""
        self._answers.append(answer)
        self.ring()

    def take_answer(self, kind: type[A]) -> A | None:
        """Return the first waiting answer of a kind; Interrupted if the person cancelled."""
        self.check_cancelled()
        for answer in self._answers:
            if isinstance(answer, kind):
                self._answers.remove(answer)
                return answer
        return None

    def forget_answers(self, *kinds: type[Answer]) -> None:
        """Drop answers that were given before the question was asked."""
        self._answers = deque(answer for answer in self._answers if not isinstance(answer, kinds))

    def check_cancelled(self) -> None:
        """Raise Interrupted or Terminated if the person cancelled."""
        for answer in self._answers:
            if isinstance(answer, CancelTransfer):
                raise Terminated if answer.signal == "terminated" else Interrupted

    async def pause(self, seconds: float | None) -> None:
        """Wait without a link to serve; Interrupted or Terminated at once if it is cancelled.

        None waits for nothing else.
        """
        answered = asyncio.Event()
        self.ring = answered.set
        try:
            async with asyncio.timeout(seconds):
                while True:
                    self.check_cancelled()
                    await answered.wait()
                    answered.clear()
        except TimeoutError:
            return

    async def close_links(self) -> None:
        """Leave every room and wait until the connections are gone."""
        for link in self.links:
            link.leave()
            await link.drop_lanes()
        await asyncio.gather(*(link.connection.closed() for link in self.links))
        self.links.clear()
