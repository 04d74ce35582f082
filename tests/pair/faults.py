"""Where each field of a flight stands, and what a fault in it must lead to.

``layout`` names every byte of a real flight; ``EXPECTED`` says for each name which errors a
changed byte may cause at the joiner and at the creator.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.pair.meeting import Flight


@dataclass(frozen=True)
class Field:
    """A run of bytes inside a flight."""

    name: str
    start: int
    end: int


_M1 = (("Ya", 32), ("ADa", (("versions", 2), ("suites", 2), ("c_I", 32), ("ek", 1568), ("x", 32))))
_M2 = (
    ("Yb", 32),
    ("ADb", (("version", 2), ("suite", 2), ("n_R", 32), ("ct", 1568), ("x", 32))),
    ("T_r", 64),
)
_M3 = (("n_I", 32), ("T_i", 64))
_Shape = tuple[tuple[str, "int | _Shape"], ...]
_SHAPES: dict[Flight, _Shape] = {"M1": _M1, "M2": _M2, "M3": _M3}


def layout(flight: Flight) -> list[Field]:
    """Return every field of a flight in order; the u32 before an item is called "length"."""
    fields: list[Field] = []
    _lay(_SHAPES[flight], 0, fields)
    return fields


def field(flight: Flight, name: str) -> Field:
    """Return one named field."""
    return next(found for found in layout(flight) if found.name == name)


def _lay(shape: _Shape, at: int, fields: list[Field]) -> int:
    for name, content in shape:
        fields.append(Field("length", at, at + 4))
        at += 4
        if isinstance(content, int):
            fields.append(Field(name, at, at + content))
            at += content
        else:
            at = _lay(content, at, fields)
    return at


MALFORMED_M1 = ("PeerGone", "RemoteProtocolError")
MALFORMED_M2 = ("RemoteProtocolError", "PeerGone")
WRONG = ("WrongCode", "WrongCode")
VERSION = ("PeerVersion", "PeerVersion")

EXPECTED: dict[Flight, dict[str, set[tuple[str, str]]]] = {
    "M1": {
        "length": {MALFORMED_M1},
        "Ya": {WRONG},
        "versions": {VERSION},
        "suites": {VERSION},
        "c_I": {WRONG},
        # A changed coefficient may be q or more, which is refused before anything else.
        "ek": {WRONG, MALFORMED_M1},
        "x": {WRONG},
    },
    "M2": {
        "length": {MALFORMED_M2},
        "Yb": {WRONG},
        "version": {VERSION},
        "suite": {VERSION},
        "n_R": {WRONG},
        "ct": {WRONG},
        "x": {WRONG},
        "T_r": {WRONG},
    },
    # The joiner is done when T_r held; a stranger between them keeps the creator from it.
    "M3": {
        "length": {("Confirmed", "RemoteProtocolError")},
        "n_I": {("Confirmed", "WrongCode")},
        "T_i": {("Confirmed", "WrongCode")},
    },
}
"""(joiner, creator) for one changed byte in a field; never Confirmed on both."""
