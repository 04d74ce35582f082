"""The proof that a connection belongs to a session: formulas, order, clock, and who is refused."""

from __future__ import annotations

import hmac
from typing import cast

import pytest

from tallow.crypto.secret import SecretBytes
from tallow.errors import LocalProtocolError, RemoteProtocolError, TimedOut
from tallow.protocol.chain import Direction
from tallow.protocol.lane_proof import (
    TRANSITIONS,
    Joined,
    JoinKind,
    LaneJoin,
    LaneProof,
    State,
    Step,
)
from tallow.wire import limits
from tests.protocol.test_flights import lv

JOIN = bytes(range(64))
N_I, N_R = b"i" * 32, b"r" * 32


def proof(role: Direction, nonce: bytes | None = None, secret: bytes = JOIN) -> LaneProof:
    """Return one side's part."""
    return LaneProof(SecretBytes(secret), role, "lane", nonce or (N_I if role == "i" else N_R))


def begun(role: Direction) -> LaneJoin:
    """Return a machine that has sent its nonce at 100 s."""
    join = LaneJoin(proof(role))
    join.begin(100)
    assert join.bytes_to_send() == [N_I if role == "i" else N_R]
    return join


# --- the proof --------------------------------------------------------------------------------


def test_the_formula() -> None:
    """A3: HMAC-SHA-512(S(join), lv(label, direction, kind, own nonce, peer nonce))[:32]."""
    initiator, responder = proof("i"), proof("r")
    assert (initiator.opening(), responder.opening()) == (N_I, N_R)
    message = lv(b"tallow/1 join", b"i", b"lane", N_I, N_R)
    assert initiator.answer(N_R) == hmac.digest(JOIN, message, "sha512")[:32]
    message = lv(b"tallow/1 join", b"r", b"lane", N_R, N_I)
    assert responder.answer(N_I) == hmac.digest(JOIN, message, "sha512")[:32]


def test_known_answers() -> None:
    """A3: the bytes for fixed inputs never change between releases."""
    assert [proof("i").answer(N_R).hex()[:32], proof("r").answer(N_I).hex()[:32]] == [
        "620245546ca139e1b409a6dbd6041a3e",
        "101a9965edb3936414ea913a4ea5fa32",
    ]


def test_both_sides_accept_each_other() -> None:
    """A3: two sides of one session accept each other's proof."""
    initiator, responder = proof("i"), proof("r")
    ours, theirs = initiator.answer(N_R), responder.answer(N_I)
    responder.check(ours)
    initiator.check(theirs)


@pytest.mark.parametrize("role", ["i", "r"])
def test_a_proof_holds_in_one_place(role: Direction) -> None:
    """X07, X08: another secret, direction, kind or nonce is another proof."""
    side = proof(role)
    side.answer(b"p" * 32)
    theirs: Direction = "r" if role == "i" else "i"
    path = cast(JoinKind, "path")
    false = [
        proof(theirs, b"p" * 32, bytes(64)).answer(side.opening()),
        proof(role, b"p" * 32).answer(side.opening()),
        LaneProof(SecretBytes(JOIN), theirs, path, b"p" * 32).answer(side.opening()),
        proof(theirs, b"q" * 32).answer(side.opening()),
        proof(theirs, b"p" * 32).answer(b"o" * 32),
    ]
    for claimed in false:
        with pytest.raises(RemoteProtocolError):
            side.check(claimed)
    side.check(proof(theirs, b"p" * 32).answer(side.opening()))


@pytest.mark.parametrize("role", ["i", "r"])
def test_a_side_does_not_join_itself(role: Direction) -> None:
    """X08: the own nonce is refused, and the own proof is never the peer's."""
    own = proof(role).opening()
    with pytest.raises(RemoteProtocolError):
        proof(role).answer(own)
    side = proof(role)
    claimed = side.answer(b"p" * 32)
    with pytest.raises(RemoteProtocolError):
        side.check(claimed)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_lengths_are_exact(size: int) -> None:
    """X20: a nonce or a proof of another length is refused, whoever made it."""
    with pytest.raises(LocalProtocolError):
        LaneProof(SecretBytes(JOIN), "i", "lane", bytes(size))
    with pytest.raises(RemoteProtocolError):
        proof("i").answer(bytes(size))
    side = proof("i")
    side.answer(N_R)
    true = proof("r").answer(N_I)
    with pytest.raises(RemoteProtocolError):
        side.check((true + true)[:size])


def test_every_bit_of_a_proof_counts() -> None:
    """X20: one changed bit is refused."""
    side, true = proof("i"), proof("r").answer(N_I)
    side.answer(N_R)
    for at in range(8 * len(true)):
        changed = bytearray(true)
        changed[at // 8] ^= 1 << (at % 8)
        with pytest.raises(RemoteProtocolError):
            side.check(bytes(changed))
    side.check(true)


def test_a_proof_is_made_once_and_in_order() -> None:
    """X07: a side is no oracle for proofs over nonces of a stranger's choice."""
    side = proof("i")
    with pytest.raises(LocalProtocolError):
        side.check(bytes(32))
    side.answer(N_R)
    with pytest.raises(LocalProtocolError):
        side.answer(b"s" * 32)


# --- the machine ------------------------------------------------------------------------------


def test_the_table_has_no_way_around_the_proof() -> None:
    """X07: JOINED is reached by the peer's proof alone, and never left."""
    assert [key for key, state in TRANSITIONS.items() if state is State.JOINED] == [
        (State.SENT_PROOF, Step.PROOF)
    ]
    assert not [key for key in TRANSITIONS if key[0] in (State.JOINED, State.FAILED)]


def test_a_lane_joins() -> None:
    """A3: nonce out, nonce in, proof out, proof in; what follows in the same read is handed on."""
    join = begun("i")
    join.receive(N_R, 101)
    assert join.bytes_to_send() == [proof("i").answer(N_R)]
    assert join.next_event() is None
    join.receive(proof("r").answer(N_I) + b"records", 102)
    assert join.next_event() == Joined(b"records")
    assert (join.next_event(), join.next_deadline(), join.state) == (None, None, State.JOINED)
    join.on_deadline(1e9)
    with pytest.raises(LocalProtocolError):
        join.receive(b"more", 103)


def test_nothing_but_the_proof_is_accepted() -> None:
    """X07: records where the proof should be end the connection, and nothing is handed on."""
    join = begun("i")
    with pytest.raises(RemoteProtocolError):
        join.receive(N_R + bytes(4000), 101)
    assert (join.state, join.next_event(), join.next_deadline()) == (State.FAILED, None, None)
    with pytest.raises(LocalProtocolError):
        join.receive(proof("r").answer(N_I), 102)


def test_our_own_bytes_back_end_the_connection() -> None:
    """X08: a connection that echoes gets the nonce and nothing else."""
    join = begun("r")
    with pytest.raises(RemoteProtocolError):
        join.receive(N_R, 101)
    assert (join.state, join.bytes_to_send()) == (State.FAILED, [])


def test_ten_seconds_in_all() -> None:
    """X13: a connection that trickles or is silent is given up ten seconds after it began."""
    for heard in (b"", N_R[:1], N_R, N_R + bytes(31)):
        join = begun("i")
        join.receive(heard, 109)
        assert join.next_deadline() == 100 + limits.HANDSHAKE_MAX_S
        join.on_deadline(109.9)
        with pytest.raises(TimedOut):
            join.on_deadline(110)
        assert (join.state, join.next_deadline()) == (State.FAILED, None)


def test_a_machine_begins_once_and_first() -> None:
    """X07: a nonce serves one connection, and no bytes count before it was sent."""
    join = LaneJoin(proof("i"))
    with pytest.raises(LocalProtocolError):
        join.receive(N_R, 0)
    join.begin(0)
    with pytest.raises(LocalProtocolError):
        join.begin(1)


def test_the_secret_is_lent() -> None:
    """A4: joining wipes nothing that further lanes need, and keeps nothing of it."""
    secret = SecretBytes(JOIN)
    join = LaneJoin(LaneProof(secret, "i", "lane", N_I))
    join.begin(0)
    join.receive(N_R + proof("r").answer(N_I), 1)
    assert isinstance(join.next_event(), Joined)
    assert vars(join)["_proof"] is None
    assert secret.same_as(JOIN)
