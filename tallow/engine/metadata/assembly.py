"""Puts a stripped picture (C6) together, in order, and notices whether anything is left out.

Bytes that would be replaced by themselves stay bytes of the original, so that a stripped picture
needs no second stripping. This module knows no image format. Before: view.py. After: pieces.py.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from tallow.engine.metadata.pieces import Literal, Pieces, Slice
from tallow.engine.metadata.view import View
from tallow.wire import limits

_LONGEST_RUN: Final = limits.MIB


class Assembly:
    """Collects pieces in the order of the stripped file, and whether anything is left out."""

    def __init__(self, view: View) -> None:
        """Begin with nothing."""
        self.length = 0
        self.changed = False
        self._view = view
        self._parts: list[Slice | Literal] = []

    def keep(self, start: int, end: int) -> None:
        """Take bytes of the original as they are."""
        last = self._parts[-1] if self._parts else None
        if start == end:
            return
        if isinstance(last, Slice) and last.offset + last.length == start:
            self._parts[-1] = Slice(last.offset, last.length + end - start)
            self.length += end - start
        else:
            self._add(Slice(start, end - start))

    def replace(self, start: int, end: int, content: bytes) -> None:
        """Take other bytes instead of some of the original; nothing at all leaves these out."""
        if end - start == len(content) and self._view.read(start, end) == content:
            self.keep(start, end)
            return
        self.changed = True
        self.put(content)

    def blank(self, start: int, end: int, fill: int) -> None:
        """Take as many bytes of one value instead of some of the original."""
        while start < end:
            run = _run(fill, min(end - start, _LONGEST_RUN).bit_length() - 1)
            stop = start + len(run.content)
            self._view.count_bytes(stop - start)
            if self._view.read(start, stop) == run.content:
                self.keep(start, stop)
            else:
                self.changed = True
                self._add(run)
            start = stop

    def put(self, content: bytes) -> None:
        """Take bytes of our own."""
        if content:
            self._add(Literal(content))

    def pieces(self, header: bytes = b"") -> Pieces | None:
        """Return what was collected behind a header, or None if nothing would be left out."""
        front = (Literal(header),) if header else ()
        return Pieces((*front, *self._parts)) if self.changed else None

    def _add(self, part: Slice | Literal) -> None:
        if len(self._parts) == limits.IMAGE_PIECES_MAX:
            raise self._view.refusal("its metadata lies in too many places")
        self._parts.append(part)
        self.length += part.size


@cache
def _run(fill: int, power: int) -> Literal:
    # Powers of two let every plan share the same few runs: thousands of plans are held at once.
    return Literal(bytes([fill]) * (1 << power))
