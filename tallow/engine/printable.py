"""What is no Unicode made so: a local file name may be any bytes, JSON may not.

Before: events.py, when an event does not encode. It shows nothing and escapes nothing.
"""

from __future__ import annotations


def printable(value: object) -> object:
    """Return plain objects with every text as valid Unicode."""
    match value:
        case str():
            return value.encode(errors="surrogatepass").decode(errors="replace")
        case list() | tuple():
            return [printable(item) for item in value]
        case dict():
            return {key: printable(item) for key, item in value.items()}
        case _:
            return value
