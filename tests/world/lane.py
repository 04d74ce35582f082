"""Lanes in memory: let in by the real relay's tokens, proven for real, and cut when a test likes.

What a lane carries may be looked at, held back or spoilt on its way. Before: MemoryDialer.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Callable

from relay.lane_tokens import LaneTokens, Place
from tallow.errors import LinkError, TallowError
from tallow.protocol.lane_proof import LaneJoin
from tallow.wire import limits
from tests.world.pipe import Pipe

HIGH_BYTES = limits.MIB


class MemoryLane:
    """One end of a lane."""

    def __init__(self) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self.meddle: Callable[[bytes], bytes | None] = lambda frame: frame
        """Returns what goes on instead of a frame; None swallows it."""
        self.sent: list[bytes] = []
        self.lent: list[memoryview] = []
        """Buffers that were taken and have not come back."""
        self.out: Pipe
        self._arrived: deque[memoryview] = deque()
        self._lost: str | None = None

    @property
    def congested(self) -> bool:
        """True while much is under way."""
        return self._lost is None and self.out.waiting_bytes >= HIGH_BYTES

    @property
    def lost(self) -> str | None:
        """Why it is gone, once everything before that was taken."""
        return None if self._arrived else self._lost

    @property
    def is_closed(self) -> bool:
        """Whether this end is over, whatever still waits to be taken."""
        return self._lost is not None

    def take(self) -> memoryview | None:
        """Return the next frame."""
        if not self._arrived:
            return None
        self.lent.append(self._arrived.popleft())
        return self.lent[-1]

    def recycle(self, frame: memoryview) -> None:
        """Scribble over a buffer that nobody may look into any more."""
        mine = [number for number, lent in enumerate(self.lent) if lent is frame]
        assert len(mine) == 1, "a buffer came back that is not out, or is not this lane's"
        del self.lent[mine[0]]
        frame[:] = b"\xee" * len(frame)

    def send(self, frame: memoryview) -> None:
        """Send a whole peer frame."""
        if self._lost is not None:
            return
        raw = bytes(frame)
        self.sent.append(raw)
        passed = self.meddle(raw)
        if passed is not None:
            self.out.put(passed)

    def close(self) -> None:
        """End it at once, the other end a moment later."""
        self.end("this side closed the lane")
        self.out.put(None)

    def cut(self) -> None:
        """Lose the path under this end: what was under way is lost."""
        self.out.cut()
        self.end("the path is gone")

    def end(self, why: str) -> None:
        """Note the end."""
        if self._lost is None:
            self._lost = why
            self.on_change()

    def arrive(self, raw: bytes) -> None:
        """Take a frame from the other end."""
        if self._lost is None:
            self._arrived.append(memoryview(bytearray(raw)))
            self.on_change()


class MemoryLanes:
    """Where the ends of lanes meet by their tokens."""

    def __init__(self, tokens: LaneTokens) -> None:
        self.standing: list[tuple[MemoryLane, MemoryLane]] = []
        self.on_standing: Callable[[MemoryLane, MemoryLane], None] = lambda _one, _other: None
        """Called with both ends before anything is sent."""
        self.refuses = False
        """Whether the path to the relay lets no lane through."""
        self._tokens = tokens
        self._waiting: dict[Place, tuple[LaneJoin, asyncio.Future[MemoryLane]]] = {}

    async def dial(self, token: bytes, join: LaneJoin, now: float) -> MemoryLane:
        """Wait for the other end and prove the lane; LinkError or what the proof says."""
        seat = None if self.refuses else self._tokens.redeem(token, now)
        if seat is None:
            raise LinkError("A lane was closed before it stood.")
        place, _ = seat
        mine: asyncio.Future[MemoryLane] = asyncio.get_running_loop().create_future()
        if place not in self._waiting:
            self._waiting[place] = join, mine
            try:
                async with asyncio.timeout(limits.LANE_TOKEN_S):
                    return await mine
            except TimeoutError:
                self._tokens.release(place)
                raise LinkError("A lane was closed before it stood.") from None
            finally:
                self._waiting.pop(place, None)
        other_join, other = self._waiting.pop(place)
        try:
            _prove(join, other_join, now)
        except TallowError as error:
            self._tokens.release(place)
            if not other.done():
                other.set_exception(error)
            raise
        ends = joined()
        self.standing.append(ends)
        self.on_standing(*ends)
        if not other.done():
            other.set_result(ends[0])
        return ends[1]


def _prove(one: LaneJoin, other: LaneJoin, now: float) -> None:
    for join in (one, other):
        join.begin(now)
    for _ in range(2):
        theirs, mine = other.bytes_to_send(), one.bytes_to_send()
        for chunk in theirs:
            one.receive(chunk, now)
        for chunk in mine:
            other.receive(chunk, now)


def joined() -> tuple[MemoryLane, MemoryLane]:
    one, other = MemoryLane(), MemoryLane()
    for sender, receiver in ((one, other), (other, one)):
        sender.out = Pipe(receiver.arrive, functools.partial(receiver.end, "the other side closed"))
        sender.out.on_drain = functools.partial(_ring, sender)
    return one, other


def _ring(lane: MemoryLane) -> None:
    lane.on_change()
