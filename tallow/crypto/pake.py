"""CPace: a few spoken words become a strong shared key, and a guess costs a live attempt.

Suite CPACE-X25519-SHA512 in initiator-responder order. Scalar multiplication is the library's
X25519; only the map from words to a generator is our own, in Python integers, which are not
constant time. It has no secret-dependent branch or early exit, runs once per code and never while
a peer is waiting; a long-term password must never come here. A2: other words give another key,
which the handshake's tags turn into an explicit error.
The length encoding here (LEB128) is CPace's alone; everywhere else it is ``lv``.
Source: draft-irtf-cfrg-cpace-21.
"""

from __future__ import annotations

import os
from typing import Final, NoReturn

from tallow.crypto.dh import KEY_BYTES, X25519Key
from tallow.crypto.errors import CryptoError
from tallow.crypto.kdf import same, sha512
from tallow.crypto.secret import SecretBytes

SHARE_BYTES: Final = KEY_BYTES
GENERATOR_BYTES: Final = 32

_DSI: Final = b"CPace255"
_DSI_ISK: Final = b"CPace255_ISK"
_HASH_BLOCK_BYTES: Final = 128

_P: Final = 2**255 - 19
_A: Final = 486662
_NON_SQUARE: Final = 2
_HALF: Final = (_P + 1) // 2


def generator(prs: bytes, ci: bytes, sid: bytes = b"") -> bytes:
    """Map password, channel identifier and session id to a generator of 32 bytes."""
    hashed = sha512(generator_string(prs, ci, sid))[:GENERATOR_BYTES]
    field_element = int.from_bytes(hashed, "little") & ((1 << 255) - 1)
    return _elligator2(field_element).to_bytes(GENERATOR_BYTES, "little")


def generator_string(prs: bytes, ci: bytes, sid: bytes) -> bytes:
    """Join what the generator hangs on, padded so that the words fill the first hash block."""
    used = len(prepend_len(_DSI)) + len(prepend_len(prs)) + 1
    padding = bytes(max(0, _HASH_BLOCK_BYTES - used))
    return lv_cat(_DSI, prs, padding, ci, sid)


class Cpace:
    """One side of one run: a share to send, then a key from the peer's share, once."""

    __slots__ = ("_key", "_scalar", "share")

    def __init__(self, generator: bytes, scalar: bytes | None = None) -> None:
        """Draw a scalar (tests may give one) and make the share, or raise CryptoError."""
        self._scalar = SecretBytes(os.urandom(KEY_BYTES) if scalar is None else scalar)
        self._key: X25519Key | None = X25519Key.from_bytes(self._scalar.view())
        self._scalar.wipe()
        self.share: Final = self._key.exchange(generator)

    def finish(self, peer_share: bytes) -> bytes:
        """Return K, 32 bytes, and forget the scalar; ValueError on a second call.

        CryptoError iff K is all zero (X08), the peer sent our own share back, or the length is
        wrong. Non-canonical points are legal in the draft and not refused.
        """
        if self._key is None:
            raise ValueError("a CPace run finishes once")
        key, self._key = self._key, None
        if same(peer_share, self.share):
            raise CryptoError
        return key.exchange(peer_share)

    def __repr__(self) -> str:
        return "Cpace(…)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a CPace run is neither pickled nor copied")


def isk_ir(k: bytes, sid: bytes, ya: bytes, ada: bytes, yb: bytes, adb: bytes) -> bytes:
    """Derive the 64-byte intermediate session key; ``ya`` and ``ada`` are the initiator's."""
    return sha512(lv_cat(_DSI_ISK, sid, k), lv_cat(ya, ada), lv_cat(yb, adb))


def lv_cat(*items: bytes) -> bytes:
    """Join items, each preceded by its LEB128 length, as CPace alone does."""
    return b"".join(prepend_len(item) for item in items)


def prepend_len(item: bytes) -> bytes:
    """Put the item's length before it in LEB128."""
    remaining = len(item)
    encoded = bytearray()
    while remaining >= 0x80:
        encoded.append(remaining & 0x7F | 0x80)
        remaining >>= 7
    encoded.append(remaining)
    return bytes(encoded) + item


def _elligator2(r: int) -> int:
    """Map a field element to the u-coordinate of a point on Curve25519 (RFC 9380 §6.7.1)."""
    # -1/2 is no square modulo p, so the denominator is never zero; v^3 + A v^2 + v is not either.
    v = -_A * pow(1 + _NON_SQUARE * r * r, _P - 2, _P) % _P
    legendre = pow(v * v * v + _A * v * v + v, (_P - 1) // 2, _P)
    # legendre is 1 or p - 1; arithmetic picks v or -v - A without a branch on the words.
    return (legendre * v - (1 - legendre) * _A * _HALF) % _P
