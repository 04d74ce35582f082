"""HEIC containers built box by box, because no encoder here writes them (or writes them wrong)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from tests.engine.metadata.pictures import SECRET, XMP, exif

PIXELS = bytes(range(7, 207))
TILES = bytes(range(100, 180))
IMAGE_EXIF = b"\0\0\0\6" + exif(8).tobytes()
ORPHAN = SECRET + b" left behind by an editor"


def box(kind: bytes, *content: bytes) -> bytes:
    """Return a box."""
    body = b"".join(content)
    return (len(body) + 8).to_bytes(4, "big") + kind + body


def large(kind: bytes, *content: bytes) -> bytes:
    """Return a box with a 64-bit length."""
    body = b"".join(content)
    return b"\0\0\0\1" + kind + (len(body) + 16).to_bytes(8, "big") + body


def full(kind: bytes, version: int, *content: bytes) -> bytes:
    """Return a box that begins with version and flags."""
    return box(kind, bytes([version, 0, 0, 0]), *content)


FTYP = box(b"ftyp", b"heic\0\0\0\0mif1heic")
HDLR = full(b"hdlr", 0, bytes(4), b"pict", bytes(13))


def infe(item: int, kind: bytes, tail: bytes = b"", version: int = 2) -> bytes:
    """Return an entry of the list of items."""
    number = struct.pack(">H" if version == 2 else ">I", item)
    return full(b"infe", version, number, bytes(2), kind, b"\0", tail)


def iinf(*entries: bytes) -> bytes:
    """Return the list of items."""
    return full(b"iinf", 0, struct.pack(">H", len(entries)), *entries)


@dataclass
class Place:
    """Where an item lies: its extents, in the file or in the idat."""

    item: int
    extents: list[tuple[int, int]]
    method: int = 0
    origin: int = 0


def iloc(*places: Place, version: int = 1) -> bytes:
    """Return the places of items."""
    made = [b"\x44\x40", struct.pack(">H" if version < 2 else ">I", len(places))]
    for place in places:
        made.append(struct.pack(">H" if version < 2 else ">I", place.item))
        made.append(struct.pack(">H", place.method) if version else b"")
        made.append(struct.pack(">HIH", 0, place.origin, len(place.extents)))
        made += [struct.pack(">II", *extent) for extent in place.extents]
    return full(b"iloc", version, *made)


@dataclass
class Heic:
    """A file of boxes; offsets into its mdat count from the mdat's first byte."""

    kinds: list[bytes]
    places: list[Place]
    mdat: bytes
    idat: bytes = b""
    in_meta: list[bytes] = field(default_factory=list)
    before: list[bytes] = field(default_factory=list)
    after: list[bytes] = field(default_factory=list)
    version: int = 1
    iinf: bytes = b""

    def file(self) -> bytes:
        """Return the file; it is built twice, because offsets follow lengths."""
        front = len(self._built(0)) - len(self.mdat) - sum(map(len, self.after))
        return self._built(front)

    def _built(self, mdat_at: int) -> bytes:
        places = [
            Place(place.item, place.extents, place.method, mdat_at) if place.method == 0 else place
            for place in self.places
        ]
        meta = full(
            b"meta",
            0,
            HDLR,
            iloc(*places, version=self.version),
            self.iinf or iinf(*(infe(number, kind) for number, kind in enumerate(self.kinds, 1))),
            *self.in_meta,
            box(b"idat", self.idat) if self.idat else b"",
        )
        return b"".join([FTYP, meta, *self.before, box(b"mdat", self.mdat), *self.after])


def usual() -> Heic:
    """Return a picture of two items with an Exif, an XMP in the idat, and bytes of nobody."""
    mdat = PIXELS + ORPHAN + IMAGE_EXIF + TILES
    exif_at = len(PIXELS) + len(ORPHAN)
    tiles_at = exif_at + len(IMAGE_EXIF)
    return Heic(
        [b"hvc1", b"Exif", b"mime", b"grid", b"hvc1"],
        [
            Place(1, [(0, 50), (50, len(PIXELS) - 50)]),
            Place(2, [(exif_at, len(IMAGE_EXIF))]),
            Place(3, [(8, len(XMP))], method=1),
            Place(4, [(0, 8)], method=1),
            Place(5, [(tiles_at, len(TILES))]),
        ],
        mdat,
        b"GRIDGRID" + XMP,
    )
