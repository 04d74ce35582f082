"""A confirmed session: channels of sealed records that survive the path they run on.

The session knows no connection: it takes peer frames from any, and gives frames for whichever is
there. Ordered channels deliver without gaps or end the session; bulk channels are opened for the
transfer machine and judged there. HELLO is the first record each way, CLOSE the only clean end.
Before this room: handshake.py gives the secrets. After it: transfer/ takes control messages.
It turns WireError and CryptoError into errors a person can read, and is the only room that does.
It never reads a clock. Spec: docs/protocol.md §6.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from tallow.crypto.errors import CryptoError
from tallow.errors import (
    LocalProtocolError,
    PeerGone,
    RecordLost,
    RemoteProtocolError,
)
from tallow.protocol import messages
from tallow.protocol.bulk import BulkKeys, BulkRecvChannel, BulkSendChannel
from tallow.protocol.chain import ChainLimits, Direction, RecvChain, SendChain
from tallow.protocol.flights import SessionSecrets
from tallow.protocol.machine import Outbox, Rules
from tallow.protocol.messages import (
    Ack,
    AskMissed,
    Close,
    Control,
    Hello,
    Missed,
    Ping,
    Pong,
    TransferMessage,
    Verified,
    decode_control,
    encode_control,
)
from tallow.protocol.missed import AskedRecords, RecordsMissed, answer
from tallow.wire import limits
from tallow.wire.errors import WireError
from tallow.wire.frames import PeerFrame, PeerType

CONTROL = 0
Role = Literal["initiator", "responder"]


class State(enum.Enum):
    """How far a session is, seen from this side."""

    NEW = "new"
    GREETED = "own HELLO sent"
    OPEN = "both HELLOs exchanged"
    LEAVING = "own CLOSE sent before the peer's HELLO came"
    CLOSING = "own CLOSE sent"
    CLOSED = "closed"


class Step(enum.Enum):
    """What moves a session on."""

    SEND_HELLO = "send HELLO"
    RECEIVE_HELLO = "receive HELLO"
    RECEIVE_MESSAGE = "receive a message"
    SEND_CLOSE = "send CLOSE"
    RECEIVE_CLOSE = "receive CLOSE"


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.NEW, Step.SEND_HELLO): State.GREETED,
    (State.GREETED, Step.RECEIVE_HELLO): State.OPEN,
    (State.OPEN, Step.RECEIVE_MESSAGE): State.OPEN,
    (State.OPEN, Step.SEND_CLOSE): State.CLOSING,
    (State.GREETED, Step.SEND_CLOSE): State.LEAVING,
    (State.OPEN, Step.RECEIVE_CLOSE): State.CLOSED,
    (State.LEAVING, Step.RECEIVE_HELLO): State.CLOSING,
    (State.CLOSING, Step.RECEIVE_MESSAGE): State.CLOSING,
    (State.CLOSING, Step.RECEIVE_CLOSE): State.CLOSED,
}


@dataclass(frozen=True, slots=True)
class HelloReceived:
    """The peer said what it wants and who it is; its proof is for identity.py to check."""

    hello: Hello


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A control message for the machines above."""

    message: TransferMessage | Verified


@dataclass(frozen=True, slots=True)
class BulkReceived:
    """An opened bulk record; ``body`` is a view into the frame's own buffer."""

    channel: int
    number: int
    body: memoryview


@dataclass(frozen=True, slots=True)
class ConnectionSpoiled:
    """A record did not open: the connection it came on must be closed."""


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """Both sides said CLOSE, and nothing was missing."""


SessionEvent = (
    HelloReceived
    | MessageReceived
    | BulkReceived
    | ConnectionSpoiled
    | RecordsMissed
    | SessionClosed
)


class Session:
    """One side of a session; feed it peer frames, take peer frames from it."""

    def __init__(
        self,
        secrets: SessionSecrets,
        role: Role,
        now: float,
        *,
        chain_limits: ChainLimits | None = None,
    ) -> None:
        self.role: Role = role
        self.th2 = secrets.th2
        ours, theirs = self._directions()
        traffic = {"i": secrets.traffic_i, "r": secrets.traffic_r}
        self._chain_limits = chain_limits or ChainLimits()
        first_out = bytes(traffic[ours].view())
        first_in = bytes(traffic[theirs].view())
        secrets.traffic_i.wipe()
        secrets.traffic_r.wipe()
        self._send = {CONTROL: SendChain(CONTROL, ours, first_out, self._chain_limits)}
        self._recv = {CONTROL: RecvChain(CONTROL, theirs, first_in)}
        self._bulk_recv: dict[int, BulkRecvChannel] = {}
        self._used_channels: set[int] = {CONTROL}
        self._finished: set[int] = set()
        self._asked = AskedRecords()
        self._next_channel = 1 if role == "initiator" else 2
        self._rules = Rules(State.NEW, TRANSITIONS)
        self._events: Outbox[SessionEvent] = Outbox()
        self._frames: Outbox[bytes] = Outbox()
        self._failed_opens = 0
        self._unacked = 0
        self._heard_at = now
        self._said_at = now
        self._now = now

    def _directions(self) -> tuple[Direction, Direction]:
        return ("i", "r") if self.role == "initiator" else ("r", "i")

    @property
    def state(self) -> State:
        """How far this session is."""
        return self._rules.state

    # --- verbs --------------------------------------------------------------------------------

    def greet(self, hello: Hello, now: float) -> None:
        """Send HELLO, the first record of this side."""
        self._rules.local(Step.SEND_HELLO)
        self._put(hello, now)

    def send(self, message: Control, now: float) -> None:
        """Seal a control message; allowed as soon as this side has greeted."""
        if self.state not in (State.OPEN, State.GREETED):
            raise LocalProtocolError(f"A message cannot be sent while {self.state.value}.")
        self._put(message, now)

    @property
    def congested(self) -> bool:
        """True while so much waits for acknowledgement that the sender must pause."""
        return self._send[CONTROL].kept_bytes >= limits.UNACKED_MAX_BYTES

    def close(self, now: float) -> None:
        """Send CLOSE; the session ends when the peer's CLOSE is here too."""
        if self.state in (State.LEAVING, State.CLOSING, State.CLOSED):
            return
        self._rules.local(Step.SEND_CLOSE)
        self._put_close(now)

    def open_bulk_send(self, keys: BulkKeys) -> BulkSendChannel:
        """Take a channel id that was never used and return its allocator of numbers."""
        channel = self._next_channel
        if len(self._used_channels) >= limits.CHANNELS_MAX:
            raise LocalProtocolError("This session has used up its channels.")
        self._next_channel += 2
        self._used_channels.add(channel)
        return BulkSendChannel(channel, self._directions()[0], keys)

    def open_bulk_recv(self, channel: int, keys: BulkKeys) -> None:
        """Accept bulk records on a channel that the peer named in START."""
        peers_parity = 0 if self.role == "initiator" else 1
        if channel == CONTROL or channel % 2 != peers_parity or channel in self._used_channels:
            raise RemoteProtocolError("The other side used a channel number twice.")
        if len(self._used_channels) >= limits.CHANNELS_MAX:
            raise RemoteProtocolError("The other side opened too many channels.")
        self._used_channels.add(channel)
        self._bulk_recv[channel] = BulkRecvChannel(channel, self._directions()[1], keys)

    def close_bulk_recv(self, channel: int) -> None:
        """Drop the keys of a finished bulk channel; its id stays used."""
        if self._bulk_recv.pop(channel, None) is not None:
            self._finished.add(channel)

    def ask_missed(self, channel: int, numbers: Iterable[int], now: float) -> None:
        """Ask which of these records of ours were lost with the lane that they went over."""
        for message in self._asked.ask(channel, numbers):
            self._put(message, now)

    def heard(self, now: float) -> None:
        """Note that the peer is alive although its frames are not taken yet (back-pressure)."""
        self._heard_at = now

    # --- the five doors -----------------------------------------------------------------------

    def receive(self, data: PeerFrame, now: float) -> None:
        """Take one peer frame from any connection of this session."""
        self._now = now
        if data.kind is PeerType.BULK:
            self._receive_bulk(data)
            return
        # A flight or an abort here has no key behind it: anybody on the path can write one.
        chain = self._recv.get(data.header.channel) if data.header else None
        if data.header is None or chain is None:
            self._spoiled()
            return
        bodies, opened = chain.receive(data.header, bytes(data.body), now)
        for body in bodies:
            # Only what opened shows a living peer; a relay can repeat or forge the rest for ever.
            self._heard_at = now
            self._deliver(body, now)
        if not opened:
            self._spoiled()

    def next_event(self) -> SessionEvent | None:
        """Return what happened."""
        return self._events.take()

    def bytes_to_send(self) -> list[bytes]:
        """Return the peer frames that must go now."""
        return self._frames.take_all()

    def next_deadline(self) -> float | None:
        """Return when to ping, to give a silent peer up, or to end a gap."""
        if self.state is State.CLOSED:
            return None
        times = [self._heard_at + limits.PEER_SILENT_MAX_S]
        if self._may_ping:
            times.append(self._said_at + limits.PEER_PING_EVERY_S)
        gaps = [chain.gap_deadline() for chain in self._recv.values()]
        times.extend(gap for gap in gaps if gap is not None)
        return min(times)

    def on_deadline(self, now: float) -> None:
        """Ping, or end the session: RecordLost for a gap, PeerGone for silence."""
        self._now = now
        for chain in self._recv.values():
            gap = chain.gap_deadline()
            if gap is not None and now >= gap:
                raise RecordLost
        if now >= self._heard_at + limits.PEER_SILENT_MAX_S:
            raise PeerGone("The other side has been silent for a minute.")
        if self._may_ping and now >= self._said_at + limits.PEER_PING_EVERY_S:
            self._put(Ping(), now)

    # --- within -------------------------------------------------------------------------------

    @property
    def _may_ping(self) -> bool:
        """HELLO is the first record and CLOSE the last one."""
        return self.state in (State.GREETED, State.OPEN)

    def _put(self, message: Control, now: float) -> None:
        if self._send[CONTROL].kept_bytes >= limits.UNACKED_END_BYTES:
            raise RemoteProtocolError("The other side does not acknowledge what it is sent.")
        self._said_at = now
        self._frames.put(self._send[CONTROL].seal(encode_control(message), now))

    def _put_close(self, now: float) -> None:
        highest = [(channel, chain.number) for channel, chain in self._send.items()]
        self._put(Close(highest), now)

    def _receive_bulk(self, data: PeerFrame) -> None:
        header = data.header
        channel = self._bulk_recv.get(header.channel) if header else None
        if header is None or channel is None:
            # A channel that was finished a moment ago may still have records on the way.
            if header is None or header.channel not in self._finished:
                self._spoiled()
            return
        try:
            body = channel.open(header, data.body)
        except CryptoError:
            self._spoiled()
            return
        if body is not None:
            self._heard_at = self._now
            self._events.put(BulkReceived(header.channel, header.number, body))

    def _tell_missed(self, asked: AskMissed, now: float) -> None:
        if self.state is not State.OPEN:
            # Nothing follows our own CLOSE; everything of that channel has ended.
            return
        channel = self._bulk_recv.get(asked.channel)
        if channel is None and asked.channel not in self._finished:
            raise RemoteProtocolError("The other side asks about a channel that does not exist.")
        for message in answer(asked, channel):
            self._put(message, now)

    def _take_missed(self, missed: Missed) -> None:
        event = self._asked.take(missed)
        if event is not None:
            self._events.put(event)

    def _spoiled(self) -> None:
        self._failed_opens += 1
        if self._failed_opens >= limits.FAILED_OPENS_MAX:
            raise RemoteProtocolError("Too many records of this session did not open.")
        self._events.put(ConnectionSpoiled())

    def _deliver(self, body: bytes, now: float) -> None:
        try:
            message = decode_control(body)
        except WireError as error:
            raise RemoteProtocolError(
                "The other side sent a malformed message.", why=str(error)
            ) from None
        self._acknowledge(now)
        match message:
            case Hello():
                self._rules.remote(Step.RECEIVE_HELLO)
                self._events.put(HelloReceived(message))
            case Close():
                self._receive_close(message, now)
            case Ack():
                self._rules.expect(Step.RECEIVE_MESSAGE)
                self._receive_ack(message)
            case Ping():
                self._rules.expect(Step.RECEIVE_MESSAGE)
                if self.state is State.OPEN:
                    self._put(Pong(), now)
            case Pong():
                self._rules.expect(Step.RECEIVE_MESSAGE)
            case AskMissed():
                self._rules.expect(Step.RECEIVE_MESSAGE)
                self._tell_missed(message, now)
            case Missed():
                self._rules.expect(Step.RECEIVE_MESSAGE)
                self._take_missed(message)
            case _:
                self._rules.remote(Step.RECEIVE_MESSAGE)
                self._events.put(MessageReceived(message))

    def _acknowledge(self, now: float) -> None:
        self._unacked += 1
        if self._unacked >= limits.ACK_EVERY_RECORDS and self.state is State.OPEN:
            self._unacked = 0
            self._put(Ack(CONTROL, self._recv[CONTROL].number), now)

    def _receive_ack(self, ack: messages.Ack) -> None:
        chain = self._send.get(ack.channel)
        if chain is None:
            raise RemoteProtocolError("The other side acknowledged an unknown channel.")
        chain.acknowledged(ack.below)

    def _receive_close(self, close: messages.Close, now: float) -> None:
        answer = self.state is State.OPEN
        self._rules.remote(Step.RECEIVE_CLOSE)
        # The CLOSE itself is the last record of channel 0 and is counted in its number already.
        delivered = {no: chain.number - (no == CONTROL) for no, chain in self._recv.items()}
        if dict(close.highest) != delivered or len(close.highest) != len(delivered):
            raise RecordLost
        if answer:
            self._put_close(now)
        self._events.put(SessionClosed())
