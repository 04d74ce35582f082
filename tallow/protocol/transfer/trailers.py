"""File ends on their way out, gathered into trailers that fit a message.

Spec: docs/protocol.md §8.5.
"""

from __future__ import annotations

from tallow.protocol.messages import FileEnd, Trailer, xattrs_bytes
from tallow.wire import limits


class Trailers:
    """Gathers how files ended until a message is full or somebody wants it."""

    def __init__(self, offer: int) -> None:
        self._offer = offer
        self._ends: list[FileEnd] = []
        self._bytes = 0
        self._full: list[Trailer] = []

    def add(self, end: FileEnd) -> None:
        """Take the end of one file."""
        self._ends.append(end)
        self._bytes += 48 + 4 * len(end.failed) + xattrs_bytes(end.xattrs) + 8 * len(end.xattrs)
        full = self._bytes > limits.MANIFEST_PAGE_MAX_BYTES
        if full or len(self._ends) == limits.ROOTS_PER_TRAILER:
            self._close()

    def take(self) -> list[Trailer]:
        """Return and forget everything gathered."""
        self._close()
        taken, self._full = self._full, []
        return taken

    def _close(self) -> None:
        if self._ends:
            self._full.append(Trailer(self._offer, self._ends))
            self._ends, self._bytes = [], 0
