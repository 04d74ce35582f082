"""One direction of a wire in memory: chunks arrive in order and a little later."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

LATENCY_S = 0.005


class Pipe:
    """One direction of a wire: chunks arrive in order, a little later, unless it is stalled."""

    def __init__(self, deliver: Callable[[bytes], None], end: Callable[[], None]) -> None:
        self._deliver = deliver
        self._end = end
        self._chunks: deque[tuple[float, bytes | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._holds: set[str] = set()
        self.on_drain: Callable[[], None] = lambda: None
        self.latency_s = LATENCY_S
        self.waiting_bytes = 0
        self.closed = False

    def put(self, chunk: bytes | None, later_s: float = 0.0) -> None:
        """Send a chunk, or the end of the stream (None)."""
        if self.closed:
            return
        due = asyncio.get_running_loop().time() + self.latency_s + later_s
        self._chunks.append((due, chunk))
        self.waiting_bytes += len(chunk or b"")
        self._arm()

    def hold(self, who: str) -> None:
        """Deliver nothing until this one lets go."""
        self._holds.add(who)

    def let_go(self, who: str) -> None:
        """Deliver again unless somebody else holds."""
        self._holds.discard(who)
        self._arm()

    def cut(self) -> None:
        """Lose everything under way, and whatever is put later."""
        self.closed = True
        self._chunks.clear()
        self.waiting_bytes = 0
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        if self._timer is None and self._chunks and not self._holds:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(self._chunks[0][0], loop.time()), self._pump)

    def _pump(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._chunks and not self._holds and self._chunks[0][0] <= now:
            _, chunk = self._chunks.popleft()
            if chunk is None:
                self.cut()
                self._end()
                return
            self.waiting_bytes -= len(chunk)
            self._deliver(chunk)
        self._arm()
        self.on_drain()
