"""Two sessions that hold the same secrets, and the path between them as plain lists."""

from __future__ import annotations

from dataclasses import dataclass, field

from tallow.protocol.chain import ChainLimits
from tallow.protocol.flights import SessionSecrets, session_secrets
from tallow.protocol.messages import Control, Hello, Text, TransferMessage, Verified
from tallow.protocol.missed import RecordsMissed
from tallow.protocol.session import (
    BulkReceived,
    ConnectionSpoiled,
    HelloReceived,
    MessageReceived,
    Role,
    Session,
    SessionClosed,
)
from tallow.wire.frames import RecordHeader, decode_peer, encode_record
from tests.pair.chance import Chance

SEND = Hello("transfer", "send", [])
RECEIVE = Hello("transfer", "receive", [])


def secrets(seed: int = 1) -> SessionSecrets:
    """Return session secrets that follow from a seed; each session wipes its own copy."""
    chance = Chance(seed)
    return session_secrets(chance(64), chance(64))


@dataclass
class Side:
    """A session and everything that came out of it."""

    session: Session
    ready: list[bytes] = field(default_factory=list)
    """Frames that wait to be carried."""
    sent: list[bytes] = field(default_factory=list)
    """Every frame ever made."""
    hellos: list[Hello] = field(default_factory=list)
    got: list[TransferMessage | Verified] = field(default_factory=list)
    bulk: list[tuple[int, int, bytes]] = field(default_factory=list)
    missed: list[RecordsMissed] = field(default_factory=list)
    spoiled: int = 0
    closed: bool = False

    def take(self) -> list[bytes]:
        """Move what the session has ready into the path; return all that waits there."""
        made = self.session.bytes_to_send()
        self.sent += made
        self.ready += made
        return self.ready

    def receive(self, frame: bytes, now: float = 0.0) -> None:
        """Feed one frame and sort what came of it; a TallowError passes through."""
        try:
            self.session.receive(decode_peer(bytearray(frame)), now)
        finally:
            self._sort()

    def _sort(self) -> None:
        while (event := self.session.next_event()) is not None:
            match event:
                case HelloReceived():
                    self.hellos.append(event.hello)
                case MessageReceived():
                    self.got.append(event.message)
                case BulkReceived():
                    self.bulk.append((event.channel, event.number, bytes(event.body)))
                case RecordsMissed():
                    self.missed.append(event)
                case ConnectionSpoiled():
                    self.spoiled += 1
                case SessionClosed():
                    self.closed = True

    def say(self, message: Control, now: float = 0.0) -> bytes:
        """Send a message and return its frame, which waits in the path too."""
        self.session.send(message, now)
        return self.take()[-1]

    @property
    def texts(self) -> list[str]:
        """The texts that arrived, in order."""
        return [message.text for message in self.got if isinstance(message, Text)]


class Two:
    """An initiator and a responder."""

    def __init__(self, now: float = 0.0, limit: ChainLimits | None = None, seed: int = 1) -> None:
        """Make both sides of one session."""
        self.i = Side(Session(secrets(seed), "initiator", now, chain_limits=limit))
        self.r = Side(Session(secrets(seed), "responder", now, chain_limits=limit))

    def greet(self, now: float = 0.0) -> Two:
        """Exchange HELLOs."""
        self.i.session.greet(SEND, now)
        self.r.session.greet(RECEIVE, now)
        self.carry(now)
        return self

    def carry(self, now: float = 0.0) -> Two:
        """Deliver everything in order until nothing is on the way."""
        while self.i.take() or self.r.take():
            for source, target in ((self.i, self.r), (self.r, self.i)):
                frames, source.ready = source.take(), []
                for frame in frames:
                    target.receive(frame, now)
        return self

    def of(self, role: Role) -> Side:
        """Return a side by its role."""
        return self.i if role == "initiator" else self.r


def forged(frame: bytes, **changes: int) -> bytes:
    """Return a record with fields of its header changed and the sealed bytes kept."""
    header = decode_peer(frame).header
    assert header is not None
    new = RecordHeader(
        header.kind,
        changes.get("channel", header.channel),
        changes.get("epoch", header.epoch),
        changes.get("number", header.number),
    )
    return encode_record(new, frame[19:])


def damaged(frame: bytes, at: int = -1) -> bytes:
    """Return a record with one bit changed."""
    changed = bytearray(frame)
    changed[at] ^= 1
    return bytes(changed)
