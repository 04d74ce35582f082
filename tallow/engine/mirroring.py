"""A sync at the receiver: how list and folder differ, what an answer takes, what goes at the end.

Before: deciding.py, offer.py. After: storage/mirror.py, removing.py, mirror_inbox.py. It runs in
worker threads and removes nothing that was not shown with a number and agreed to here.
Spec: docs/protocol.md §8.10, §9.6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tallow.engine import events as e
from tallow.engine.commands import AcceptOffer, TakenName
from tallow.engine.storage.folder import storage_error
from tallow.engine.storage.mirror import Mirrored, compare
from tallow.engine.storage.removing import Removed, delete_extra, set_modes
from tallow.engine.storage.seeding import leaves_here
from tallow.engine.storage.target import Target
from tallow.protocol.manifest import EntryKind, Selection
from tallow.protocol.messages import Sync
from tallow.protocol.names import Risk
from tallow.protocol.ranges import Ranges
from tallow.protocol.stamps import StampTable, stamp

EXTRA_SHOWN = 20


@dataclass(slots=True)
class Known:
    """What the person of this process saw of the syncs of one exchange."""

    paths: StampTable = field(default_factory=StampTable)
    """Of what was listed, or shown as not listed."""
    tops: frozenset[str] = frozenset()
    seen: bool = False

    def may_go(self, path: str) -> bool:
        """Return whether something that is not listed now was seen before."""
        try:
            return stamp(path) in self.paths
        except UnicodeEncodeError:
            return False

    def note(self, target: Target, mirrored: Mirrored) -> None:
        """Remember a list and what was found beside it."""
        for number in range(target.manifest.entries):
            self.paths.note(stamp("/".join(target.parts(number))), number)
        for extra in (*mirrored.extras.files, *mirrored.extras.in_the_way):
            try:
                self.paths.note(stamp(extra.path), 0)
            except UnicodeEncodeError:
                continue
        for parts in (*mirrored.extras.folders, *mirrored.extras.folders_in_the_way):
            try:
                self.paths.note(stamp("/".join(parts)), 0)
            except UnicodeEncodeError:
                continue
        if not self.seen:
            self.tops = tops(target)
        self.seen = True


@dataclass(frozen=True, slots=True)
class Mirroring:
    """One offer of a sync, compared with what is here."""

    terms: Sync
    mirrored: Mirrored

    @property
    def must_clear(self) -> bool:
        """Whether something has to go before entries can be accepted."""
        extras = self.mirrored.extras
        return bool(extras.in_the_way or extras.folders_in_the_way)


def tops(target: Target) -> frozenset[str]:
    """Return the names at the top of a list, as they are called here."""
    manifest = target.manifest
    return frozenset(target.parts(number)[0] for number in range(manifest.entries))


def plan_sync(target: Target, terms: Sync, known: Known) -> tuple[Target, Mirroring]:
    """Compare; the names that exist are then those of changed files alone. StorageError."""
    once_listed: Callable[[str], bool] | None = known.may_go if known.seen else None
    try:
        mirrored = compare(target, extras=terms.whole and terms.delete, once_listed=once_listed)
    except OSError as error:
        raise storage_error(error, "the target") from None
    existing = frozenset(mirrored.changed)
    risks = target.risks - {Risk.OVERWRITE.value}
    if existing:
        risks |= {Risk.OVERWRITE.value}
    return replace(target, existing=existing, risks=risks), Mirroring(terms, mirrored)


def sync_view(mirroring: Mirroring, target: Target) -> e.SyncView:
    """Return what a person should see of it."""
    mirrored, terms = mirroring.mirrored, mirroring.terms
    extras = mirrored.extras
    shown = [extra.path for extra in (*extras.in_the_way, *extras.files)[:EXTRA_SHOWN]]
    entry = target.manifest.entry
    wanted = target.manifest.total_bytes - sum(entry(no).size for no in mirrored.unchanged)
    return e.SyncView(
        new_files=mirrored.new_files,
        changed_files=len(mirrored.changed),
        unchanged_files=unchanged_files(mirroring, target),
        wanted_bytes=wanted,
        delta_files=len(mirrored.here_bytes),
        blocked=len(mirrored.blocked),
        extra_files=extras.count,
        extra_shown=shown,
        wants_delete=terms.delete,
        watch=terms.watch,
    )


def unchanged_files(mirroring: Mirroring, target: Target) -> int:
    """Return how many files are here as they are listed."""
    entry = target.manifest.entry
    return sum(entry(no).kind is not EntryKind.FOLDER for no in mirroring.mirrored.unchanged)


def leave_out(mirroring: Mirroring, selection: Selection) -> int:
    """Take out of a selection what need not or cannot come; return how many cannot."""
    for number in mirroring.mirrored.unchanged:
        selection.discard(number)
    blocked = [number for number in mirroring.mirrored.blocked if number in selection]
    for number in blocked:
        selection.discard(number)
    return len(blocked)


def claimed_here(
    mirroring: Mirroring, answer: AcceptOffer, target: Target, selection: Selection
) -> dict[int, Ranges]:
    """Return the leaves that may be here of files that change; none without consent to that."""
    if not (answer.sync and answer.delta):
        return {}
    found: dict[int, Ranges] = {}
    for number, here_bytes in mirroring.mirrored.here_bytes.items():
        if number in selection:
            ranges = leaves_here(target.manifest.entry(number), here_bytes)
            if ranges:
                found[number] = ranges
    return found


def clear_the_way(mirroring: Mirroring, target: Target) -> tuple[list[Removed], Mirroring]:
    """Remove what stands where something of another kind is listed, and look again."""
    if target.folder is None:
        return [], mirroring
    mirrored = mirroring.mirrored
    extras = mirrored.extras
    removed = delete_extra(
        target.folder, mirrored.roots, extras.in_the_way, extras.folders_in_the_way
    )
    try:
        again = compare(target, extras=False)
    except OSError as error:
        raise storage_error(error, "the target") from None
    again.extras.files, again.extras.folders = extras.files, extras.folders
    return removed, Mirroring(mirroring.terms, again)


def finish(mirroring: Mirroring, answer: AcceptOffer, target: Target) -> list[Removed]:
    """Remove what was agreed to, and set permission bits; all files are durable already."""
    mirrored, removed = mirroring.mirrored, list[Removed]()
    if target.folder is None or not answer.sync:
        return removed
    if answer.delete and mirroring.terms.delete:
        extras = mirrored.extras
        removed = delete_extra(target.folder, mirrored.roots, extras.files, extras.folders)
    return removed + set_modes(target, mirrored.other_mode)


def overwritten(mirroring: Mirroring | None, answer: AcceptOffer) -> Mapping[int, TakenName]:
    """Return which entries replace what is there."""
    if mirroring is None or not answer.sync:
        return {}
    return dict.fromkeys(mirroring.mirrored.changed, "overwrite")
