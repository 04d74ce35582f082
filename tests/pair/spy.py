"""Every key and number that ever sealed anything, so that no pair can be used twice unnoticed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tallow.crypto.aead import RecordKey
from tallow.crypto.lv import Buffer
from tallow.protocol import bulk, chain


class Seals:
    """What was sealed under which key and number in one test."""

    def __init__(self) -> None:
        """Begin with nothing sealed."""
        self.used: dict[tuple[bytes, int], bytes] = {}
        self.keys: dict[bytes, int] = {}

    def note(self, material: bytes, number: int, aad: Buffer) -> None:
        """Record a use of a key; a second use of one number under one key fails the test."""
        if (material, number) in self.used:
            pytest.fail(f"number {number} was sealed twice under one key")
        self.used[material, number] = bytes(aad)
        self.keys[material] = self.keys.get(material, 0) + 1


@contextmanager
def watched_seals() -> Iterator[Seals]:
    """Watch every record key that is made inside; it seals and opens as ever."""
    seals = Seals()

    class WatchedKey(RecordKey):
        """A record key that tells what it is used for."""

        __slots__ = ("_material",)

        def __init__(self, material: Buffer) -> None:
            """Keep the material beside the cipher."""
            super().__init__(material)
            self._material = bytes(material)

        def seal(self, number: int, aad: Buffer, plaintext: Buffer) -> bytes:
            """Note the use, then seal."""
            seals.note(self._material, number, aad)
            return super().seal(number, aad, plaintext)

        def seal_into(self, number: int, aad: Buffer, plaintext: Buffer, out: memoryview) -> int:
            """Note the use, then seal in place."""
            seals.note(self._material, number, aad)
            return super().seal_into(number, aad, plaintext, out)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chain, "RecordKey", WatchedKey)
        patch.setattr(bulk, "RecordKey", WatchedKey)
        yield seals
