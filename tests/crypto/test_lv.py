"""Length-value lists and integers: one encoding, strictly read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.crypto.errors import CryptoError
from tallow.crypto.lv import lv, parse_lv_list, u8, u16, u32, u64, unlv

items = st.lists(st.binary(max_size=40), max_size=6)


def test_known_encoding() -> None:
    """Each item follows its u32 big-endian length, text as UTF-8, buffers as their bytes."""
    assert lv() == b""
    assert lv("é", b"", bytearray(b"ab")) == bytes.fromhex("00000002c3a9 00000000 000000026162")
    assert lv(memoryview(b"abcdef").cast("H")) == b"\0\0\0\6abcdef"


@given(items)
def test_round_trip(parts: list[bytes]) -> None:
    """What was joined comes apart again, by known and by open count."""
    joined = lv(*parts)
    assert unlv(joined, count=len(parts), max_item=40) == tuple(parts)
    assert parse_lv_list(bytearray(joined), max_items=6, max_item=40) == tuple(parts)


@given(items, items)
def test_encoding_is_injective(left: list[bytes], right: list[bytes]) -> None:
    """Two different lists never have the same bytes."""
    assert (lv(*left) == lv(*right)) == (left == right)


@given(st.binary(max_size=64), st.integers(0, 4), st.integers(0, 20))
def test_any_bytes_are_read_or_refused(raw: bytes, count: int, max_item: int) -> None:
    """A4: arbitrary bytes give either items that re-encode to them or CryptoError."""
    try:
        parts = unlv(raw, count=count, max_item=max_item)
    except CryptoError:
        return
    assert lv(*parts) == raw
    assert len(parts) == count
    assert all(len(part) <= max_item for part in parts)


@pytest.mark.parametrize(
    ("raw", "count"),
    [
        (b"", 1),
        (lv(b"a"), 0),
        (lv(b"a"), 2),
        (lv(b"a", b"b"), 1),
        (lv(b"a") + b"\0", 1),
        (lv(b"a")[:-1], 1),
        (b"\0\0\0", 1),
        (lv(b"123456789"), 1),
        (b"\xff\xff\xff\xff", 1),
    ],
)
def test_other_shapes_are_refused(raw: bytes, count: int) -> None:
    """X14: missing, surplus, cut, trailing and overlong items end in CryptoError."""
    with pytest.raises(CryptoError):
        unlv(raw, count=count, max_item=8)


def test_open_count_is_capped() -> None:
    """X14: a list with one item more than allowed is refused."""
    with pytest.raises(CryptoError):
        parse_lv_list(lv(b"a", b"b", b"c"), max_items=2, max_item=8)


@pytest.mark.parametrize(("encode", "width"), [(u8, 1), (u16, 2), (u32, 4), (u64, 8)])
def test_integers_are_big_endian_and_bounded(encode: Callable[[int], bytes], width: int) -> None:
    """X14: an integer has its fixed width, and one outside it is a ValueError."""
    top = 256**width - 1
    assert encode(0) == bytes(width)
    assert encode(1) == bytes(width - 1) + b"\1"
    assert encode(top) == b"\xff" * width
    for wrong in (-1, top + 1):
        with pytest.raises(ValueError, match="does not fit"):
            encode(wrong)
