"""How options are read: spans of time, amounts of bytes, lists with commas.

A wrong value is a usage error that shows what would be right. Nothing heavy is imported here,
because every command's options are read before it is known whether it only prints its help.
"""

from __future__ import annotations

import re
from typing import Final

import click

from tallow.wire import limits

_SPAN: Final = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s?)?")
_SPAN_UNITS_S: Final = (86400, 3600, 60, 1)
_AMOUNT: Final = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)


class Span(click.ParamType[int]):
    """A span of time in seconds: 90, 45s, 30m, 1h, 1h30m, 2d."""

    name = "time"

    def __init__(self, least_s: int = 1) -> None:
        self._least_s = least_s

    def convert(
        self, value: int | str, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read the span; at least a second, at most a week."""
        if isinstance(value, int):
            return value
        match = _SPAN.fullmatch(value.strip().lower())
        if match is None or not match[0]:
            self.fail(f"{value!r} is no time; write 45s, 30m, 1h or 2d.", param, ctx)
        seconds = sum(
            int(amount or 0) * unit_s
            for amount, unit_s in zip(match.groups(), _SPAN_UNITS_S, strict=True)
        )
        if not self._least_s <= seconds <= limits.EXPIRES_MAX_S:
            self.fail(f"{value!r} is not between a second and seven days.", param, ctx)
        return seconds


class Amount(click.ParamType[int]):
    """An amount of bytes: 200MB, 1GB, 64KiB, 5000."""

    name = "size"

    def convert(
        self, value: int | str, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read the amount; units are decimal, with an i binary."""
        if isinstance(value, int):
            return value
        match = _AMOUNT.fullmatch(value.strip())
        if match is None or (match[3] and not match[2]):
            self.fail(f"{value!r} is no size; write 200MB, 1GB or 64KiB.", param, ctx)
        power = "kmgt".find(match[2].lower()) + 1 if match[2] else 0
        return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


class Rate(Amount):
    """Bytes per second: 10MB, 500kB/s, 1MiB."""

    name = "rate"

    def convert(
        self, value: int | str, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read an amount with or without /s behind it; at least a kilobyte."""
        text = re.sub(r"\s*/\s*s$", "", value.strip()) if isinstance(value, str) else value
        amount = super().convert(text, param, ctx)
        if amount < 1000:
            self.fail(f"{value!r} is less than 1kB a second.", param, ctx)
        return amount


class Patterns(click.ParamType[tuple[str, ...]]):
    """One or several patterns with commas between them."""

    name = "pattern"
    # A variable holds one value, which is split at its commas like an option's.
    envvar_list_splitter = "\n"

    def convert(
        self,
        value: str | tuple[str, ...],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, ...]:
        """Split at commas and drop what is empty."""
        del param, ctx
        if isinstance(value, tuple):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())


class Capped(click.ParamType[str]):
    """Text of at most so many characters."""

    name = "text"

    def __init__(self, most_chars: int) -> None:
        self._most_chars = most_chars

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse what is too long for the protocol."""
        if len(value) > self._most_chars:
            self.fail(f"it has {len(value)} of at most {self._most_chars} characters.", param, ctx)
        return value
