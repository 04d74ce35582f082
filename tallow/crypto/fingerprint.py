"""Fingerprints: one short name for the two root keys of an identity.

Both keys go into one hash, so neither can be swapped under the other. This module never judges
whether a fingerprint is known or trusted; contacts do.
"""

from __future__ import annotations

import base64
from typing import Final

from tallow.crypto.errors import CryptoError
from tallow.crypto.kdf import sha512
from tallow.crypto.lv import lv
from tallow.crypto.signature import ED25519_PUBLIC_BYTES, MLDSA87_PUBLIC_BYTES

FINGERPRINT_BYTES: Final = 32
_SHOWN_BYTES: Final = 20
_GROUP_CHARS: Final = 4


def identity_fingerprint(ed25519_root: bytes, mldsa87_root: bytes) -> bytes:
    """Return the 32-byte fingerprint of both root keys; CryptoError on a wrong key length."""
    if len(ed25519_root) != ED25519_PUBLIC_BYTES or len(mldsa87_root) != MLDSA87_PUBLIC_BYTES:
        raise CryptoError
    return sha512(b"tallow/1 identity", lv(ed25519_root, mldsa87_root))[:FINGERPRINT_BYTES]


def show_fingerprint(fp: bytes) -> str:
    """Write a fingerprint for people: 160 bits as 8 groups of 4 base32 characters."""
    if len(fp) != FINGERPRINT_BYTES:
        raise ValueError("a fingerprint has 32 bytes")
    text = base64.b32encode(fp[:_SHOWN_BYTES]).decode("ascii").lower()
    return " ".join(text[i : i + _GROUP_CHARS] for i in range(0, len(text), _GROUP_CHARS))
