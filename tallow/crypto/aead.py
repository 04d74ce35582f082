"""AES-256-GCM for numbered records: the only place in Tallow where a nonce is made.

A record key is 44 bytes, key ‖ nonce mask, and its caller gives every record a number that is
used for one plaintext only, for ever. Sealing and opening work on the caller's buffers, in place
if he wishes, and may run in several threads at once.
This module never counts, never rekeys and never decides what the number or the associated data
are; session and lanes do. Spec: docs/protocol.md §6.2.
"""

from __future__ import annotations

from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tallow.crypto.errors import CryptoError
from tallow.crypto.lv import Buffer, u64

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
MATERIAL_BYTES: Final = KEY_BYTES + NONCE_BYTES
TAG_BYTES: Final = 16
PLAINTEXT_MAX_BYTES: Final = 2**31 - 1 - TAG_BYTES
"""The library's bound for one call."""


class RecordKey:
    """One direction's key for one epoch of one channel."""

    __slots__ = ("_cipher", "_mask")

    def __init__(self, material: Buffer) -> None:
        """Take key ‖ nonce mask, 44 bytes, or raise ValueError."""
        view = memoryview(material).cast("B")
        if len(view) != MATERIAL_BYTES:
            raise ValueError("record key material must be 44 bytes")
        self._cipher = AESGCM(view[:KEY_BYTES])
        self._mask = int.from_bytes(view[KEY_BYTES:], "big")

    def seal(self, number: int, aad: Buffer, plaintext: Buffer) -> bytes:
        """Seal one record as ciphertext ‖ tag, 16 bytes longer than the plaintext."""
        return self._cipher.encrypt(self._nonce(number), _sealable(plaintext), aad)

    def seal_into(self, number: int, aad: Buffer, plaintext: Buffer, out: memoryview) -> int:
        """Seal into ``out`` and return the sealed length; ValueError when it does not fit.

        ``plaintext`` may be exactly the start of ``out``; any other overlap is forbidden.
        """
        sealed_bytes = len(_sealable(plaintext)) + TAG_BYTES
        if len(out) < sealed_bytes:
            raise ValueError("no room for the sealed record")
        return self._cipher.encrypt_into(self._nonce(number), plaintext, aad, out[:sealed_bytes])

    def open(self, number: int, aad: Buffer, sealed: Buffer) -> bytes:
        """Return the plaintext of a sealed record, or raise CryptoError."""
        nonce = self._nonce(number)
        _plaintext_length(sealed)
        try:
            return self._cipher.decrypt(nonce, sealed, aad)
        except InvalidTag:
            raise CryptoError from None

    def open_into(self, number: int, aad: Buffer, sealed: Buffer, out: memoryview) -> int:
        """Open into ``out`` and return the plaintext's length, or raise CryptoError.

        ``sealed`` may begin exactly where ``out`` begins; any other overlap is forbidden. A bad
        tag leaves zeros where the plaintext would be: the library writes it before it checks.
        """
        nonce = self._nonce(number)
        plaintext_bytes = _plaintext_length(sealed)
        if len(out) < plaintext_bytes:
            raise ValueError("no room for the opened record")
        target = out[:plaintext_bytes]
        try:
            return self._cipher.decrypt_into(nonce, sealed, aad, target)
        except InvalidTag:
            target[:] = bytes(plaintext_bytes)
            raise CryptoError from None

    def _nonce(self, number: int) -> bytes:
        return (self._mask ^ int.from_bytes(u64(number), "big")).to_bytes(NONCE_BYTES, "big")

    def __repr__(self) -> str:
        return "RecordKey(…)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a record key is neither pickled nor copied")


def _sealable(plaintext: Buffer) -> Buffer:
    if len(plaintext) > PLAINTEXT_MAX_BYTES:
        raise ValueError("record too long to seal")
    return plaintext


def _plaintext_length(sealed: Buffer) -> int:
    length = len(sealed) - TAG_BYTES
    if not 0 <= length <= PLAINTEXT_MAX_BYTES:
        raise CryptoError
    return length
