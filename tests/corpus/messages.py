"""Faults in single messages: every field of each dropped, doubled, of a false type or size.

The messages of peers and of both ends of a relay link; whatever is not accepted is a WireError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import msgspec

from tallow.protocol import messages as peer
from tallow.wire import codec, limits
from tallow.wire import relay as wire
from tallow.wire.errors import WireError
from tests.corpus import packing
from tests.corpus.cases import Case, Ends

PROOF = peer.IdentityProof(
    bytes(32), bytes(2592), bytes(32), bytes(2592),
    bytes(64), bytes(4627), bytes(64), bytes(4627),
)  # fmt: skip
END = peer.FileEnd(1, 5, bytes(32), "")
PEER: list[peer.Control] = [
    peer.Hello("transfer", "send", ["text/1"], "Alice", True, PROOF),
    peer.Ack(0, 7),
    peer.Ping(),
    peer.Pong(),
    peer.Close([(0, 3)]),
    peer.AskMissed(1, [(0, 3), (7, 7)]),
    peer.Missed(1, [(2, 3)]),
    peer.Verified(True),
    peer.Offer(
        1,
        "files",
        2,
        1,
        99,
        [bytes(32)],
        "a note",
        delta=True,
        sync=peer.Sync(whole=True, delete=True, watch=True),
    ),
    peer.Page(1, 0, b"page"),
    peer.OfferEnd(1, bytes(32)),
    peer.Resumes(1, bytes(32)),
    peer.Have(1, [peer.HaveFile(1, [(0, 3)])]),
    peer.Accept(1, 1, bytes(32), b"\x03", 1 << 22),
    peer.Decline(1, "no"),
    peer.Start(1, 1, bytes(16), 1, bytes(32), bytes(64)),
    peer.Trailer(1, [END]),
    peer.Stored(1, [(0, 3)]),
    peer.AskLeaves(1, 1),
    peer.LeafList(1, 1, 0, bytes(32)),
    peer.Again(1, 1, [(0, 3)]),
    peer.Pause(1, "user"),
    peer.Continue(1),
    peer.Finish(1, bytes(32)),
    peer.Complete(1, bytes(32), [END], 1),
    peer.Cancel("user", "why"),
    peer.Text("text", "a note"),
    peer.TextShown(),
]
CLIENT: list[wire.ClientSays] = [
    wire.ClientHello([1], bytes(32)),
    wire.Auth(bytes(32)),
    wire.Allocate(60),
    wire.Claim("7123", 60),
    wire.Succeed("7123", bytes(32), bytes(32)),
    wire.Join("7123", b"\0\0\0\2\1x"),
    wire.Meet(bytes(32), 60),
    wire.Take(1),
    wire.Reopen(),
    wire.Leave(),
]
RELAY: list[wire.RelaySays] = [
    wire.RelayHello(1, 1_700_000_000, bytes(32), False, 1 << 20),
    wire.Allocated("7123", 60),
    wire.Waiting(),
    wire.Paired("creator", b"\0\0\0\2\1x", 1),
    wire.Refused("rate", 5),
    wire.Notice("crowded"),
]
_DECODERS: dict[str, Callable[[bytes], object]] = {
    "peer": peer.decode_control,
    "client": wire.decode_client,
    "relay": wire.decode_relay,
}
_LONG_TEXT = "x" * (limits.STR_MAX_BYTES + 1)
_VALUES: dict[str, object] = {
    "nothing": None,
    "a number": 1,
    "minus one": -1,
    "the largest number": (1 << 64) - 1,
    "a float": 1.5,
    "a truth": True,
    "a text": "text",
    "no text": "",
    "long text": _LONG_TEXT,
    "no bytes": b"",
    "long bytes": bytes(limits.BIN_MAX_BYTES + 1),
    "no list": [],
    "a list": [[1]],
    "long list": [0] * (limits.ARRAY_MAX_ITEMS + 1),
    "a map": packing.Map([("a", 1)]),
}


def cases() -> Iterator[Case]:
    """List every fault of every field of every message."""
    for what, message in _messages().items():
        plain = packing.opened(codec.encode(message))
        for path in packing.paths(plain):
            field = ".".join([what, *map(str, path)])
            yield from (Case(field, fault) for fault in ("drop", "double", *_VALUES))
            if isinstance(packing.at(plain, path), bytes | str):
                yield from (Case(field, fault) for fault in ("shorten", "lengthen"))
        yield from (Case(what, fault) for fault in ("unknown field", "optional field", "cut"))


def end(case: Case) -> Ends:
    """Decode the damaged message; anything but WireError escapes."""
    side, tag, *way = case.what.split(".")
    message = _messages()[f"{side}.{tag}"]
    raw = _damaged(codec.encode(message), way, case.fault)
    try:
        _DECODERS[side](raw)
    except WireError:
        return {"decoder": "WireError"}
    return {"decoder": "accepts it"}


def _damaged(raw: bytes, way: list[str], fault: str) -> bytes:
    plain = packing.opened(raw)
    assert isinstance(plain, packing.Map)
    if not way:
        if fault == "cut":
            return raw[:-1]
        plain.pairs.append(("~later" if fault == "optional field" else "later", 1))
        return packing.packed(plain)
    path = tuple(int(step) if step.isdigit() else step for step in way)
    packing.put(plain, path, _instead(packing.at(plain, path), fault))
    return packing.packed(plain)


def _instead(value: object, fault: str) -> list[object]:
    if fault == "drop":
        return []
    if fault == "double":
        return [value, value]
    if fault == "shorten":
        assert isinstance(value, bytes | str)
        return [value[:-1]]
    if fault == "lengthen":
        return [value + "x" if isinstance(value, str) else _bytes(value) + b"\0"]
    return [_VALUES[fault]]


def _bytes(value: object) -> bytes:
    assert isinstance(value, bytes)
    return value


@cache
def _messages() -> dict[str, msgspec.Struct]:
    sides: dict[str, list[msgspec.Struct]] = {
        "peer": list(PEER), "client": list(CLIENT), "relay": list(RELAY),
    }  # fmt: skip
    return {
        f"{side}.{message.__struct_config__.tag}": message
        for side, said in sides.items()
        for message in said
    }
