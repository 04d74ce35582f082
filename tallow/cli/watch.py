"""``tallow watch``: a sync, and another one whenever something changes, over one session.

sync_options.py gathers the options, send.py does the rest; whether folders can be watched here is
found out before anything is joined.
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
from tallow.cli.param_types import Span
from tallow.cli.sync_options import Folders, folder_options, run_sync

SUMMARY = "Keep a folder elsewhere in step with one here."


@click.command("watch", short_help=SUMMARY)
@folder_options
@option("--poll", type=Span(), metavar="TIME", help="List everything again so often: 5s, 1m.")
@ending_options
@pairing_options
@path_options
@speech_options
@click.pass_context
def watch(
    ctx: click.Context,
    folders: Folders,
    poll: int | None,
    ending: Ending,
    pairing: Pairing,
    path: PathPolicy,
    speech: Speech,
) -> int:
    """Keep folders on the other machine in step with these, one way, until Ctrl+C.

    Begins with a sync; the receiver's yes holds for later changes of the same folders. The system
    tells what changes (pip install 'tallow[watch]'); --poll looks every so often instead, which
    network file systems need.
    """
    from tallow.engine.storage.watching import check_watch

    poll_s = float(poll or 0)
    check_watch(poll_s)
    return run_sync(Outside.of(ctx), folders, "watch", poll_s, ending, pairing, path, speech)
