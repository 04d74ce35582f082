"""Strict MessagePack: every legal encoding of a value, and every trick a stranger may try."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.wire import limits
from tallow.wire.codec import decode, encode
from tallow.wire.errors import WireError
from tests.vectors import counted, read_json


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A nested message."""

    n: int


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message with a field of every kind that the protocol uses."""

    text: str = ""
    raw: bytes = b""
    number: int = 0
    yes: bool = False
    items: list[int] = []
    inner: Inner | None = None


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One field of a type that a test chooses."""

    v: Any


def read(raw: bytes, kind: Any = Note) -> Any:
    """Decode with a roomy cap."""
    return decode(raw, kind, max_bytes=limits.BIN_MAX_BYTES)


notes = st.builds(
    Note,
    text=st.text(max_size=50),
    raw=st.binary(max_size=50),
    number=st.integers(-(2**63), 2**64 - 1),
    yes=st.booleans(),
    items=st.lists(st.integers(0, 2**32), max_size=5),
    inner=st.none() | st.builds(Inner, n=st.integers(0, 100)),
)


@given(notes)
def test_a_message_survives_the_round_trip(note: Note) -> None:
    """B1: what was encoded is decoded to the same message."""
    assert read(encode(note)) == note


TOPICS: dict[str, tuple[str, Any]] = {
    "nil": ("nil", type(None)),
    "bool": ("bool", bool),
    "binary": ("binary", bytes),
    "number-positive": ("number", int),
    "number-negative": ("number", int),
    "number-bignum": ("bignum", int),
    "string-ascii": ("string", str),
    "string-utf8": ("string", str),
    "string-emoji": ("string", str),
    "array": ("array", list),
    "map": ("map", dict),
    "nested": ("", object),
}


def _plain(case: dict[str, Any], topic: str) -> object:
    if topic == "binary":
        return bytes.fromhex(case["binary"].replace("-", ""))
    if topic == "number-bignum":
        return int(case["bignum"])
    name = TOPICS[topic][0] or next(key for key in case if key != "msgpack")
    return case[name]


def _encodings(case: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(encoding.replace("-", "")) for encoding in case["msgpack"]]


def _holder(kind: Any) -> Any:
    return msgspec.defstruct("Holder", [("v", kind)], frozen=True, forbid_unknown_fields=True)


def test_every_legal_encoding_is_read_or_refused_by_rule() -> None:
    """B1: each published encoding gives its value; floats for integers are refused."""
    suite = read_json("msgpack", "msgpack-test-suite.json")
    for file, cases in suite.items():
        topic = file.split(".")[1]
        if topic not in TOPICS:
            continue
        holder = _holder(TOPICS[topic][1])
        for case in cases:
            expected = _plain(case, topic)
            for encoding in _encodings(case):
                raw = b"\x81\xa1v" + encoding
                if isinstance(expected, int) and encoding[0] in (0xCA, 0xCB):
                    with pytest.raises(WireError, match="wrong shape"):
                        read(raw, holder)
                else:
                    got = read(raw, holder).v
                    assert got == expected, (topic, encoding.hex())
                    assert type(got) is type(expected), (topic, encoding.hex())
                counted("msgpack", 1)


def test_extension_types_and_timestamps_are_refused() -> None:
    """B1: neither extension types nor timestamps are part of the protocol, in any encoding."""
    suite = read_json("msgpack", "msgpack-test-suite.json")
    for file, cases in suite.items():
        if file.split(".")[1] not in ("timestamp", "ext"):
            continue
        for case in cases:
            for encoding in _encodings(case):
                with pytest.raises(WireError, match="malformed"):
                    read(b"\x81\xa1v" + encoding, Held)
                counted("msgpack", 1)


def test_floats_stay_floats() -> None:
    """B1: published floats are read where a float is expected, and nowhere else."""
    suite = read_json("msgpack", "msgpack-test-suite.json")
    for case in suite["22.number-float.yaml"]:
        for encoding in _encodings(case):
            assert math.isclose(read(b"\x81\xa1v" + encoding, _holder(float)).v, case["number"])
            with pytest.raises(WireError):
                read(b"\x81\xa1v" + encoding, _holder(int))
            counted("msgpack", 1)


HOSTILE = {
    "nothing": b"",
    "a never used byte": b"\xc1",
    "a map cut short": b"\x81",
    "a string cut short": b"\x81\xa4tex",
    "a list on top": b"\x90",
    "a number on top": b"\x01",
    "trailing bytes": b"\x80\x80",
    "a map of 2^32 entries": b"\xdf\xff\xff\xff\xff",
    "a list of 2^32 items": b"\x81\xa5items\xdd\xff\xff\xff\xff",
    "a string of 2^32 bytes": b"\x81\xa4text\xdb\xff\xff\xff\xff",
    "binary of 2^32 bytes": b"\x81\xa3raw\xc6\xff\xff\xff\xff",
    "a duplicate key": b"\x82\xa6number\x01\xa6number\x02",
    "an unknown key": b"\x81\xa3new\x01",
    "a key that is a number": b"\x81\x01\x01",
    "a key that is binary": b"\x81\xc4\x04text\xa0",
    "a key that is a list": b"\x81\x90\x01",
    "text that is not UTF-8": b"\x81\xa4text\xa2\xff\xfe",
    "a lone surrogate": b"\x81\xa4text\xa3\xed\xa0\x80",
    "true for a number": b"\x81\xa6number\xc3",
    "one for a truth": b"\x81\xa3yes\x01",
    "text for binary": b"\x81\xa3raw\xa2hi",
    "base64 text for binary": b"\x81\xa3raw\xa4aGk=",
    "binary for text": b"\x81\xa4text\xc4\x02hi",
    "nil for a number": b"\x81\xa6number\xc0",
    "a map for a list": b"\x81\xa5items\x80",
    "an extension": b"\x81\xa4text\xd4\x01\x10",
    "a timestamp": b"\x81\xa4text\xd6\xff\x00\x00\x00\x00",
    "an unknown key inside": b"\x81\xa5inner\x82\xa1n\x01\xa1m\x01",
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_a_malformed_message_is_refused(raw: bytes) -> None:
    """X14: each malformed message is one typed error, whatever is wrong with it."""
    with pytest.raises(WireError):
        read(raw)


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(raw: bytes) -> None:
    """X14, A4: arbitrary bytes decode or raise WireError, nothing else."""
    try:
        read(raw)
    except WireError:
        pass


@given(notes, st.data())
def test_no_damage_raises_anything_else(note: Note, data: st.DataObject) -> None:
    """X14: a message with one byte changed decodes or raises WireError, nothing else."""
    raw = bytearray(encode(note))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))
    try:
        read(bytes(raw))
    except WireError:
        pass


def test_a_later_versions_optional_key_is_dropped() -> None:
    """A key marked "~" belongs to a later version and changes nothing."""
    raw = msgpack.packb({"number": 7, "~later": {"deep": [1, 2]}})
    assert read(raw) == Note(number=7)


def test_the_size_cap_holds_before_anything_is_read() -> None:
    """X10: a message over its cap is refused even if it is well formed."""
    raw = encode(Note(text="x" * 100))
    assert decode(raw, Note, max_bytes=len(raw)) == Note(text="x" * 100)
    with pytest.raises(WireError, match="too long"):
        decode(raw, Note, max_bytes=len(raw) - 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", "x" * (limits.STR_MAX_BYTES + 1)),
        ("raw", bytes(limits.BIN_MAX_BYTES + 1)),
        ("items", [0] * (limits.ARRAY_MAX_ITEMS + 1)),
    ],
)
def test_values_over_their_cap_are_refused(field: str, value: object) -> None:
    """X10: a text, a binary or a list that is too large is refused although it is all there."""
    raw = msgpack.packb({field: value})
    with pytest.raises(WireError, match="malformed"):
        decode(raw, Note, max_bytes=len(raw))


def test_deep_nesting_is_refused() -> None:
    """X14: nesting is bounded and never ends in a RecursionError."""
    for depth in (limits.MESSAGE_DEPTH_MAX, 100, 1000, 5000):
        with pytest.raises(WireError):
            read(b"\x81\xa1v" + b"\x91" * depth + b"\x01", Held)
    shallow = b"\x81\xa1v" + b"\x91" * (limits.MESSAGE_DEPTH_MAX - 2) + b"\x01"
    assert read(shallow, Held)


def test_nested_announcements_cost_no_memory() -> None:
    """X10, X14: lists that announce items which never come are not paid for level by level."""
    raw = b"\x81\xa1v" + b"\xdc\x00\x10" * 2700
    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            decode(raw, Held, max_bytes=limits.CONTROL_MAX_BYTES, max_items=16)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < limits.MIB
    with pytest.raises(WireError):
        decode(b"\x81\xa1v\xdc\x00\x11", Held, max_bytes=100, max_items=16)
