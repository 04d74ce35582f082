"""X25519: the classical half of the hybrid key exchange.

The all-zero result is refused, so a low-order share can never fix a key (X08). This module never
feeds a raw shared secret to a cipher: it goes into the handshake's extract with all the others.
Source: RFC 7748.
"""

from __future__ import annotations

from typing import Final, NoReturn, Self

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from tallow.crypto.errors import CryptoError
from tallow.crypto.lv import Buffer

KEY_BYTES: Final = 32


class X25519Key:
    """A private key with its public half."""

    __slots__ = ("_private", "public")

    def __init__(self, private: X25519PrivateKey) -> None:
        """Wrap a library key; use ``generate`` or ``from_bytes``."""
        self._private = private
        self.public: Final = private.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> Self:
        """Make a fresh key."""
        return cls(X25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, private: Buffer) -> Self:
        """Make the key of 32 private bytes, or raise CryptoError on another length."""
        if len(private) != KEY_BYTES:
            raise CryptoError
        return cls(X25519PrivateKey.from_private_bytes(private))

    def exchange(self, peer: Buffer) -> bytes:
        """Return 32 shared bytes; CryptoError on a wrong length or an all-zero result."""
        if len(peer) != KEY_BYTES:
            raise CryptoError
        try:
            return self._private.exchange(X25519PublicKey.from_public_bytes(bytes(peer)))
        except ValueError:
            raise CryptoError from None

    def __repr__(self) -> str:
        return "X25519Key(…)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a private key is neither pickled nor copied")
