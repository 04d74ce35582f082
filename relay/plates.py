"""Nameplates: drawn with enough digits to be hard to hit, and left to rest after use.

At most one number in a thousand is live, so somebody who tries numbers burns few codes; a
number that was in use is not handed out at random again for a day, so a late joiner does not
meet a stranger. Both memories are bounded. This module never knows who holds a plate.
Spec: docs/protocol.md §4.3.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Container

from tallow.wire import limits

_LIVE_ONE_IN = 1000
_DRAWS_PER_LENGTH = 32


class Plates:
    """Draws nameplates and remembers the recently used and the recently expired ones."""

    def __init__(self, random_below: Callable[[int], int]) -> None:
        """Draw with ``random_below(n)``, a uniform integer in 0 … n-1."""
        self._random_below = random_below
        self._resting = _Recent(limits.PLATE_REST_S, limits.PLATES_REMEMBERED_MAX)
        self._expired = _Recent(limits.PLATE_REST_S, limits.PLATES_EXPIRED_MAX)

    def draw(self, live: Container[str | bytes], live_count: int, now: float) -> str | None:
        """Return a plate that is neither live nor resting, or None if there are too many."""
        self._resting.prune(now)
        for digits in range(digits_for(live_count + 1), limits.PLATE_MAX_DIGITS + 1):
            lowest = 10 ** (digits - 1)
            for _ in range(_DRAWS_PER_LENGTH):
                plate = str(lowest + self._random_below(9 * lowest))
                if plate not in live and plate not in self._resting:
                    return plate
        return None

    def used(self, plate: str, now: float) -> None:
        """Let a plate rest from now on."""
        self._resting.add(plate, now)

    def expired(self, plate: str, now: float) -> None:
        """Remember that a code under this plate ran out."""
        self._expired.add(plate, now)

    def has_expired(self, plate: str, now: float) -> bool:
        """Tell whether a code under this plate ran out lately."""
        self._expired.prune(now)
        return plate in self._expired


def digits_for(live_count: int) -> int:
    """Return how many digits keep ``live_count`` plates under one in a thousand."""
    digits = limits.PLATE_MIN_DIGITS
    while live_count * _LIVE_ONE_IN > 9 * 10 ** (digits - 1):
        digits += 1
    return digits


class _Recent:
    """A bounded set whose members leave after a time, the oldest first."""

    def __init__(self, keep_s: float, at_most: int) -> None:
        self._keep_s = keep_s
        self._at_most = at_most
        self._until: OrderedDict[str, float] = OrderedDict()

    def __contains__(self, plate: str) -> bool:
        return plate in self._until

    def add(self, plate: str, now: float) -> None:
        self.prune(now)
        self._until.pop(plate, None)
        if len(self._until) >= self._at_most:
            self._until.popitem(last=False)
        self._until[plate] = now + self._keep_s

    def prune(self, now: float) -> None:
        while self._until:
            oldest = next(iter(self._until))
            if self._until[oldest] > now:
                return
            del self._until[oldest]
