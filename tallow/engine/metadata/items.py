"""The items of a HEIC or AVIF file (C6): what kind each has, and where its bytes lie.

Only what a reader needs to find every byte of every item; a layout in which that could be read
in two ways is refused. Before: boxes.py. After: heif.py. Spec: ISO/IEC 14496-12 §8.11.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tallow.engine.metadata.boxes import Box, Fields, boxes_in
from tallow.engine.metadata.view import View
from tallow.wire import limits

_WIDTHS: Final = (0, 4, 8)
_IN_FILE: Final = 0
_IN_BOX: Final = 1


@dataclass(frozen=True, slots=True)
class Extent:
    """A stretch of the file that belongs to an item."""

    item: int
    start: int
    end: int


def item_kinds(view: View, box: Box) -> dict[int, bytes]:
    """Return the four letters of every item that an ``iinf`` lists."""
    fields, kinds = Fields(view, box), dict[int, bytes]()
    count = fields.number(2 if fields.version == 0 else 4)
    for entry in boxes_in(view, fields.at, box.end):
        if entry.kind != b"infe":
            raise view.refusal("its list of items holds something else")
        item, kind = _item_kind(view, entry)
        if item in kinds or len(kinds) == limits.IMAGE_PIECES_MAX:
            raise view.refusal("its list of items is too long or names one twice")
        kinds[item] = kind
    if len(kinds) != count:
        raise view.refusal("its list of items is not complete")
    return kinds


def _item_kind(view: View, entry: Box) -> tuple[int, bytes]:
    fields = Fields(view, entry)
    if fields.version not in (2, 3):
        raise view.refusal("its list of items is of an unknown version")
    item = fields.number(2 if fields.version == 2 else 4)
    fields.number(2)
    return item, fields.number(4).to_bytes(4, "big")


def item_extents(view: View, box: Box, idat: Box | None) -> Iterator[Extent]:
    """Yield where the items of an ``iloc`` lie, in the file or in the meta box's ``idat``."""
    fields = Fields(view, box)
    if fields.version > 2:
        raise view.refusal("its places of items are of an unknown version")
    widths = fields.number(2)
    offset, length, origin, index = ((widths >> shift) & 15 for shift in (12, 8, 4, 0))
    index = index if fields.version else 0
    if not {offset, length, origin, index} <= set(_WIDTHS):
        raise view.refusal("its places of items have an unknown shape")
    wide, found = 4 if fields.version == 2 else 2, 0
    for _ in range(fields.number(wide)):
        view.count_part()
        item = fields.number(wide)
        method = fields.number(2) & 15 if fields.version else _IN_FILE
        elsewhere = fields.number(2)
        if method not in (_IN_FILE, _IN_BOX) or elsewhere:
            raise view.refusal("an item lies in another item or another file")
        first = fields.number(origin)
        for _ in range(fields.number(2)):
            found += 1
            if found > limits.IMAGE_PIECES_MAX:
                raise view.refusal("it has too many items")
            fields.number(index)
            start, bytes_long = first + fields.number(offset), fields.number(length)
            yield _extent(view, item, start, bytes_long, idat if method == _IN_BOX else view)


def _extent(view: View, item: int, start: int, length: int, inside: Box | View | None) -> Extent:
    if inside is None or length == 0:
        # No length means "to the end", which readers do not agree about.
        raise view.refusal("an item does not say where it lies")
    if isinstance(inside, Box):
        start += inside.body
    view.check_end(start + length, inside.end if isinstance(inside, Box) else None)
    return Extent(item, start, start + length)
