"""Length-value lists and fixed-width integers: the one unambiguous way to join byte strings.

``lv(a, …)`` puts a u32 big-endian length before each item; all integers are big-endian. CPace's
own strings use another encoding (LEB128), which lives in ``pake`` and nowhere else.
This module never interprets an item. Readers here are strict: no trailing byte, no missing item,
no allocation before a length was checked.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from tallow.crypto.errors import CryptoError

Buffer: TypeAlias = bytes | bytearray | memoryview
"""Bytes a caller may hold in wipeable or borrowed memory."""

LENGTH_BYTES: Final = 4


def lv(*items: Buffer | str) -> bytes:
    """Join items, each preceded by its u32 length; text becomes UTF-8."""
    parts: list[Buffer] = []
    for item in items:
        raw = item.encode() if isinstance(item, str) else item
        parts.append(u32(raw.nbytes if isinstance(raw, memoryview) else len(raw)))
        parts.append(raw)
    return b"".join(parts)


def unlv(raw: Buffer, *, count: int, max_item: int) -> tuple[bytes, ...]:
    """Split exactly ``count`` items of at most ``max_item`` bytes, or raise CryptoError."""
    items = parse_lv_list(raw, max_items=count, max_item=max_item)
    if len(items) != count:
        raise CryptoError
    return items


def parse_lv_list(raw: Buffer, *, max_items: int, max_item: int) -> tuple[bytes, ...]:
    """Split items until the end, or raise CryptoError on an excess, a cut or a long item."""
    view = memoryview(raw).cast("B")
    items: list[bytes] = []
    at = 0
    while at < len(view):
        body = at + LENGTH_BYTES
        if len(items) == max_items or body > len(view):
            raise CryptoError
        length = int.from_bytes(view[at:body], "big")
        if length > max_item or length > len(view) - body:
            raise CryptoError
        items.append(bytes(view[body : body + length]))
        at = body + length
    return tuple(items)


def u8(number: int) -> bytes:
    """Encode 0…2^8-1 in one byte, or raise ValueError."""
    return _unsigned(number, 1)


def u16(number: int) -> bytes:
    """Encode 0…2^16-1 in two bytes, or raise ValueError."""
    return _unsigned(number, 2)


def u32(number: int) -> bytes:
    """Encode 0…2^32-1 in four bytes, or raise ValueError."""
    return _unsigned(number, 4)


def u64(number: int) -> bytes:
    """Encode 0…2^64-1 in eight bytes, or raise ValueError."""
    return _unsigned(number, 8)


def _unsigned(number: int, width_bytes: int) -> bytes:
    try:
        return number.to_bytes(width_bytes, "big")
    except OverflowError:
        raise ValueError(f"number does not fit in u{8 * width_bytes}") from None
