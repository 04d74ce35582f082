"""HEIC and AVIF without metadata (C6): what is not picture is overwritten where it lies.

Nothing moves, because boxes hold offsets into the file. Items are kept by kind: pictures stay,
Exif becomes an empty one (with the orientation if there was one), XMP an empty document, any
other item zeros. Unknown boxes become ``free`` ones. Bytes of ``mdat`` and ``idat`` that no
picture claims become zeros, except in image sequences, whose tables are not read here.
Spec: ISO/IEC 23008-12, ISO/IEC 14496-12, AV1 Image File Format 1.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tallow.engine.metadata import exif
from tallow.engine.metadata.boxes import FULL_BYTES, Box, Fields, boxes_in
from tallow.engine.metadata.items import Extent, item_extents, item_kinds
from tallow.engine.metadata.overlay import Overlay
from tallow.engine.metadata.pieces import Pieces
from tallow.engine.metadata.view import View

_BRANDS: Final = frozenset(
    b"mif1 mif2 mif3 msf1 miaf heic heix heim heis hevc hevx hevm hevs avif avis avio".split()
)
_PICTURES: Final = frozenset(
    b"hvc1 hev1 lhv1 vvc1 evc1 avc1 av01 jpeg j2k1 unci grid iovl iden tmap mski".split()
)
_EXIF_PREFIX_BYTES: Final = 4
_EMPTY_XML: Final = b"<x/>"

_UNREADABLE: Final = frozenset({b"moof", b"mini", b"meco", b"mvex"})
"""Boxes that hold metadata in a way that is not taken apart here."""
_META_KEPT: Final = frozenset(b"hdlr pitm iinf iloc iprp iref idat grpl dinf".split())
_MOVIE_KEPT: Final = frozenset(b"mvhd trak iods meta".split())
_TRACK_KEPT: Final = frozenset(b"tkhd edts tref trgr mdia meta".split())
_MEDIA_KEPT: Final = frozenset(b"mdhd hdlr minf elng".split())
_TIMED: Final = frozenset({b"mvhd", b"tkhd", b"mdhd"})
_TRACK_PICTURES: Final = frozenset({b"pict", b"vide", b"auxv"})
_SAYINGS: Final = frozenset(b"udes altt crtt mdft uuid".split())
"""Properties that describe a picture in words or times."""


def calls_itself_heif(head: bytes) -> bool:
    """Tell whether the first bytes of a file name a brand of HEIC or AVIF."""
    if head[4:8] != b"ftyp":
        return False
    end = min(len(head), max(int.from_bytes(head[:4], "big"), 12))
    names = [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]
    return not _BRANDS.isdisjoint(names)


def plan_heif(view: View) -> Pieces | None:
    """Return the pieces without metadata, or None if there is none; StripRefused if damaged."""
    return _Walk(view).run()


class _Walk:
    def __init__(self, view: View) -> None:
        self._view = view
        self._over = Overlay(view)
        self._sequence = False

    def run(self) -> Pieces | None:
        media, described = list[Box](), False
        for box in boxes_in(self._view, 0, self._view.size):
            if box.kind in _UNREADABLE:
                raise self._view.refusal("its layout is one that is not known here")
            if box.kind == b"mdat":
                media.append(box)
                self._over.allow(box.body, box.end)
            elif box.kind == b"meta":
                self._meta(box)
                described = True
            elif box.kind == b"moov":
                self._movie(box)
                described = self._sequence = True
            elif box.kind in (b"free", b"skip", b"wide"):
                self._over.erase(box.body, box.end)
            elif box.kind != b"ftyp":
                self._free(box)
        if not described:
            raise self._view.refusal("it holds no picture")
        if not self._sequence:
            for box in media:
                self._over.erase_unclaimed(box.body, box.end)
        return self._over.pieces()

    def _meta(self, meta: Box) -> None:
        found: dict[bytes, Box] = {}
        if Fields(self._view, meta).version:
            raise self._view.refusal("its description is of an unknown version")
        for box in boxes_in(self._view, meta.body + FULL_BYTES, meta.end):
            if box.kind not in _META_KEPT:
                self._free(box)
            elif box.kind in found:
                raise self._view.refusal("a part that may stand once stands twice")
            found[box.kind] = box
        if properties := found.get(b"iprp"):
            self._properties(properties)
        kinds = item_kinds(self._view, found[b"iinf"]) if b"iinf" in found else {}
        idat = found.get(b"idat")
        if idat:
            self._over.allow(idat.body, idat.end)
        if b"iloc" in found:
            self._items(kinds, item_extents(self._view, found[b"iloc"], idat))
        if idat:
            self._over.erase_unclaimed(idat.body, idat.end)

    def _items(self, kinds: dict[int, bytes], extents: Iterable[Extent]) -> None:
        """Keep pictures and overwrite everything else."""
        others: dict[int, list[Extent]] = {}
        for extent in extents:
            if extent.item not in kinds:
                raise self._view.refusal("it does not say what an item is")
            if kinds[extent.item] in _PICTURES:
                self._over.claim(extent.start, extent.end)
            else:
                others.setdefault(extent.item, []).append(extent)
        for item, lies in others.items():
            content, fill = self._instead(kinds[item], lies)
            self._over.cover([(extent.start, extent.end) for extent in lies], content, fill)

    def _instead(self, kind: bytes, lies: list[Extent]) -> tuple[bytes, int]:
        """Return what an item is overwritten with, and the byte that fills the rest."""
        room = sum(extent.end - extent.start for extent in lies)
        if kind == b"mime":
            return (_EMPTY_XML if room >= len(_EMPTY_XML) else b""), ord(" ")
        if kind != b"Exif":
            return b"", 0
        turned = exif.only(self._turned(lies[0]))
        for known in (turned, exif.EMPTY):
            if known and len(known) <= room - _EXIF_PREFIX_BYTES:
                return bytes(_EXIF_PREFIX_BYTES) + known, 0
        return b"", 0

    def _turned(self, extent: Extent) -> int:
        """Return the orientation in an Exif item, which first says where its EXIF begins."""
        start = extent.start + _EXIF_PREFIX_BYTES
        if start > extent.end:
            return 0
        start += self._view.number(extent.start, _EXIF_PREFIX_BYTES)
        return exif.orientation(self._view, start, extent.end) if start < extent.end else 0

    def _properties(self, properties: Box) -> None:
        for box in boxes_in(self._view, properties.body, properties.end):
            if box.kind == b"ipco":
                for each in boxes_in(self._view, box.body, box.end):
                    if each.kind in _SAYINGS:
                        self._free(each)
            elif box.kind != b"ipma":
                self._free(box)

    def _movie(self, movie: Box) -> None:
        for box in boxes_in(self._view, movie.body, movie.end):
            self._timed_or_freed(box, _MOVIE_KEPT)
            if box.kind == b"trak":
                self._track(box)
            elif box.kind == b"meta":
                self._meta(box)

    def _track(self, track: Box) -> None:
        for box in boxes_in(self._view, track.body, track.end):
            self._timed_or_freed(box, _TRACK_KEPT)
            if box.kind == b"meta":
                self._meta(box)
            elif box.kind == b"mdia":
                for each in boxes_in(self._view, box.body, box.end):
                    self._timed_or_freed(each, _MEDIA_KEPT)
                    if each.kind == b"hdlr":
                        self._check_track(each)

    def _check_track(self, box: Box) -> None:
        fields = Fields(self._view, box)
        fields.number(4)
        if fields.number(4).to_bytes(4, "big") not in _TRACK_PICTURES:
            raise self._view.refusal("it holds a track that is no picture")

    def _timed_or_freed(self, box: Box, kept: frozenset[bytes]) -> None:
        """Overwrite times of creation and change, and boxes that are not of the kept kinds."""
        if box.kind in _UNREADABLE:
            raise self._view.refusal("its layout is one that is not known here")
        if box.kind not in kept:
            self._free(box)
        elif box.kind in _TIMED:
            fields = Fields(self._view, box)
            if fields.version > 1:
                raise self._view.refusal("its times are of an unknown version")
            end = fields.at + (16 if fields.version else 8)
            self._view.check_end(end, box.end)
            self._over.erase(fields.at, end)

    def _free(self, box: Box) -> None:
        """Turn a box into an empty one of the same length."""
        self._over.erase(box.start + 4, box.start + 8, b"free")
        self._over.erase(box.body, box.end)
