"""Bytes, speeds and times as people read them, the same everywhere in the command line.

Decimal units (1 kB = 1000 B). Nothing here knows what is measured, and nothing prints.
"""

from __future__ import annotations

import math
from typing import Final

_UNITS: Final = ("kB", "MB", "GB", "TB", "PB", "EB")
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86400


def size(count: float) -> str:
    """Return an amount of bytes in two digits or more: 999 B, 1.2 GB, 12 GB, 123 GB."""
    if count < 999.5:
        return f"{count:.0f} B"
    value, unit = _scaled(count)
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def rate(bytes_per_s: float) -> str:
    """Return a speed in three digits: 1.23 MB/s, 12.3 MB/s, 123 MB/s."""
    if bytes_per_s < 999.5:
        return f"{bytes_per_s:.0f} B/s"
    value, unit = _scaled(bytes_per_s)
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {unit}/s"


def time_left(seconds: float) -> str:
    """Return the time left, coarser the longer it is: 7 s, 35 s, 4 min, 2 h 10 min."""
    if seconds < 10:
        return f"{max(1, math.ceil(seconds))} s"
    if seconds <= 55:
        return f"{math.ceil(seconds / 5) * 5} s"
    minutes = math.ceil(seconds / _MINUTE_S)
    if minutes < 60:
        return f"{minutes} min"
    if seconds >= _DAY_S or minutes >= 24 * 60:
        return "more than a day"
    return f"{minutes // 60} h {minutes % 60} min"


def elapsed(seconds: float) -> str:
    """Return how long something took: 0.4 s, 12 s, 4 min 10 s, 2 h 10 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"


def lifetime(seconds: int) -> str:
    """Return a span that somebody chose, exactly: 1 h, 1 h 30 min, 2 days."""
    parts = []
    for unit_s, name in ((_DAY_S, "day"), (_HOUR_S, "h"), (_MINUTE_S, "min"), (1, "s")):
        amount, seconds = divmod(seconds, unit_s)
        if amount:
            plural = "s" if name == "day" and amount > 1 else ""
            parts.append(f"{amount} {name}{plural}")
    return " ".join(parts) or "0 s"


def percent(done: int, total: int) -> int:
    """Return how much is done in per cent; 100 only at the very end."""
    return 100 if done >= total else done * 100 // total


def counted(amount: int, noun: str, nouns: str = "") -> str:
    """Return an amount with its noun: 1 file, 2 files, 10 000 files, 2 entries."""
    grouped = f"{amount:,}".replace(",", " ") if amount >= 10_000 else str(amount)
    return f"{grouped} {noun}" if amount == 1 else f"{grouped} {nouns or noun + 's'}"


def _scaled(count: float) -> tuple[float, str]:
    value = count / 1000
    for unit in _UNITS[:-1]:
        if value < 999.5:
            return value, unit
        value /= 1000
    return value, _UNITS[-1]
