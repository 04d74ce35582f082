"""``tallow receive``: join a code, or make one for the sender, and take what is offered.

Options become one command and one policy of consent; exchange.py carries them out. Whether
somebody can be asked is settled here, before anything is joined.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from tallow.cli.options import (
    Pairing,
    PathPolicy,
    Speech,
    option,
    pairing_options,
    path_options,
    speech_options,
    typed_here,
)
from tallow.cli.outside import Outside
from tallow.cli.param_types import Span

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from tallow.cli.render import Output
    from tallow.engine.commands import OnConflict, Receive
    from tallow.protocol.code import Code

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
    "--on-conflict",
    type=click.Choice(["ask", "rename", "skip", "overwrite"]),
    default="ask",
    show_default=True,
    help="What to do about names that exist.",
)
@option("--wait", is_flag=True, help="Wait if nobody is there under this code yet.")
@option("--timeout", type=Span(), metavar="TIME", help="Give up if nobody comes: 30s, 10m, 1h.")
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
    on_conflict: OnConflict,
    wait: bool,
    timeout: int | None,
    pairing: Pairing,
    path: PathPolicy,
    speech: Speech,
) -> int:
    """Receive what somebody sends under a CODE.

    Without a CODE it is taken from TALLOW_CODE, --code-file, standard input, or a prompt, where
    an empty line (like --new) makes a code for the sender. You see what is offered, and nothing
    is written before you say yes.
    """
    choices = _Choices(new, code_file, output, yes, on_conflict, wait, timeout)
    return _receive(ctx, code, choices, pairing, path, speech)


@dataclass(frozen=True, slots=True)
class _Choices:
    """The options of ``receive`` alone."""

    new: bool
    code_file: str | None
    output: str
    yes: bool
    on_conflict: OnConflict
    wait: bool
    timeout_s: int | None

    @property
    def to_stdout(self) -> bool:
        return self.output == "-"


def _receive(
    ctx: click.Context,
    words: tuple[str, ...],
    choices: _Choices,
    pairing: Pairing,
    path: PathPolicy,
    speech: Speech,
) -> int:
    from tallow.cli.code_source import weak_code_warning
    from tallow.cli.consent import Policy
    from tallow.cli.exchange import Plan, run_exchange
    from tallow.cli.path_policy import password_warning, settings_for
    from tallow.cli.render import Output
    from tallow.cli.styles import Telling, style_for

    outside = Outside.of(ctx)
    console = outside.console
    output = Output(console, no_color=speech.no_color)
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
        _command(ctx, known, choices, pairing, pipes=not (console.stdout_tty or speech.json)),
        settings,
        Policy(may_ask, choices.yes, choices.to_stdout, choices.on_conflict),
        again="Ask the sender to start again; no unfinished file has its final name.",
        show_crashes=outside.wants_traceback(speech.verbose),
    )
    telling = Telling(False, outside.now, speech.verbose, pairing.qr, weak is not None)
    return run_exchange(plan, outside, output, style_for(speech, output, telling))


def _command(
    ctx: click.Context, code: Code | None, choices: _Choices, pairing: Pairing, *, pipes: bool
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
