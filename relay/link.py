"""One link's framing: relay messages up to the switch, DATA across to the partner.

Cut-through: a small DATA frame is forwarded when it is complete, a large one piece by piece as
it arrives, straight from the buffer it was read into; consecutive frames leave in one write.
What the relay itself says to a link waits until the DATA frame under way to it has ended. A
link that reads slowly stops its partner from being read. The transport behind ``Wire`` may be
TLS over TCP or a QUIC stream; nothing here knows which.
This module never looks into a DATA frame. Spec: docs/protocol.md §4.1.
"""

from __future__ import annotations

from typing import Protocol

from relay.room import LinkId
from tallow.wire import limits
from tallow.wire.errors import WireError
from tallow.wire.frames import LinkType, encode_link, read_link_header

_PONG = encode_link(LinkType.PONG)


class Wire(Protocol):
    """The transport under a link."""

    def write(self, chunk: bytes | memoryview) -> None:
        """Take bytes to send; they may change as soon as this returns."""

    def pause_reading(self) -> None:
        """Stop delivering what arrives."""

    def resume_reading(self) -> None:
        """Deliver again."""

    def close(self) -> None:
        """Send what was written, then end; nothing more is delivered or taken."""


class Desk(Protocol):
    """Whom a link asks: the switch."""

    def heard(self, link: Link, body: memoryview, now: float) -> None:
        """Carry out a relay message; WireError if it is none."""

    def sink_for(self, link: Link, length: int, now: float) -> Link | None:
        """Return where a DATA frame goes, None to drop it; WireError ends the link."""

    def malformed(self, link: Link, now: float) -> None:
        """End a link that broke the rules of the wire."""

    def lost(self, link: Link, now: float) -> None:
        """Forget a link whose transport is gone."""


class Link:
    """Frames of one connection, in and out."""

    __slots__ = (
        "_choked_at", "_deferred", "_desk", "_feeder", "_held", "_inside", "_left", "_partial",
        "_pinged", "_sink", "_wire", "closed", "controls", "heard_at", "id", "opened_at",
        "received_bytes", "seated", "settled", "stray_bytes",
    )  # fmt: skip

    def __init__(self, link_id: LinkId, wire: Wire, desk: Desk, now: float) -> None:
        """Stand between a transport and the switch."""
        self.id = link_id
        self.closed = False
        self.seated = False
        """The link's verb was carried out; the switch says so."""
        self.settled = False
        """The link's pair is settled; the switch says so when it is asked for the partner."""
        self.opened_at = now
        self.heard_at = now
        self.received_bytes = 0
        self.stray_bytes = 0
        self.controls = 0
        self._wire = wire
        self._desk = desk
        self._partial = bytearray()
        self._left = 0
        """Body bytes still to come of the DATA frame under way from this link."""
        self._sink: Link | None = None
        self._feeder: Link | None = None
        """Whose DATA goes to this link, since its last frame."""
        self._inside = False
        """Part of a DATA frame was written to this link and the rest is to come."""
        self._choked_at: float | None = None
        self._held = False
        self._pinged = False
        self._deferred: list[bytes] = []

    # --- bytes in ----------------------------------------------------------------------------

    def received(self, chunk: memoryview, now: float) -> None:
        """Take what the transport read; ``chunk`` is free again when this returns."""
        self.heard_at = now
        self.received_bytes += len(chunk)
        try:
            if not self.seated and self.received_bytes > limits.FIRST_MESSAGE_MAX_BYTES:
                raise WireError("too much before a verb")
            if self._partial and not self.closed:
                chunk = self._top_up(chunk, now)
            if chunk and not self.closed:
                self._partial += self._take_frames(chunk, now)
        except WireError:
            self._desk.malformed(self, now)
        if self._pinged:
            self._pinged = False
            # A client that does not read its answers gets none: they would pile up here.
            if self._choked_at is None:
                self.say(_PONG)

    def _top_up(self, chunk: memoryview, now: float) -> memoryview:
        """Complete the frame whose start waits in ``_partial``; return what is left over."""
        header_gap = limits.LINK_HEADER_BYTES - len(self._partial)
        if header_gap > 0:
            self._partial += chunk[:header_gap]
            chunk = chunk[header_gap:]
            if len(self._partial) < limits.LINK_HEADER_BYTES:
                return chunk
        kind, length = read_link_header(self._partial)
        if not _is_cut_through(kind, length):
            whole_bytes = limits.LINK_HEADER_BYTES + length
            gap = whole_bytes - len(self._partial)
            self._partial += chunk[:gap]
            chunk = chunk[gap:]
            if len(self._partial) < whole_bytes:
                return chunk
        start, self._partial = bytes(self._partial), bytearray()
        self._take_frames(memoryview(start), now)
        return chunk

    def _take_frames(self, chunk: memoryview, now: float) -> memoryview:
        """Carry out and forward every frame in ``chunk``; return an incomplete one's start."""
        at = run_at = 0
        size = len(chunk)
        while not self.closed:
            if self._left:
                taken = min(self._left, size - at)
                self._left -= taken
                at += taken
            if size - at < limits.LINK_HEADER_BYTES:
                break
            body_at = at + limits.LINK_HEADER_BYTES
            kind, length = read_link_header(chunk[at:body_at])
            if body_at + length > size and not _is_cut_through(kind, length):
                break
            if kind is LinkType.DATA:
                # A settled pair ends only with one of its links, so the partner stands.
                if not self.settled or self._sink is None or self._sink.closed:
                    sink = self._desk.sink_for(self, length, now)
                    if sink is not self._sink:
                        self._forward(chunk[run_at:at])
                        run_at = at
                        self._sink = sink
                self._left = length
                at = body_at
            else:
                self._forward(chunk[run_at:at])
                at = run_at = body_at + length
                self._take_own(kind, chunk[body_at:at], now)
        self._forward(chunk[run_at:at])
        return chunk[at:]

    def _take_own(self, kind: LinkType, body: memoryview, now: float) -> None:
        if kind is LinkType.PING:
            self._pinged = True
        elif kind is LinkType.CONTROL:
            self.controls += 1
            if self.controls > limits.RELAY_CONTROLS_MAX:
                raise WireError("too many relay messages")
            self._desk.heard(self, body, now)

    def _forward(self, run: memoryview) -> None:
        sink = self._sink
        if not run or sink is None or sink.closed:
            return
        sink._feeder = self
        sink._inside = self._left > 0
        sink._wire.write(run)
        if sink._choked_at is not None:
            self._hold()
        elif not sink._inside:
            sink._say_deferred()

    # --- bytes out ---------------------------------------------------------------------------

    def say(self, frame: bytes) -> None:
        """Send one of the relay's own frames, once no DATA frame is under way to this link."""
        if self.closed:
            return
        if not self._inside and self._choked_at is None:
            self._wire.write(frame)
        elif frame not in self._deferred and len(self._deferred) < limits.RELAY_DEFERRED_MAX:
            self._deferred.append(frame)

    def close(self, now: float) -> None:
        """End the link after what was said; what it had under way to its partner is cut off."""
        if self.closed:
            return
        self._say_deferred()
        self._end(now)
        self._wire.close()

    def gone(self, now: float) -> None:
        """Note that the transport is gone."""
        if not self.closed:
            self._end(now)
            self._desk.lost(self, now)

    def choked(self, now: float) -> None:
        """Stop reading from the partner: this link's unsent bytes pile up."""
        self._choked_at = now
        if self._feeder is not None:
            self._feeder._hold()

    def relieved(self) -> None:
        """Read from the partner again."""
        self._choked_at = None
        self._say_deferred()
        if self._feeder is not None:
            self._feeder._release()

    def is_stale(self, now: float) -> bool:
        """Tell whether nothing was heard, or nothing could be sent, for too long."""
        if self._choked_at is not None:
            return now - self._choked_at > limits.RELAY_IDLE_S
        return not self._held and now - self.heard_at > limits.RELAY_IDLE_S

    def _end(self, now: float) -> None:
        self.closed = True
        self._partial.clear()
        feeder, self._feeder = self._feeder, None
        if feeder is not None:
            feeder._sink = None
            feeder._release()
        sink, self._sink = self._sink, None
        if sink is None or sink._feeder is not self:
            return
        sink._feeder = None
        if sink._inside:
            sink._cut_off(now)

    def _cut_off(self, now: float) -> None:
        """End a link inside a frame whose rest never comes: nothing can be said on it now."""
        self._deferred.clear()
        self.gone(now)
        self._wire.close()

    def _say_deferred(self) -> None:
        if self._inside:
            return
        for frame in self._deferred:
            self._wire.write(frame)
        self._deferred.clear()

    def _hold(self) -> None:
        if not self._held:
            self._held = True
            self._wire.pause_reading()

    def _release(self) -> None:
        if self._held:
            self._held = False
            self._wire.resume_reading()


def _is_cut_through(kind: LinkType, length: int) -> bool:
    return kind is LinkType.DATA and length > limits.RELAY_WHOLE_MAX_BYTES
