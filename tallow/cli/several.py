"""How sending to several is told: what concerns everybody in sentences, and a line for each one.

Receivers are numbered in the order in which they came; a name is what that side calls itself. On a
terminal a moving line for each of them stands above the sum. Sentences come from sentences.py,
where peer text is escaped. Before: exchange.py. After: render.py prints.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tallow.cli import sentences, units
from tallow.cli.progress import Progress
from tallow.cli.render import Output
from tallow.cli.styles import GOOD, WARNING, Human, Telling
from tallow.display import display_text
from tallow.engine import events as e

NAME_CELLS: Final = 16
ROWS_KEPT: Final = 4
"""Rows of a terminal that the moving lines leave to what was told before."""


@dataclass(slots=True)
class _One:
    """One receiver as it is shown."""

    number: int
    name: str = ""
    state: str = ""
    progress: Progress = field(default_factory=lambda: Progress(sending=True))
    newest: e.TransferProgress | None = None
    ended: bool = False

    @property
    def label(self) -> str:
        """What stands in front of its lines."""
        name = f' "{display_text(self.name, max_width=NAME_CELLS)}"' if self.name else ""
        return f"#{self.number}{name}"


class Several(Human):
    """Human's sentences for the whole, a line for each receiver."""

    def __init__(self, output: Output, telling: Telling, *, quiet: bool = False) -> None:
        """Tell nothing yet; ``quiet`` leaves out all but the code and what went wrong."""
        super().__init__(output, telling)
        self._quiet = quiet
        self._ones: dict[int, _One] = {}

    def show(self, event: e.AnyEvent) -> None:
        """Say it."""
        if isinstance(event, e.TransferAdded) and event.parent:
            self._ones[event.ticket] = _One(len(self._ones) + 1)
        one = self._ones.get(event.ticket)
        if one is not None:
            self._remember(event)
            self._one(one, event)
        elif isinstance(event, e.TransferDone):
            self._remember(event)
            self._tell(sentences.summary_of_several(event, len(self._ones)), GOOD)
        elif self._quiet:
            self._quietly(event)
        else:
            super().show(event)

    def _quietly(self, event: e.AnyEvent) -> None:
        self._remember(event)
        match event:
            case e.CodeAllocated():
                self._output.result(event.code)
            case e.CommandFailed():
                self._output.tell(sentences.command_failed(event), WARNING)
            case e.CodeClosed():
                self._output.tell(sentences.code_closed(event), WARNING)
            case _:
                pass

    def _one(self, one: _One, event: e.AnyEvent) -> None:
        """Tell what happened to one receiver."""
        line, style = "", ""
        match event:
            case e.PeerUp():
                one.name = event.name
                line = sentences.one_up(event)
            case e.VerifyStep():
                line = sentences.verify_step(event.step) or ""
            case e.OfferAnswered():
                line = sentences.answered(event, kind="", sending=True) or ""
            case e.TransferState():
                one.state = event.state
            case e.TransferProgress():
                one.newest = event
                one.progress.update(event, self._telling.now())
            case e.SessionLost():
                line, style = sentences.session_lost(event), WARNING
            case e.TransferResumed():
                line = sentences.resumed(event)
            case e.TransferPaused():
                line, style = sentences.paused(event), WARNING
            case e.TransferContinued():
                line = "Going on."
            case e.TransferFile() if event.status == "failed":
                line, style = sentences.file_line(event), WARNING
            case e.TransferDone():
                one.ended = True
                line, style = sentences.one_done(event), GOOD if not event.failed else WARNING
            case e.TransferError():
                one.ended = True
                line, style = sentences.one_failed(event), WARNING
            case _:
                pass
        if line and (not self._quiet or style == WARNING):
            self._tell(f"{one.label}: {line}", style)
        self._draw()

    def _tell(self, line: str, style: str) -> None:
        if not self._quiet or style == WARNING:
            self._output.tell(line, style)

    def _moving_line(self, now: float) -> str:
        """Return a line for each receiver who is not done, and the sum below them."""
        if self._quiet:
            return ""
        columns, rows = self._output.console.size()
        under_way = [one for one in self._ones.values() if not one.ended]
        shown = under_way[: max(0, rows - ROWS_KEPT)]
        lines = [self._line_of(one, now, columns - 1) for one in shown]
        if len(shown) < len(under_way):
            lines.append(f"… and {len(under_way) - len(shown)} more")
        lines.append(self._sum(len(under_way), columns - 1))
        return "\n".join(lines)

    def _line_of(self, one: _One, now: float, columns: int) -> str:
        label = display_text(one.label, max_width=max(1, columns // 2)) + "  "
        if one.state in ("transferring", "finishing") and one.newest is not None:
            return label + one.progress.line(now, columns - len(label))
        state = sentences.STATES.get(one.state, "")
        return display_text(label + state, max_width=columns)

    def _sum(self, under_way: int, columns: int) -> str:
        if not self._ones:
            return sentences.STATES.get(self._state, "")[:columns]
        newest = [one.newest for one in self._ones.values() if one.newest is not None]
        done = sum(event.done_bytes for event in newest)
        pace = sum(
            one.newest.rate_bps for one in self._ones.values() if one.newest and not one.ended
        )
        parts = [f"{units.counted(len(self._ones), 'receiver')}, {under_way} under way"]
        if done:
            parts.append(units.size(done))
        if pace and under_way:
            parts.append(units.rate(pace))
        return display_text("  ".join(parts), max_width=columns)
