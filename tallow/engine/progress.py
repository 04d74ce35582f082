"""How fast and how long still: the same words on every front door come from these numbers.

Speed is an average that forgets with a half-life of 3 s, the time left uses one of 10 s and stays
silent for the first 3 s and the first percent. Pure: now is passed in.
"""

from __future__ import annotations

from collections.abc import Callable

from tallow.engine.events import TransferProgress
from tallow.errors import TimedOut

SPEED_HALF_LIFE_S = 3.0
ETA_HALF_LIFE_S = 10.0
ETA_AFTER_S = 3.0
ETA_AFTER_FRACTION = 0.01
EMIT_EVERY_S = 0.25


class _Average:
    def __init__(self, half_life_s: float) -> None:
        self._half_life_s = half_life_s
        self.value = 0.0
        self._weight = 0.0

    def add(self, rate: float, span_s: float) -> None:
        keep = 0.5 ** (span_s / self._half_life_s)
        self._weight = self._weight * keep + (1 - keep)
        self.value += (rate - self.value) * ((1 - keep) / self._weight)


class Speedometer:
    """Bytes in, rate and time left out."""

    def __init__(self, now: float) -> None:
        self._began_at = self._last_at = now
        self._last_bytes = 0
        self._speed = _Average(SPEED_HALF_LIFE_S)
        self._slow = _Average(ETA_HALF_LIFE_S)

    def start_from(self, done_bytes: int) -> None:
        """Begin at bytes that were there before, so that they count as no speed."""
        self._last_bytes = done_bytes

    def update(self, done_bytes: int, now: float) -> None:
        """Take how many bytes are done in all."""
        span_s = now - self._last_at
        if span_s <= 0:
            return
        rate = (done_bytes - self._last_bytes) / span_s
        self._speed.add(rate, span_s)
        self._slow.add(rate, span_s)
        self._last_at, self._last_bytes = now, done_bytes

    @property
    def rate_bps(self) -> float:
        """Bytes per second, smoothed."""
        return self._speed.value

    def eta_s(self, total_bytes: int | None, now: float) -> float | None:
        """Return the seconds that remain, or None while that is a guess."""
        if total_bytes is None or now - self._began_at < ETA_AFTER_S or self._slow.value <= 0:
            return None
        if self._last_bytes < total_bytes * ETA_AFTER_FRACTION:
            return None
        return (total_bytes - self._last_bytes) / self._slow.value


class Stall:
    """Gives up an exchange in which nothing moves although the other side still answers."""

    def __init__(self) -> None:
        self._marker: object = None
        self._since = 0.0

    def check(
        self, marker: object, now: float, limit_s: float | None, wake_at: float
    ) -> float | None:
        """Return when to look again; TimedOut if ``marker`` stayed the same for ``limit_s``."""
        if marker != self._marker or limit_s is None:
            self._marker, self._since = marker, now
        if limit_s is None:
            return wake_at or None
        if now - self._since >= limit_s:
            raise TimedOut(f"The other side answers, but nothing has moved for {limit_s:.0f} s.")
        return min(self._since + limit_s, wake_at or self._since + limit_s)


class Report:
    """Says how far a transfer is, four times a second and once at its end."""

    def __init__(self, ticket: int, emit: Callable[[TransferProgress], None]) -> None:
        self._ticket = ticket
        self._emit = emit
        self._speed: Speedometer | None = None
        self.due_at = 0.0
        """When it speaks next; 0 before it began."""

    def begin(self, done_bytes: int, now: float) -> None:
        """Start to count from bytes that were there before."""
        self._speed = Speedometer(now)
        self._speed.start_from(done_bytes)
        self.due_at = now + EMIT_EVERY_S

    def show(
        self,
        now: float,
        *,
        phase: str,
        done: tuple[int, int],
        total: tuple[int | None, int],
        path: str,
        last: bool = False,
    ) -> None:
        """Emit a progress event if one is due; ``done`` and ``total`` are bytes and files."""
        if self._speed is None or (now < self.due_at and not last):
            return
        self.due_at = now + EMIT_EVERY_S
        self._speed.update(done[0], now)
        self._emit(
            TransferProgress(
                self._ticket,
                phase=phase,
                done_bytes=done[0],
                total_bytes=total[0],
                done_files=done[1],
                total_files=total[1],
                rate_bps=self._speed.rate_bps,
                eta_s=self._speed.eta_s(total[0], now),
                path=path,
            )
        )
