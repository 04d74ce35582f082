"""The boxes of a HEIC or AVIF file (C6): where they begin and end, checked against each other.

A walk goes over one level; who descends says how deep, so that no nesting of a file can. This
module knows no kind of box but ``uuid``. Spec: ISO/IEC 14496-12 §4.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tallow.engine.metadata.view import View

_HEADER_BYTES: Final = 8
_LARGE_HEADER_BYTES: Final = 16
FULL_BYTES: Final = 4
"""Version and flags, with which many boxes begin."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its kind, and the offsets of its header, its body and its end in the file."""

    kind: bytes
    start: int
    body: int
    end: int


def boxes_in(view: View, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes that fill a stretch exactly; StripRefused if they do not."""
    while start < end:
        view.count_part()
        view.check_end(start + _HEADER_BYTES, end)
        length, kind, body = view.number(start, 4), view.read(start + 4, start + 8), start + 8
        if length == 1:
            body = start + _LARGE_HEADER_BYTES
            view.check_end(body, end)
            length = view.number(start + 8, 8)
        elif length == 0:
            length = end - start
        if start + length < body:
            raise view.refusal("a box is shorter than its own header")
        view.check_end(start + length, end)
        yield Box(kind, start, body, start + length)
        start += length


class Fields:
    """Reads numbers off a box's body one after the other; StripRefused behind its end."""

    def __init__(self, view: View, box: Box) -> None:
        """Begin at the body, after version and flags."""
        self._view = view
        self._end = box.end
        self.at = box.body
        self.version = self.number(1)
        self.number(FULL_BYTES - 1)

    def number(self, width_bytes: int) -> int:
        """Return the next big-endian number; 0 for a width of 0."""
        start, self.at = self.at, self.at + width_bytes
        self._view.check_end(self.at, self._end)
        return self._view.number(start, width_bytes)
