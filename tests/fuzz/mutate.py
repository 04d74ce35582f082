"""Bytes that are almost right: cut, flipped, doubled, spliced and given interesting numbers."""

from __future__ import annotations

import random
from collections.abc import Callable

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
GROWTH_MAX_BYTES = 2048


class Mutator:
    """Makes inputs out of seeds; a rng's seed gives the same ones every time."""

    def __init__(self, seeds: list[bytes], rng: random.Random) -> None:
        """Begin with bytes that are right."""
        self._pool = list(seeds) or [b""]
        self._seeds = len(self._pool)
        self._rng = rng
        self._steps: list[Callable[[bytearray], None]] = [
            self._flip, self._byte, self._cut, self._drop, self._double, self._number,
            self._splice, self._noise,
        ]  # fmt: skip

    def next(self) -> bytes:
        """Return the next input: a seed or an earlier success, changed in one place or a few."""
        made = bytearray(self._rng.choice(self._pool))
        for _ in range(self._rng.choice((1, 1, 1, 2, 4, 8))):
            self._rng.choice(self._steps)(made)
        return bytes(made)

    def keep(self, raw: bytes) -> None:
        """Go on from an input that was accepted, within a bound."""
        if len(raw) <= GROWTH_MAX_BYTES:
            self._pool[self._seeds :] = [*self._pool[self._seeds :][-63:], raw]

    def _at(self, made: bytearray) -> int:
        # Headers and lengths stand in front.
        end = len(made) if self._rng.random() < 0.5 else min(len(made), 40)
        return self._rng.randrange(end + 1)

    def _flip(self, made: bytearray) -> None:
        if made:
            made[self._at(made) % len(made)] ^= 1 << self._rng.randrange(8)

    def _byte(self, made: bytearray) -> None:
        if made:
            made[self._at(made) % len(made)] = self._rng.randrange(256)

    def _cut(self, made: bytearray) -> None:
        del made[self._at(made) :]

    def _drop(self, made: bytearray) -> None:
        at = self._at(made)
        del made[at : at + self._rng.randrange(1, 9)]

    def _double(self, made: bytearray) -> None:
        at = self._at(made)
        piece = made[at : at + self._rng.randrange(1, 65)]
        made[at:at] = piece * self._rng.choice((1, 1, 2, 16))

    def _number(self, made: bytearray) -> None:
        at, number = self._at(made), self._rng.choice(NUMBERS)
        width = max(self._rng.choice((1, 2, 4, 8)), (number.bit_length() + 7) // 8)
        made[at : at + width] = number.to_bytes(width, "big")

    def _splice(self, made: bytearray) -> None:
        other, at = self._rng.choice(self._pool), self._at(made)
        start = self._rng.randrange(len(other) + 1)
        made[at : at + self._rng.randrange(33)] = other[start : start + self._rng.randrange(65)]

    def _noise(self, made: bytearray) -> None:
        at = self._at(made)
        made[at:at] = self._rng.randbytes(self._rng.randrange(1, 17))
