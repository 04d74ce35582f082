"""How fast a transfer may go: a token bucket over a clock that the caller reads.

A record larger than the bucket may leave when the bucket is full; what it took too much is owed,
so the average holds whatever the size of records. It never waits itself.
Before: the rate a person gave. After: the loop that writes records.
"""

from __future__ import annotations


class Throttle:
    """Tokens are bytes; they come at a steady rate and gather up to a burst."""

    def __init__(self, rate_bytes_per_s: float, burst_bytes: int, now: float) -> None:
        """Begin with a full bucket; ValueError if rate or burst is not above zero."""
        if not rate_bytes_per_s > 0 or burst_bytes <= 0:
            raise ValueError("a rate and a burst are above zero")
        self._rate_bytes_per_s = rate_bytes_per_s
        self._burst_bytes = burst_bytes
        self._held_bytes = float(burst_bytes)
        self._at = now

    def take(self, count_bytes: int, now: float) -> float:
        """Take bytes that may go now and return 0, or return the seconds until they may.

        Nothing is taken unless 0 is returned. A clock that goes back adds nothing.
        """
        passed_s = max(0.0, now - self._at)
        self._at = max(self._at, now)
        gathered = self._held_bytes + passed_s * self._rate_bytes_per_s
        self._held_bytes = min(gathered, float(self._burst_bytes))
        lacking = min(count_bytes, self._burst_bytes) - self._held_bytes
        # A byte's fraction is rounding: waiting for it could wake the caller for ever.
        if lacking < 1e-3:
            self._held_bytes -= count_bytes
            return 0.0
        return lacking / self._rate_bytes_per_s
