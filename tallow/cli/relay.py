"""``tallow relay``: the relay server of this package, and what this side remembers of relays.

Everything but ``forget`` is handed to the relay's own front door, whose options and help these
are. The relay is imported only here, when it runs.
"""

from __future__ import annotations

import click

from tallow.cli import exit_codes
from tallow.cli.options import PREFIX, Speech, speech_options
from tallow.cli.outside import Outside

SUMMARY = "Run a relay, or forget the key of one."
ALSO = """
also:
  tallow relay forget HOST[:PORT]
                        forget the key of a relay whose owner says that it changed"""


@click.command(
    "relay",
    short_help=SUMMARY,
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def relay(ctx: click.Context, arguments: tuple[str, ...]) -> int:
    """Run a relay here; "tallow relay forget HOST" forgets a relay's key."""
    outside = Outside.of(ctx)
    if arguments[:1] == ("forget",):
        inner = forget.make_context(
            "relay forget",
            list(arguments[1:]),
            parent=ctx.parent,
            auto_envvar_prefix=f"{PREFIX}_RELAY_FORGET",
        )
        with inner:
            code: int = forget.invoke(inner)
            return code
    exit_code = outside.run_relay(list(arguments))
    if {"-h", "--help"} & set(arguments):
        from tallow.cli.render import Output

        Output(outside.console).result(ALSO)
    return exit_code


@click.command("forget")
@click.argument("host", metavar="HOST[:PORT]")
@speech_options
@click.pass_context
def forget(ctx: click.Context, host: str, speech: Speech) -> int:
    """Forget the key of a relay, so that the next connection trusts the one it shows.

    Do this only if the relay's owner says that the key has changed.
    """
    from tallow.cli.render import Output
    from tallow.engine.transport.pins import forget as forget_pin
    from tallow.protocol.address import parse_address

    outside = Outside.of(ctx)
    output = Output(outside.console, no_color=speech.no_color)
    address = parse_address(host)
    if forget_pin(outside.open_state(), address):
        line = f"The key of {address} is forgotten; the next connection trusts the one it shows."
    else:
        line = f"No key of {address} was known; nothing changed."
    if not speech.quiet:
        output.tell(line)
    return exit_codes.DONE
