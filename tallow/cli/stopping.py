"""Stopping: signals while an exchange runs, and the moment at which the process leaves anyway.

It decides nothing: exchange.py says what a signal means. Nothing is printed here.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from types import FrameType
from typing import Final

from tallow.cli.outside import Outside

GRACE_S: Final = 0.5
Before = Callable[[int, FrameType | None], object] | int | None
"""What stood for a signal before: a function, the default, or ignoring it."""


class Deadline:
    """The moment at which the process leaves, whatever hangs."""

    def __init__(self, outside: Outside) -> None:
        """Stay as long as nothing else is said."""
        self._outside = outside
        self._exit_code = 0
        self._call_off: Callable[[], None] | None = None

    def set(self, seconds: float, exit_code: int) -> None:
        """Leave after some seconds."""
        self._exit_code = exit_code
        self._call_off = self._outside.leave_after(seconds, exit_code)

    def call_off(self) -> None:
        """Stay."""
        if self._call_off is not None:
            self._call_off()

    def renew(self) -> None:
        """Leave soon after all, if that was meant before."""
        if self._call_off is not None:
            self.set(GRACE_S, self._exit_code)


class Signals:
    """Routes SIGINT and SIGTERM to a function while it is entered, then gives them back."""

    NUMBERS: Final = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, stop: Callable[[int], None]) -> None:
        """Call ``stop`` with the number of each signal, in the loop."""
        self._stop = stop
        self._before: dict[int, Before] = {}

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        for number in self.NUMBERS:
            # add_signal_handler exists on POSIX alone; this works on every system.
            self._before[number] = signal.getsignal(number)
            signal.signal(
                number, lambda found, _: loop.call_soon_threadsafe(self._stop, int(found))
            )

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
