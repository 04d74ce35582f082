"""What a received offer looks like to a person, what an answer takes of it, and the sink it opens.

Before: receiving.py. After: the event that both front doors show; storage.
It never decides what is accepted; an answer that does not fit the offer is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Literal

from tallow.engine import events as e
from tallow.engine.commands import AcceptOffer, Receive
from tallow.engine.continuing import Planned
from tallow.engine.greeting import Conversation
from tallow.engine.mirroring import (
    Mirroring,
    claimed_here,
    leave_out,
    overwritten,
    sync_view,
)
from tallow.engine.ports import Ports
from tallow.engine.storage.inbox import Inbox, Resumed
from tallow.engine.storage.journal import journal_key
from tallow.engine.storage.mirror_inbox import MirrorInbox
from tallow.engine.storage.sink import Sink
from tallow.engine.storage.stdio import StdoutSink
from tallow.engine.storage.target import Target
from tallow.errors import DiskFull, UsageError
from tallow.protocol.manifest import Entry, EntryKind, Manifest, Selection, has_leaves, leaf_bytes
from tallow.protocol.ranges import Ranges
from tallow.protocol.transfer.receiver import OfferReceived

ENTRIES_SHOWN = 50
STDOUT_DESCRIPTOR = 1
_KINDS: dict[EntryKind, Literal["file", "folder", "stream", "link"]] = {
    EntryKind.FILE: "file",
    EntryKind.FOLDER: "folder",
    EntryKind.STREAM: "stream",
    EntryKind.LINK: "link",
}


def offer_event(
    ticket: int,
    offer: OfferReceived,
    planned: Planned,
    conversation: Conversation,
    command: Receive,
) -> e.OfferReceived:
    """Return everything that a person should see before saying yes."""
    manifest, target = offer.manifest, planned.target
    resumed = planned.continued.resumed if planned.continued else None
    numbers: Iterable[int] = range(manifest.entries)
    if planned.mirroring is not None:
        here = planned.mirroring.mirrored
        numbers = (no for no in numbers if no not in here.unchanged and no not in here.blocked)
    shown = islice(numbers, ENTRIES_SHOWN)
    return e.OfferReceived(
        ticket,
        kind="stream" if offer.kind == "stream" else "files",
        files=manifest.files,
        folders=manifest.folders,
        links=manifest.links,
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
        here_files=len(resumed.named) if resumed else 0,
        changed_files=resumed.changed if resumed else 0,
        sync=sync_view(planned.mirroring, target) if planned.mirroring else None,
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
        points_to=target.link(number) if entry.kind is EntryKind.LINK else "",
    )


def accepted_entries(target: Target, answer: AcceptOffer) -> Selection:
    """Return what an answer takes, with the folders above it and without what it skips.

    Raises: UsageError for runs or decisions that do not fit the offer.
    """
    manifest = target.manifest
    decided = dict(answer.conflicts)
    if any(not 0 <= file_no < manifest.entries for file_no in decided):
        raise _misfit()
    if answer.selection is None:
        chosen = Selection.everything(manifest.entries)
    else:
        chosen = _chosen(manifest, answer.selection)
    for file_no in target.existing:
        if not answer.sync and decided.get(file_no, answer.on_conflict) == "skip":
            chosen.discard(file_no)
    return chosen


def _chosen(manifest: Manifest, runs: tuple[tuple[int, int], ...]) -> Selection:
    chosen, free_from = Selection(manifest.entries), 0
    for first, last in runs:
        if not free_from <= first <= last < manifest.entries:
            raise _misfit()
        for file_no in range(first, last + 1):
            chosen.add(file_no)
        free_from = last + 1
    above: set[str] = set()
    for file_no in chosen:
        parent = manifest.entry(file_no).path.rpartition("/")[0]
        while parent and parent not in above:
            above.add(parent)
            parent = parent.rpartition("/")[0]
    for file_no, entry in enumerate(manifest):
        if entry.kind is EntryKind.FOLDER and entry.path in above:
            chosen.add(file_no)
    return chosen


def _misfit() -> UsageError:
    return UsageError("What was chosen does not fit the offer.", hint="Choose again.")


@dataclass(frozen=True, slots=True)
class Taken:
    """What an answer takes of an offer, after what is here already."""

    selection: Selection
    have: Mapping[int, Ranges]
    have_bytes: int
    named: int
    """Files that an earlier session completed."""
    accept_no: int
    files: int
    total_bytes: int | None
    """None for a stream, whose size nobody knows."""
    blocked: int = 0
    """Entries of a sync that cannot stand here."""


def taken_by(
    target: Target,
    answer: AcceptOffer,
    resumed: Resumed | None,
    pipe: StdoutSink | None,
    mirroring: Mirroring | None = None,
) -> Taken:
    """Return what will be asked for: DiskFull if there is no room for it, UsageError for a misfit.

    ``pipe`` is the standard output that an earlier session of this process has written to.
    """
    manifest, selection = target.manifest, accepted_entries(target, answer)
    blocked = leave_out(mirroring, selection) if mirroring else 0
    named = [file_no for file_no in (resumed.named if resumed else ()) if file_no in selection]
    for file_no in named:
        selection.discard(file_no)
    have: dict[int, Ranges] = {}
    if resumed is not None:
        have = {no: ranges for no, ranges in resumed.have.items() if no in selection}
    if pipe is not None and (leaves := pipe.whole_leaves(_leaf_bytes(manifest))):
        have = {0: ((0, leaves - 1),)}
    resumed_bytes = sum(_covered(manifest.entry(no), ranges) for no, ranges in have.items())
    if mirroring is not None:
        have = {**claimed_here(mirroring, answer, target, selection), **have}
    have_bytes = sum(_covered(manifest.entry(no), ranges) for no, ranges in have.items())
    files, total, streams = 0, 0, False
    for file_no in selection:
        entry = manifest.entry(file_no)
        files += has_leaves(entry)
        total += entry.size
        streams |= entry.kind is EntryKind.STREAM
    # A file that is replaced and its copy stand side by side for a while.
    needed = total - resumed_bytes - manifest.hole_bytes
    if target.free_bytes is not None and needed > target.free_bytes:
        raise DiskFull(
            "There is not enough free space for this offer.",
            why=f"it needs {needed / 1e6:.1f} MB; free are {target.free_bytes / 1e6:.1f} MB",
        )
    accept_no = resumed.accept_no + 1 if resumed else 1
    bytes_or_none = None if streams else total
    return Taken(selection, have, have_bytes, len(named), accept_no, files, bytes_or_none, blocked)


def go_on_in_pipe(pipe: StdoutSink, target: Target, taken: Taken) -> None:
    """Let a pipe expect what comes behind the leaves that it is said to have."""
    leaves = taken.have[0][-1][1] + 1 if taken.have else 0
    pipe.go_on(leaves, _leaf_bytes(target.manifest))


def _leaf_bytes(manifest: Manifest) -> int:
    entry = manifest.entry(0)
    return leaf_bytes(entry.kind, entry.size)


def _covered(entry: Entry, ranges: Ranges) -> int:
    leaf = leaf_bytes(entry.kind, entry.size)
    if entry.kind is EntryKind.STREAM:
        return sum(last - first + 1 for first, last in ranges) * leaf
    return sum(min((last + 1) * leaf, entry.size) - first * leaf for first, last in ranges)


def sink_for(
    target: Target,
    answer: AcceptOffer,
    ports: Ports,
    resumed: Resumed | None,
    mirroring: Mirroring | None = None,
    taken: Taken | None = None,
) -> Sink:
    """Open what the accepted bytes are written to."""
    if target.folder is None:
        return StdoutSink(STDOUT_DESCRIPTOR)
    key = partial(journal_key, ports.state, ports.rng)
    decided = {**dict(answer.conflicts), **overwritten(mirroring, answer)}
    random_bytes, policy = ports.rng.bytes, answer.on_conflict
    if mirroring is None:
        return Inbox(target, policy, random_bytes, key, decided, resumed=resumed)
    here = mirroring.mirrored.here_bytes
    seeds = frozenset(no for no in (taken.have if taken else ()) if no in here)
    return MirrorInbox(target, policy, random_bytes, key, decided, seeds=seeds, resumed=resumed)
