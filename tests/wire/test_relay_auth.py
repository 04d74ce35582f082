"""The relay password's proof: bound to one link of one relay, compared at full length."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from tallow.wire.errors import WireError
from tallow.wire.relay_auth import client_proof, proof_matches, relay_key

KEY_HASH = bytes(range(32))
KEY = relay_key("correct horse", KEY_HASH)
NONCES = (b"c" * 32, b"r" * 32)


def test_the_key_is_scrypt_of_the_password_and_the_relays_key() -> None:
    """B3: the key is RFC 7914 scrypt with N = 2^15, r = 8, p = 1 and the key hash as salt."""
    expected = hashlib.scrypt(
        b"correct horse", salt=KEY_HASH, n=32768, r=8, p=1, maxmem=1 << 26, dklen=32
    )
    assert expected == KEY


def test_the_proof_is_an_hmac_over_both_nonces_and_the_relays_key() -> None:
    """B3: the proof is reproducible from its parts, label first."""
    bound = b"tallow-relay/1 password proof\0" + NONCES[0] + NONCES[1] + KEY_HASH
    assert client_proof(KEY, *NONCES, KEY_HASH) == hmac.digest(KEY, bound, "sha256")


@pytest.mark.parametrize(
    "other",
    [
        client_proof(relay_key("correct horsf", KEY_HASH), *NONCES, KEY_HASH),
        client_proof(relay_key("correct horse", bytes(32)), *NONCES, KEY_HASH),
        client_proof(KEY, b"d" * 32, NONCES[1], KEY_HASH),
        client_proof(KEY, NONCES[0], b"s" * 32, KEY_HASH),
        client_proof(KEY, NONCES[1], NONCES[0], KEY_HASH),
        client_proof(KEY, *NONCES, bytes(32)),
    ],
    ids=["password", "salt", "client nonce", "relay nonce", "nonces swapped", "relay key"],
)
def test_a_proof_serves_one_password_one_link_and_one_relay(other: bytes) -> None:
    """B3: change anything that the proof binds and it matches no more."""
    assert not proof_matches(other, client_proof(KEY, *NONCES, KEY_HASH))


def test_a_proof_matches_at_its_full_length_only() -> None:
    """X20: neither a prefix nor an empty proof matches, and no length raises."""
    proof = client_proof(KEY, *NONCES, KEY_HASH)
    assert proof_matches(proof, proof)
    for shown in (b"", proof[:1], proof[:31], proof + b"\0", bytes(32)):
        assert not proof_matches(shown, proof)
    assert not proof_matches(proof[:4], proof[:4])
    assert not proof_matches(b"", b"")


def test_parts_of_a_false_length_are_refused() -> None:
    """X20: the fixed-length parts cannot be shifted into one another."""
    with pytest.raises(WireError):
        client_proof(KEY, b"c" * 31, b"r" * 33, KEY_HASH)
    with pytest.raises(WireError):
        client_proof(KEY, *NONCES, KEY_HASH + b"x")
    with pytest.raises(WireError):
        relay_key("x", b"")


def test_two_spellings_of_one_password_are_one() -> None:
    """A password typed with combining accents is the password typed without."""
    assert relay_key("caf\u00e9", KEY_HASH) == relay_key("cafe\u0301", KEY_HASH)


def test_an_undecodable_password_raises_nothing() -> None:
    """A4: bytes that an environment variable could not decode still make a key."""
    assert len(relay_key("\udcff\ud800", KEY_HASH)) == 32
