"""JPEG without metadata (C6): segments that pixels and colour need, up to the end of the picture.

A segment stays because it is known, not goes because it is known: an unheard-of APPn is dropped,
an unheard-of marker refused. Entropy-coded data is searched for the next marker, never decoded.
What follows the picture (MPF pictures, motion photos) goes. Spec: ITU-T T.81, JFIF 1.02.
"""

from __future__ import annotations

import re
from typing import Final

from tallow.engine.metadata import exif
from tallow.engine.metadata.assembly import Assembly
from tallow.engine.metadata.pieces import Pieces
from tallow.engine.metadata.view import View

SIGNATURE: Final = b"\xff\xd8\xff"

_NOT_FILL: Final = re.compile(rb"[^\xff]", re.DOTALL)
_AFTER_SCAN: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
"""A marker inside entropy-coded data: no stuffed zero, no fill byte, no restart."""

_EOI: Final = 0xD9
_SOS: Final = 0xDA
_APP0: Final = 0xE0
_APP1: Final = 0xE1
_APP2: Final = 0xE2
_APP14: Final = 0xEE
_COMMENT: Final = 0xFE
_DROPPED: Final = frozenset({*range(0xE0, 0xF0), _COMMENT})
_CODING: Final = frozenset({*range(0xC0, 0xD0), *range(0xDA, 0xE0)}) - {0xC8}
"""Frames, tables, scans, restart intervals: what decoding needs."""

_JFIF: Final = b"JFIF\0"
_JFIF_BYTES: Final = 14
_ADOBE: Final = b"Adobe"
_ADOBE_BYTES: Final = 12
_ICC: Final = b"ICC_PROFILE\0"


def plan_jpeg(view: View) -> Pieces | None:
    """Return a JPEG's pieces without metadata, or None if it has none; StripRefused if damaged."""
    return _Walk(view).run()


class _Walk:
    def __init__(self, view: View) -> None:
        self._view = view
        self._out = Assembly(view)
        self._scanned = False
        self._turned = False

    def run(self) -> Pieces | None:
        view, out, at = self._view, self._out, 2
        out.keep(0, at)
        while True:
            view.count_part()
            kind_at = view.find(_NOT_FILL, at)
            kind = view.number(kind_at, 1)
            if kind_at == at:
                raise view.refusal("bytes stand between its segments")
            if kind == _EOI:
                break
            if kind not in _CODING and kind not in _DROPPED:
                raise view.refusal("it holds a kind of segment that is not known here")
            at = self._segment(at, kind, kind_at + 1)
        if not self._scanned:
            raise view.refusal("it holds no picture")
        out.keep(at, kind_at + 1)
        out.replace(kind_at + 1, view.size, b"")
        return out.pieces()

    def _segment(self, start: int, kind: int, length_at: int) -> int:
        """Take or drop one segment and, behind the header of a scan, its data; return the end."""
        view, out = self._view, self._out
        length = view.number(length_at, 2)
        body, end = length_at + 2, length_at + length
        if length < 2:
            raise view.refusal("a segment is shorter than its own length")
        view.check_end(end)
        if kind not in _DROPPED or (
            kind == _APP2 and not self._scanned and self._begins(body, end, _ICC)
        ):
            out.keep(start, end)
        elif content := self._instead(kind, body, end):
            out.keep(start, length_at - 2)
            out.replace(length_at - 2, end, content)
        else:
            out.replace(start, end, b"")
        if kind != _SOS:
            return end
        self._scanned = True
        after = view.find(_AFTER_SCAN, end)
        out.keep(end, after)
        return after

    def _instead(self, kind: int, body: int, end: int) -> bytes:
        """Return what a segment is replaced by; one that says this already stays as it is."""
        if self._scanned:
            return b""
        if kind == _APP0 and self._begins(body, end, _JFIF) and end - body >= _JFIF_BYTES:
            # The last two numbers are width and height of a thumbnail, which goes.
            return _written(kind, self._view.read(body, body + _JFIF_BYTES - 2) + bytes(2))
        if kind == _APP14 and self._begins(body, end, _ADOBE) and end - body >= _ADOBE_BYTES:
            return _written(kind, self._view.read(body, body + _ADOBE_BYTES))
        if kind == _APP1 and not self._turned and self._begins(body, end, exif.PREFIX):
            turned = exif.orientation(self._view, body, end)
            self._turned = turned != 0
            return _written(kind, exif.PREFIX + exif.only(turned)) if turned else b""
        return b""

    def _begins(self, body: int, end: int, magic: bytes) -> bool:
        return self._view.read(body, min(body + len(magic), end)) == magic


def _written(kind: int, body: bytes) -> bytes:
    return bytes([0xFF, kind]) + (len(body) + 2).to_bytes(2, "big") + body
