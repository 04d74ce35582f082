"""One room: two seats, a state, and the table of everything that may happen to it.

The table is the rule; hub.py looks events up in it and says what each one means to the people
inside. A room never knows a socket, a clock or what is said in it.
Spec: docs/protocol.md §4.3.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NewType

from tallow.wire import limits

LinkId = NewType("LinkId", int)


class RoomState(enum.Enum):
    """What a room is waiting for."""

    WAITING = "waiting"
    """The creator sits alone; a joiner may come until the code expires."""
    SEATED = "seated"
    """Both seats are taken; the joiner has to speak within ten seconds."""
    SETTLED = "settled"
    """The joiner has spoken (its third flight); a third side changes nothing any more."""
    HALF = "half"
    """One of a settled pair, or the creator of a seated one, is gone."""
    ORPHANED = "orphaned"
    """Nobody is there; the name is free for whoever creates it anew."""
    CLOSED = "closed"
    """Forgotten."""


class RoomEvent(enum.Enum):
    """What may happen to a room."""

    JOINED = "joined"
    JOINER_SPOKE = "joiner spoke"
    JOINER_LEFT = "joiner left"
    CREATOR_LEFT = "creator left"
    REOPENED = "reopened"
    """The creator put the joiner out."""
    TIME_UP = "time up"
    REPLACED = "replaced"
    """Somebody created a new room under the same name."""
    SUCCEEDED = "succeeded"
    """Another link of the same sender took the name over."""


TRANSITIONS: dict[tuple[RoomState, RoomEvent], RoomState] = {
    (RoomState.WAITING, RoomEvent.JOINED): RoomState.SEATED,
    (RoomState.WAITING, RoomEvent.REOPENED): RoomState.WAITING,
    (RoomState.WAITING, RoomEvent.CREATOR_LEFT): RoomState.ORPHANED,
    (RoomState.WAITING, RoomEvent.TIME_UP): RoomState.CLOSED,
    (RoomState.SEATED, RoomEvent.JOINER_SPOKE): RoomState.SETTLED,
    (RoomState.SEATED, RoomEvent.JOINER_LEFT): RoomState.WAITING,
    (RoomState.SEATED, RoomEvent.TIME_UP): RoomState.WAITING,
    (RoomState.SEATED, RoomEvent.REOPENED): RoomState.WAITING,
    (RoomState.SEATED, RoomEvent.CREATOR_LEFT): RoomState.HALF,
    (RoomState.SETTLED, RoomEvent.JOINER_LEFT): RoomState.HALF,
    (RoomState.SETTLED, RoomEvent.CREATOR_LEFT): RoomState.HALF,
    (RoomState.SETTLED, RoomEvent.REOPENED): RoomState.WAITING,
    (RoomState.SETTLED, RoomEvent.SUCCEEDED): RoomState.SETTLED,
    (RoomState.HALF, RoomEvent.REOPENED): RoomState.WAITING,
    (RoomState.HALF, RoomEvent.JOINER_LEFT): RoomState.ORPHANED,
    (RoomState.HALF, RoomEvent.CREATOR_LEFT): RoomState.ORPHANED,
    (RoomState.HALF, RoomEvent.REPLACED): RoomState.HALF,
    (RoomState.HALF, RoomEvent.SUCCEEDED): RoomState.HALF,
    (RoomState.HALF, RoomEvent.TIME_UP): RoomState.CLOSED,
    (RoomState.ORPHANED, RoomEvent.REPLACED): RoomState.CLOSED,
    (RoomState.ORPHANED, RoomEvent.SUCCEEDED): RoomState.CLOSED,
    (RoomState.ORPHANED, RoomEvent.TIME_UP): RoomState.CLOSED,
}


@dataclass(slots=True, eq=False)
class Line:
    """The rooms that one name went through by succession."""

    rooms: int = 0
    """How many of them are still there."""


@dataclass(slots=True, eq=False)
class Room:
    """A name, two seats, and when the present state ends."""

    name: str | bytes | None
    """A nameplate, a meeting id, or None once the name went to another room."""
    creator_address: str
    creator: LinkId | None
    expires_at: float
    orphan_s: float
    joiner: LinkId | None = None
    state: RoomState = RoomState.WAITING
    deadline_at: float | None = None
    pairing: int = 0
    """How many joiners there have been."""
    taken: int = 0
    """The last pairing that the creator has answered."""
    heir: bytes | None = None
    """SHA-256 of the token that takes the name over; None if nobody may."""
    line: Line = field(default_factory=Line)

    def __post_init__(self) -> None:
        """Wait until the code expires."""
        self.deadline_at = self.expires_at

    def step(self, event: RoomEvent, now: float) -> bool:
        """Move along the table and set the new deadline; False if the event changes nothing."""
        state = TRANSITIONS.get((self.state, event))
        if state is None:
            return False
        self.state = state
        match state:
            case RoomState.WAITING:
                self.deadline_at = self.expires_at
            case RoomState.SEATED:
                self.deadline_at = now + limits.SEAT_CONFIRM_S
            case RoomState.HALF:
                self.deadline_at = max(self.expires_at, now + self.orphan_s)
            case RoomState.ORPHANED:
                self.deadline_at = now + self.orphan_s
            case RoomState.SETTLED | RoomState.CLOSED:
                self.deadline_at = None
        return True

    def is_due(self, now: float) -> bool:
        """Tell whether the present state's time is up."""
        return self.deadline_at is not None and self.deadline_at <= now

    def is_paired(self) -> bool:
        """Tell whether DATA of each side reaches the other."""
        return self.state in (RoomState.SEATED, RoomState.SETTLED)

    def is_taken(self) -> bool:
        """Tell whether what the creator sends now is meant for the joiner who is there now."""
        return self.taken == self.pairing

    def take(self, pairing: int) -> bool:
        """Note the creator's answer to a pairing; False if it is none, or not the next one."""
        if not self.taken < pairing <= self.pairing:
            return False
        self.taken = pairing
        return True

    def is_live(self) -> bool:
        """Tell whether anybody is there, so that the name is taken."""
        return self.state not in (RoomState.ORPHANED, RoomState.CLOSED)

    def opposite(self, link: LinkId) -> LinkId | None:
        """Return who sits across from this link, if anybody does."""
        return self.joiner if link == self.creator else self.creator

    def links(self) -> list[LinkId]:
        """Return who is inside, creator first."""
        return [link for link in (self.creator, self.joiner) if link is not None]

    def empty_seat(self, link: LinkId) -> RoomEvent:
        """Take a link's seat away and return the event that this is."""
        if link == self.creator:
            self.creator = None
            return RoomEvent.CREATOR_LEFT
        self.joiner = None
        return RoomEvent.JOINER_LEFT
