"""One line that tells how far a transfer is: phase, percent, bytes, speed, time left, file.

A value that is fed events and a clock and returns text; the engine smooths speed and time left,
so that every front door shows the same. It never prints.
"""

from __future__ import annotations

from typing import Final

from tallow.cli import units
from tallow.display import cell_width, display_text
from tallow.engine import events as e

STALLED_S: Final = 5.0
_GAP: Final = "  "
_PATH_CELLS_LEAST: Final = 8

_PHASES: Final = {
    "connecting": "Connecting",
    "listing": "Listing",
    "finishing": "Checking",
    "verifying": "Checking",
}


class Progress:
    """The newest progress of one transfer."""

    def __init__(self, *, sending: bool) -> None:
        """Hold nothing yet."""
        self._moving = "Sending" if sending else "Receiving"
        self._event: e.TransferProgress | None = None
        self._event_at = 0.0
        self._moved_at = 0.0

    def update(self, event: e.TransferProgress, now: float) -> None:
        """Take a newer state."""
        before = self._event
        if before is None or before.done_bytes != event.done_bytes or before.phase != event.phase:
            self._moved_at = now
        self._event, self._event_at = event, now

    def line(self, now: float, columns: int) -> str:
        """Return the state as one line of at most so many cells, or "" before the first."""
        event = self._event
        if event is None:
            return ""
        parts = [self._phase(event), *_amounts(event), self._pace(event, now)]
        text = _GAP.join(part for part in parts if part)
        room = columns - cell_width(text) - len(_GAP)
        if event.path and room >= _PATH_CELLS_LEAST:
            text += _GAP + display_text(event.path, max_width=room)
        return display_text(text, max_width=columns)

    def _phase(self, event: e.TransferProgress) -> str:
        if event.phase in ("transferring", "sending", "receiving", ""):
            return self._moving
        return _PHASES.get(event.phase, display_text(event.phase.capitalize(), max_width=16))

    def _pace(self, event: e.TransferProgress, now: float) -> str:
        """Return speed and time left, or for how long nothing has moved."""
        if _is_whole(event):
            return ""
        still_s = now - self._moved_at
        if still_s >= STALLED_S:
            return f"stalled {still_s:.0f} s"
        pace = units.rate(event.rate_bps)
        if event.eta_s is None:
            return pace
        left_s = max(0.0, event.eta_s - (now - self._event_at))
        return f"{pace}{_GAP}{units.time_left(left_s)} left"


def _is_whole(event: e.TransferProgress) -> bool:
    return event.total_bytes is not None and event.done_bytes >= event.total_bytes


def _amounts(event: e.TransferProgress) -> list[str]:
    if event.total_bytes is None:
        return [units.size(event.done_bytes)]
    parts = [
        f"{units.percent(event.done_bytes, event.total_bytes):3d} %",
        f"{units.size(event.done_bytes)} of {units.size(event.total_bytes)}",
    ]
    if event.total_files > 1:
        parts.append(f"{event.done_files}/{event.total_files} files")
    return parts
