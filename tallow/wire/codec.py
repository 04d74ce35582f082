"""Strict MessagePack for every control message, of relay and peer alike.

Two libraries share the work: msgpack reads bytes into plain objects under hard caps and refuses
what msgspec lets pass (duplicate keys, extension types, trailing bytes); msgspec checks the
objects against frozen Structs by type, length and range. Keys that begin with "~" are optional
extensions of later versions and are dropped; any other unknown key is refused.
This module never hashes or signs a re-encoding. Spec: docs/protocol.md §3.3.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgpack
import msgspec

from tallow.wire import limits
from tallow.wire.errors import WireError

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()

OPTIONAL_MARK = "~"


def encode(message: msgspec.Struct) -> bytes:
    """Return a message's MessagePack bytes."""
    return _encoder.encode(message)


def decode(
    raw: bytes | bytearray | memoryview,
    kind: Any,
    *,
    max_bytes: int,
    max_items: int = limits.ARRAY_MAX_ITEMS,
) -> Any:
    """Read one message of a Struct type or union of Structs, or raise WireError.

    ``kind`` is what msgspec accepts as a type; the result is an instance of it. ``max_bytes``
    caps the input before anything is allocated. ``max_items`` caps every array: msgpack
    allocates what an array's header announces, once per level of nesting, before it finds the
    items missing, so strangers get a small one.
    """
    if len(raw) > max_bytes:
        raise WireError("message too long")
    plain = _read_plain(raw, max_items)
    if not isinstance(plain, dict):
        raise WireError("message is not a map")
    _check_depth(plain, limits.MESSAGE_DEPTH_MAX)
    known = {
        key: value
        for key, value in plain.items()
        if not (isinstance(key, str) and key.startswith(OPTIONAL_MARK))
    }
    try:
        # Without builtin_types msgspec takes base64 text for a bytes field.
        return msgspec.convert(known, kind, strict=True, builtin_types=(bytes,))
    except (ValueError, TypeError, RecursionError) as error:
        raise WireError("message of a wrong shape") from error


def _read_plain(raw: bytes | bytearray | memoryview, max_items: int) -> object:
    try:
        return msgpack.unpackb(
            raw,
            raw=False,
            use_list=True,
            strict_map_key=True,
            object_pairs_hook=_unique_pairs,
            ext_hook=_refuse_extension,
            timestamp=0,
            max_str_len=limits.STR_MAX_BYTES,
            max_bin_len=limits.BIN_MAX_BYTES,
            max_array_len=max_items,
            max_map_len=limits.MAP_MAX_ITEMS,
            max_ext_len=0,
        )
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise WireError("malformed MessagePack") from error


def _unique_pairs(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("duplicate key")
    return unique


def _refuse_extension(_code: int, _payload: bytes) -> object:
    raise ValueError("extension types are not part of the protocol")


def _check_depth(value: object, depth: int) -> None:
    if depth == 0:
        raise WireError("message nested too deep")
    if isinstance(value, dict):
        for inner in value.values():
            _check_depth(inner, depth - 1)
    elif isinstance(value, list):
        for inner in value:
            _check_depth(inner, depth - 1)
