"""What may happen to a client's DATA frames on their way to the relay.

Each function returns a meddler for ``MemoryRelay.meddling``. Connections and frames are counted
from 0 in the order in which they are made and sent; a creator's frame 0 is M2, a joiner's is M3.
"""

from __future__ import annotations

from tallow.wire.frames import LinkType, encode_link
from tests.world.relay import Meddle, Sent


def _is(sent: Sent, connection: int, number: int) -> bool:
    place = (sent.connection.number, sent.kind, sent.number)
    return place == (connection, LinkType.DATA, number)


def altered(connection: int, number: int, at: int = -1) -> Meddle:
    """Flip a bit of one frame's body."""

    def meddle(sent: Sent) -> list[bytes] | None:
        if not _is(sent, connection, number):
            return None
        body = bytearray(sent.body)
        body[at] ^= 1
        return [encode_link(LinkType.DATA, bytes(body))]

    return meddle


def truncated(connection: int, number: int, by: int = 1) -> Meddle:
    """Take bytes off the end of one frame's body."""

    def meddle(sent: Sent) -> list[bytes] | None:
        if not _is(sent, connection, number):
            return None
        return [encode_link(LinkType.DATA, sent.body[:-by])]

    return meddle


def dropped(connection: int, number: int) -> Meddle:
    """Lose one frame."""
    return lambda sent: [] if _is(sent, connection, number) else None


def doubled(connection: int, number: int) -> Meddle:
    """Send one frame twice."""

    def meddle(sent: Sent) -> list[bytes] | None:
        frame = encode_link(LinkType.DATA, sent.body)
        return [frame, frame] if _is(sent, connection, number) else None

    return meddle


def followed_by(connection: int, number: int, *frames: bytes) -> Meddle:
    """Send these link frames right behind one frame."""

    def meddle(sent: Sent) -> list[bytes] | None:
        if not _is(sent, connection, number):
            return None
        return [encode_link(LinkType.DATA, sent.body), *frames]

    return meddle


def delayed(connection: int, number: int, seconds: float) -> Meddle:
    """Let one frame, and what follows it, come later."""

    def meddle(sent: Sent) -> list[bytes] | None:
        if not _is(sent, connection, number):
            return None
        sent.connection.up.put(encode_link(LinkType.DATA, sent.body), later_s=seconds)
        return []

    return meddle


def cut_at(connection: int, number: int) -> Meddle:
    """Break the wire instead of sending this frame."""

    def meddle(sent: Sent) -> list[bytes] | None:
        if not _is(sent, connection, number):
            return None
        sent.connection.cut()
        return []

    return meddle


def cut_after_bytes(connection: int, most_bytes: int) -> Meddle:
    """Break the wire once this client has sent so much."""

    def meddle(sent: Sent) -> list[bytes] | None:
        mine = sent.connection
        if mine.number != connection or mine.sent_bytes + len(sent.body) < most_bytes:
            return None
        mine.cut()
        return []

    return meddle


def torn_after_bytes(connection: int, most_bytes: int) -> Meddle:
    """Break the wire inside a frame, once this client has sent so much."""

    def meddle(sent: Sent) -> list[bytes] | None:
        mine = sent.connection
        frame = encode_link(sent.kind, sent.body)
        if mine.number != connection or mine.sent_bytes + len(frame) < most_bytes:
            return None
        mine.up.put(frame[: most_bytes - mine.sent_bytes])
        mine.close()
        return []

    return meddle


def silent_from(connection: int, number: int) -> Meddle:
    """Lose everything that this client sends from here on, pings included; its wire stands."""
    quiet = False

    def meddle(sent: Sent) -> list[bytes] | None:
        nonlocal quiet
        quiet = quiet or _is(sent, connection, number)
        return [] if quiet and sent.connection.number == connection else None

    return meddle
