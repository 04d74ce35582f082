"""A sliding window over record numbers of a bulk channel: each number is accepted once.

The window moves only after a successful open, so forged numbers cannot push it. One idea, after
RFC 6479. Spec: docs/protocol.md §6.4.
"""

from __future__ import annotations

from tallow.wire import limits


class ReplayWindow:
    """Which numbers below the highest were seen; older than the window counts as seen."""

    def __init__(self, size: int = limits.BULK_WINDOW_RECORDS) -> None:
        self._size = size
        self._mask = (1 << size) - 1
        self._highest = -1
        self._seen = 0

    def fresh(self, number: int) -> bool:
        """Return whether this number may still be opened; changes nothing."""
        if number > self._highest:
            return True
        behind = self._highest - number
        return behind < self._size and not (self._seen >> behind) & 1

    def opened(self, number: int) -> None:
        """Remember a number whose record was opened successfully."""
        if number > self._highest:
            ahead = number - self._highest
            self._seen = ((self._seen << ahead) | 1) & self._mask if ahead < self._size else 1
            self._highest = number
        else:
            self._seen |= 1 << (self._highest - number)
