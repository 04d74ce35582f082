"""Which lanes may be: single-use tokens for the two sides of a pair, and how many at a time.

The k-th token of one side and the k-th of the other name one place; a lane begins when both came.
Tokens of the two sides differ, so that neither can take the other's end. This module knows neither
sockets nor clocks. Before: hub.py issues. After: lane.py redeems. Spec: docs/protocol.md §4.6.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from relay.actions import Action, Send
from relay.room import LinkId, Room, RoomState
from tallow.wire import limits
from tallow.wire.relay import Lanes


class Side(enum.Enum):
    """Whose end of a lane."""

    CREATOR = 0
    JOINER = 1


@dataclass(eq=False, slots=True)
class Place:
    """One lane that may be, or is."""

    links: tuple[LinkId, LinkId]
    """The pair it belongs to, creator first; it ends with either of them."""
    lapses_at: float
    tokens: set[bytes] = field(default_factory=set, repr=False)
    """What was not redeemed yet."""
    redeemed: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether both ends have come."""
        return self.redeemed == len(Side)


class LaneTokens:
    """Every token and every place of a relay."""

    def __init__(
        self,
        random_below: Callable[[int], int],
        *,
        per_pair: int = limits.LANES_PER_SESSION_MAX,
        in_all: int = limits.RELAY_LANES_MAX,
    ) -> None:
        """Draw tokens with ``random_below(n)``; ``per_pair`` 0 gives none at all."""
        self._random_below = random_below
        self._per_pair = per_pair
        self._in_all = in_all
        self._tokens: dict[bytes, tuple[Place, Side]] = {}
        self._places: dict[LinkId, dict[Place, None]] = {}
        """By either link of a pair."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def issue(
        self, links: tuple[LinkId, LinkId], count: int, now: float
    ) -> tuple[list[bytes], list[bytes]]:
        """Return up to ``count`` tokens for the creator, and as many for the joiner."""
        free = min(self._per_pair - len(self._places.get(links[0], ())), self._in_all - self._count)
        creators: list[bytes] = []
        joiners: list[bytes] = []
        for _ in range(max(0, min(count, free))):
            place = Place(links, now + limits.LANE_TOKEN_S)
            for side, tokens in ((Side.CREATOR, creators), (Side.JOINER, joiners)):
                token = self._random_below(1 << (8 * limits.LANE_TOKEN_BYTES))
                raw = token.to_bytes(limits.LANE_TOKEN_BYTES, "big")
                self._tokens[raw] = place, side
                place.tokens.add(raw)
                tokens.append(raw)
            for link in links:
                self._places.setdefault(link, {})[place] = None
            self._count += 1
        return creators, joiners

    def redeem(self, token: bytes, now: float) -> tuple[Place, Side] | None:
        """Use a token up; None if it is unknown, used or late."""
        found = self._tokens.get(token)
        if found is None or now >= found[0].lapses_at:
            return None
        place, _ = found
        del self._tokens[token]
        place.tokens.discard(token)
        place.redeemed += 1
        return found

    def lapsed(self, now: float) -> list[Place]:
        """Forget and return the places of which an end did not come in time."""
        late = dict.fromkeys(place for place, _ in self._tokens.values() if now >= place.lapses_at)
        for place in late:
            self.release(place)
        return list(late)

    def of(self, link: LinkId) -> list[Place]:
        """Return the places of a link's pair."""
        return list(self._places.get(link, ()))

    def release(self, place: Place) -> None:
        """Forget a place and what was not redeemed of it; another lane may be instead."""
        for token in place.tokens:
            del self._tokens[token]
        place.tokens.clear()
        known = False
        for link in place.links:
            places = self._places.get(link, {})
            known |= places.pop(place, self) is None
            if not places:
                self._places.pop(link, None)
        self._count -= known


def grant(tokens: LaneTokens, room: Room, asker: LinkId, count: int, now: float) -> list[Action]:
    """Answer whoever asks for lanes: tokens for both sides, or none for the asker."""
    if room.state is RoomState.SETTLED and room.creator is not None and room.joiner is not None:
        creators, joiners = tokens.issue((room.creator, room.joiner), count, now)
        if creators:
            return [Send(room.creator, Lanes(creators)), Send(room.joiner, Lanes(joiners))]
    # The other side may have left a moment ago.
    return [Send(asker, Lanes([]))]
