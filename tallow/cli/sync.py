"""``tallow sync``: offer folders so that only what is new or changed travels.

The receiver sees how its folder differs, agrees to replacing, and to removing only by itself.
sync_options.py gathers the options, send.py does the rest.
"""

from __future__ import annotations

import click

from tallow.cli.options import (
    Ending,
    Pairing,
    PathPolicy,
    Speech,
    ending_options,
    option,
    pairing_options,
    path_options,
    speech_options,
)
from tallow.cli.outside import Outside
from tallow.cli.sync_options import Folders, folder_options, run_sync, what_of

SUMMARY = "Bring a folder elsewhere up to date."


@click.command("sync", short_help=SUMMARY)
@folder_options
@option("-n", "--dry-run", is_flag=True, help="List what would be offered, and send nothing.")
@ending_options
@pairing_options
@path_options
@speech_options
@click.pass_context
def sync(
    ctx: click.Context,
    folders: Folders,
    dry_run: bool,
    ending: Ending,
    pairing: Pairing,
    path: PathPolicy,
    speech: Speech,
) -> int:
    """Bring folders on the other machine up to date, one way.

    Shows a code; there,  tallow receive CODE -o TARGET  shows what is new, changed and unchanged.
    DIR becomes TARGET/DIR. Of changed files only the parts that differ travel, if the receiver
    lets you learn which these are. Nothing is removed unless --delete was given here and the
    receiver agrees to the number.
    """
    outside = Outside.of(ctx)
    if dry_run:
        from tallow.cli.dry_run import list_sources
        from tallow.cli.render import Output

        output = Output(outside.console, no_color=speech.no_color)
        tree = outside.walk_sources(what_of(folders, "sync").files())
        return list_sources(tree, output, as_json=speech.json)
    return run_sync(outside, folders, "sync", 0.0, ending, pairing, path, speech)
