"""What a received offer looks like to a person, and the sink that an answer opens.

Before: receiving.py. After: the event that both front doors show; storage.
It never decides what is accepted.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from tallow.engine import events as e
from tallow.engine.commands import AcceptOffer, Receive
from tallow.engine.greeting import Conversation
from tallow.engine.ports import Ports
from tallow.engine.storage.inbox import Inbox
from tallow.engine.storage.journal import journal_key
from tallow.engine.storage.sink import Sink
from tallow.engine.storage.stdio import StdoutSink
from tallow.engine.storage.target import Target
from tallow.protocol.manifest import EntryKind
from tallow.protocol.transfer.receiver import OfferReceived

ENTRIES_SHOWN = 50
STDOUT_DESCRIPTOR = 1
_KINDS: dict[EntryKind, Literal["file", "folder", "stream"]] = {
    EntryKind.FILE: "file",
    EntryKind.FOLDER: "folder",
    EntryKind.STREAM: "stream",
}


def offer_event(
    ticket: int, offer: OfferReceived, target: Target, conversation: Conversation, command: Receive
) -> e.OfferReceived:
    """Return everything that a person should see before saying yes."""
    manifest = offer.manifest
    shown = range(min(ENTRIES_SHOWN, manifest.entries))
    return e.OfferReceived(
        ticket,
        kind="stream" if offer.kind == "stream" else "files",
        files=manifest.files,
        folders=manifest.folders,
        total_bytes=manifest.total_bytes,
        free_bytes=target.free_bytes,
        note=offer.note,
        entries=[offer_entry(target, number) for number in shown],
        flags=sorted(target.risks),
        conflicts=len(target.existing),
        output=target.shown,
        verified=conversation.verified,
        fingerprint=conversation.fingerprint,
        name=conversation.peer_name,
        on_conflict=command.on_conflict,
    )


def offer_entry(target: Target, number: int) -> e.OfferEntry:
    """Return one line of an offer."""
    entry = target.manifest.entry(number)
    return e.OfferEntry(
        number=number,
        path=entry.path,
        target="/".join(target.parts(number)),
        kind=_KINDS[entry.kind],
        size=entry.size,
        flags=target.entry_risks(number),
    )


def sink_for(target: Target, answer: AcceptOffer, ports: Ports) -> Sink:
    """Open what the accepted bytes are written to."""
    if target.folder is None:
        return StdoutSink(STDOUT_DESCRIPTOR)
    key = partial(journal_key, ports.state, ports.rng)
    return Inbox(target, answer.on_conflict, ports.rng.bytes, key)
