"""Relay messages: a round trip for every type, and every field out of its range."""

from __future__ import annotations

import typing

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.wire import limits
from tallow.wire.errors import WireError
from tallow.wire.frames import LinkType, read_link_header
from tallow.wire.relay import (
    Allocate,
    Allocated,
    AskLanes,
    Auth,
    Claim,
    ClientHello,
    ClientSays,
    Join,
    Lanes,
    Leave,
    Meet,
    Notice,
    NoticeKind,
    Paired,
    RefusalCode,
    Refused,
    RelayHello,
    RelaySays,
    Reopen,
    Succeed,
    Take,
    Waiting,
    client_frame,
    decode_client,
    decode_relay,
    relay_frame,
)

nonces = st.binary(min_size=32, max_size=32)
plates = st.from_regex(r"\A[1-9][0-9]{0,8}\Z")
expiries = st.integers(1, limits.EXPIRES_MAX_S)
flights = st.binary(min_size=6, max_size=200)
heirs = st.none() | nonces
versions = st.lists(st.integers(0, 65535), min_size=1, max_size=8)

CLIENT: dict[type[msgspec.Struct], st.SearchStrategy[ClientSays]] = {
    ClientHello: st.builds(ClientHello, versions=versions, nonce=nonces),
    Auth: st.builds(Auth, proof=nonces),
    Allocate: st.builds(Allocate, expires_s=expiries, heir=heirs),
    Claim: st.builds(Claim, plate=plates, expires_s=expiries, heir=heirs),
    Succeed: st.builds(Succeed, plate=plates, token=nonces, heir=heirs),
    Join: st.builds(Join, plate=plates, first=flights),
    Meet: st.builds(Meet, id=nonces, expires_s=expiries),
    Take: st.builds(Take, pairing=st.integers(1, limits.RELAY_PAIRINGS_MAX)),
    Reopen: st.just(Reopen()),
    AskLanes: st.builds(AskLanes, count=st.integers(1, limits.LANES_PER_SESSION_MAX)),
    Leave: st.just(Leave()),
}
RELAY: dict[type[msgspec.Struct], st.SearchStrategy[RelaySays]] = {
    RelayHello: st.builds(
        RelayHello,
        version=st.integers(0, 65535),
        time=st.integers(0, 1 << 40),
        nonce=nonces,
        auth=st.booleans(),
        data_max=st.integers(1, 1 << 26),
    ),
    Allocated: st.builds(Allocated, plate=plates, expires_s=expiries),
    Waiting: st.just(Waiting()),
    Paired: st.builds(
        Paired,
        role=st.sampled_from(["creator", "joiner"]),
        first=flights,
        pairing=st.integers(0, limits.RELAY_PAIRINGS_MAX),
    ),
    Refused: st.builds(
        Refused,
        code=st.sampled_from(typing.get_args(RefusalCode)),
        retry_s=st.integers(0, 86400),
    ),
    Notice: st.builds(Notice, kind=st.sampled_from(typing.get_args(NoticeKind))),
    Lanes: st.builds(Lanes, tokens=st.lists(nonces, max_size=limits.LANES_PER_SESSION_MAX)),
}


def body(frame: bytes) -> bytes:
    """Return the body of a control frame and check its header."""
    kind, length = read_link_header(frame)
    assert (kind, length) == (LinkType.CONTROL, len(frame) - limits.LINK_HEADER_BYTES)
    return frame[limits.LINK_HEADER_BYTES :]


def test_every_message_has_a_round_trip() -> None:
    """B1: the lists below leave no message of either side out."""
    assert set(CLIENT) == set(typing.get_args(ClientSays))
    assert set(RELAY) == set(typing.get_args(RelaySays))


@given(st.one_of(*CLIENT.values()))
def test_what_a_client_says_is_heard(message: ClientSays) -> None:
    """B1: every client message survives the wire."""
    assert decode_client(body(client_frame(message))) == message


@given(st.one_of(*RELAY.values()))
def test_what_the_relay_says_is_heard(message: RelaySays) -> None:
    """B1: every relay message survives the wire."""
    assert decode_relay(body(relay_frame(message))) == message


def test_a_client_may_say_exactly_this() -> None:
    """X09: the public port knows eleven words, and none of them administers the relay."""
    tags = {kind.__struct_config__.tag for kind in CLIENT}
    verbs = {"hello", "auth", "allocate", "claim", "join", "meet", "take", "reopen", "leave"}
    assert tags == verbs | {"ask-lanes", "succeed"}
    for word in ("shutdown", "stop", "quit", "admin", "config", "kick", "stats", "rooms", "exec"):
        with pytest.raises(WireError):
            decode_client(msgpack.packb({"t": word}))


FALSE = {
    "no tag": {},
    "unknown tag": {"t": "bye"},
    "tag of another type": {"t": 1},
    "unknown field": {"t": "leave", "now": True},
    "missing field": {"t": "claim", "plate": "12"},
    "plate zero": {"t": "claim", "plate": "0", "expires_s": 5},
    "plate with leading zero": {"t": "claim", "plate": "012", "expires_s": 5},
    "plate too long": {"t": "claim", "plate": "1234567890", "expires_s": 5},
    "plate with newline": {"t": "claim", "plate": "12\n", "expires_s": 5},
    "plate in other digits": {"t": "claim", "plate": "1\u0662", "expires_s": 5},
    "plate as number": {"t": "claim", "plate": 12, "expires_s": 5},
    "expiry zero": {"t": "allocate", "expires_s": 0},
    "expiry negative": {"t": "allocate", "expires_s": -1},
    "expiry too long": {"t": "allocate", "expires_s": limits.EXPIRES_MAX_S + 1},
    "expiry as float": {"t": "allocate", "expires_s": 5.0},
    "expiry as truth": {"t": "allocate", "expires_s": True},
    "id too short": {"t": "meet", "id": bytes(31), "expires_s": 5},
    "id too long": {"t": "meet", "id": bytes(33), "expires_s": 5},
    "id as text": {"t": "meet", "id": "x" * 32, "expires_s": 5},
    "heir too short": {"t": "allocate", "expires_s": 5, "heir": bytes(31)},
    "heir as text": {"t": "claim", "plate": "12", "expires_s": 5, "heir": "x" * 32},
    "no heir's token": {"t": "succeed", "plate": "12"},
    "empty heir's token": {"t": "succeed", "plate": "12", "token": b""},
    "long heir's token": {"t": "succeed", "plate": "12", "token": bytes(33)},
    "flight too short": {"t": "join", "plate": "12", "first": bytes(5)},
    "flight too long": {
        "t": "join",
        "plate": "12",
        "first": bytes(limits.FLIGHT_MAX_BYTES + 6),
    },
    "pairing zero": {"t": "take", "pairing": 0},
    "pairing negative": {"t": "take", "pairing": -1},
    "pairing too large": {"t": "take", "pairing": 1 << 32},
    "pairing as text": {"t": "take", "pairing": "1"},
    "pairing as float": {"t": "take", "pairing": 1.0},
    "no pairing": {"t": "take"},
    "no version": {"t": "hello", "versions": [], "nonce": bytes(32)},
    "too many versions": {"t": "hello", "versions": [1] * 9, "nonce": bytes(32)},
    "version too large": {"t": "hello", "versions": [65536], "nonce": bytes(32)},
    "proof in base64": {"t": "auth", "proof": "QUFB" * 10 + "QUFBQQ=="},
}


@pytest.mark.parametrize("message", FALSE.values(), ids=FALSE)
def test_a_false_message_is_refused(message: dict[str, object]) -> None:
    """X14: a field that is missing, unknown, of another type or out of range is a typed error."""
    with pytest.raises(WireError):
        decode_client(msgpack.packb(message))


def test_neither_side_takes_the_others_words() -> None:
    """A relay's message sent to a relay is none."""
    with pytest.raises(WireError):
        decode_client(body(relay_frame(Waiting())))
    with pytest.raises(WireError):
        decode_relay(body(client_frame(Leave())))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(raw: bytes) -> None:
    """X14: arbitrary bytes are a message or raise WireError, nothing else."""
    for decode in (decode_client, decode_relay):
        try:
            decode(raw)
        except WireError:
            pass
