"""The sheet that a receiver reads before saying yes: who, what, how much, and what to look out for.

Returns lines; the prompt below them is consent.py's. Every word of the peer is escaped here. A
name is indented only below the very folder that was printed above it, so that an offer in a
strange order cannot seem to put a file elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tallow.cli import sentences, sync_sentences, units
from tallow.display import cell_width, display_block, display_text
from tallow.engine import events as e

ENTRIES_SHOWN: Final = 20
NOTE_LINES_SHOWN: Final = 6
_SIZE_CELLS: Final = 8
_INDENT_SHOWN: Final = 12

FLAG_WORDS: Final = {
    "executable": "program",
    "dotfile": "hidden",
    "symlink": "link",
    "bidi": "turned text",
    "lookalike": "look-alike letters",
    "renamed": "renamed here",
    "overwrite": "exists already",
}
FLAG_SENTENCES: Final = {
    "executable": "it holds programs, or files that run when opened",
    "dotfile": "it holds hidden files (their names begin with a dot)",
    "symlink": "it holds links",
    "bidi": "a name holds characters that turn text around (shown escaped)",
    "lookalike": "a name has letters that look like others",
    "renamed": "names that cannot stand on this system are changed",
    "overwrite": "something of the same name exists here already",
}


def sheet(offer: e.OfferReceived, peer: e.PeerUp | None, relay: str, *, columns: int) -> list[str]:
    """Return the lines that a person reads before the question."""
    who = sentences.person(offer.name, offer.fingerprint, verified=offer.verified)
    over = f" · over relay {display_text(relay)}" if relay else ""
    lines = [f"From:     {who}{over}"]
    if peer is not None and peer.emoji:
        lines.append(f"Symbols:  {sentences.symbols(peer.emoji)}")
    lines += [f"{'Note:' if not at else '':<10}{line}" for at, line in enumerate(_note(offer.note))]
    lines.append(f"Offer:    {what_is_offered(offer)}{_space(offer)}")
    lines += _tree(offer, columns)
    lines += sync_sentences.meaning(offer)
    lines += [f"Look out: {sentence}" for sentence in warnings(offer)]
    return lines


def what_is_offered(offer: e.OfferReceived) -> str:
    """Return the amount in words: 3 files, 1.2 GB; a stream of unknown size."""
    if offer.kind == "stream":
        return "a stream of unknown size"
    amount = sentences.amount(offer.files, offer.folders, offer.total_bytes, offer.links)
    if offer.sync is None:
        return amount
    return sync_sentences.offered(offer.sync, amount)


def warnings(offer: e.OfferReceived) -> list[str]:
    """Return what to look out for, one sentence each."""
    found = [
        FLAG_SENTENCES.get(flag, display_text(flag, max_width=sentences.NAME_CELLS))
        for flag in offer.flags
        if flag != "overwrite" or not offer.conflicts
    ]
    if offer.conflicts and offer.sync is not None:
        verb = "is" if offer.conflicts == 1 else "are"
        found.append(f"{units.counted(offer.conflicts, 'file')} here {verb} replaced")
    elif offer.conflicts:
        verb = "exists" if offer.conflicts == 1 else "exist"
        found.append(f"{offer.conflicts} of these names {verb} here already")
    if not enough_space(offer) and offer.free_bytes is not None:
        found.append(
            f"only {units.size(offer.free_bytes)} are free, {units.size(offer.total_bytes)} needed"
        )
    return found


def enough_space(offer: e.OfferReceived) -> bool:
    """Return whether the offer fits on the disk, as far as anybody knows."""
    needed = offer.total_bytes if offer.sync is None else offer.sync.wanted_bytes
    return offer.free_bytes is None or needed <= offer.free_bytes


def entry_lines(
    entries: Sequence[e.OfferEntry], *, columns: int, heads: Sequence[str] = ()
) -> list[str]:
    """Return entries as a tree with sizes and warnings, each behind its head if there are any."""
    head_cells = max(map(len, heads), default=0)
    names = _names(entries, max(20, columns - head_cells - _SIZE_CELLS - 24))
    width = max((cell_width(name) for name in names), default=0)
    lines = []
    for entry, name, head in zip(entries, names, heads or [""] * len(entries), strict=True):
        size = units.size(entry.size) if entry.kind == "file" else ""
        flags = ", ".join(FLAG_WORDS.get(flag, display_text(flag)) for flag in entry.flags)
        warning = f"  ! {flags}" if flags else ""
        padding = " " * (width - cell_width(name))
        lines.append(f"  {head}{name}{padding}  {size:>{_SIZE_CELLS}}{warning}".rstrip())
    return lines


def _space(offer: e.OfferReceived) -> str:
    if offer.free_bytes is None:
        return ""
    return f" ({units.size(offer.free_bytes)} free in {sentences.place(offer.output)})"


def _note(note: str) -> list[str]:
    if not note:
        return []
    lines = display_block(note).split("\n")
    if len(lines) > NOTE_LINES_SHOWN:
        return [*lines[: NOTE_LINES_SHOWN - 1], "…"]
    return [f'"{lines[0]}"'] if len(lines) == 1 else lines


def _tree(offer: e.OfferReceived, columns: int) -> list[str]:
    shown = offer.entries[:ENTRIES_SHOWN]
    lines = entry_lines(shown, columns=columns)
    rest = offer.files + offer.folders + offer.links - len(shown)
    if offer.sync is not None:
        wanted = offer.sync.new_files + offer.sync.changed_files
        rest = wanted - sum(entry.kind != "folder" for entry in shown)
    if rest > 0:
        lines.append(f"  … and {rest} more")
    return lines


def _names(entries: Sequence[e.OfferEntry], most_cells: int) -> list[str]:
    """Return each entry's name, indented below the folders printed just above it."""
    names: list[str] = []
    above: list[str] = []
    for entry in entries:
        while above and not entry.path.startswith(above[-1] + "/"):
            above.pop()
        inside = above[-1] + "/" if above else ""
        name = entry.path[len(inside) :] + ("/" if entry.kind == "folder" else "")
        if entry.target and entry.target != entry.path:
            name += f" → {entry.target.removeprefix(inside)}"
        if entry.kind == "link":
            name += f" -> {entry.points_to}"
        indent = "  " * min(len(above), _INDENT_SHOWN)
        names.append(indent + display_text(name, max_width=max(8, most_cells - len(indent))))
        if entry.kind == "folder":
            above.append(entry.path)
    return names
