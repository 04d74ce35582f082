"""Faults in sealed records of a session: a control record, and a bulk record.

The second of three is damaged on its way; then everything else arrives and time passes. A side
that is told of a spoiled connection ends the session, as the engine does.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from tallow.engine.link import read_peer_frame
from tallow.errors import RemoteProtocolError, TallowError
from tallow.protocol.bulk import BulkKeys
from tallow.protocol.chain import ChainLimits
from tallow.protocol.messages import Text
from tallow.wire.frames import PeerType, decode_peer, encode_peer, encode_record
from tests.corpus.cases import MASKS, Case, Ends, flipped
from tests.pair.sessions import Side, Two, forged

KINDS = ("control", "bulk")
SAID = ["one", "two", "three"]
_WHOLE_FAULTS = (
    "drop", "double", "swap with next", "reflect", "replay the first", "other session", "lengthen",
    "as a flight", "as an abort", "other type", "channel + 1", "channel + 2", "channel 65535",
    "epoch + 1", "epoch + 2", "epoch max", "number + 1", "number - 1", "number max", "zeros",
)  # fmt: skip
_MAX = {"channel 65535": 0xFFFF, "epoch max": 0xFFFFFFFF, "number max": (1 << 64) - 1}


def cases() -> Iterator[Case]:
    """List every fault of both kinds of record."""
    for kind in KINDS:
        size = len(honest(kind, 1)[1])
        for fault in ("flip low bit", "flip high bit"):
            yield from (Case(kind, fault, at) for at in range(size))
        yield from (Case(kind, "cut to", at) for at in range(size))
        yield from (Case(kind, "cut and say so", at) for at in range(5, size))
        yield from (Case(kind, fault) for fault in _WHOLE_FAULTS)


def end(case: Case) -> Ends:
    """Play a fault; the receiver's end, and what it heard by then."""
    two = _greeted(case.what, 1)
    first, true, last = (two.i.sent[-3:]) if case.what == "control" else _bulk_frames(two, 1)
    arriving, at_sender = _arriving(case, first, true, last)
    receiver = _outcome(two.r, [first, *arriving], case.what)
    heard = two.r.texts if case.what == "control" else _bodies(two.r)
    assert heard == SAID[: len(heard)] or case.what == "bulk"
    assert set(heard) <= set(SAID)
    assert len(set(heard)) == len(heard)
    ends = {"receiver": receiver, "heard": " ".join(heard)}
    if at_sender:
        ends["sender"] = _outcome(two.i, at_sender, case.what)
    return ends


def _outcome(side: Side, frames: list[bytes], kind: str) -> str:
    """Return the error class, "missing" for bulk that only the transfer misses, or "whole"."""
    try:
        for frame in frames:
            read_peer_frame(frame)
            side.receive(frame, 1.0)
            if side.spoiled:
                raise RemoteProtocolError
        if kind == "control":
            return _after_a_while(side)
    except TallowError as error:
        return type(error).__name__
    return "whole" if len(side.bulk) == len(SAID) else "missing"


def _after_a_while(side: Side) -> str:
    if side.texts == SAID:
        return "whole"
    # Pings have their own times; a side that is still waiting after so many never ends.
    for _ in range(50):
        deadline = side.session.next_deadline()
        assert deadline is not None
        side.session.on_deadline(deadline)
    return "never ends"


def _arriving(
    case: Case, first: bytes, true: bytes, last: bytes
) -> tuple[list[bytes], list[bytes]]:
    """Return what arrives behind the first record, and what comes back to the sender."""
    if case.fault == "reflect":
        return [last], [true]
    if case.fault == "swap with next":
        return [last, true], []
    return [*_instead(case, first, true), last], []


def _instead(case: Case, first: bytes, true: bytes) -> list[bytes]:
    header = decode_peer(true).header
    assert header is not None
    if case.at is not None:
        return [_at_a_place(case.fault, case.at, true)]
    field, _, change = case.fault.partition(" ")
    if case.fault in _MAX:
        return [forged(true, **{field: _MAX[case.fault]})]
    if field in ("channel", "epoch", "number"):
        by = int(change.replace(" ", ""))
        return [forged(true, **{field: getattr(header, field) + by})]
    other = PeerType.BULK if header.kind is PeerType.RECORD else PeerType.RECORD
    made: dict[str, list[bytes]] = {
        "drop": [],
        "double": [true, true],
        "replay the first": [first],
        "other session": [honest(case.what, 9)[1]],
        "lengthen": [encode_record(header, true[19:] + b"\0")],
        "as a flight": [encode_peer(PeerType.FLIGHT, true[5:])],
        "as an abort": [encode_peer(PeerType.ABORT, b"\x01")],
        "other type": [true[:4] + bytes([other]) + true[5:]],
        "zeros": [encode_record(header, bytes(len(true) - 19))],
    }
    return made[case.fault]


def _at_a_place(fault: str, at: int, true: bytes) -> bytes:
    if fault == "cut to":
        return true[:at]
    if fault == "cut and say so":
        return (at - 4).to_bytes(4, "big") + true[4:at]
    return flipped(true, at, MASKS[fault])


# --- the sessions -----------------------------------------------------------------------------


def _greeted(kind: str, seed: int) -> Two:
    two = Two(limit=ChainLimits(records=3), seed=seed).greet()
    if kind == "control":
        for text in SAID:
            two.i.say(Text(text), 1.0)
    return two


def _bulk_frames(two: Two, seed: int) -> list[bytes]:
    ts = bytes([seed]) * 32
    keys = [BulkKeys(bytes(32), ts, bytes(16), 1, bytes(64), epoch_shift=1) for _ in "ir"]
    channel = two.i.session.open_bulk_send(keys[0])
    two.r.session.open_bulk_recv(channel.channel, keys[1])
    frames = []
    for text in SAID:
        reserved = channel.reserve()
        body = text.encode().ljust(32, b"\0")
        sealed = reserved.key.seal(reserved.header.number, reserved.ad, body)
        frames.append(encode_record(reserved.header, sealed))
    return frames


def _bodies(side: Side) -> list[str]:
    return [body.rstrip(b"\0").decode() for _, _, body in side.bulk]


@cache
def honest(kind: str, seed: int) -> list[bytes]:
    """Return the three frames that say "one", "two", "three" in a session of this seed."""
    two = _greeted(kind, seed)
    return two.i.sent[-3:] if kind == "control" else _bulk_frames(two, seed)
