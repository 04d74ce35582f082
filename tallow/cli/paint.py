"""Colour, where a person sees it and wants it: on a terminal, and nowhere else.

Rich makes the escape sequences and is loaded at the first coloured word. Meaning never rests on
colour alone. Nothing is printed here. NO_COLOR: https://no-color.org
"""

from __future__ import annotations

import sys
from collections.abc import Mapping


def wants_colour(*, tty: bool, environment: Mapping[str, str], no_color: bool) -> bool:
    """Return whether to colour what goes to a stream."""
    if no_color or not tty or environment.get("NO_COLOR") or environment.get("TERM") == "dumb":
        return False
    # The old Windows console shows escape sequences as letters.
    modern = "WT_SESSION" in environment or "TERM" in environment
    return sys.platform != "win32" or modern


class Paint:
    """Styles words, or leaves them as they are."""

    def __init__(self, *, enabled: bool) -> None:
        """Colour only if enabled."""
        self.enabled = enabled

    def __call__(self, style: str, text: str) -> str:
        """Return text in a style of Rich ("bold red"); control characters are not looked at."""
        if not (self.enabled and style and text):
            return text
        from rich.color import ColorSystem
        from rich.style import Style

        return Style.parse(style).render(text, color_system=ColorSystem.STANDARD)
