"""Every exit code on one page: what it means, and which errors end with it.

The numbers stand on the errors themselves; this table is drawn from that tree, so the two cannot
differ. It never ends the process: main.py does. Documented in docs/cli.md, "Exit codes".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from tallow.errors import Interrupted, TallowError, Terminated

DONE: Final = 0
INTERRUPTED: Final = Interrupted.exit_code
TERMINATED: Final = Terminated.exit_code
OUTPUT_CLOSED: Final = 141
"""128 + SIGPIPE, as other programs end whose reader left: nobody is there to read an error."""

MEANINGS: Final[Mapping[int, str]] = MappingProxyType(
    {
        DONE: "done",
        1: "internal error (a bug)",
        2: "usage, missing extra, no relay set",
        3: "wrong code, or peer not authentic",
        4: "network or relay unreachable, relay key changed",
        5: "timed out, unknown nameplate, peer gone",
        6: "integrity failure or incomplete",
        7: "declined, or cancelled by the peer",
        8: "local file or disk trouble",
        9: "partly done: some files failed, listed",
        INTERRUPTED: "interrupted",
        OUTPUT_CLOSED: "the reader of our output left",
        TERMINATED: "terminated",
    }
)


def error_kinds() -> dict[str, type[TallowError]]:
    """Return every error of the tree under its stable code."""
    return {kind.code: kind for kind in _below(TallowError) if "code" in vars(kind)}


def error_codes_by_exit() -> dict[int, list[str]]:
    """Return for each exit code the codes of the errors that end with it."""
    table: dict[int, list[str]] = {number: [] for number in MEANINGS}
    for code, kind in error_kinds().items():
        if kind is not TallowError:
            table[kind.exit_code].append(code)
    return table


def _below(kind: type[TallowError]) -> Iterator[type[TallowError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == TallowError.__module__:
            yield from _below(child)
