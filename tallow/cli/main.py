"""The command line's front door: finds the command, and turns every end into an exit code.

Commands live in modules of their own and load only when they run, so that help comes at once.
Errors of ours become three lines, a wrong command line likewise; anything else is a bug and says
so in one line, with a traceback (free of values) only if asked for. Printing is render.py's.
"""

from __future__ import annotations

import importlib
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Final

import click

from tallow import __version__
from tallow.cli import exit_codes
from tallow.cli.options import PREFIX
from tallow.cli.outside import Outside
from tallow.errors import Interrupted, TallowError, Terminated

COMMANDS: Final = {
    "send": "Send files, folders, a text or a pipe.",
    "receive": "Receive what somebody sends under a code.",
    "resume": "Go on with a transfer that did not end.",
    "sync": "Bring a folder elsewhere up to date.",
    "watch": "Keep a folder elsewhere in step with one here.",
    "relay": "Run a relay, or forget the key of one.",
    "demo": "Show a whole transfer on this machine.",
    "completions": "Print the completion script of a shell.",
    "help": "Show the help of a command.",
}
"""Every command with its line in the help; each is in the module of its name."""
LOOKS_LIKE_A_CODE: Final = re.compile(r"[1-9][0-9]{0,8}(?:[-_\s@].*)?", re.DOTALL)
"""A number, and words behind it or in the next arguments; no command begins with a digit."""


class LazyGroup(click.Group):
    """Commands that are imported when they are needed, and codes that need no command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which people meet them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        if cmd_name == "help":
            return show_help
        command = getattr(importlib.import_module(f"tallow.cli.{cmd_name}"), cmd_name)
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a code stands for ``receive CODE``."""
        if LOOKS_LIKE_A_CODE.fullmatch(args[0]):
            return "receive", self.get_command(ctx, "receive"), args
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise _no_command(args[0], ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Complete commands, and the words of a code that stands alone."""
        from tallow.cli.receive import complete_code

        return [*super().shell_complete(ctx, incomplete), *complete_code(ctx, None, incomplete)]


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": PREFIX,
        "max_content_width": 100,
    },
    epilog="tallow CODE is short for  tallow receive CODE.",
)
@click.version_option(__version__, "-V", "--version", message="tallow %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> int:
    """Send files, text and pipes to somebody else, end to end encrypted, by a spoken code."""
    ctx.obj = ctx.obj or Outside.system()
    if ctx.invoked_subcommand is None:
        _print_help(ctx)
    return exit_codes.DONE


@click.command("help", short_help=COMMANDS["help"])
@click.argument("command", required=False, metavar="[COMMAND]")
@click.pass_context
def show_help(ctx: click.Context, command: str | None) -> int:
    """Show the help of a command, or the list of all."""
    root = ctx.find_root()
    if command is None:
        _print_help(root)
        return exit_codes.DONE
    found = root.command.get_command(root, command) if isinstance(root.command, LazyGroup) else None
    if found is None:
        raise _no_command(command, ctx)
    _print_help(click.Context(found, info_name=command, parent=root))
    return exit_codes.DONE


def main(args: Sequence[str] | None = None, outside: Outside | None = None) -> int:
    """Run the command line and return the exit code."""
    arguments = list(sys.argv[1:] if args is None else args)
    if outside is None:
        outside = Outside.system()
        _end_on_sigterm()
    try:
        returned = cli.main(arguments, prog_name="tallow", standalone_mode=False, obj=outside)
        return returned if isinstance(returned, int) else exit_codes.DONE
    except BrokenPipeError:
        _drop_output(outside)
        return exit_codes.OUTPUT_CLOSED
    except (KeyboardInterrupt, click.Abort):
        return _fail(Interrupted(), arguments, outside)
    except Exception as error:
        return _fail(error, arguments, outside)


def _fail(error: BaseException, arguments: list[str], outside: Outside) -> int:
    """Say what ended the program, and return its exit code."""
    from tallow.cli import failure
    from tallow.cli.render import Output

    output = Output(outside.console, no_color="--no-color" in arguments)
    inner = failure.innermost(error)
    if isinstance(inner, click.ClickException):
        inner = failure.from_click(inner)
    if isinstance(inner, BrokenPipeError):
        _drop_output(outside)
        return exit_codes.OUTPUT_CLOSED
    if isinstance(inner, KeyboardInterrupt):
        inner = Interrupted()
    if not isinstance(inner, TallowError):
        if _wants_traceback(arguments, outside):
            output.tell_all(failure.traceback_lines(inner))
        inner = failure.from_bug(inner)
    try:
        if _wants_json(arguments, outside):
            output.result_raw(failure.as_json(inner))
        output.failure(inner)
    except BrokenPipeError:
        _drop_output(outside)
    return inner.exit_code


def _wants_json(arguments: list[str], outside: Outside) -> bool:
    # The command line may be what is wrong, so it is looked at, not parsed.
    set_here = outside.console.environment.get(f"{PREFIX}_JSON", "").casefold()
    return "--json" in arguments or set_here in ("1", "true", "yes", "on")


def _wants_traceback(arguments: list[str], outside: Outside) -> bool:
    loud = sum(
        len(argument) - 1 if re.fullmatch("-v+", argument) else argument == "--verbose"
        for argument in arguments
    )
    return outside.wants_traceback(loud)


def _no_command(name: str, ctx: click.Context) -> click.UsageError:
    from difflib import get_close_matches

    from tallow.display import display_text

    shown = display_text(name, max_width=60)
    close = get_close_matches(name, COMMANDS, n=1)
    if close:
        meant = f"Did you mean {close[0]!r}?"
    elif os.path.lexists(name):
        meant = f"To send it:  tallow send {shown}"
    else:
        meant = "A code without a number needs the word:  tallow receive CODE"
    return click.UsageError(f"There is no command {shown!r}. {meant}", ctx)


def _print_help(ctx: click.Context) -> None:
    from tallow.cli.render import Output

    outside = Outside.of(ctx)
    Output(outside.console).result(ctx.get_help())


def _end_on_sigterm() -> None:
    """Turn SIGTERM into an error of ours wherever no exchange waits for it."""

    def terminate(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise Terminated

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, terminate)


def _drop_output(outside: Outside) -> None:
    """Close the streams, so that Python does not try to write what nobody reads."""
    for stream in (outside.console.stdout, outside.console.stderr):
        try:
            stream.close()
        except OSError:
            pass  # It could not take what was left.
