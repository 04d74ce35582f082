"""The lanes of a relay: sockets that came with a token wait here for their other end.

A lane is a plain TCP connection that begins with ``TLN1`` and a token and is raw from then on.
Whoever brings an unknown, used or late token is closed without a word. A lane ends with its pair,
with either of its sockets, and when nothing moved for as long as a link may be silent.
This module reads nothing but tokens. Before: tls.py, which tells a lane from TLS. After: splice.py.
Spec: docs/protocol.md §4.6.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

from relay.lane_tokens import LaneTokens, Place, Side
from relay.room import LinkId
from relay.splice import Splice
from tallow.wire import limits
from tallow.wire.relay import LANE_MAGIC


@dataclass(slots=True)
class _Standing:
    """A lane that moves bytes."""

    splice: Splice
    moved_bytes: int
    moved_at: float


class Lanes:
    """Every lane of one relay, waiting or standing."""

    def __init__(self, tokens: LaneTokens) -> None:
        """Let these tokens in."""
        self._tokens = tokens
        self._waiting: dict[Place, dict[Side, socket.socket]] = {}
        self._standing: dict[Place, _Standing] = {}
        self.carried_bytes = 0
        """What lanes that are over have carried."""

    def __len__(self) -> int:
        """Return how many lanes stand."""
        return len(self._standing)

    def arrive(self, transport: asyncio.Transport, opening: bytes, now: float) -> bool:
        """Take a connection out of a transport that brought these first bytes.

        The transport is ended in any case; False if nothing was let in.
        """
        seat = None
        if opening.startswith(LANE_MAGIC):
            seat = self._tokens.redeem(opening[len(LANE_MAGIC) :], now)
        if seat is not None:
            place, side = seat
            sock: socket.socket = transport.get_extra_info("socket").dup()
            sock.setblocking(False)
            self._waiting.setdefault(place, {})[side] = sock
            if place.is_whole:
                self._stand(place, now)
        # The socket itself stays open: this closes only the transport's own name for it.
        transport.abort()
        return seat is not None

    def pair_ended(self, link: LinkId) -> None:
        """End the lanes of a pair that has lost this link."""
        for place in self._tokens.of(link):
            self._end(place)

    def sweep(self, now: float) -> None:
        """End what waits too long, and lanes on which nothing moves."""
        for place in self._tokens.lapsed(now):
            self._end(place)
        for place, lane in list(self._standing.items()):
            if lane.splice.moved_bytes != lane.moved_bytes:
                lane.moved_bytes, lane.moved_at = lane.splice.moved_bytes, now
            elif now - lane.moved_at > limits.RELAY_IDLE_S:
                self._end(place)

    def close(self) -> None:
        """End everything."""
        for place in [*self._waiting, *self._standing]:
            self._end(place)

    def _stand(self, place: Place, now: float) -> None:
        one, other = self._waiting.pop(place).values()
        splice = Splice(one, other, lambda: self._over(place))
        self._standing[place] = _Standing(splice, 0, now)

    def _over(self, place: Place) -> None:
        lane = self._standing.pop(place, None)
        if lane is not None:
            self.carried_bytes += lane.splice.moved_bytes
        self._tokens.release(place)

    def _end(self, place: Place) -> None:
        self._tokens.release(place)
        for sock in self._waiting.pop(place, {}).values():
            sock.close()
        if lane := self._standing.get(place):
            lane.splice.end()
