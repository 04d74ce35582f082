"""The proof of an earlier transfer: who may make it, where it holds, and what it tells."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.crypto.secret import SecretBytes
from tallow.protocol.transfer_proof import TransferRole, proves, transfer_key, transfer_proof
from tests.protocol.test_flights import expand, lv

RESUME = bytes(range(64))
ID = b"t" * 16
TH2 = b"h" * 64
ROLES: tuple[TransferRole, ...] = ("sender", "receiver")


def key(resume: bytes = RESUME, transfer_id: bytes = ID) -> SecretBytes:
    """Return the key of a transfer."""
    return transfer_key(SecretBytes(resume), transfer_id)


@pytest.mark.parametrize("role", ROLES)
def test_the_formulas(role: TransferRole) -> None:
    """C3: key = Exp(S(resume), "resume", id, 32); P = HMAC(key, lv(label, th2, role))[:32]."""
    expected = expand(RESUME, b"resume", ID, 32)
    assert key().same_as(expected)
    message = lv(b"tallow/1 resume", TH2, role.encode())
    assert transfer_proof(key(), TH2, role) == hmac.digest(expected, message, "sha512")[:32]


def test_known_answers() -> None:
    """A3: the bytes for fixed inputs never change between releases."""
    assert [transfer_proof(key(), TH2, role).hex()[:32] for role in ROLES] == [
        "486222cace2b7ca016e4d4349f8ca8f7",
        "79a69f039f466339b9e6f7370f060749",
    ]


@pytest.mark.parametrize("role", ROLES)
def test_a_true_proof_proves(role: TransferRole) -> None:
    """C3: who holds the key of the transfer is believed, by the key alone."""
    assert proves(key(), TH2, role, transfer_proof(key(), TH2, role))


@pytest.mark.parametrize("role", ROLES)
def test_a_proof_holds_in_one_place(role: TransferRole) -> None:
    """X07, X08: another session, role, transfer or secret makes another proof."""
    claimed = transfer_proof(key(), TH2, role)
    other: TransferRole = "receiver" if role == "sender" else "sender"
    assert not proves(key(), TH2, other, claimed)
    assert not proves(key(), b"g" * 64, role, claimed)
    assert not proves(key(transfer_id=b"u" * 16), TH2, role, claimed)
    assert not proves(key(bytes(64)), TH2, role, claimed)


@pytest.mark.parametrize("size", [0, 1, 16, 31])
def test_a_shortened_proof_is_none(size: int) -> None:
    """X20: a proof is compared at its full length, never at the one that arrived."""
    claimed = transfer_proof(key(), TH2, "sender")
    assert not proves(key(), TH2, "sender", claimed[:size])
    assert not proves(key(), TH2, "sender", claimed + bytes(size + 1))


def test_one_changed_bit_is_noticed() -> None:
    """X20: every bit of the proof counts."""
    claimed = transfer_proof(key(), TH2, "sender")
    for at in range(8 * len(claimed)):
        changed = bytearray(claimed)
        changed[at // 8] ^= 1 << (at % 8)
        assert not proves(key(), TH2, "sender", bytes(changed))


@given(st.binary(max_size=64))
def test_any_bytes_are_no_proof(raw: bytes) -> None:
    """X14: whatever arrives is a yes or a no."""
    assert not proves(key(), TH2, "receiver", raw)


def test_the_session_s_secret_is_left_alone() -> None:
    """A4: making a key wipes nothing, and the key outlives the secret."""
    resume = SecretBytes(RESUME)
    made = transfer_key(resume, ID)
    assert resume.same_as(RESUME)
    resume.wipe()
    assert made.same_as(expand(RESUME, b"resume", ID, 32))
