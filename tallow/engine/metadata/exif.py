"""The one thing of EXIF that a picture needs (C6): which way is up.

Everything else in it is dropped unread. A directory that cannot be read has no orientation for
anybody else either, so it is no reason to refuse the picture. Spec: EXIF 2.32, TIFF 6.0.
"""

from __future__ import annotations

from typing import Final, Literal

from tallow.engine.metadata.view import View

PREFIX: Final = b"Exif\0\0"
EMPTY: Final = b"MM\0*\0\0\0\x08" + bytes(6)
"""A valid EXIF without a tag."""

_ORIENTATION: Final = 0x0112
_WIDTHS: Final = {3: 2, 4: 4}
"""Bytes of the two number types that writers use for it."""
_TURNED: Final = range(2, 9)


def orientation(view: View, start: int, end: int) -> int:
    """Return 2…8 from an EXIF between two offsets, with or without prefix; 0 if as it lies."""
    if view.read(start, min(start + len(PREFIX), end)) == PREFIX:
        start += len(PREFIX)
    head = view.read(start, min(start + 8, end))
    order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
    if len(head) < 8 or head[:4] not in (b"II*\0", b"MM\0*"):
        return 0
    directory = start + int.from_bytes(head[4:8], order)
    if directory + 2 > end:
        return 0
    count = int.from_bytes(view.read(directory, directory + 2), order)
    stop = min(directory + 2 + 12 * count, end)
    entries = view.read(directory + 2, stop)
    for at in range(0, len(entries) - 11, 12):
        entry = entries[at : at + 12]
        width = _WIDTHS.get(int.from_bytes(entry[2:4], order))
        if int.from_bytes(entry[:2], order) == _ORIENTATION and width:
            value = int.from_bytes(entry[8 : 8 + width], order)
            return value if value in _TURNED else 0
    return 0


def only(turned: int) -> bytes:
    """Return an EXIF that holds this orientation and nothing else; b"" for 0."""
    if not turned:
        return b""
    entry = b"\x01\x12\0\x03\0\0\0\x01" + turned.to_bytes(2, "big") + b"\0\0"
    return b"MM\0*\0\0\0\x08\0\x01" + entry + bytes(4)
