"""Colour where it is wanted, and nowhere else."""

from __future__ import annotations

import pytest

from tallow.cli.paint import Paint, wants_colour

TERMINAL = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("tty", "environment", "no_color", "wanted"),
    [
        (True, TERMINAL, False, True),
        (False, TERMINAL, False, False),
        (True, TERMINAL, True, False),
        (True, TERMINAL | {"NO_COLOR": "1"}, False, False),
        (True, TERMINAL | {"NO_COLOR": ""}, False, True),
        (True, {"TERM": "dumb"}, False, False),
    ],
)
def test_who_gets_colour(
    tty: bool, environment: dict[str, str], no_color: bool, wanted: bool
) -> None:
    """Colour goes to a terminal whose person did not decline it; an empty NO_COLOR is no answer."""
    assert wants_colour(tty=tty, environment=environment, no_color=no_color) is wanted


def test_paint_or_nothing() -> None:
    """Enabled paint wraps the words, disabled paint leaves them alone."""
    assert Paint(enabled=True)("bold red", "error:") == "\x1b[1;31merror:\x1b[0m"
    assert Paint(enabled=False)("bold red", "error:") == "error:"
    assert Paint(enabled=True)("", "error:") == "error:"
    assert Paint(enabled=True)("red", "") == ""
