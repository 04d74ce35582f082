"""The one loop that serves protocol machines over a connection: feed, drain, send, one timer.

Link frames go to the rendezvous machine; DATA goes to whichever peer machine runs now, handshake
or session; control messages go on to the transfer machine, whose messages the session seals. All
of it happens in one task, so no machine ever sees two things at once.
Before: transport. After: protocol. It never decides anything. Spec: docs/protocol.md §1.3.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tallow.engine.lanes import Lanes
from tallow.engine.ports import Clock, Connection, Lane
from tallow.errors import LinkError, PeerGone, RemoteProtocolError
from tallow.protocol.handshake import HandshakeEvent, Initiator, Responder
from tallow.protocol.psk_handshake import PskInitiator, PskResponder
from tallow.protocol.rendezvous import LanesGranted, Rendezvous, RendezvousEvent
from tallow.protocol.session import ConnectionSpoiled, Session, SessionEvent
from tallow.wire.errors import WireError
from tallow.wire.frames import LinkType, PeerFrame, PeerType, decode_peer, encode_link

if TYPE_CHECKING:
    from tallow.protocol.transfer.receiver import Receiver
    from tallow.protocol.transfer.sender import Sender

PeerMachine = Initiator | Responder | PskInitiator | PskResponder | Session
LinkEvent = RendezvousEvent | HandshakeEvent | SessionEvent


class Link:
    """A connection, the machines above it, and the bell that wakes their loop."""

    def __init__(self, connection: Connection, rendezvous: Rendezvous, clock: Clock) -> None:
        self.connection = connection
        self.rendezvous = rendezvous
        self.peer: PeerMachine | None = None
        self.transfer: Sender | Receiver | None = None
        self.lanes: Lanes | None = None
        self.lanes_open = False
        """True while what arrives on lanes is taken: records may overtake START, which has keys."""
        self._lent: dict[int, tuple[Lane, memoryview]] = {}
        """Buffers of lanes by identity; each is held, so that its identity is nobody else's."""
        self._fed_by: Lane | None = None
        self._clock = clock
        self._bell = asyncio.Event()
        self._in_hand: memoryview | None = None
        connection.on_change = self.ring

    def ring(self) -> None:
        """Wake the loop: something changed outside."""
        self._bell.set()

    # --- the loop -----------------------------------------------------------------------------

    def poll(self) -> LinkEvent | None:
        """Send what must go, feed frames, and return the next event without waiting.

        Raises the TallowError of a machine, or LinkError if the connection is gone.
        """
        while True:
            self.flush()
            event = self._next_event()
            if isinstance(event, LanesGranted):
                self._dial_lanes(event)
            elif isinstance(event, ConnectionSpoiled) and self._fed_by is not None:
                self._spoil_lane(self._fed_by)
            elif event is not None:
                return event
            elif (frame := self.connection.take()) is not None:
                self._fed_by = None
                self._feed(*frame)
            elif not self._feed_from_lane():
                break
        lost = self.connection.lost
        if lost is not None and self.connection.torn and self.peer is not None:
            # A relay that forwards piece by piece can only close when the sender of a frame dies.
            raise PeerGone("The other side is gone in the middle of a record.")
        if lost is not None:
            raise LinkError("The connection to the relay broke.", why=lost)
        return None

    async def next_event(self) -> LinkEvent:
        """Return the next event, waiting for it."""
        while True:
            event = self.poll()
            if event is not None:
                return event
            await self.wait()

    async def wait(self, until: float | None = None) -> None:
        """Wait for the bell or the earliest deadline, and tell the machines of time."""
        if self.connection.waiting:
            # Who pauses reading must not take the others' patience for silence.
            self.rendezvous.heard(self._clock.now())
            if isinstance(self.peer, Session):
                self.peer.heard(self._clock.now())
        self.flush()
        deadlines = [machine.next_deadline() for machine in self._machines()] + [until]
        earliest = min((at for at in deadlines if at is not None), default=None)
        try:
            async with asyncio.timeout_at(earliest):
                await self._bell.wait()
        except TimeoutError:
            now = self._clock.now()
            for machine in self._machines():
                deadline = machine.next_deadline()
                if deadline is not None and now >= deadline:
                    machine.on_deadline(now)
        self._bell.clear()

    def flush(self) -> None:
        """Send everything that the machines have ready."""
        now = self._clock.now()
        if self.transfer is not None and isinstance(self.peer, Session):
            for message in self.transfer.bytes_to_send():
                self.peer.send(message, now)
        if self.peer is not None:
            for frame in self.peer.bytes_to_send():
                self.connection.send(encode_link(LinkType.DATA, frame))
        for frame in self.rendezvous.bytes_to_send():
            self.connection.send(frame)

    def leave(self) -> None:
        """Give the room up and close the connection once what was said has left."""
        self.transfer = None
        self.rendezvous.leave()
        self.flush()
        self.peer = None
        self.connection.close()

    def release(self) -> None:
        """Let the transport reuse the buffer of the last event's bulk body."""
        if self._in_hand is not None:
            self.recycle(self._in_hand)
            self._in_hand = None

    def recycle(self, buffer: memoryview) -> None:
        """Give a buffer back to whatever it arrived on."""
        lane, _ = self._lent.pop(id(buffer), (None, None))
        if lane is not None:
            lane.recycle(buffer)
        else:
            self.connection.recycle(buffer)

    async def drop_lanes(self) -> None:
        """Close every lane and dial no more."""
        if self.lanes is not None:
            await self.lanes.stop()

    def keep(self) -> memoryview | None:
        """Take the last bulk buffer over; the caller recycles it later."""
        kept, self._in_hand = self._in_hand, None
        return kept

    # --- within -------------------------------------------------------------------------------

    def _dial_lanes(self, granted: LanesGranted) -> None:
        if self.lanes is not None:
            self.lanes.dial(granted.tokens)

    def _spoil_lane(self, lane: Lane) -> None:
        """A bad record costs the lane that it came on, and nothing else."""
        if self.lanes is not None:
            self.lanes.spoil(lane)

    def _feed_from_lane(self) -> bool:
        """Feed the next record of a lane; False if there is none."""
        if self.lanes is None or not self.lanes_open or not isinstance(self.peer, Session):
            return False
        taken = self.lanes.take()
        if taken is None:
            return False
        lane, frame = taken
        self.release()
        self._fed_by, self._in_hand = lane, frame
        self._lent[id(frame)] = lane, frame
        peer_frame = bulk_frame(frame)
        if peer_frame is None:
            self._spoil_lane(lane)
        else:
            self.peer.receive(peer_frame, self._clock.now())
        return True

    def _machines(self) -> list[Rendezvous | PeerMachine | Sender | Receiver]:
        above = (self.peer, self.transfer)
        return [self.rendezvous, *(machine for machine in above if machine is not None)]

    def _next_event(self) -> LinkEvent | None:
        event: LinkEvent | None = self.rendezvous.next_event()
        if event is None and self.peer is not None:
            event = self.peer.next_event()
        return event

    def _feed(self, kind: LinkType, body: memoryview) -> None:
        now = self._clock.now()
        if kind is not LinkType.DATA:
            self.rendezvous.receive((kind, bytes(body)), now)
            return
        self.rendezvous.heard(now)
        if self.peer is None:
            # Late data of a side that was put out a moment ago.
            return
        self.release()
        self._in_hand = body
        self.peer.receive(read_peer_frame(body), now)


def bulk_frame(body: memoryview) -> PeerFrame | None:
    """Take a frame of a lane apart; None for anything but a bulk record, which costs the lane."""
    try:
        frame = decode_peer(body)
    except WireError:
        return None
    return frame if frame.kind is PeerType.BULK else None


def read_peer_frame(body: bytes | memoryview) -> PeerFrame:
    """Take a peer frame apart, or raise RemoteProtocolError."""
    try:
        return decode_peer(body)
    except WireError as error:
        raise RemoteProtocolError(
            "What arrived is not what the other side sent.", why=str(error)
        ) from None
