"""ML-KEM-1024 behind a seam, so that another library can stand in for the first.

A provider makes key pairs and encapsulates; all providers speak the same bytes (FIPS 203 encoding
of public key and ciphertext, d ‖ z as seed). This module never combines the shared secret with
anything and never confirms it: a ciphertext made for another key decapsulates to another secret
without an error (implicit rejection), which only the handshake's tags reveal.
A1: generation and decapsulation are held to published vectors; the library takes no chosen
randomness, so encapsulation is held by round trips and by the refusal of invalid public keys.
"""

from __future__ import annotations

from typing import Final, NoReturn, Protocol

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey, MLKEM1024PublicKey

from tallow.crypto.errors import CryptoError
from tallow.crypto.lv import Buffer

PUBLIC_BYTES: Final = 1568
CIPHERTEXT_BYTES: Final = 1568
SHARED_BYTES: Final = 32
SEED_BYTES: Final = 64


class KemKeyPair(Protocol):
    """A private key that can decapsulate, with its public half."""

    @property
    def public(self) -> bytes:
        """The encapsulation key, 1 568 bytes."""

    def decapsulate(self, ct: Buffer) -> bytes:
        """Return the 32-byte shared secret; CryptoError on a wrong length alone."""

    def seed(self) -> bytes:
        """Return the 64-byte seed the pair can be made from again."""


class KemProvider(Protocol):
    """A library that speaks ML-KEM-1024."""

    @property
    def name(self) -> str:
        """What doctor and logs call this library."""

    def generate(self) -> KemKeyPair:
        """Make a fresh key pair."""

    def from_seed(self, seed: Buffer) -> KemKeyPair:
        """Make the key pair of a 64-byte seed, or raise CryptoError on another length."""

    def encapsulate(self, public: Buffer) -> tuple[bytes, bytes]:
        """Return shared secret and ciphertext, or raise CryptoError on an invalid public key."""


def default_kem() -> KemProvider:
    """Return the provider that is always there: the ``cryptography`` library."""
    return _DEFAULT


class _CryptographyKeyPair:
    __slots__ = ("_private", "public")

    def __init__(self, private: MLKEM1024PrivateKey) -> None:
        self._private = private
        self.public: Final = private.public_key().public_bytes_raw()

    def decapsulate(self, ct: Buffer) -> bytes:
        if len(ct) != CIPHERTEXT_BYTES:
            raise CryptoError
        try:
            return self._private.decapsulate(ct)
        except ValueError:
            raise CryptoError from None

    def seed(self) -> bytes:
        return self._private.private_bytes_raw()

    def __repr__(self) -> str:
        return "KemKeyPair(…)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a private key is neither pickled nor copied")


class _CryptographyKem:
    name: Final = "cryptography"

    def generate(self) -> KemKeyPair:
        return _CryptographyKeyPair(MLKEM1024PrivateKey.generate())

    def from_seed(self, seed: Buffer) -> KemKeyPair:
        if len(seed) != SEED_BYTES:
            raise CryptoError
        try:
            return _CryptographyKeyPair(MLKEM1024PrivateKey.from_seed_bytes(seed))
        except ValueError:
            raise CryptoError from None

    def encapsulate(self, public: Buffer) -> tuple[bytes, bytes]:
        # The library refuses a coefficient of q or more, as FIPS 203 §7.2 demands.
        try:
            return MLKEM1024PublicKey.from_public_bytes(public).encapsulate()
        except ValueError:
            raise CryptoError from None


_DEFAULT: Final = _CryptographyKem()
