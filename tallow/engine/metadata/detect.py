"""The front door of `--strip-metadata` (C6): which format a file is, and its plan.

A file is what its first bytes say, whatever it is called. This module reads nothing beyond them;
jpeg, png, webp and heif do the rest. Anything else, other image formats included, has no plan.
"""

from __future__ import annotations

from typing import Final

from tallow.engine.metadata import heif, jpeg, png, webp
from tallow.engine.metadata.pieces import Pieces
from tallow.engine.metadata.view import ReadAt, View

_HEAD_BYTES: Final = 1024


def plan_strip(read_at: ReadAt, size: int) -> Pieces | None:
    """Return the file without metadata, or None if it is no such picture or has none.

    ``read_at`` takes offset and length and returns that many bytes; ``size`` is the file's.
    Raises: StripRefused if it calls itself JPEG, PNG, WebP, HEIC or AVIF and is damaged, or if
    metadata could stay in it; what ``read_at`` raises passes through.
    """
    head = View(read_at, size).read(0, min(size, _HEAD_BYTES))
    if head.startswith(jpeg.SIGNATURE):
        return jpeg.plan_jpeg(View(read_at, size, "JPEG"))
    if head.startswith(png.SIGNATURE):
        return png.plan_png(View(read_at, size, "PNG"))
    if head.startswith(webp.RIFF) and head[8:12] == webp.WEBP:
        return webp.plan_webp(View(read_at, size, "WebP"))
    if heif.calls_itself_heif(head):
        return heif.plan_heif(View(read_at, size, "HEIC or AVIF"))
    return None
