"""All lanes of one session: dialled by tokens, shared out, and given up one by one.

A record goes to a lane that has room, in turn; whatever goes wrong with a lane costs that lane and
what was under way on it. After three such losses no lane is used any more and everything goes over
the link; a lane that ends with nothing on it was no loss. It never decides what is sent again:
whoever owns the records asks for the dead.
Before: sending.py and receiving.py. After: engine/transport/sealed_lane.py.
Spec: docs/protocol.md §4.6.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from tallow.engine.ports import Lane
from tallow.errors import TallowError
from tallow.protocol.lane_proof import LaneJoin
from tallow.wire import limits

Dial = Callable[[bytes, LaneJoin], Awaitable[Lane]]


class Lanes:
    """Every lane that one session has, had, or is about to have."""

    def __init__(
        self, dial: Dial, new_join: Callable[[], LaneJoin], ring: Callable[[], None]
    ) -> None:
        """``new_join`` makes a proof with a fresh nonce; ``ring`` wakes the loop of the session."""
        self._dial = dial
        self._new_join = new_join
        self._ring = ring
        self._dialling: set[asyncio.Task[None]] = set()
        self._standing: deque[Lane] = deque()
        self._dead: list[Lane] = []
        self._losses = 0
        self._asks = 0
        self._stopped = False

    @property
    def standing(self) -> int:
        """How many lanes there are now."""
        return len(self._standing)

    @property
    def dialling(self) -> int:
        """How many lanes are about to be."""
        return len(self._dialling)

    @property
    def are_off(self) -> bool:
        """Whether lanes have failed so often that none is used any more."""
        return self._stopped or self._losses >= limits.LANE_LOSSES_MAX

    @property
    def have_room(self) -> bool:
        """Whether some lane takes a record now."""
        return any(not lane.congested for lane in self._standing)

    def to_ask_for(self, wanted: int) -> int:
        """Return how many more lanes to ask the relay for, which is noted as asked; often 0."""
        self._bury()
        count = wanted - self.standing - self.dialling
        if self.are_off or count <= 0 or self._asks >= limits.LANE_ASKS_MAX:
            return 0
        self._asks += 1
        return count

    def dial(self, tokens: Iterable[bytes]) -> None:
        """Begin to connect one lane for each token; those that fail are just not there."""
        if self.are_off:
            return
        # A relay may grant whatever it likes; it does not say how many sockets are opened here.
        room = limits.LANES_PER_SESSION_MAX - self.standing - self.dialling
        for token in itertools.islice(tokens, max(0, room)):
            task = asyncio.ensure_future(self._bring_up(token))
            self._dialling.add(task)
            task.add_done_callback(self._dialling.discard)

    def send(self, frame: memoryview) -> Lane | None:
        """Write a peer frame to a lane that has room and return the lane; None if none has."""
        for _ in range(len(self._standing)):
            lane = self._standing[0]
            self._standing.rotate(-1)
            if not lane.congested:
                lane.send(frame)
                return lane
        return None

    def take(self) -> tuple[Lane, memoryview] | None:
        """Return the next frame that arrived on any lane, and the lane to recycle it to."""
        for _ in range(len(self._standing)):
            lane = self._standing[0]
            self._standing.rotate(-1)
            frame = lane.take()
            if frame is not None:
                return lane, frame
        self._bury()
        return None

    def spoil(self, lane: Lane) -> None:
        """Give a lane up on which a record came that did not open."""
        lane.close()
        self._bury()
        self.count_loss()

    def count_loss(self) -> None:
        """Count a lane that cost records; too many of them end the rest."""
        self._losses += 1
        if self.are_off:
            self._end_all()

    def give_up(self) -> None:
        """Use no lane any more; those that stand are dead now."""
        self._losses = limits.LANE_LOSSES_MAX
        self._end_all()

    def the_dead(self) -> list[Lane]:
        """Return the lanes that were lost since the last time: their records go again elsewhere."""
        self._bury()
        dead, self._dead = self._dead, []
        return dead

    async def stop(self) -> None:
        """Close every lane and dial no more."""
        self._stopped = True
        for task in self._dialling:
            task.cancel()
        await asyncio.gather(*self._dialling, return_exceptions=True)
        self._close_all()

    def _end_all(self) -> None:
        self._dead += self._standing
        self._close_all()

    def _close_all(self) -> None:
        for lane in self._standing:
            lane.close()
        self._standing.clear()

    def _bury(self) -> None:
        """Take the lanes that are gone out."""
        gone = [lane for lane in self._standing if lane.lost is not None]
        for lane in gone:
            self._standing.remove(lane)
        self._dead += gone

    async def _bring_up(self, token: bytes) -> None:
        try:
            lane = await self._dial(token, self._new_join())
        except TallowError:
            return
        finally:
            self._ring()
        if self.are_off:
            lane.close()
            return
        lane.on_change = self._ring
        self._standing.append(lane)
        self._ring()
