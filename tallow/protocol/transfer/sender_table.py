"""Where an offer stands at the sender, the only steps that move it, and what it tells.

Spec: docs/protocol.md §8.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from tallow.protocol.kept import ALL_KEPT, NotKept
from tallow.protocol.manifest import Selection
from tallow.protocol.messages import FileEnd
from tallow.protocol.transfer.pace import PaceEvent


class State(enum.Enum):
    """Where an offer stands at the sender."""

    IDLE = "idle"
    OFFERED = "waiting for an answer"
    HEARING = "hearing what is there"
    SENDING = "sending"
    FINISHING = "waiting for the receiver to finish"
    TEXT_SENT = "waiting for the text to be shown"
    DONE = "done"


class Step(enum.Enum):
    """What moves an offer on."""

    OFFER = "offer"
    OFFER_TEXT = "offer a text"
    RESUMES = "resumes"
    HAVE = "have"
    ACCEPT = "accept"
    DECLINE = "decline"
    STORED = "stored"
    ASK_LEAVES = "ask leaves"
    AGAIN = "again"
    PAUSE = "pause"
    CONTINUE = "continue"
    FINISH = "finish"
    COMPLETE = "complete"
    TEXT_SHOWN = "text shown"


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.IDLE, Step.OFFER): State.OFFERED,
    (State.IDLE, Step.OFFER_TEXT): State.TEXT_SENT,
    (State.TEXT_SENT, Step.TEXT_SHOWN): State.DONE,
    (State.OFFERED, Step.ACCEPT): State.SENDING,
    (State.OFFERED, Step.DECLINE): State.DONE,
    (State.OFFERED, Step.RESUMES): State.HEARING,
    (State.OFFERED, Step.HAVE): State.HEARING,
    (State.HEARING, Step.HAVE): State.HEARING,
    (State.HEARING, Step.ACCEPT): State.SENDING,
    (State.HEARING, Step.DECLINE): State.DONE,
    (State.SENDING, Step.STORED): State.SENDING,
    (State.SENDING, Step.ASK_LEAVES): State.SENDING,
    (State.SENDING, Step.AGAIN): State.SENDING,
    (State.SENDING, Step.PAUSE): State.SENDING,
    (State.SENDING, Step.CONTINUE): State.SENDING,
    (State.SENDING, Step.FINISH): State.FINISHING,
    (State.FINISHING, Step.STORED): State.FINISHING,
    (State.FINISHING, Step.ASK_LEAVES): State.FINISHING,
    (State.FINISHING, Step.AGAIN): State.FINISHING,
    (State.FINISHING, Step.PAUSE): State.FINISHING,
    (State.FINISHING, Step.CONTINUE): State.FINISHING,
    (State.FINISHING, Step.COMPLETE): State.DONE,
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """The receiver chose these entries."""

    selection: Selection
    transfer_id: bytes
    resumed: bool
    """Whether the id is that of an earlier transfer."""
    have_bytes: int
    """File bytes that the receiver says it has."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Everything accepted is durable there, except what failed."""

    roots: bytes
    failed: tuple[FileEnd, ...]
    """The first failures on either side."""
    failed_count: int
    not_kept: NotKept = ALL_KEPT
    """What did not survive on the receiver's side."""


SendEvent = Accepted | Delivered | PaceEvent
