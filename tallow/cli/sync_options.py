"""What ``sync`` and ``watch`` have in common: the options of a list of folders, and the way out.

Both make one command for files whose mode is not "copy"; send.py carries it out. Only click is
imported before it is known that something is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallow.cli.options import Ending, Pairing, PathPolicy, Run, Speech, declared, option
from tallow.cli.outside import Outside
from tallow.cli.param_types import Capped, Patterns, Rate
from tallow.wire import limits

if TYPE_CHECKING:
    from tallow.cli.send import What
    from tallow.engine.commands import SendMode, Symlinks


@dataclass(frozen=True, slots=True)
class Folders:
    """What is kept in step, and how it is listed and sent."""

    paths: tuple[str, ...]
    code: str | None
    note: str
    exclude: tuple[str, ...]
    exclude_from: tuple[str, ...]
    git: bool
    symlinks: Symlinks
    xattrs: bool
    throttle_bps: int
    compress: bool
    delete: bool


def folder_options(run: Run) -> Run:
    """Add PATH... and the options of a list that is mirrored, as one Folders."""

    @wraps(run)
    def gathered(
        *,
        paths: tuple[str, ...],
        code: str | None,
        note: str,
        exclude: tuple[tuple[str, ...], ...],
        exclude_from: tuple[str, ...],
        git: bool,
        symlinks: Symlinks,
        xattrs: bool,
        throttle: int | None,
        no_compress: bool,
        delete: bool,
        **rest: object,
    ) -> int:
        excluded = tuple(pattern for group in exclude for pattern in group)
        folders = Folders(
            paths, code, note, excluded, exclude_from, git, symlinks, xattrs, throttle or 0,
            not no_compress, delete,
        )  # fmt: skip
        return run(folders=folders, **rest)

    return declared(
        gathered,
        click.argument("paths", nargs=-1, required=True, metavar="DIR...", type=click.Path()),
        option("--code", metavar="CODE", help="A code of your own, or the receiver's."),
        option(
            "--note",
            type=Capped(limits.NOTE_MAX_CHARS),
            default="",
            help="A note beside the offer.",
        ),
        option("--delete", is_flag=True, help="Ask the receiver to remove what is not here."),
        option("--exclude", type=Patterns(), multiple=True, metavar="P[,P]", help="Leave out."),
        option("--exclude-from", metavar="FILE", multiple=True, help="Leave out what FILE lists."),
        option("--git", is_flag=True, help="Leave out what git ignores, and .git itself."),
        option(
            "--symlinks",
            type=click.Choice(["skip", "follow"]),
            default="skip",
            show_default=True,
            help="What to do about symbolic links.",
        ),
        option("--xattrs", is_flag=True, help="Send extended attributes too (user.*)."),
        option("--throttle", type=Rate(), metavar="RATE", help="Send at most so much a second."),
        option("--no-compress", is_flag=True, help="Send everything as it is."),
    )


def run_sync(
    outside: Outside,
    folders: Folders,
    mode: SendMode,
    poll_s: float,
    ending: Ending,
    pairing: Pairing,
    path: PathPolicy,
    speech: Speech,
) -> int:
    """Offer folders to be kept in step, and return the exit code."""
    from tallow.cli.render import Output
    from tallow.cli.send import run_send

    _check_folders(folders.paths)
    output = Output(outside.console, no_color=speech.no_color)
    what = what_of(folders, mode, poll_s)
    return run_send(
        outside, output, what, folders.code, folders.note, ending, pairing, path, speech
    )


def what_of(folders: Folders, mode: SendMode, poll_s: float = 0.0) -> What:
    """Return what is sent, as ``tallow send`` says it."""
    from tallow.cli.send import Listing, What, pattern_lines

    listing = Listing(
        folders.exclude,
        pattern_lines(folders.exclude_from),
        folders.git,
        folders.symlinks,
        xattrs=folders.xattrs,
    )
    return What(
        folders.paths,
        None,
        listing,
        folders.throttle_bps,
        folders.compress,
        mode=mode,
        delete=folders.delete,
        poll_s=poll_s,
    )


def _check_folders(paths: tuple[str, ...]) -> None:
    from tallow.errors import UsageError

    for name in paths:
        if name == "-" or (Path(name).exists() and not Path(name).is_dir()):
            raise UsageError(
                f"{name} is no folder, and folders are what is kept in step.",
                hint="Send single files with  tallow send",
            )
