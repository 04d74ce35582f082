"""WebP without metadata (C6): the chunks that pixels and colour need, with flags and size mended.

A chunk stays because it is known here; EXIF, XMP and unknown ones go, and so does what follows
the RIFF. Frames of an animation are looked into, never decoded. Spec: RFC 9649.
"""

from __future__ import annotations

from typing import Final

from tallow.engine.metadata import exif
from tallow.engine.metadata.assembly import Assembly
from tallow.engine.metadata.pieces import Pieces
from tallow.engine.metadata.view import View

RIFF: Final = b"RIFF"
WEBP: Final = b"WEBP"

_HEADER_BYTES: Final = 12
_FRAME_HEADER_BYTES: Final = 16
_FEATURE_BYTES: Final = 10
_HAS_EXIF: Final = 0x08
_HAS_XMP: Final = 0x04
_KEPT: Final = frozenset({b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})
_PICTURES: Final = frozenset({b"VP8 ", b"VP8L", b"ANMF"})
_IN_FRAME: Final = frozenset({b"VP8 ", b"VP8L", b"ALPH"})


def plan_webp(view: View) -> Pieces | None:
    """Return a WebP's pieces without metadata, or None if it has none; StripRefused if damaged."""
    end = 8 + int.from_bytes(view.read(4, 8), "little")
    view.check_end(end)
    view.check_end(_HEADER_BYTES, end)
    out, at, features, turned = Assembly(view), _HEADER_BYTES, b"", 0
    pictured = False
    if end - at >= 8 and view.read(at, at + 4) == b"VP8X":
        _, body, stop, after = _chunk_at(view, at, end)
        view.check_end(body + _FEATURE_BYTES, stop)
        features = view.read(body, body + _FEATURE_BYTES)
        out.changed = stop - body > _FEATURE_BYTES
        at = after
    while at < end:
        kind, body, stop, after = _chunk_at(view, at, end)
        if kind == b"VP8X":
            raise view.refusal("its header stands in the wrong place")
        if kind == b"ANMF":
            _look_into_frame(view, body, stop)
        pictured |= kind in _PICTURES
        if kind in _KEPT:
            out.keep(at, after)
            out.put(bytes(after - at & 1))
        elif kind == b"EXIF" and features and not turned:
            turned = exif.orientation(view, body, stop)
            only = exif.only(turned)
            out.replace(at, after, _chunk(kind, only) if turned else b"")
        else:
            out.replace(at, after, b"")
        at = after
    if not pictured:
        raise view.refusal("it holds no picture")
    out.changed |= end != view.size
    return out.pieces(_front(features, turned, out.length))


def _chunk_at(view: View, at: int, limit: int) -> tuple[bytes, int, int, int]:
    """Return a chunk's kind, where its body begins, where that ends, and where its padding does."""
    view.count_part()
    view.check_end(at + 8, limit)
    head = view.read(at, at + 8)
    length = int.from_bytes(head[4:], "little")
    view.check_end(at + 8 + length, limit)
    stop = at + 8 + length
    # Some writers forget the padding of the last chunk.
    return head[:4], at + 8, stop, min(stop + (length & 1), limit)


def _look_into_frame(view: View, body: int, end: int) -> None:
    at = body + _FRAME_HEADER_BYTES
    view.check_end(at, end)
    while at < end:
        kind, _, _, at = _chunk_at(view, at, end)
        if kind not in _IN_FRAME:
            raise view.refusal("a frame holds more than a picture")


def _front(features: bytes, turned: int, body_bytes: int) -> bytes:
    """Return the RIFF header and, if there was one, the extended header that fits the rest."""
    extended = b""
    if features:
        flags = features[0] & ~(_HAS_EXIF | _HAS_XMP) | (_HAS_EXIF if turned else 0)
        extended = _chunk(b"VP8X", bytes([flags]) + features[1:])
    size = len(WEBP) + len(extended) + body_bytes
    return RIFF + size.to_bytes(4, "little") + WEBP + extended


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + len(body).to_bytes(4, "little") + body + bytes(len(body) & 1)
