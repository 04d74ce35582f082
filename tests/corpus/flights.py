"""Faults in M1, M2 and M3: each byte flipped or cut off, each field damaged, each order false.

How a run ends is told by both error classes, by who counted it, and by what became of the code:
"whole" (nothing counted), "counted", "burnt" (a false confirmation), "spent" (confirmed).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from tallow.crypto.lv import lv, unlv
from tallow.wire.frames import PeerType, RecordHeader, encode_peer, encode_record
from tests.corpus.cases import MASKS, Case, Ends, flipped
from tests.pair.meeting import Edit, Flight, Meeting, body_edit, new_creator, new_joiner

FLIGHTS: tuple[Flight, ...] = ("M1", "M2", "M3")
Tree = list["bytes | Tree"]
_NAMES: dict[Flight, dict[str, tuple[int, ...]]] = {
    "M1": {"Ya": (0,), "ADa": (1,), "versions": (1, 0), "suites": (1, 1), "c_I": (1, 2),
           "ek": (1, 3), "x": (1, 4)},
    "M2": {"Yb": (0,), "ADb": (1,), "T_r": (2,), "version": (1, 0), "suite": (1, 1),
           "n_R": (1, 2), "ct": (1, 3), "x": (1, 4)},
    "M3": {"n_I": (0,), "T_i": (1,)},
}  # fmt: skip
_MIRRORED = {
    ("M2", "Yb"): ("M1", "Ya"),
    ("M2", "x"): ("M1", "x"),
    ("M2", "n_R"): ("M1", "c_I"),
    ("M2", "ADb"): ("M1", "ADa"),
    ("M3", "n_I"): ("M2", "n_R"),
    ("M3", "T_i"): ("M2", "T_r"),
}
"""What a mirror would put into a field: its like from the other side's last flight."""
_ALIKE = ("versions", "suites", "version", "suite")
"""Fields that are the same in every run; the first two of each pair hold the same bytes, too."""
_FIELD_FAULTS = ("drop", "double", "empty", "shorten", "lengthen", "zero", "ones", "other run")
_WHOLE_FAULTS = (
    "drop", "double", "other run", "empty", "lengthen", "record before", "bulk before",
    *(f"abort {reason}" for reason in range(6)), "long abort", "empty abort",
)  # fmt: skip


def cases() -> Iterator[Case]:
    """List every fault of every flight."""
    for name in FLIGHTS:
        size = len(_other_run(name))
        for fault in ("flip low bit", "flip all bits"):
            yield from (Case(name, fault, at) for at in range(size))
        yield from (Case(name, "cut to", at) for at in range(size))
        for field, path in _NAMES[name].items():
            faults: tuple[str, ...] = _FIELD_FAULTS
            if field in _ALIKE:
                faults = tuple(fault for fault in faults if fault != "other run")
            yield from (Case(f"{name}.{field}", fault) for fault in faults)
            if path[-1] + 1 < _siblings(name, path) and not field.startswith("version"):
                yield Case(f"{name}.{field}", "swap with next")
            if (name, field) in _MIRRORED:
                yield Case(f"{name}.{field}", "reflect")
        yield from (Case(name, fault) for fault in _WHOLE_FAULTS)
        if name != "M1":
            yield Case(name, "reflect")
        for other in FLIGHTS:
            if other != name:
                yield Case(name, f"replace by {other}")


def end(case: Case) -> Ends:
    """Play a fault between two who share a code; deadlines fire for whoever waits."""
    meeting = Meeting(edit=edit_of(case)).run()
    joiner, creator = meeting.joiner_end, meeting.creator_end
    code = "whole"
    if creator.name == "Confirmed":
        code = "spent"
    elif creator.counted:
        code = "burnt" if creator.name == "WrongCode" else "counted"
    return {
        "joiner": joiner.name,
        "creator": creator.name,
        "joiner counts": "yes" if joiner.counted else "no",
        "code": code,
    }


def edit_of(case: Case) -> Edit:
    """Return what happens on the path for a fault."""
    name, _, field = case.what.partition(".")
    flight = _flight(name)
    if field:
        return _field_edit(flight, field, case.fault)
    if case.at is not None:
        return _place_edit(flight, case.fault, case.at)
    return _whole_edit(flight, case.fault)


def _flight(name: str) -> Flight:
    return next(flight for flight in FLIGHTS if flight == name)


def _place_edit(flight: Flight, fault: str, at: int) -> Edit:
    if fault == "cut to":
        return body_edit(flight, lambda raw: raw[:at])
    return body_edit(flight, lambda raw: flipped(raw, at, MASKS[fault]))


def _whole_edit(flight: Flight, fault: str) -> Edit:
    seen: dict[Flight, bytes] = {}

    def edit(name: Flight, frame: bytes) -> list[bytes]:
        seen[name] = frame
        return _instead(seen, flight, frame, fault) if name == flight else [frame]

    return edit


def _instead(seen: dict[Flight, bytes], flight: Flight, frame: bytes, fault: str) -> list[bytes]:
    kind, _, number = fault.rpartition(" ")
    if kind == "abort":
        return [encode_peer(PeerType.ABORT, bytes([int(number)]))]
    if kind == "replace by":
        return [encode_peer(PeerType.FLIGHT, _other_run(_flight(number)))]
    match fault:
        case "drop":
            return []
        case "double":
            return [frame, frame]
        case "other run":
            return [encode_peer(PeerType.FLIGHT, _other_run(flight))]
        case "reflect":
            # Whoever waits for this flight gets its own last one back.
            return [seen["M2" if flight == "M3" else "M1"]]
        case "empty":
            return [encode_peer(PeerType.FLIGHT, b"")]
        case "lengthen":
            return [encode_peer(PeerType.FLIGHT, frame[5:] + b"\0")]
        case "record before":
            return [encode_record(RecordHeader(PeerType.RECORD, 0, 0, 0), bytes(48)), frame]
        case "bulk before":
            return [encode_record(RecordHeader(PeerType.BULK, 1, 0, 0), bytes(48)), frame]
        case "long abort":
            return [encode_peer(PeerType.ABORT, b"\x01\x01")]
        case "empty abort":
            return [encode_peer(PeerType.ABORT, b"")]
        case _:
            raise ValueError(fault)


# --- fields -----------------------------------------------------------------------------------


def _field_edit(flight: Flight, field: str, fault: str) -> Edit:
    seen: dict[Flight, bytes] = {}

    def edit(name: Flight, frame: bytes) -> list[bytes]:
        seen[name] = frame[5:]
        if name != flight:
            return [frame]
        return [encode_peer(PeerType.FLIGHT, _damaged(seen, flight, field, fault))]

    return edit


def _damaged(seen: dict[Flight, bytes], flight: Flight, field: str, fault: str) -> bytes:
    tree = _tree(flight, seen[flight])
    *above, at = _NAMES[flight][field]
    level = tree
    for step in above:
        inner = level[step]
        assert isinstance(inner, list)
        level = inner
    if fault == "drop":
        del level[at]
    elif fault == "double":
        level.insert(at, level[at])
    elif fault == "swap with next":
        level[at], level[at + 1] = level[at + 1], level[at]
    elif fault == "reflect":
        source, like = _MIRRORED[flight, field]
        level[at] = _item(_flight(source), like, seen[_flight(source)])
    elif fault == "other run":
        level[at] = _item(flight, field, _other_run(flight))
    else:
        level[at] = _BYTES[fault](_packed(level[at]))
    return _packed(tree)


_BYTES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "shorten": lambda raw: raw[:-1],
    "lengthen": lambda raw: raw + b"\0",
    "zero": lambda raw: bytes(len(raw)),
    "ones": lambda raw: b"\xff" * len(raw),
}


def _tree(flight: Flight, raw: bytes) -> Tree:
    if flight == "M3":
        return list(unlv(raw, count=2, max_item=4096))
    items: Tree = list(unlv(raw, count=2 if flight == "M1" else 3, max_item=4096))
    inner = items[1]
    assert isinstance(inner, bytes)
    items[1] = list(unlv(inner, count=5, max_item=4096))
    return items


def _packed(tree: bytes | Tree) -> bytes:
    return tree if isinstance(tree, bytes) else lv(*(_packed(each) for each in tree))


def _item(flight: Flight, field: str, raw: bytes) -> bytes:
    found: bytes | Tree = _tree(flight, raw)
    for step in _NAMES[flight][field]:
        assert isinstance(found, list)
        found = found[step]
    return _packed(found)


def _siblings(flight: Flight, path: tuple[int, ...]) -> int:
    return 5 if len(path) == 2 else {"M1": 2, "M2": 3}.get(flight, 2)


@cache
def _other_run(flight: Flight) -> bytes:
    return Meeting(new_joiner(seed=31), new_creator(seed=32)).run().flight(flight)
