"""What happened before anything is offered: the relay, the code, the other side, the symbols.

Before: events.py, which gives all of it on. It never says what happens to a transfer.
"""

from __future__ import annotations

from typing import Literal

from tallow.engine.event_shapes import Event


class RelayConnected(Event, frozen=True, tag="relay.connected"):
    """The link to the relay stands."""

    relay: str
    pin: str
    """sha256 of the relay's public key, hex."""
    transport: str
    first_use: bool
    """True if this key was not known before and is now pinned."""


class RelayFallback(Event, frozen=True, tag="relay.fallback"):
    """One transport did not connect, and the link stands over another one."""

    relay: str
    tried: str
    """"tcp" or "quic"."""
    used: str
    why: str


class RelayLost(Event, frozen=True, tag="relay.lost"):
    """The link broke while waiting; it is being made again."""

    relay: str
    why: str
    retry_s: float


class RelayNotice(Event, frozen=True, tag="relay.notice"):
    """The relay says something about the room."""

    kind: str


class CodeAllocated(Event, frozen=True, tag="code.allocated"):
    """The other side can come: this is the code (a secret, redacted in logs)."""

    code: str
    relay: str
    pin: str
    expires_s: int
    bits: float
    weak: bool
    """True if the relay could guess this code (un-numbered, or few bits)."""
    receivers: int = 1
    """How many receivers it is good for; 0: as many as come."""


class CodeGuessed(Event, frozen=True, tag="code.guessed"):
    """Somebody joined with a wrong code."""

    counted: int
    budget: int
    can_reopen: bool


class CodeDropped(Event, frozen=True, tag="code.dropped"):
    """Somebody joined and left before confirming; it counts as a guess."""

    counted: int
    budget: int
    dead: bool


class CodeClosed(Event, frozen=True, tag="code.closed"):
    """Nobody else can come in by this code; the receivers who are in go on."""

    code: str
    """Why, as an error's code."""
    message: str
    why: str


class PeerJoined(Event, frozen=True, tag="peer.joined"):
    """Somebody is at the door; keys are being agreed."""


class PeerRefused(Event, frozen=True, tag="peer.refused"):
    """Somebody came who could not be talked to; it cost the code nothing and waiting goes on."""

    code: str
    message: str
    why: str


class PeerUp(Event, frozen=True, tag="peer.up"):
    """The session is confirmed and both sides said who they are."""

    name: str
    """A claim of the peer, never an identity."""
    fingerprint: str
    """Empty: no identity."""
    emoji: list[tuple[str, str]]
    digits: str
    role: Literal["initiator", "responder"]
    session: str
    """First bytes of a public session id, hex: the same on both sides."""
    verify: bool


class SameWishMet(Event, frozen=True, tag="peer.same_wish"):
    """Somebody with the right code wants the same as this side; the code still works."""

    wish: str


class VerifyStep(Event, frozen=True, tag="verify.step"):
    """Where the comparison of symbols stands."""

    step: Literal["needed", "confirmed_here", "confirmed_there", "done"]


MeetingEvent = (
    RelayConnected
    | RelayFallback
    | RelayLost
    | RelayNotice
    | CodeAllocated
    | CodeGuessed
    | CodeDropped
    | CodeClosed
    | PeerJoined
    | PeerRefused
    | PeerUp
    | SameWishMet
    | VerifyStep
)
