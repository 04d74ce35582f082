"""``tallow completions``: the script that makes a shell complete commands, options and codes.

Printed, never installed: where it goes is the person's own choice, said in docs/cli.md.
"""

from __future__ import annotations

import click

from tallow.cli import exit_codes
from tallow.cli.outside import Outside

SUMMARY = "Print the completion script of a shell."


@click.command("completions", short_help=SUMMARY)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completions(ctx: click.Context, shell: str) -> int:
    """Print the script that completes commands, options and words of codes.

    bash:  tallow completions bash > ~/.local/share/bash-completion/completions/tallow
    """
    from click.shell_completion import get_completion_class

    from tallow.cli.render import Output

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"No completion for {shell}.", ctx)
    root = ctx.find_root()
    script = kind(root.command, {}, "tallow", "_TALLOW_COMPLETE")
    # source() of bash would first start bash to ask its version.
    Output(Outside.of(ctx).console).result((script.source_template % script.source_vars()).strip())
    return exit_codes.DONE
