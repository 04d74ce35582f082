"""Hashing and key derivation: SHA-512, HKDF-SHA512, HMAC-SHA512, Argon2id, constant-time equality.

Every derived key carries a label and a context, so one key never serves two purposes. This module
never draws randomness and never keeps a key. What it returns is ``bytes``, which CPython cannot
wipe: callers put what must live longer into ``secret.SecretBytes``.
Sources: RFC 5869, RFC 2104, RFC 9106.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from tallow.crypto.errors import CryptoError
from tallow.crypto.lv import Buffer, lv

DIGEST_BYTES: Final = 64
PROTOCOL_LABEL: Final = "tallow/1"

ARGON2_MEMORY_MIN_KIB: Final = 64 * 1024
ARGON2_MEMORY_MAX_KIB: Final = 1024 * 1024
ARGON2_ITERATIONS_MAX: Final = 10
ARGON2_LANES_MAX: Final = 16
ARGON2_SALT_MIN_BYTES: Final = 8
ARGON2_LENGTH_MIN_BYTES: Final = 4
ARGON2_LENGTH_MAX_BYTES: Final = 1024

_one_derivation = threading.Lock()


def sha512(*parts: Buffer) -> bytes:
    """Hash the parts as one string to 64 bytes."""
    digest = hashlib.sha512()
    for part in parts:
        digest.update(part)
    return digest.digest()


def extract(salt: bytes, ikm: Buffer) -> bytes:
    """Concentrate key material into a 64-byte key with HKDF-Extract."""
    return HKDF.extract(SHA512(), salt, ikm)


def expand(key: Buffer, label: str, ctx: bytes, n: int) -> bytes:
    """Derive ``n`` bytes for one purpose: HKDF-Expand(key, lv("tallow/1", label, ctx), n)."""
    return expand_info(key, lv(PROTOCOL_LABEL, label, ctx), n)


def expand_info(key: Buffer, info: bytes, n: int) -> bytes:
    """Derive ``n`` bytes with a bare info string; ValueError unless 1 ≤ n ≤ 16 320."""
    if not 1 <= n <= 255 * DIGEST_BYTES:
        raise ValueError("HKDF output length out of range")
    return HKDFExpand(SHA512(), n, info).derive(key)


def mac(key: Buffer, message: Buffer) -> bytes:
    """Authenticate a message with HMAC-SHA-512, 64 bytes."""
    return hmac.digest(key, message, "sha512")


def same(a: Buffer, b: Buffer) -> bool:
    """Compare two fixed-length values in constant time; other or zero lengths are never equal.

    X20: a tag of a length the attacker chose is refused, not compared up to that length.
    """
    left, right = memoryview(a).cast("B"), memoryview(b).cast("B")
    return len(left) == len(right) > 0 and hmac.compare_digest(left, right)


def argon2id(
    password: Buffer,
    salt: bytes,
    *,
    length: int,
    memory_kib: int = 262144,
    iterations: int = 3,
    lanes: int = 4,
) -> bytes:
    """Stretch a password, one derivation at a time; CryptoError on parameters out of bounds.

    A5: parameters may come from a file, so 64 MiB ≤ memory ≤ 1 GiB, 1 ≤ iterations ≤ 10 and
    1 ≤ lanes ≤ 16 are checked before any memory is taken.
    """
    if not (
        ARGON2_MEMORY_MIN_KIB <= memory_kib <= ARGON2_MEMORY_MAX_KIB
        and 1 <= iterations <= ARGON2_ITERATIONS_MAX
        and 1 <= lanes <= ARGON2_LANES_MAX
        and len(salt) >= ARGON2_SALT_MIN_BYTES
        and ARGON2_LENGTH_MIN_BYTES <= length <= ARGON2_LENGTH_MAX_BYTES
    ):
        raise CryptoError
    # Parallel derivations would multiply the memory a peer or a file can make us take.
    with _one_derivation:
        return argon2id_raw(
            password,
            salt,
            length=length,
            memory_kib=memory_kib,
            iterations=iterations,
            lanes=lanes,
        )


def argon2id_raw(
    password: Buffer,
    salt: bytes,
    *,
    length: int,
    memory_kib: int,
    iterations: int,
    lanes: int,
    secret: bytes | None = None,
    ad: bytes | None = None,
) -> bytes:
    """Run Argon2id with any parameters the library takes; for published vectors only."""
    derivation = Argon2id(
        salt=salt,
        length=length,
        iterations=iterations,
        lanes=lanes,
        memory_cost=memory_kib,
        ad=ad,
        secret=secret,
    )
    # The library takes any buffer here; its stub names bytes alone.
    return derivation.derive(password)  # type: ignore[arg-type]
