"""Randomness and a KEM that are the same in every run, so that a red test is red again."""

from __future__ import annotations

import random

from tallow.crypto.kem import KemKeyPair, default_kem
from tallow.crypto.lv import Buffer


class Chance:
    """Bytes that look random and follow from a seed; callable as machines want it."""

    def __init__(self, seed: int) -> None:
        """Begin at a seed."""
        self._random = random.Random(seed)

    def __call__(self, count: int) -> bytes:
        """Return the next bytes."""
        return self._random.randbytes(count)


class RememberingKem:
    """The real KEM, which gives one public key the same ciphertext every time it is asked.

    The library takes no chosen randomness; without this twin two runs could never be compared
    byte by byte.
    """

    name = "remembering"

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._kem = default_kem()
        self._made: dict[bytes, tuple[bytes, bytes]] = {}

    def generate(self) -> KemKeyPair:
        """Make a fresh key pair."""
        return self._kem.generate()

    def from_seed(self, seed: Buffer) -> KemKeyPair:
        """Make the key pair of a seed."""
        return self._kem.from_seed(seed)

    def encapsulate(self, public: Buffer) -> tuple[bytes, bytes]:
        """Return shared secret and ciphertext, the same ones for the same key."""
        key = bytes(public)
        if key not in self._made:
            self._made[key] = self._kem.encapsulate(key)
        return self._made[key]
