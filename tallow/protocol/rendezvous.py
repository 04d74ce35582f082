"""This side's dialogue with a relay: greet, prove the password, take a seat, meet the peer.

Before this room: a transport that carries link frames. After it: handshake.py, whose flights
travel as DATA once two seats are paired. A relay's answer is never trusted for anything but
finding the other side; nothing that it is told is computed from the words of a code.
It never opens a connection and never sees a flight's content. Spec: docs/protocol.md §4.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tallow.errors import (
    CodeExpired,
    Crowded,
    LinkError,
    LocalProtocolError,
    PlateLive,
    RelayRefused,
    RelayUnreachable,
    RelayVersion,
    TimedOut,
    UnknownNameplate,
)
from tallow.protocol.machine import Outbox, Rules
from tallow.wire import limits, relay_auth
from tallow.wire import relay as wire
from tallow.wire.errors import WireError
from tallow.wire.frames import LinkType, encode_link

Verb = wire.Allocate | wire.Claim | wire.Succeed | wire.Join | wire.Meet
Seat = Literal["creator", "joiner"]


class State(enum.Enum):
    """Where the dialogue stands."""

    FRESH = "fresh"
    GREETING = "waiting for the relay's greeting"
    ASKED = "waiting for a seat"
    WAITING = "waiting for the other side"
    PAIRED = "paired"


class Step(enum.Enum):
    """What moves the dialogue on."""

    BEGIN = "begin"
    ASK = "ask for a seat"
    ALLOCATED = "allocated"
    WAIT = "wait"
    JOINED = "paired as joiner"
    TAKE = "paired as creator, take"
    REOPEN = "reopen"


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.FRESH, Step.BEGIN): State.GREETING,
    (State.GREETING, Step.ASK): State.ASKED,
    (State.ASKED, Step.ALLOCATED): State.WAITING,
    (State.ASKED, Step.WAIT): State.WAITING,
    (State.ASKED, Step.JOINED): State.PAIRED,
    (State.WAITING, Step.TAKE): State.PAIRED,
    (State.WAITING, Step.WAIT): State.WAITING,
    (State.PAIRED, Step.WAIT): State.WAITING,
    (State.PAIRED, Step.REOPEN): State.WAITING,
}


@dataclass(frozen=True, slots=True)
class Greeted:
    """The relay's greeting: its clock is for the doctor, never for cryptography."""

    relay_time: int
    auth: bool


@dataclass(frozen=True, slots=True)
class PlateAllocated:
    """The relay gave this side a nameplate."""

    plate: str
    expires_s: int


@dataclass(frozen=True, slots=True)
class SeatTaken:
    """This side waits as creator."""


@dataclass(frozen=True, slots=True)
class SeatsPaired:
    """Both seats are taken; ``first`` is the joiner's first flight, if it came with the join."""

    seat: Seat
    first: bytes


@dataclass(frozen=True, slots=True)
class RelayNoticed:
    """Something happened around the room."""

    kind: wire.NoticeKind


@dataclass(frozen=True, slots=True)
class LanesGranted:
    """This side's lane tokens, valid for ten seconds; none if the relay has none to give."""

    tokens: tuple[bytes, ...] = field(repr=False)


RendezvousEvent = Greeted | PlateAllocated | SeatTaken | SeatsPaired | RelayNoticed | LanesGranted


class Rendezvous:
    """One link's dialogue with a relay."""

    def __init__(
        self,
        verb: Verb,
        random_bytes: Callable[[int], bytes],
        *,
        auth_key: bytes | None = None,
        relay_key_hash: bytes = bytes(32),
    ) -> None:
        """Hold the verb; ``auth_key`` is relay_auth.relay_key of the password, if one is set."""
        self._verb = verb
        self._nonce = random_bytes(32)
        self._auth_key = auth_key
        self._relay_key_hash = relay_key_hash
        self._rules = Rules(State.FRESH, TRANSITIONS)
        self._events: Outbox[RendezvousEvent] = Outbox()
        self._frames: Outbox[bytes] = Outbox()
        self._relay_greeted = False
        self._answer_by: float | None = None
        self._ping_at: float | None = None
        self._heard_at = 0.0
        self._left = False

    @property
    def state(self) -> State:
        """Where the dialogue stands."""
        return self._rules.state

    @property
    def paired(self) -> bool:
        """Whether somebody sits opposite."""
        return self.state is State.PAIRED

    # --- verbs --------------------------------------------------------------------------------

    def begin(self, now: float) -> None:
        """Greet; without a password the verb goes in the same packet."""
        self._rules.local(Step.BEGIN)
        self._heard_at = now
        self._answer_by = now + limits.RELAY_FIRST_MESSAGE_S
        self._ping_at = now + limits.PING_EVERY_S
        self._put(wire.ClientHello([wire.RELAY_VERSION], self._nonce))
        if self._auth_key is None:
            self._ask()

    def reopen(self) -> None:
        """Put the joiner out and wait for another."""
        self._rules.local(Step.REOPEN)
        self._put(wire.Reopen())

    def ask_lanes(self, count: int) -> None:
        """Ask for lane tokens for both sides; LocalProtocolError unless paired."""
        if self.state is not State.PAIRED:
            raise LocalProtocolError("Lanes are for two sides that met.")
        self._put(wire.AskLanes(count))

    def leave(self) -> None:
        """Give the room up; the relay closes the link."""
        if not self._left:
            self._left = True
            self._put(wire.Leave())

    def heard(self, now: float) -> None:
        """Note that the relay is alive: DATA came, or frames wait that are not taken yet."""
        self._heard_at = now

    def _ask(self) -> None:
        self._rules.local(Step.ASK)
        self._put(self._verb)

    def _put(self, message: wire.ClientSays) -> None:
        self._frames.put(wire.client_frame(message))

    # --- the five doors -----------------------------------------------------------------------

    def receive(self, data: tuple[LinkType, bytes | bytearray], now: float) -> None:
        """Take a link frame that is not DATA.

        Raises: RelayVersion, RelayRefused, Crowded, UnknownNameplate, CodeExpired, LinkError.
        """
        self._heard_at = now
        kind, body = data
        if kind is LinkType.PING:
            self._frames.put(encode_link(LinkType.PONG))
        elif kind is LinkType.CONTROL:
            try:
                message = wire.decode_relay(body)
            except WireError as error:
                raise LinkError("The relay sent a malformed message.", why=str(error)) from None
            self._take(message)

    def next_event(self) -> RendezvousEvent | None:
        """Return what happened."""
        return self._events.take()

    def bytes_to_send(self) -> list[bytes]:
        """Return the link frames that must go now."""
        return self._frames.take_all()

    def next_deadline(self) -> float | None:
        """Return when to ping, or when a silent relay is given up."""
        times = [self._answer_by, self._ping_at, self._heard_at + limits.RELAY_IDLE_S]
        return min(at for at in times if at is not None)

    def on_deadline(self, now: float) -> None:
        """Ping; TimedOut or RelayUnreachable if the relay stays silent."""
        if self._answer_by is not None and now >= self._answer_by:
            raise TimedOut("The relay did not answer in time.")
        if now >= self._heard_at + limits.RELAY_IDLE_S:
            raise RelayUnreachable("The relay has stopped answering.")
        if self._ping_at is not None and now >= self._ping_at:
            self._ping_at = now + limits.PING_EVERY_S
            self._frames.put(encode_link(LinkType.PING))

    # --- what a relay says --------------------------------------------------------------------

    def _take(self, message: wire.RelaySays) -> None:
        match message:
            case wire.RelayHello():
                self._greeted(message)
            case wire.Allocated():
                self._rules_step(Step.ALLOCATED)
                self._check_plate(message.plate)
                self._answer_by = None
                self._events.put(PlateAllocated(message.plate, message.expires_s))
            case wire.Waiting():
                self._rules_step(Step.WAIT)
                self._answer_by = None
                self._events.put(SeatTaken())
            case wire.Paired():
                self._paired(message)
            case wire.Refused():
                error = refusal(message)
                error.retry_s = message.retry_s
                raise error
            case wire.Lanes() if self.state is State.PAIRED:
                self._events.put(LanesGranted(tuple(message.tokens)))
            case wire.Lanes():
                pass  # They were for a joiner who has left.
            case wire.Notice():
                self._events.put(RelayNoticed(message.kind))

    def _greeted(self, hello: wire.RelayHello) -> None:
        if self._relay_greeted:
            raise LinkError("The relay sent a message out of turn.", why="a second greeting")
        self._relay_greeted = True
        if hello.version != wire.RELAY_VERSION:
            raise RelayVersion(why=f"it speaks {hello.version}, this program {wire.RELAY_VERSION}")
        self._events.put(Greeted(hello.time, hello.auth))
        if self.state is not State.GREETING:
            return
        if hello.auth and self._auth_key is not None:
            proof = relay_auth.client_proof(
                self._auth_key, self._nonce, hello.nonce, self._relay_key_hash
            )
            self._put(wire.Auth(proof))
        self._ask()

    def _paired(self, paired: wire.Paired) -> None:
        """Take the seat; a creator's answer goes before anything that it says to this joiner."""
        is_creator = paired.role == "creator"
        self._rules_step(Step.TAKE if is_creator else Step.JOINED)
        self._answer_by = None
        if is_creator != bool(paired.pairing):
            raise LinkError("The relay sent a malformed message.", why="a pairing of nobody's")
        if is_creator:
            self._put(wire.Take(paired.pairing))
        self._events.put(SeatsPaired(paired.role, paired.first))

    def _check_plate(self, plate: str) -> None:
        """Refuse a nameplate that nobody asked for: words must not be shown behind it."""
        asked = isinstance(self._verb, wire.Allocate)
        if isinstance(self._verb, wire.Claim | wire.Succeed):
            asked = plate == self._verb.plate
        if not asked:
            raise LinkError("The relay gave this side a nameplate that it did not ask for.")

    def _rules_step(self, step: Step) -> None:
        if not self._relay_greeted or not self._rules.allows(step):
            raise LinkError("The relay sent a message out of turn.", why=step.value)
        self._rules.local(step)


def refusal(refused: wire.Refused) -> LinkError:
    """Return the error that a relay's refusal becomes."""
    later = f"Try again in {refused.retry_s} seconds." if refused.retry_s else ""
    match refused.code:
        case "version":
            return RelayVersion()
        case "auth-required":
            return RelayRefused(
                "This relay wants a password.",
                hint="Ask its owner for it, then set TALLOW_RELAY_PASS or --relay-pass-file FILE.",
            )
        case "auth-failed":
            return RelayRefused(
                "The relay password is wrong.", hint="Check TALLOW_RELAY_PASS, then try again."
            )
        case "unknown-plate":
            return UnknownNameplate()
        case "plate-live":
            return PlateLive()
        case "crowded":
            return Crowded()
        case "expired":
            return CodeExpired()
        case "rate":
            return RelayRefused("The relay asks for patience.", hint=later or "Try again soon.")
        case "full":
            return RelayRefused("The relay is full.", hint=later or "Try again later.")
        case "draining":
            return RelayRefused("The relay is shutting down.", hint="Try again in a minute.")
        case "malformed":
            return RelayRefused("The relay did not understand this program.")
