"""What the command line says of syncs and watches, as text: nothing printed.

Names and reasons of the other side pass display_text here. Before: styles.py, sheet.py, consent.py.
"""

from __future__ import annotations

from typing import Final

from tallow.cli import sentences, units
from tallow.display import display_text
from tallow.engine import events as e

_COLUMN: Final = 10


def counts(sync: e.SyncView) -> str:
    """Return how list and folder differ: 3 new, 1 changed, 9 unchanged."""
    return f"{sync.new_files} new, {sync.changed_files} changed, {sync.unchanged_files} unchanged"


def offered(sync: e.SyncView, amount: str) -> str:
    """Return what is offered, for the sheet."""
    return f"a {'watch' if sync.watch else 'sync'} of {amount}: {counts(sync)}"


def meaning(offer: e.OfferReceived) -> list[str]:
    """Return what a yes to a sync means, and what would be removed."""
    sync = offer.sync
    if sync is None:
        return []
    lines, further = [], " " * _COLUMN
    if sync.delta_files:
        name = display_text(offer.name, max_width=sentences.NAME_CELLS)
        who = f'"{name}"' if name else "The sender"
        files = units.counted(sync.delta_files, "changed file")
        lines.append(f"Delta:    {who} will learn which parts of your {files} it already has")
        lines.append(f"{further}(--no-delta has them sent whole).")
    if sync.watch:
        lines.append("Watch:    later changes of these folders are taken without asking,")
        lines.append(f"{further}until one side ends it.")
    if sync.blocked:
        entries = units.counted(sync.blocked, "entry", "entries")
        lines.append(f"Blocked:  {entries}, where something of another kind stands here.")
    if sync.wants_delete and sync.extra_files:
        lines += _extra(sync)
    return lines


def _extra(sync: e.SyncView) -> list[str]:
    files = units.counted(sync.extra_files, "file")
    verb = "is" if sync.extra_files == 1 else "are"
    cells = sentences.NAME_CELLS
    lines = [f"Delete:   {files} here {verb} not in the list and would be removed, if you say so:"]
    lines += [f"  {display_text(path, max_width=cells)}" for path in sync.extra_shown]
    rest = sync.extra_files - len(sync.extra_shown)
    return [*lines, f"  … and {rest} more"] if rest > 0 else lines


def question(offer: e.OfferReceived, sync: e.SyncView) -> str:
    """Return the question that a yes answers."""
    verb = "Keep in step" if sync.watch else "Sync"
    where = sentences.place(offer.output)
    return f"{verb} ({counts(sync)}, {units.size(sync.wanted_bytes)}) with {where}? "


def extra_question(sync: e.SyncView) -> str:
    """Return the question about files that are not listed."""
    return f"Remove the {units.counted(sync.extra_files, 'file')} here that the list has not? "


def taken_as_copy() -> str:
    """Return what becomes of a sync to which nobody agreed as one."""
    return (
        "This is a sync, and --yes alone is no consent to replace files: what is unchanged is"
        " left out, what changed gets a name of its own. --sync takes it as a sync."
    )


def removed(event: e.SyncRemoved) -> str:
    """Return what a sync took away, or could not make as it is listed."""
    if event.reason:
        return f"not as listed: {display_text(event.path)} ({display_text(event.reason)})"
    return f"removed: {display_text(event.path)}"


def round_done(event: e.SyncRound) -> str:
    """Return what one offer of a watch came to."""
    failed = f", {event.failed} failed" if event.failed else ""
    amount = sentences.amount(event.files, 0, event.total_bytes)
    what = amount if event.files else "nothing to transfer"
    return f"Round {event.number}: {what}{failed}."


def summary(event: e.TransferDone) -> str:
    """Return the last line of a sync."""
    gone = f", {units.counted(event.removed, 'file')} removed" if event.removed else ""
    left = f"{units.counted(event.left_files, 'file')} unchanged{gone}"
    if not event.files:
        return f"Nothing to transfer: {left}."
    verb = "Received" if event.direction == "receive" else "Sent"
    where = f" into {sentences.place(event.output)}" if event.direction == "receive" else ""
    what = sentences.amount(event.files, 0, event.total_bytes)
    root = display_text(event.roots[: sentences.ROOT_SHOWN_CHARS])
    took = units.elapsed(event.seconds)
    return f"{verb} {what} in {took}{where}; {left} — BLAKE3 roots agree ({root}…)"
