"""The options that several commands share, each written once, gathered into one value per group.

Every option also reads TALLOW_<OPTION> and, before it, TALLOW_<COMMAND>_<OPTION>; what stands on
the command line wins. Only click is imported: this is loaded for every command's help.
Documented in docs/cli.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TypeVar

import click
from click.core import ParameterSource

from tallow.cli.param_types import Capped, Span
from tallow.wire import limits

PREFIX = "TALLOW"

Run = Callable[..., int]
AnyRun = TypeVar("AnyRun", bound=Callable[..., object])


class EnvironmentOption(click.Option):
    """An option whose variable is named after its long flag, not after its Python parameter."""

    def __init__(self, declarations: Sequence[str] | None = None, **attributes: object) -> None:
        """Take the variable's name from the long flag."""
        long_flag = next(word for word in declarations or () if word.startswith("--"))
        self._suffix = long_flag.partition("/")[0][2:].replace("-", "_").upper()
        attributes.setdefault("envvar", f"{PREFIX}_{self._suffix}")
        super().__init__(declarations, show_envvar=True, **attributes)  # type: ignore[arg-type]

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Prefer the variable of this command to the one of every command."""
        own = os.environ.get(f"{ctx.auto_envvar_prefix}_{self._suffix}")
        return own or super().resolve_envvar_value(ctx)


def option(*declarations: str, **attributes: object) -> Callable[[AnyRun], AnyRun]:
    """Declare an option that also reads its environment variable."""
    return click.option(*declarations, cls=EnvironmentOption, **attributes)


def typed_here(name: str) -> bool:
    """Return whether a parameter of the running command stands on the command line itself."""
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


@dataclass(frozen=True, slots=True)
class Speech:
    """How the program talks."""

    json: bool = False
    quiet: bool = False
    verbose: int = 0
    no_input: bool = False
    no_color: bool = False


@dataclass(frozen=True, slots=True)
class PathPolicy:
    """Which way the bytes may take."""

    relay: str | None = None
    relay_typed: bool = False
    """True if the relay stands on the command line, so that it wins over a code's own."""
    relay_pass: str | None = None
    relay_pass_typed: bool = False
    relay_pass_file: str | None = None
    transport: str = "auto"
    lanes: str = "auto"
    reconnect_s: int = 60


@dataclass(frozen=True, slots=True)
class Pairing:
    """How two sides find each other, and how sure they are."""

    words: int = limits.GENERATED_WORDS_MIN
    expires_s: int = limits.EXPIRES_DEFAULT_S
    weak_code: bool = False
    qr: bool | None = None
    name: str = ""
    verify: bool = False
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """What happens beside an exchange and after it."""

    copy: bool = False
    on_done: str = ""
    """A command line; "" for none."""
    notify: bool = False


def speech_options(run: Run) -> Run:
    """Add --json -q -v --no-input --no-color as one Speech."""

    @wraps(run)
    def gathered(
        *, json: bool, quiet: bool, verbose: int, no_input: bool, no_color: bool, **rest: object
    ) -> int:
        return run(speech=Speech(json, quiet, verbose, no_input, no_color), **rest)

    return declared(
        gathered,
        option("--json", is_flag=True, help="Print events on stdout, one JSON object a line."),
        option("-q", "--quiet", is_flag=True, help="Print results and errors only."),
        option("-v", "--verbose", count=True, help="Say more; -vv shows where a bug sits."),
        option("--no-input", is_flag=True, help="Never ask anything."),
        option("--no-color", is_flag=True, help="Print without colour (as NO_COLOR does)."),
    )


def path_options(run: Run) -> Run:
    """Add the relay, its password, --transport, --lanes and --reconnect as one PathPolicy."""

    @wraps(run)
    def gathered(
        *,
        relay: str | None,
        relay_pass: str | None,
        relay_pass_file: str | None,
        transport: str,
        lanes: str,
        reconnect: int,
        **rest: object,
    ) -> int:
        path = PathPolicy(
            relay,
            typed_here("relay"),
            relay_pass,
            typed_here("relay_pass"),
            relay_pass_file,
            transport,
            lanes,
            reconnect,
        )
        return run(path=path, **rest)

    return declared(
        gathered,
        option("--relay", metavar="HOST[:PORT]", help="Meet at this relay (…#sha256:… pins it)."),
        option("--relay-pass", metavar="PASSWORD", help="Password of the relay; visible in ps."),
        option("--relay-pass-file", metavar="FILE", help="Read the relay's password from a file."),
        option(
            "--transport",
            type=click.Choice(["auto", "tcp", "quic"]),
            default="auto",
            show_default=True,
            help="How to reach the relay; auto and quic go on over the other one where needed.",
        ),
        option(
            "--lanes",
            type=click.Choice(["auto", "sealed", "tls"]),
            default="auto",
            show_default=True,
            help="Whether sealed bytes leave TLS; tls hides that both ends carry the same.",
        ),
        option(
            "--reconnect",
            type=Span(least_s=0),
            default="60s",
            show_default=True,
            metavar="TIME",
            help="How long to look for the other side when the path is lost; 0 gives up at once.",
        ),
    )


def pairing_options(run: Run) -> Run:
    """Add --words --expires --weak-code --qr --as --verify --anonymous as one Pairing."""

    @wraps(run)
    def gathered(
        *,
        words: int,
        expires: int,
        weak_code: bool,
        qr: bool | None,
        as_name: str,
        verify: bool,
        anonymous: bool,
        **rest: object,
    ) -> int:
        pairing = Pairing(words, expires, weak_code, qr, as_name, verify, anonymous)
        return run(pairing=pairing, **rest)

    return declared(
        gathered,
        option(
            "--words",
            type=click.IntRange(limits.GENERATED_WORDS_MIN, limits.GENERATED_WORDS_MAX),
            default=limits.GENERATED_WORDS_MIN,
            show_default=True,
            help="Words in a new code.",
        ),
        option(
            "--expires",
            type=Span(),
            default="1h",
            show_default=True,
            metavar="TIME",
            help="How long a new code lives: 30m, 1h, 2d.",
        ),
        option("--weak-code", is_flag=True, help="Accept a code that the relay could guess."),
        option("--qr/--no-qr", default=None, help="Show a new code as QR; by default if it fits."),
        option(
            "--as",
            "as_name",
            type=Capped(limits.NAME_MAX_CHARS),
            default="",
            metavar="NAME",
            help="The name that the other side is told.",
        ),
        option("--verify", is_flag=True, help="Wait until both people have compared symbols."),
        option("--anonymous", is_flag=True, help="Leave your identity out."),
    )


def ending_options(run: Run) -> Run:
    """Add --copy --notify --on-done as one Ending."""

    @wraps(run)
    def gathered(*, copy: bool, notify: bool, on_done: str, **rest: object) -> int:
        return run(ending=Ending(copy, on_done, notify), **rest)

    return declared(
        gathered,
        option("--copy", is_flag=True, help="Copy a new code to the clipboard."),
        option("--notify", is_flag=True, help="Ring the bell and notify when it has ended."),
        option("--on-done", default="", metavar="CMD", help="Run this command when it has ended."),
    )


def declared(run: Run, *declarations: Callable[[Run], Run]) -> Run:
    """Put declarations on a command, in the order in which they shall be listed."""
    # click lists options in the order in which decorators stand, the last one applied first.
    for declare in reversed(declarations):
        run = declare(run)
    return run
