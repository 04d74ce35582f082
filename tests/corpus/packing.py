"""MessagePack with the mistakes that no library writes: a key twice, a field of another type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgpack


@dataclass
class Map:
    """A map whose keys may repeat."""

    pairs: list[tuple[object, object]]


def opened(raw: bytes) -> object:
    """Return MessagePack as lists, Maps and plain values."""
    hook: Callable[[list[tuple[Any, Any]]], Map] = Map
    result: object = msgpack.unpackb(raw, object_pairs_hook=hook, strict_map_key=False)
    return result


def packed(value: object) -> bytes:
    """Return the bytes of lists, Maps and plain values."""
    packer = msgpack.Packer(autoreset=False)
    _pack(packer, value)
    return bytes(packer.bytes())


def _pack(packer: Any, value: object) -> None:
    if isinstance(value, Map):
        packer.pack_map_header(len(value.pairs))
        for key, inner in value.pairs:
            packer.pack(key)
            _pack(packer, inner)
    elif isinstance(value, list):
        packer.pack_array_header(len(value))
        for inner in value:
            _pack(packer, inner)
    else:
        packer.pack(value)


Path = tuple[str | int, ...]


def paths(value: object, above: Path = ()) -> list[Path]:
    """Return the way to every field: keys of maps, places in lists (the first of each list)."""
    found: list[Path] = []
    if isinstance(value, Map):
        for key, inner in value.pairs:
            found.append((*above, str(key)))
            found += paths(inner, (*above, str(key)))
    elif isinstance(value, list) and value:
        # Items of a list are alike, places in an item are fields of their own.
        places = range(len(value)) if above and isinstance(above[-1], int) else range(1)
        for place in places:
            found.append((*above, place))
            found += paths(value[place], (*above, place))
    return found


def at(value: object, path: Path) -> object:
    """Return what stands at the end of a way."""
    for step in path:
        if isinstance(value, Map):
            value = dict(value.pairs)[step]
        elif isinstance(value, list):
            assert isinstance(step, int)
            value = value[step]
    return value


def put(value: object, path: Path, instead: list[object]) -> None:
    """Put none, one or two values where one stood; a map's key is repeated with each."""
    *above, last = path
    inside = at(value, tuple(above))
    if isinstance(inside, Map):
        pairs: list[tuple[object, object]] = []
        for key, inner in inside.pairs:
            pairs += [(key, each) for each in instead] if key == last else [(key, inner)]
        inside.pairs = pairs
    elif isinstance(inside, list):
        assert isinstance(last, int)
        inside[last : last + 1] = instead
