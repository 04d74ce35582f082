"""Counting, from several threads, what of an offer could not be kept on this disk.

Before: inbox.py and linking.py count. After: receiving.py tells both sides. It never decides
whether something may be lost.
"""

from __future__ import annotations

import threading

from tallow.protocol.kept import ALL_KEPT, NotKept


class Losses:
    """A sum that grows."""

    def __init__(self) -> None:
        """Begin with nothing lost."""
        self._lock = threading.Lock()
        self._sum = ALL_KEPT

    def add(self, lost: NotKept) -> None:
        """Count more."""
        if lost:
            with self._lock:
                self._sum += lost

    @property
    def total(self) -> NotKept:
        """Everything counted so far."""
        with self._lock:
            return self._sum
