"""PNG without metadata (C6): the chunks that pixels and colour need, and nothing after IEND.

A chunk stays because it is known here; other ancillary ones (tEXt, zTXt, iTXt, eXIf, tIME,
private ones) go, other critical ones are refused. Chunks are never unpacked and their checksums
never checked. Spec: PNG third edition.
"""

from __future__ import annotations

from binascii import crc32
from typing import Final

from tallow.engine.metadata import exif
from tallow.engine.metadata.assembly import Assembly
from tallow.engine.metadata.pieces import Pieces
from tallow.engine.metadata.view import View

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"

_KEPT: Final = frozenset(
    b"IHDR PLTE IDAT CgBI tRNS gAMA cHRM iCCP sRGB sBIT cICP mDCV mDCv cLLI cLLi bKGD hIST pHYs "
    b"oFFs sTER acTL fcTL fdAT".split()
)
_FIRST: Final = (b"IHDR", b"CgBI")
_LENGTH_BITS: Final = 31


def plan_png(view: View) -> Pieces | None:
    """Return a PNG's pieces without metadata, or None if it has none; StripRefused if damaged."""
    out = Assembly(view)
    at, turned, pictured = len(SIGNATURE), 0, False
    out.keep(0, at)
    while True:
        view.count_part()
        length, kind = view.number(at, 4), view.read(at + 4, at + 8)
        body, end = at + 8, at + 12 + length
        if length >> _LENGTH_BITS:
            raise view.refusal("a chunk is too long")
        if at == len(SIGNATURE) and kind not in _FIRST:
            raise view.refusal("it does not begin with its header")
        view.check_end(end)
        if kind == b"IEND":
            break
        pictured |= kind == b"IDAT"
        if kind in _KEPT:
            out.keep(at, end)
        elif not kind[0] & 0x20:
            raise view.refusal("it holds a kind of chunk that is not known here")
        elif kind == b"eXIf" and not turned:
            turned = exif.orientation(view, body, body + length)
            out.replace(at, end, _chunk(kind, exif.only(turned)) if turned else b"")
        else:
            out.replace(at, end, b"")
        at = end
    if not pictured:
        raise view.refusal("it holds no picture")
    out.replace(at, view.size, _chunk(b"IEND", b""))
    return out.pieces()


def _chunk(kind: bytes, body: bytes) -> bytes:
    checked = kind + body
    return len(body).to_bytes(4, "big") + checked + crc32(checked).to_bytes(4, "big")
