"""Walking over boxes, one level at a time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.engine.metadata.boxes import Box, Fields, boxes_in
from tallow.engine.metadata.pieces import StripRefused
from tallow.engine.metadata.view import View
from tests.engine.metadata.containers import box, large
from tests.engine.metadata.pictures import read_at


def walked(raw: bytes, end: int | None = None) -> list[Box]:
    """Return the boxes of these bytes."""
    return list(boxes_in(View(read_at(raw), len(raw)), 0, len(raw) if end is None else end))


def test_boxes_follow_each_other() -> None:
    """Short, long and endless lengths are read."""
    raw = box(b"aaaa", b"12") + large(b"bbbb", b"345") + b"\0\0\0\0cccc6789"
    assert walked(raw) == [
        Box(b"aaaa", 0, 8, 10),
        Box(b"bbbb", 10, 26, 29),
        Box(b"cccc", 29, 37, 41),
    ]
    assert walked(b"") == []


@pytest.mark.parametrize(
    "raw",
    [
        b"\0\0\0",
        b"\0\0\0\7aaaa",
        b"\0\0\0\x09aaaa",
        b"\0\0\0\1aaaa\0\0\0\0",
        b"\0\0\0\1aaaa\0\0\0\0\0\0\0\x0f",
        b"\0\0\0\1aaaa\xff\xff\xff\xff\xff\xff\xff\xff",
        box(b"aaaa") + b"\0",
    ],
)
def test_lengths_that_lie_are_refused(raw: bytes) -> None:
    """A box that is shorter than its header or longer than its place is refused."""
    with pytest.raises(StripRefused):
        walked(raw)


def test_a_child_ends_in_its_parent() -> None:
    """A box may not reach out of the stretch it lies in, even inside the file."""
    with pytest.raises(StripRefused, match="longer"):
        walked(box(b"aaaa", bytes(20)), end=20)


@given(st.binary(max_size=80))
def test_a_walk_ends(raw: bytes) -> None:
    """Any bytes are boxes that fill them without a gap, or are refused."""
    try:
        found = walked(raw)
    except StripRefused:
        return
    assert [each.start for each in found] + [len(raw)] == [0] + [each.end for each in found]


def test_fields_end_with_their_box() -> None:
    """Numbers are read from the box alone; a width of nothing is 0."""
    raw = box(b"aaaa", b"\2\0\0\0\1\2\3") + b"more"
    view = View(read_at(raw), len(raw))
    fields = Fields(view, next(boxes_in(view, 0, len(raw) - 4)))
    assert (fields.version, fields.number(0), fields.number(2)) == (2, 0, 0x0102)
    with pytest.raises(StripRefused, match="longer"):
        fields.number(2)
