"""``tallow receive``: join a code, or make one for the sender, and take what is offered.

Options become one command and one policy of consent; exchange.py carries them out. Whether
somebody can be asked is settled here, before anything is joined.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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
from tallow.cli.param_types import Patterns, Span

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from tallow.cli.consent import Policy
    from tallow.cli.render import Output
    from tallow.engine.commands import OnConflict, Receive
    from tallow.protocol.code import Code

BY_HAND = "-"
"""What stands for the person in the place of a pattern."""
CODE_NOT_PATTERN = re.compile(r"[1-9][0-9]{0,8}-[^*?\[\]!/.]+(@.*)?", re.DOTALL)
"""Nobody writes a file's name like this; with a slash in front it is one."""
DISK_WAIT_S = 600.0
"""A full disk waits for a person this long; where nobody is, it ends the transfer at once."""
SUMMARY = "Receive what somebody sends under a code."


def complete_code(
    ctx: click.Context, param: click.Parameter | None, incomplete: str
) -> list[CompletionItem[str]]:
    """Complete the last word of a code in the shell."""
    del ctx, param
    from click.shell_completion import CompletionItem

    from tallow.cli.code_source import completions

    return [CompletionItem(code) for code in completions(incomplete)]


@click.command("receive", short_help=SUMMARY)
@click.argument("code", nargs=-1, metavar="[CODE]", shell_complete=complete_code)
@option("--new", is_flag=True, help="Make a code that the sender enters with  send --code.")
@option("--code-file", metavar="FILE", help="Read the code from a file; - is standard input.")
@option("-o", "--output", default=".", metavar="PATH", help="Folder, file name, or - for stdout.")
@option("-y", "--yes", is_flag=True, help="Accept what is offered without asking.")
@option(
    "--select",
    is_flag=False,
    flag_value=BY_HAND,
    multiple=True,
    type=Patterns(),
    metavar="[P[,P]]",
    help="Take what matches; without a pattern choose from the list.",
)
@option(
    "--on-conflict",
    type=click.Choice(["ask", "rename", "skip", "overwrite"]),
    default="ask",
    show_default=True,
    help="What to do about names that exist.",
)
@option("--sync", is_flag=True, help="With --yes: replace what a sync or watch changes.")
@option("--no-delta", is_flag=True, help="Tell no sender which parts of your files match.")
@option("--delete", is_flag=True, help="Let a sync remove what its list has not.")
@option("--wait", is_flag=True, help="Wait if nobody is there under this code yet.")
@option("--timeout", type=Span(), metavar="TIME", help="Give up if nobody comes: 30s, 10m, 1h.")
@ending_options
@pairing_options
@path_options
@speech_options
@click.pass_context
def receive(
    ctx: click.Context,
    code: tuple[str, ...],
    new: bool,
    code_file: str | None,
    output: str,
    yes: bool,
    select: tuple[tuple[str, ...], ...],
    on_conflict: OnConflict,
    sync: bool,
    no_delta: bool,
    delete: bool,
    wait: bool,
    timeout: int | None,
    ending: Ending,
    pairing: Pairing,
    path: PathPolicy,
    speech: Speech,
) -> int:
    """Receive what somebody sends under a CODE.

    Without a CODE it is taken from TALLOW_CODE, --code-file, standard input, or a prompt, where
    an empty line (like --new) makes a code for the sender. You see what is offered, and nothing
    is written before you say yes.
    """
    patterns = tuple(pattern for group in select for pattern in group)
    if not code and not new and code_file is None and typed_here("select"):
        code, patterns = _code_behind_select(patterns)
    by_hand = BY_HAND in patterns
    patterns = tuple(pattern for pattern in patterns if pattern != BY_HAND)
    syncing = _Syncing(sync, not no_delta, delete)
    choices = _Choices(
        new, code_file, output, yes, patterns, by_hand, on_conflict, wait, timeout, syncing
    )
    return _receive(ctx, code, choices, ending, pairing, path, speech)


def _code_behind_select(patterns: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Take a code that stands behind a bare --select for what it is."""
    for at, pattern in enumerate(patterns):
        if CODE_NOT_PATTERN.fullmatch(pattern):
            return (pattern,), (*patterns[:at], BY_HAND, *patterns[at + 1 :])
    return (), patterns


@dataclass(frozen=True, slots=True)
class _Syncing:
    """What a yes means if a sync is offered."""

    as_one: bool = False
    delta: bool = True
    delete: bool = False


@dataclass(frozen=True, slots=True)
class _Choices:
    """The options of ``receive`` alone."""

    new: bool
    code_file: str | None
    output: str
    yes: bool
    select: tuple[str, ...]
    by_hand: bool
    on_conflict: OnConflict
    wait: bool
    timeout_s: int | None
    syncing: _Syncing = _Syncing()

    @property
    def to_stdout(self) -> bool:
        return self.output == "-"

    def policy(self, may_ask: bool) -> Policy:
        """Return what the options say about questions."""
        from tallow.cli.consent import Policy

        return Policy(
            may_ask,
            self.yes,
            self.to_stdout,
            self.on_conflict,
            self.select,
            self.by_hand,
            self.syncing.as_one,
            self.syncing.delta,
            self.syncing.delete,
        )


def _receive(
    ctx: click.Context,
    words: tuple[str, ...],
    choices: _Choices,
    ending: Ending,
    pairing: Pairing,
    path: PathPolicy,
    speech: Speech,
) -> int:
    from tallow.cli.code_source import weak_code_warning
    from tallow.cli.exchange import Plan, run_exchange
    from tallow.cli.path_policy import password_warning, settings_for
    from tallow.cli.render import Output
    from tallow.cli.style_choice import style_for
    from tallow.cli.styles import Telling

    outside = Outside.of(ctx)
    console = outside.console
    output = Output(console, no_color=speech.no_color)
    if choices.by_hand and (choices.yes or choices.to_stdout):
        raise click.UsageError(
            "--select without a pattern asks, and --yes and -o - ask nothing: give it a PATTERN.",
            ctx,
        )
    if choices.to_stdout and speech.json:
        raise click.UsageError("--json and -o - both need standard output.", ctx)
    may_ask = console.stdin_tty and console.stderr_tty and not speech.no_input
    _need_answers(may_ask, choices.yes or choices.to_stdout, pairing.verify)
    known = _find_code(ctx, outside, output, words, choices, pairing, speech)
    settings = settings_for(path, console, code_relay=known.relay if known else None)
    weak = weak_code_warning(known)
    for warning in (weak, password_warning(path)):
        if warning is not None:
            output.tell(warning, "yellow")
    plan = Plan(
        _command(
            ctx,
            known,
            choices,
            pairing,
            pipes=not (console.stdout_tty or speech.json),
            may_ask=may_ask,
        ),
        settings,
        choices.policy(may_ask),
        again="Ask the sender to start again; no unfinished file has its final name.",
        show_crashes=outside.wants_traceback(speech.verbose),
        ending=ending,
    )
    telling = Telling(False, outside.now, speech.verbose, pairing.qr, weak is not None)
    return run_exchange(plan, outside, output, style_for(speech, output, telling))


def _command(
    ctx: click.Context,
    code: Code | None,
    choices: _Choices,
    pairing: Pairing,
    *,
    pipes: bool,
    may_ask: bool,
) -> Receive:
    """Return the command; ``pipes`` says that standard output can take a stream."""
    from tallow.engine.commands import Receive

    by_default = ctx.get_parameter_source("output") is ParameterSource.DEFAULT
    return Receive(
        code=code.text if code else None,
        output=choices.output,
        streams_to_stdout=by_default and pipes,
        on_conflict=choices.on_conflict,
        words=pairing.words,
        expires_s=pairing.expires_s,
        wait=choices.wait,
        timeout_s=None if choices.timeout_s is None else float(choices.timeout_s),
        name=pairing.name,
        verify=pairing.verify,
        weak_code=pairing.weak_code,
        # The keyboard was asked before; the engine shall not judge the words again.
        no_input=True,
        disk_wait_s=DISK_WAIT_S if may_ask else 0.0,
    )


def _need_answers(may_ask: bool, consented: bool, verify: bool) -> None:
    """Refuse before joining what would need an answer that nobody can give."""
    from tallow.errors import NeedsAnswer

    if may_ask:
        return
    if verify:
        raise NeedsAnswer(
            "--verify asks you to compare symbols, and there is no terminal to ask on.",
            hint="Run it on a terminal, without --no-input.",
        )
    if not consented:
        raise NeedsAnswer


def _find_code(
    ctx: click.Context,
    outside: Outside,
    output: Output,
    words: tuple[str, ...],
    choices: _Choices,
    pairing: Pairing,
    speech: Speech,
) -> Code | None:
    """Return the code to join, or None to make one."""
    from tallow.cli import code_source
    from tallow.protocol.code import check_typed

    console = outside.console
    new_typed = choices.new and typed_here("new")
    file_typed = choices.code_file is not None and typed_here("code_file")
    if bool(words) + new_typed + file_typed > 1:
        raise click.UsageError("Give one of CODE, --code-file and --new.", ctx)
    if words and (warning := code_source.visible_code_warning()) is not None:
        output.tell(warning, "yellow")
    if words:
        text = " ".join(words)
    elif new_typed:
        return None
    elif choices.code_file is not None and file_typed:
        text = code_source.code_from_file(choices.code_file, console)
    elif from_variable := console.environment.get("TALLOW_CODE"):
        text = from_variable
    elif choices.code_file is not None:
        text = code_source.code_from_file(choices.code_file, console)
    elif choices.new:
        return None
    elif not console.stdin_tty:
        text = code_source.code_from_input(console)
    elif speech.no_input:
        raise click.UsageError("--no-input needs a CODE or --new.", ctx)
    else:
        return code_source.prompt_for_code(console, output, weak=pairing.weak_code)
    return check_typed(text, interactive=not speech.no_input, allow_weak=pairing.weak_code)
