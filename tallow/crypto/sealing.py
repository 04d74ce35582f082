"""Boxes for small state at rest: journals and spools, sealed under a local key.

A box is version u8 ‖ suite u8 ‖ salt 24 ‖ commitment 32 ‖ ciphertext ‖ tag. Key, nonce mask and
commitment come from the box key, a random salt and the context, so every box has a key of its own
and no nonce is ever drawn. AES-GCM alone does not bind a ciphertext to one key; the commitment,
compared first, does. This module never touches a file and knows no passphrase.
"""

from __future__ import annotations

import os
from typing import Final

from tallow.crypto.aead import MATERIAL_BYTES, TAG_BYTES, RecordKey
from tallow.crypto.errors import CryptoError
from tallow.crypto.kdf import expand, same
from tallow.crypto.lv import Buffer, lv, u8

BOX_KEY_BYTES: Final = 32
BOX_VERSION: Final = 1
BOX_SUITE_AES256GCM_SHA512: Final = 1

_SALT_BYTES: Final = 24
_COMMITMENT_BYTES: Final = 32
_MARK: Final = u8(BOX_VERSION) + u8(BOX_SUITE_AES256GCM_SHA512)
_SALTED_BYTES: Final = len(_MARK) + _SALT_BYTES
_HEADER_BYTES: Final = _SALTED_BYTES + _COMMITMENT_BYTES
BOX_OVERHEAD_BYTES: Final = _HEADER_BYTES + TAG_BYTES


def seal_box(key: Buffer, context: bytes, plaintext: Buffer) -> bytes:
    """Seal a plaintext for one context; ValueError unless the key has 32 bytes."""
    salt = os.urandom(_SALT_BYTES)
    record_key, commitment = _derive(key, context, salt)
    header = _MARK + salt + commitment
    return header + record_key.seal(0, header, plaintext)


def open_box(key: Buffer, context: bytes, boxed: Buffer) -> bytes:
    """Return a box's plaintext, or raise CryptoError on anything wrong with the box."""
    box = bytes(boxed)
    if len(box) < BOX_OVERHEAD_BYTES or not box.startswith(_MARK):
        raise CryptoError
    header, sealed = box[:_HEADER_BYTES], box[_HEADER_BYTES:]
    record_key, commitment = _derive(key, context, header[len(_MARK) : _SALTED_BYTES])
    if not same(commitment, header[_SALTED_BYTES:]):
        raise CryptoError
    return record_key.open(0, header, sealed)


def _derive(key: Buffer, context: bytes, salt: bytes) -> tuple[RecordKey, bytes]:
    if len(key) != BOX_KEY_BYTES:
        raise ValueError("a box key has 32 bytes")
    derived = expand(key, "box", lv(salt, context), MATERIAL_BYTES + _COMMITMENT_BYTES)
    return RecordKey(derived[:MATERIAL_BYTES]), derived[MATERIAL_BYTES:]
