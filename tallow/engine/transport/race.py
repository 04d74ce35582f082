"""Several ways to one place: try them in order, the next as soon as the one before takes long.

The first way that stands wins; the others are cancelled. It knows neither sockets nor relays.
Neighbour: dialer.py, which races TCP with QUIC, and the addresses of one name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=Exception)


class NothingStands(Exception):
    """Every way failed; the race knows how."""


class Race(Generic[T, E]):
    """One run over some ways."""

    def __init__(
        self,
        ways: Sequence[Callable[[], Awaitable[T]]],
        *,
        head_start_s: float,
        failure: type[E],
        discard: Callable[[T], None],
    ) -> None:
        """``failure`` lets the next way try, any other error ends the race at once.

        ``discard`` is given whatever stands beside the winner.
        """
        self.failures: dict[int, E] = {}
        """What went wrong on each way so far."""
        self._ways = ways
        self._head_start_s = head_start_s
        self._failure = failure
        self._discard = discard
        self._running: dict[asyncio.Task[T], int] = {}
        self._begun = 0

    async def run(self) -> tuple[int, T]:
        """Return which way won and what stands there; NothingStands if none did."""
        try:
            while True:
                if self._begun < len(self._ways):
                    self._begin()
                if not self._running:
                    raise NothingStands
                more = self._begun < len(self._ways)
                done, _ = await asyncio.wait(
                    self._running,
                    timeout=self._head_start_s if more else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in sorted(done, key=self._running.__getitem__):
                    way = self._running.pop(task)
                    try:
                        return way, task.result()
                    except self._failure as error:
                        self.failures[way] = error
        finally:
            await self._call_off()

    def _begin(self) -> None:
        way = self._begun
        self._begun += 1
        task = asyncio.ensure_future(self._ways[way]())
        self._running[task] = way

    async def _call_off(self) -> None:
        losers = list(self._running)
        for task in losers:
            task.cancel()
        for outcome in await asyncio.gather(*losers, return_exceptions=True):
            if not isinstance(outcome, BaseException):
                self._discard(outcome)
