"""What ``send --dry-run`` shows: every file that would go, what would not, and the sum.

The list is the result, so it goes to standard output, one line a file; with --json the sum and
the omissions go as events of ticket 0. Nothing is connected and nothing sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tallow.cli import exit_codes, sentences, units
from tallow.display import display_text
from tallow.engine import events as e
from tallow.protocol.manifest import Entry, EntryKind, has_leaves

if TYPE_CHECKING:
    from tallow.cli.render import Output
    from tallow.engine.storage.sources import SourceTree

NO_TICKET: Final = 0


def list_sources(tree: SourceTree, output: Output, *, as_json: bool) -> int:
    """List a walked tree and return the exit code."""
    manifest = tree.manifest
    skipped = [e.SourceSkipped(NO_TICKET, one.path, one.reason, one.failed) for one in tree.skipped]
    total = e.OfferSent(
        NO_TICKET,
        "files",
        manifest.files,
        manifest.folders,
        manifest.total_bytes,
        links=manifest.links,
    )
    if as_json:
        events: list[e.AnyEvent] = [*skipped, total]
        for event in events:
            output.result_raw(e.encode_event(event) + b"\n")
        return exit_codes.DONE
    for entry in manifest:
        output.result(_line(entry))
    for one in skipped:
        output.tell(sentences.left_out(one), "yellow")
    what = sentences.amount(total.files, total.folders, total.total_bytes, total.links)
    output.tell(f"Would send {what}. Nothing was sent.")
    return exit_codes.DONE


def _line(entry: Entry) -> str:
    size = units.size(entry.size) if has_leaves(entry) else ""
    more = "/" if entry.kind is EntryKind.FOLDER else ""
    if entry.kind is EntryKind.LINK:
        more = f" -> {display_text(entry.target)}"
    return f"{size:>8}  {display_text(entry.path)}{more}"
