"""Completion scripts."""

from __future__ import annotations

import pytest

from tests.cli.still_console import Stage


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell: str) -> None:
    """D6: the script for a shell asks this program for completions."""
    stage = Stage()
    assert stage.run("completions", shell) == 0
    assert f"_TALLOW_COMPLETE={shell}_complete" in stage.console.out
    assert stage.console.err == ""


def test_other_shells_have_none() -> None:
    """A shell without a script is a usage error."""
    assert Stage().run("completions", "powershell") == 2
