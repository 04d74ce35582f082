"""``tallow demo``: a relay, a sender and a receiver as processes of their own, for real.

What they print is shown with their names in front; then both trees are compared and both BLAKE3
roots shown. Their state lives in a temporary folder, so the demo leaves nothing behind. Every
wait has a deadline, and every child is ended however the demo ends.
"""

from __future__ import annotations

import click

from tallow.cli.options import option
from tallow.cli.outside import Outside
from tallow.cli.param_types import Amount

SUMMARY = "Show a whole transfer on this machine."


@click.command("demo", short_help=SUMMARY)
@option("--size", type=Amount(), default="200MB", show_default=True, help="Size of the large file.")
@option("--keep", is_flag=True, help="Keep the folders, to look at them.")
@option("--no-color", is_flag=True, help="Print without colour (as NO_COLOR does).")
@click.pass_context
def demo(ctx: click.Context, size: int, keep: bool, no_color: bool) -> int:
    """Send a real folder from one process to another through a relay, and compare both.

    Everything happens on this machine, in a temporary folder that is removed afterwards.
    """
    import asyncio

    from tallow.cli.demo_folder import Workplace, check_space
    from tallow.cli.demo_run import run_demo
    from tallow.cli.render import Output

    outside = Outside.of(ctx)
    output = Output(outside.console, no_color=no_color)
    with Workplace(keep=keep) as place:
        check_space(place.path, size)
        code = asyncio.run(run_demo(place, size, output, outside.now))
        if keep:
            output.tell(f"Kept in {place.path}")
    return code
