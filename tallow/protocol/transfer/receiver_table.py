"""Where an offer stands at the receiver, the only steps that move it, and what it tells.

Spec: docs/protocol.md §8.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from tallow.protocol.manifest import Entry, Manifest
from tallow.protocol.messages import Sync, Xattrs
from tallow.protocol.transfer.pace import PaceEvent


class State(enum.Enum):
    """Where an offer stands at the receiver."""

    IDLE = "waiting for an offer"
    LISTING = "reading the list of files"
    DECIDING = "waiting for the person"
    RESUMING = "going on with an earlier transfer"
    ACCEPTED = "waiting for the first byte"
    RECEIVING = "receiving"
    FINISHING = "making it durable"
    TEXT = "showing a text"
    DONE = "done"


class Step(enum.Enum):
    """What moves an offer on."""

    OFFER = "offer"
    PAGE = "page"
    OFFER_END = "end of the list"
    RESUME = "resume"
    ACCEPT = "accept"
    DECLINE = "decline"
    START = "start"
    TRAILER = "trailer"
    LEAF_LIST = "leaf list"
    PAUSE = "pause"
    CONTINUE = "continue"
    FINISH = "finish"
    COMPLETE = "complete"
    TEXT = "text"
    TEXT_SHOWN = "text shown"


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.IDLE, Step.OFFER): State.LISTING,
    (State.IDLE, Step.TEXT): State.TEXT,
    (State.TEXT, Step.TEXT_SHOWN): State.DONE,
    (State.LISTING, Step.PAGE): State.LISTING,
    (State.LISTING, Step.OFFER_END): State.DECIDING,
    (State.DECIDING, Step.ACCEPT): State.ACCEPTED,
    (State.DECIDING, Step.DECLINE): State.DONE,
    (State.DECIDING, Step.RESUME): State.RESUMING,
    (State.RESUMING, Step.ACCEPT): State.ACCEPTED,
    (State.RESUMING, Step.DECLINE): State.DONE,
    (State.ACCEPTED, Step.PAUSE): State.ACCEPTED,
    (State.ACCEPTED, Step.CONTINUE): State.ACCEPTED,
    (State.ACCEPTED, Step.START): State.RECEIVING,
    (State.RECEIVING, Step.TRAILER): State.RECEIVING,
    (State.RECEIVING, Step.LEAF_LIST): State.RECEIVING,
    (State.RECEIVING, Step.PAUSE): State.RECEIVING,
    (State.RECEIVING, Step.CONTINUE): State.RECEIVING,
    (State.RECEIVING, Step.FINISH): State.FINISHING,
    (State.FINISHING, Step.LEAF_LIST): State.FINISHING,
    (State.FINISHING, Step.PAUSE): State.FINISHING,
    (State.FINISHING, Step.CONTINUE): State.FINISHING,
    (State.FINISHING, Step.COMPLETE): State.DONE,
}


@dataclass(frozen=True, slots=True)
class OfferReceived:
    """The whole list is here and its root holds."""

    manifest: Manifest
    kind: str
    note: str
    proofs: tuple[bytes, ...]
    """Of earlier transfers that this may be; most or all are random."""
    delta: bool
    sync: Sync | None = None


@dataclass(frozen=True, slots=True)
class TextReceived:
    """A short text, to be shown at once."""

    text: str
    note: str


@dataclass(frozen=True, slots=True)
class Started:
    """The sender begins; what it calls the transfer, and the manifest it belongs to."""

    transfer_id: bytes
    manifest_root: bytes


@dataclass(frozen=True, slots=True)
class FileReady:
    """Every leaf is written and the root matches the sender's: it may have its name."""

    file_no: int
    entry: Entry
    size: int
    root: bytes
    xattrs: Xattrs = ()


@dataclass(frozen=True, slots=True)
class FileFailed:
    """The sender could not read this file; what is here of it must go."""

    file_no: int
    entry: Entry
    reason: str


@dataclass(frozen=True, slots=True)
class AllArrived:
    """Every accepted file has its name or has failed; make it durable, then say so."""


ReceiveEvent = (
    OfferReceived | TextReceived | Started | FileReady | FileFailed | AllArrived | PaceEvent
)
