"""One nameplate for several receivers: who may take a name over from a room that goes on.

The sender names, with the room, the hash of a token; its next link shows the token. Two must have
met in the room before, so nobody who waits or agrees on keys loses the name. Nothing is stored
here and nothing is sent. Before: hub.py asks. Spec: docs/protocol.md §4.3.
"""

from __future__ import annotations

import hmac

from relay.room import TRANSITIONS, Room, RoomEvent
from tallow.wire import limits
from tallow.wire.relay import RefusalCode, heir_mark

CROWDED_RETRY_S = 1
"""A joiner who came while another agrees on keys is asked to come again after this time."""


def objection(room: Room, token: bytes, now: float) -> RefusalCode | None:
    """Return why a token does not take a room's name over; None if it does."""
    if room.heir is None or not hmac.compare_digest(room.heir, heir_mark(token)):
        return "plate-live"
    if room.expires_at <= now:
        return "expired"
    if (room.state, RoomEvent.SUCCEEDED) not in TRANSITIONS:
        return "plate-live"
    if room.line.rooms >= limits.RELAY_HEIRS_MAX:
        return "full"
    return None


def crowded_retry_s(room: Room, now: float) -> int:
    """Return after how many seconds somebody may wait under a taken name again; 0: never."""
    return CROWDED_RETRY_S if room.heir is not None and now < room.expires_at else 0
