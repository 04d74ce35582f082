"""A picture as its format reads it (C6): numbers and bytes, never beyond the end, never forever.

Every read is checked against the size, every part is counted, every search is bounded; what a
file may cost is decided here, so that a format only says what it looks for. This module never
opens a file and never keeps more of it than one window. Spec: docs/protocol.md §12.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tallow.engine.metadata.pieces import StripRefused
from tallow.wire import limits

WINDOW_BYTES = 4 * limits.KIB
BLOCK_BYTES = 256 * limits.KIB

ReadAt = Callable[[int, int], bytes]
"""Offset and length in, that many bytes out (fewer if the file became shorter)."""


class View:
    """A readable picture of a known size; for one thread."""

    def __init__(self, read_at: ReadAt, size: int, name: str = "picture") -> None:
        """Look at a file; ``name`` is what reasons call it."""
        self.size = size
        self._read_at = read_at
        self._name = name
        self._window = b""
        self._window_at = 0
        self._parts = 0
        self._searched = 0

    def refusal(self, why: str) -> StripRefused:
        """Return the error that says why this file cannot be stripped."""
        return StripRefused(f"its metadata cannot be removed for certain: as a {self._name}, {why}")

    def count_part(self) -> None:
        """Count a segment, chunk, box or item; StripRefused when there are too many."""
        self._parts += 1
        if self._parts > limits.IMAGE_PARTS_MAX:
            raise self.refusal("it has too many parts")

    def count_bytes(self, count: int) -> None:
        """Count bytes that are looked at one by one; StripRefused when there are too many."""
        self._searched += count
        if self._searched > limits.IMAGE_SCAN_MAX_BYTES:
            raise self.refusal("it is too large")

    def check_end(self, end: int, limit: int | None = None) -> None:
        """Refuse a part that ends after the file, or after what it lies in."""
        if end > (self.size if limit is None else min(limit, self.size)):
            raise self.refusal("a part is longer than what it lies in")

    def read(self, start: int, end: int) -> bytes:
        """Return bytes, which the caller has bounded; StripRefused if they are not all there."""
        if not 0 <= start <= end <= self.size:
            raise self.refusal("it ends too early")
        if end - start > WINDOW_BYTES:
            return self._fetch(start, end)
        low = start - self._window_at
        if low < 0 or end > self._window_at + len(self._window):
            self._window = self._fetch(start, min(start + WINDOW_BYTES, self.size))
            self._window_at, low = start, 0
        return self._window[low : low + end - start]

    def number(self, start: int, width_bytes: int) -> int:
        """Return a big-endian number."""
        return int.from_bytes(self.read(start, start + width_bytes), "big")

    def find(self, pattern: re.Pattern[bytes], start: int) -> int:
        """Return where a pattern of one or two bytes first stands; StripRefused if nowhere."""
        at, step = start, WINDOW_BYTES
        while at < self.size:
            stop = min(at + step, self.size)
            self.count_bytes(stop - at)
            found = pattern.search(self.read(at, stop))
            if found:
                self._searched -= stop - at - found.end()
                return at + found.start()
            # The last byte is read again: a pattern may begin with it. Growing steps keep what is
            # read beyond a find small beside what was searched.
            at, step = max(stop - 1, at + 1), min(2 * step, BLOCK_BYTES)
        raise self.refusal("it ends too early")

    def _fetch(self, start: int, end: int) -> bytes:
        content = self._read_at(start, end - start)
        if len(content) != end - start:
            raise self.refusal("it became shorter while it was read")
        return content
