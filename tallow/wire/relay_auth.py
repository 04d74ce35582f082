"""The relay password's proof: both sides know it, and it never travels.

A slow key is derived once from the password and the relay's certificate key; each link then
shows a MAC over both sides' nonces and that same key, so a proof serves one link of one relay.
The standard library alone does the work, because the relay holds no other cryptography.
It never stores a password. Neighbours: relay/hub.py checks proofs, rendezvous makes them.
Spec: docs/protocol.md §4.4.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

from tallow.wire.errors import WireError

NONCE_BYTES = 32
KEY_HASH_BYTES = 32
PROOF_BYTES = 32

_LABEL = b"tallow-relay/1 password proof\x00"
_SCRYPT_MEMORY_BYTES = 64 * 1024 * 1024


def relay_key(password: str, relay_key_hash: bytes) -> bytes:
    """Return the 32-byte key of a password at one relay; takes about 0.1 s and 32 MiB.

    ``relay_key_hash`` is the SHA-256 of the relay's SubjectPublicKeyInfo. Raises WireError if
    it has another length. Source: RFC 7914 with N = 2^15, r = 8, p = 1.
    """
    _check_length(relay_key_hash, KEY_HASH_BYTES, "relay key hash")
    # surrogatepass: an undecodable byte in an environment variable must not raise here.
    spelled = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(
        spelled, salt=relay_key_hash, n=2**15, r=8, p=1, maxmem=_SCRYPT_MEMORY_BYTES, dklen=32
    )


def client_proof(
    key: bytes, client_nonce: bytes, relay_nonce: bytes, relay_key_hash: bytes
) -> bytes:
    """Return the 32-byte proof for one link; WireError on a nonce or hash of another length."""
    _check_length(client_nonce, NONCE_BYTES, "client nonce")
    _check_length(relay_nonce, NONCE_BYTES, "relay nonce")
    _check_length(relay_key_hash, KEY_HASH_BYTES, "relay key hash")
    bound = _LABEL + client_nonce + relay_nonce + relay_key_hash
    return hmac.new(key, bound, hashlib.sha256).digest()


def proof_matches(shown: bytes, expected: bytes) -> bool:
    """Tell whether a proof is the expected one, in constant time and at its full length only."""
    return len(expected) == PROOF_BYTES and hmac.compare_digest(shown, expected)


def _check_length(part: bytes, length: int, name: str) -> None:
    if len(part) != length:
        raise WireError(f"{name} of a false length")
