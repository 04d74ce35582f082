"""All visible state as frozen values, and the one pure function that changes it.

``fold(view, event)`` is what the terminal interface paints and what the command line sums up.
It keeps no history and asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, TypeVar

from tallow.engine import events as e


@dataclass(frozen=True, slots=True)
class TransferView:
    """One exchange as a person sees it."""

    ticket: int
    direction: Literal["send", "receive"] = "send"
    state: str = "connecting"
    relay: str = ""
    code: str = field(default="", repr=False)
    peer_name: str = ""
    fingerprint: str = ""
    emoji: tuple[tuple[str, str], ...] = ()
    digits: str = ""
    verify: str = ""
    offer: e.OfferReceived | e.OfferSent | None = None
    progress: e.TransferProgress | None = None
    paused: e.TransferPaused | None = None
    resumed: e.TransferResumed | None = None
    failed_files: tuple[e.TransferFile, ...] = ()
    skipped_sources: tuple[e.SourceSkipped, ...] = ()
    result: e.TransferDone | e.TransferError | None = None
    parent: int = 0
    """The ticket of the whole that this receiver is one of; 0: it stands for itself."""


@dataclass(frozen=True, slots=True)
class View:
    """Everything there is to see."""

    transfers: Mapping[int, TransferView] = field(default_factory=lambda: MappingProxyType({}))


T = TypeVar("T")
FAILED_FILES_SHOWN = 100


def fold(view: View, event: e.AnyEvent) -> View:
    """Return the view after an event."""
    if isinstance(event, e.CommandFailed):
        return view
    before = view.transfers.get(event.ticket, TransferView(event.ticket))
    after = _fold_transfer(before, event)
    if after is before and event.ticket in view.transfers:
        return view
    return View(MappingProxyType({**view.transfers, event.ticket: after}))


def _fold_transfer(old: TransferView, event: e.AnyEvent) -> TransferView:
    match event:
        case e.TransferAdded():
            return replace(old, direction=event.direction, parent=event.parent)
        case e.TransferState():
            return replace(old, state=event.state)
        case e.RelayConnected():
            return replace(old, relay=event.relay)
        case e.CodeAllocated():
            return replace(old, code=event.code)
        case e.PeerUp():
            return replace(
                old,
                peer_name=event.name,
                fingerprint=event.fingerprint,
                emoji=tuple(event.emoji),
                digits=event.digits,
            )
        case e.VerifyStep():
            return replace(old, verify=event.step)
        case e.OfferReceived() | e.OfferSent():
            return replace(old, offer=event)
        case e.TransferPaused():
            return replace(old, paused=event)
        case e.TransferContinued():
            return replace(old, paused=None)
        case e.TransferResumed():
            return replace(old, resumed=event)
        case e.TransferProgress():
            return replace(old, progress=event)
        case e.TransferFile() if event.status == "failed":
            return replace(old, failed_files=_capped(old.failed_files, event))
        case e.SourceSkipped():
            return replace(old, skipped_sources=_capped(old.skipped_sources, event))
        case e.TransferDone():
            return replace(old, state="done", result=event)
        case e.TransferError():
            return replace(old, state="failed", result=event)
        case _:
            return old


def _capped(items: tuple[T, ...], item: T) -> tuple[T, ...]:
    return items if len(items) >= FAILED_FILES_SHOWN else (*items, item)
