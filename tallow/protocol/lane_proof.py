"""How a further connection shows that it belongs to a session, before it carries a record.

Each side sends a fresh nonce, then a proof over both nonces made with S("join"). A connection that
was stolen from the relay, or reflected to its own end, gets no further; what it loses is itself,
never the session. The secret is lent by the session and not wiped here.
Before this room: the lane's token at the relay. After it: sealed bulk records.
It never opens a record and reads no clock. Spec: docs/protocol.md §6.9.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Literal

from tallow.crypto.kdf import mac, same
from tallow.crypto.lv import lv
from tallow.crypto.secret import SecretBytes
from tallow.errors import LocalProtocolError, RemoteProtocolError, TimedOut
from tallow.protocol.chain import Direction
from tallow.protocol.machine import Outbox, Rules
from tallow.wire import limits

JoinKind = Literal["lane"]
"""What the connection is for, so that a proof for one use is none for another."""
NONCE_BYTES = 32
PROOF_BYTES = 32


class LaneProof:
    """One side's part in one proof: a nonce is used for one connection only."""

    def __init__(
        self, join_secret: SecretBytes, role: Direction, kind: JoinKind, nonce: bytes
    ) -> None:
        """Take S("join"), the role in the session's handshake, and 32 random bytes."""
        if len(nonce) != NONCE_BYTES:
            raise LocalProtocolError("A nonce for a lane has 32 bytes.")
        self._secret = join_secret
        self._role: Direction = role
        self._kind = kind
        self._nonce = nonce
        self._peer_nonce: bytes | None = None

    def opening(self) -> bytes:
        """Return the 32 bytes to send first: the own nonce."""
        return self._nonce

    def answer(self, peer_nonce: bytes) -> bytes:
        """Return the 32-byte proof to send, once; RemoteProtocolError for a nonce of one's own."""
        if self._peer_nonce is not None:
            raise LocalProtocolError("A lane's proof is made once.")
        if len(peer_nonce) != NONCE_BYTES or same(peer_nonce, self._nonce):
            raise RemoteProtocolError("This connection sent this side's own bytes back.")
        self._peer_nonce = peer_nonce
        return self._proof(self._role, self._nonce, peer_nonce)

    def check(self, peer_proof: bytes) -> None:
        """Accept the peer's proof, or raise RemoteProtocolError."""
        if self._peer_nonce is None:
            raise LocalProtocolError("A lane's proof is checked after the nonces are exchanged.")
        theirs: Direction = "r" if self._role == "i" else "i"
        if not same(self._proof(theirs, self._peer_nonce, self._nonce), peer_proof):
            raise RemoteProtocolError("This connection does not belong to the session.")

    def _proof(self, direction: Direction, own: bytes, peers: bytes) -> bytes:
        message = lv("tallow/1 join", direction, self._kind, own, peers)
        return mac(self._secret.view(), message)[:PROOF_BYTES]


class State(enum.Enum):
    """How far a connection is with proving itself."""

    FRESH = "fresh"
    SENT_NONCE = "own nonce sent"
    SENT_PROOF = "own proof sent"
    JOINED = "joined"
    FAILED = "failed"


class Step(enum.Enum):
    """What moves a connection on."""

    BEGIN = "begin"
    NONCE = "peer's nonce"
    PROOF = "peer's proof"
    FAIL = "fail"


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.FRESH, Step.BEGIN): State.SENT_NONCE,
    (State.SENT_NONCE, Step.NONCE): State.SENT_PROOF,
    (State.SENT_PROOF, Step.PROOF): State.JOINED,
    (State.SENT_NONCE, Step.FAIL): State.FAILED,
    (State.SENT_PROOF, Step.FAIL): State.FAILED,
}


@dataclass(frozen=True, slots=True)
class Joined:
    """The connection belongs to the session."""

    surplus: bytes = field(repr=False)
    """What arrived behind the proof in the same read: the first bytes of records."""


class LaneJoin:
    """The machine over a stream of bytes: 32 of nonce and 32 of proof each way, in ten seconds.

    Any error ends this connection and nothing else.
    """

    def __init__(self, proof: LaneProof) -> None:
        self._proof: LaneProof | None = proof
        self._rules = Rules(State.FRESH, TRANSITIONS)
        self._events: Outbox[Joined] = Outbox()
        self._chunks: Outbox[bytes] = Outbox()
        self._held = b""
        self._deadline: float | None = None

    @property
    def state(self) -> State:
        """How far this connection is."""
        return self._rules.state

    def begin(self, now: float) -> None:
        """Send the nonce; the peer has ten seconds for both its parts."""
        self._rules.local(Step.BEGIN)
        self._deadline = now + limits.HANDSHAKE_MAX_S
        self._chunks.put(self._alive().opening())

    def receive(self, data: bytes, now: float) -> None:  # noqa: ARG002 - one of the five doors
        """Take bytes in any pieces; RemoteProtocolError if they prove nothing."""
        if self.state not in (State.SENT_NONCE, State.SENT_PROOF):
            raise LocalProtocolError(f"A lane takes no proof while {self.state.value}.")
        try:
            if self.state is State.SENT_NONCE:
                data = self._read_nonce(data)
            if self.state is State.SENT_PROOF:
                self._read_proof(data)
        except RemoteProtocolError:
            self._fail()
            raise

    def next_event(self) -> Joined | None:
        """Return what happened."""
        return self._events.take()

    def bytes_to_send(self) -> list[bytes]:
        """Return the bytes that must go now."""
        return self._chunks.take_all()

    def next_deadline(self) -> float | None:
        """Return when an unproven connection is given up."""
        return self._deadline

    def on_deadline(self, now: float) -> None:
        """Give the connection up if it is late."""
        if self._deadline is not None and now >= self._deadline:
            self._fail()
            raise TimedOut("A connection did not prove itself in time.")

    def _read_nonce(self, data: bytes) -> bytes:
        nonce, rest = self._gather(data, NONCE_BYTES)
        if nonce is not None:
            self._chunks.put(self._alive().answer(nonce))
            self._rules.remote(Step.NONCE)
        return rest

    def _read_proof(self, data: bytes) -> None:
        claimed, rest = self._gather(data, PROOF_BYTES)
        if claimed is not None:
            self._alive().check(claimed)
            self._rules.remote(Step.PROOF)
            self._drop()
            self._events.put(Joined(rest))

    def _gather(self, data: bytes, count: int) -> tuple[bytes | None, bytes]:
        """Return the next part if it is whole, and the bytes behind it."""
        wanted = count - len(self._held)
        self._held += data[:wanted]
        if len(self._held) < count:
            return None, b""
        part, self._held = self._held, b""
        return part, data[wanted:]

    def _alive(self) -> LaneProof:
        if self._proof is None:
            raise LocalProtocolError("This connection is done proving itself.")
        return self._proof

    def _drop(self) -> None:
        self._deadline = None
        self._proof = None

    def _fail(self) -> None:
        self._rules.local(Step.FAIL)
        self._held = b""
        self._drop()
