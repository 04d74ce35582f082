"""Hybrid signatures: ML-DSA-87 and Ed25519 over the same words, and both must verify.

ML-DSA takes the context as its own parameter, Ed25519 signs lv(context, message); so a signature
of one purpose is never one of another. ML-DSA signing is hedged: two signatures of one message
differ and are never compared by bytes. This module never decides what is signed; callers put the
signer's own keys into every message, which stops stripping and mixing.
Sources: FIPS 204 §5, RFC 8032.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA87PrivateKey, MLDSA87PublicKey

from tallow.crypto.errors import CryptoError
from tallow.crypto.lv import Buffer, lv

SEED_BYTES: Final = 32
ED25519_PUBLIC_BYTES: Final = 32
ED25519_SIGNATURE_BYTES: Final = 64
MLDSA87_PUBLIC_BYTES: Final = 2592
MLDSA87_SIGNATURE_BYTES: Final = 4627
CONTEXT_MAX_BYTES: Final = 255

_P: Final = 2**255 - 19
_ORDER_8_Y: Final = int.from_bytes(
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
)
_LOW_ORDER_Y: Final = frozenset({0, 1, _P - 1, _ORDER_8_Y, _P - _ORDER_8_Y})


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """The public half: 32 and 2 592 bytes."""

    ed25519: bytes
    mldsa87: bytes


@dataclass(frozen=True, slots=True)
class HybridSignature:
    """Two signatures over one message: 64 and 4 627 bytes."""

    ed25519: bytes
    mldsa87: bytes


class SigningKey:
    """The private half, made from two seeds of 32 bytes."""

    __slots__ = ("_ed25519", "_mldsa87", "public")

    def __init__(self, ed25519_seed: Buffer, mldsa87_seed: Buffer) -> None:
        """Make both keys, or raise CryptoError on a seed of another length."""
        if len(ed25519_seed) != SEED_BYTES or len(mldsa87_seed) != SEED_BYTES:
            raise CryptoError
        self._ed25519 = Ed25519PrivateKey.from_private_bytes(ed25519_seed)
        self._mldsa87 = MLDSA87PrivateKey.from_seed_bytes(mldsa87_seed)
        self.public: Final = VerifyKey(
            ed25519=self._ed25519.public_key().public_bytes_raw(),
            mldsa87=self._mldsa87.public_key().public_bytes_raw(),
        )

    def sign(self, context: bytes, message: bytes) -> HybridSignature:
        """Sign a message for one purpose; ValueError unless the context has 1…255 bytes."""
        _check_context(context)
        return HybridSignature(
            ed25519=self._ed25519.sign(lv(context, message)),
            mldsa87=self._mldsa87.sign(message, context),
        )

    def __repr__(self) -> str:
        return "SigningKey(…)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a signing key is neither pickled nor copied")


def verify(public: VerifyKey, context: bytes, message: bytes, signature: HybridSignature) -> None:
    """Return only if both signatures verify, or raise CryptoError."""
    _check_context(context)
    verify_mldsa87(public.mldsa87, context, message, signature.mldsa87)
    verify_ed25519(public.ed25519, lv(context, message), signature.ed25519)


def verify_mldsa87(public: bytes, context: bytes, message: bytes, signature: bytes) -> None:
    """Check the post-quantum half or raise CryptoError; alone it authenticates nobody."""
    if len(signature) != MLDSA87_SIGNATURE_BYTES:
        raise CryptoError
    try:
        MLDSA87PublicKey.from_public_bytes(public).verify(signature, message, context)
    except (InvalidSignature, ValueError):
        raise CryptoError from None


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> None:
    """Check the classical half or raise CryptoError; alone it authenticates nobody."""
    if len(signature) != ED25519_SIGNATURE_BYTES:
        raise CryptoError
    check_ed25519_public(public)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise CryptoError from None


def check_ed25519_public(public: bytes) -> None:
    """Refuse a public key of wrong length, small order or non-canonical form (CryptoError).

    X08: under a small-order key one signature verifies for every message, and the library lets
    it pass. The sign bit is ignored, so both encodings of each such point are caught.
    """
    if len(public) != ED25519_PUBLIC_BYTES:
        raise CryptoError
    y = int.from_bytes(public, "little") & ((1 << 255) - 1)
    if y >= _P or y in _LOW_ORDER_Y:
        raise CryptoError


def _check_context(context: bytes) -> None:
    if not 1 <= len(context) <= CONTEXT_MAX_BYTES:
        raise ValueError("a signature context has 1 to 255 bytes")
