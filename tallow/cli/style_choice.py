"""Which style tells of an exchange: sentences, results only, JSON, or a line per receiver."""

from __future__ import annotations

from tallow.cli.options import Speech
from tallow.cli.render import Output
from tallow.cli.several import Several
from tallow.cli.styles import Human, Json, Quiet, Style, Telling


def style_for(speech: Speech, output: Output, telling: Telling) -> Style:
    """Return the style that the options ask for."""
    if speech.json:
        return Json(output, telling)
    if telling.receivers != 1:
        return Several(output, telling, quiet=speech.quiet)
    return Quiet(output, telling) if speech.quiet else Human(output, telling)
