"""``tallow send``: files, folders, a text or standard input, offered under a code.

Options become one command; exchange.py carries it out. A generated code given to --code was made
by the receiver and is joined; one of the sender's own is waited under. Only click is imported
before it is known that something is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

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
    typed_here,
)
from tallow.cli.outside import Outside
from tallow.cli.param_types import Capped, Patterns, Rate
from tallow.wire import limits

if TYPE_CHECKING:
    from tallow.cli.render import Output
    from tallow.engine.commands import (
        SendFiles,
        SendMode,
        SendOptions,
        SendStream,
        SendText,
        Symlinks,
    )
    from tallow.protocol.code import Code

SUMMARY = "Send files, folders, a text or a pipe."


@click.command("send", short_help=SUMMARY)
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path())
@option("--text", metavar="TEXT", help="Send this text; - reads it from standard input.")
@option("--code", metavar="CODE", help="A code of your own, or the one that the receiver shows.")
@option("--note", type=Capped(limits.NOTE_MAX_CHARS), default="", help="A note beside the offer.")
@option("--exclude", type=Patterns(), multiple=True, metavar="P[,P]", help="Leave these out.")
@option("--exclude-from", metavar="FILE", multiple=True, help="Leave out what this file lists.")
@option("--git", is_flag=True, help="Leave out what git ignores, and .git itself.")
@option(
    "--symlinks",
    type=click.Choice(["skip", "keep", "follow"]),
    default="skip",
    show_default=True,
    help="Leave links out, send them as links, or send what they point to.",
)
@option("--xattrs", is_flag=True, help="Send the extended attributes of files too (user.*).")
@option("--strip-metadata", is_flag=True, help="Send pictures without places, dates and cameras.")
@option("--throttle", type=Rate(), metavar="RATE", help="Send at most so much a second: 10MB.")
@option("--no-compress", is_flag=True, help="Send everything as it is.")
@option(
    "--receivers",
    type=click.IntRange(min=0, max=limits.RELAY_FIGURE_MAX),
    default=1,
    metavar="N",
    help="Send to so many under one code; 0: to whoever comes.",
)
@option("-n", "--dry-run", is_flag=True, help="List what would be sent, and send nothing.")
@ending_options
@pairing_options
@path_options
@speech_options
@click.pass_context
def send(
    ctx: click.Context,
    paths: tuple[str, ...],
    text: str | None,
    code: str | None,
    note: str,
    exclude: tuple[tuple[str, ...], ...],
    exclude_from: tuple[str, ...],
    git: bool,
    symlinks: Symlinks,
    xattrs: bool,
    strip_metadata: bool,
    throttle: int | None,
    no_compress: bool,
    receivers: int,
    dry_run: bool,
    ending: Ending,
    pairing: Pairing,
    path: PathPolicy,
    speech: Speech,
) -> int:
    """Send files and folders, a text, or standard input.

    Shows a code; on the other machine,  tallow receive CODE  gets what is sent. "-" or no PATH in
    a pipe sends standard input: a short text as a text, anything else as a stream.
    """
    from tallow.cli.render import Output

    outside = Outside.of(ctx)
    output = Output(outside.console, no_color=speech.no_color)
    excluded = tuple(pattern for group in exclude for pattern in group)
    if paths and not typed_here("text"):
        text = None
    if not paths and text is None and outside.console.stdin_tty:
        raise click.UsageError("Name what to send: PATH…, --text TEXT, or - in a pipe.", ctx)
    if (text is not None and paths) or ("-" in paths and len(paths) > 1):
        raise click.UsageError("Send either files, or one text, or standard input.", ctx)
    lines = pattern_lines(exclude_from)
    listing = Listing(excluded, lines, git, symlinks, strip_metadata, xattrs)
    what = What(paths, text, listing, throttle or 0, not no_compress, receivers)
    if dry_run:
        if not paths or paths == ("-",):
            raise click.UsageError("--dry-run lists files and folders; name some.", ctx)
        from tallow.cli.dry_run import list_sources

        return list_sources(outside.walk_sources(what.files()), output, as_json=speech.json)
    return run_send(outside, output, what, code, note, ending, pairing, path, speech)


def pattern_lines(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the lines of pattern files."""
    from tallow.errors import SourceUnreadable

    lines: list[str] = []
    for name in names:
        try:
            lines += Path(name).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            raise SourceUnreadable(
                f"The pattern file {name} cannot be read.", why=error.strerror or str(error)
            ) from None
    return tuple(lines)


@dataclass(frozen=True, slots=True)
class Listing:
    """What of the paths is sent."""

    exclude: tuple[str, ...] = ()
    exclude_from: tuple[str, ...] = ()
    git: bool = False
    symlinks: Symlinks = "skip"
    strip_metadata: bool = False
    xattrs: bool = False


@dataclass(frozen=True, slots=True)
class What:
    """What is to be sent, and how."""

    paths: tuple[str, ...]
    text: str | None
    listing: Listing
    throttle_bps: int = 0
    compress: bool = True
    receivers: int = 1
    mode: SendMode = "copy"
    delete: bool = False
    """Whether the receiver of a sync is asked to remove what is not listed."""
    poll_s: float = 0.0

    def files(self, options: SendOptions | None = None) -> SendFiles:
        """Return the command for files and folders."""
        from tallow.engine.commands import SendFiles, SendOptions

        listing = self.listing
        return SendFiles(
            self.paths,
            listing.exclude,
            options or SendOptions(),
            exclude_from=listing.exclude_from,
            git=listing.git,
            symlinks=listing.symlinks,
            strip_metadata=listing.strip_metadata,
            xattrs=listing.xattrs,
            mode=self.mode,
            delete=self.delete,
            poll_s=self.poll_s,
        )

    @property
    def from_input(self) -> bool:
        """Whether standard input is what is sent."""
        return self.text == "-" or (self.text is None and self.paths in ((), ("-",)))


def run_send(
    outside: Outside,
    output: Output,
    what: What,
    code: str | None,
    note: str,
    ending: Ending,
    pairing: Pairing,
    path: PathPolicy,
    speech: Speech,
) -> int:
    """Offer something and return the exit code."""
    from tallow.cli.code_source import weak_code_warning
    from tallow.cli.consent import Policy
    from tallow.cli.exchange import Plan, run_exchange
    from tallow.cli.path_policy import password_warning, settings_for
    from tallow.cli.style_choice import style_for
    from tallow.cli.styles import Telling
    from tallow.errors import NeedsAnswer

    console = outside.console
    may_ask = console.stdin_tty and console.stderr_tty and not speech.no_input
    may_ask = may_ask and not what.from_input
    if pairing.verify and not may_ask:
        raise NeedsAnswer(
            "--verify asks you to compare symbols, and there is no terminal to ask on.",
            hint="Run it on a terminal, without --no-input and with files or --text TEXT.",
        )
    known = _known_code(code, output, pairing, speech)
    settings = settings_for(path, console, code_relay=known.relay if known else None)
    weak = weak_code_warning(known)
    for warning in (weak, password_warning(path)):
        if warning is not None:
            output.tell(warning, "yellow")
    plan = Plan(
        _command(outside, what, _send_options(known, note, pairing, what)),
        settings,
        Policy(may_ask),
        again="Start again for a new code.",
        show_crashes=outside.wants_traceback(speech.verbose),
        ending=ending,
    )
    telling = Telling(
        True, outside.now, speech.verbose, pairing.qr, weak is not None, what.receivers
    )
    return run_exchange(plan, outside, output, style_for(speech, output, telling))


def _known_code(code: str | None, output: Output, pairing: Pairing, speech: Speech) -> Code | None:
    if code is None:
        return None
    from tallow.cli.code_source import visible_code_warning
    from tallow.protocol.code import check_typed

    if typed_here("code") and (warning := visible_code_warning()) is not None:
        output.tell(warning, "yellow")
    return check_typed(code, interactive=not speech.no_input, allow_weak=pairing.weak_code)


def _send_options(code: Code | None, note: str, pairing: Pairing, what: What) -> SendOptions:
    from tallow.engine.commands import SendOptions
    from tallow.protocol.code import CodeKind

    return SendOptions(
        code=code.text if code else None,
        # Only the other side's program can have made a code whose check bits hold.
        join=code is not None and code.kind is CodeKind.GENERATED,
        words=_words(pairing, what),
        expires_s=pairing.expires_s,
        note=note,
        name=pairing.name,
        verify=pairing.verify,
        weak_code=pairing.weak_code,
        # The keyboard was asked before; the engine shall not judge the words again.
        no_input=True,
        compress=what.compress,
        throttle_bps=what.throttle_bps,
        receivers=what.receivers,
    )


def _words(pairing: Pairing, what: What) -> int:
    """Return how many words a new code has: more people hear one that is for several."""
    source = click.get_current_context().get_parameter_source("words")
    said = source not in (ParameterSource.DEFAULT, None)
    return pairing.words if said or what.receivers == 1 else limits.GENERATED_WORDS_SEVERAL


def _command(
    outside: Outside, what: What, options: SendOptions
) -> SendFiles | SendText | SendStream:
    from tallow.cli import standard_input
    from tallow.engine.commands import SendText
    from tallow.errors import UsageError

    if what.text == "-":
        return SendText(standard_input.text_from(outside.console, outside.now), options)
    if what.text is not None:
        if len(what.text.encode("utf-8", "surrogateescape")) > limits.TEXT_MAX_BYTES:
            raise UsageError(
                f"A text has at most {limits.TEXT_MAX_BYTES // 1024} KiB; this is longer.",
                hint="Put it into a file, or pipe it into  tallow send -",
            )
        return SendText(what.text, options)
    if what.from_input:
        return standard_input.what_comes_in(outside.console, outside.now, options)
    return what.files(options)
