"""TLS handshakes under way: how many a relay holds, and whose ends when there are too many.

A stranger's first bytes cost the relay a hundred times what a bare connection costs, and a
stranger who then falls silent would hold that for ten seconds. So the place of a newcomer is
taken from the oldest handshake of whoever has the most: an honest one is over long before it is
the oldest. This module knows no TLS and no clock; the order of arrival is all the time it needs.
Before: server.py. Spec: docs/protocol.md §4.5.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from relay.quota import address_key
from tallow.wire import limits

W = TypeVar("W")


class HalfOpen(Generic[W]):
    """Whoever has begun a handshake and not ended it, by address."""

    def __init__(self, most: int = limits.RELAY_TLS_HALF_OPEN_MAX) -> None:
        """Hold at most so many."""
        self._most = most
        self._keys: dict[W, str] = {}
        self._by_key: dict[str, dict[W, int]] = {}
        """The handshakes of one address, oldest first, with their place in the order of all."""
        self._begun = 0

    def __len__(self) -> int:
        return len(self._keys)

    def begin(self, one: W, address: str) -> W | None:
        """Take a newcomer in; return who has to go for it, already forgotten here."""
        key = address_key(address)
        self._begun += 1
        self._keys[one] = key
        self._by_key.setdefault(key, {})[one] = self._begun
        if len(self._keys) <= self._most:
            return None
        crowd = max(self._by_key.values(), key=_weight)
        oldest = next(iter(crowd))
        self.end(oldest)
        return oldest

    def end(self, one: W) -> None:
        """Forget a handshake that is over, well or badly; unknown ones are none."""
        key = self._keys.pop(one, None)
        if key is None:
            return
        crowd = self._by_key[key]
        del crowd[one]
        if not crowd:
            del self._by_key[key]


def _weight(crowd: dict[W, int]) -> tuple[int, int]:
    """Rank addresses by how many handshakes they hold; of equals the longest waiting one leads."""
    return len(crowd), -next(iter(crowd.values()))
