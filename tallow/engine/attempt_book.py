"""The attempt counters of this side's codes, on disk before a guess can be tested.

Kept under the nameplate and relay for a day, so that a restarted process that waits under the same
code gives a stranger no fresh guesses. Nothing that is stored is computed from the words of a
numbered code; of an un-numbered one, sixteen bits of its public meeting id.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from tallow.engine.ports import Clock, StateStore
from tallow.errors import StorageError
from tallow.protocol.attempts import Attempts

NAME = "attempts.json"
KEPT_S = 24 * 3600


class _Row(msgspec.Struct, frozen=True):
    counted: Annotated[int, msgspec.Meta(ge=0)]
    at: float


class AttemptBook:
    """Reads and writes one code's counter."""

    def __init__(self, state: StateStore, clock: Clock, key: str, budget: int) -> None:
        self._state = state
        self._clock = clock
        self._key = key
        self._budget = budget

    def read(self) -> Attempts:
        """Return what was counted for this code in the last day."""
        row = self._table().get(self._key)
        return Attempts(self._budget, row.counted if row else 0)

    def write(self, attempts: Attempts) -> None:
        """Store a counter; it is on disk when this returns."""
        table = self._table()
        if attempts.counted > 0:
            table[self._key] = _Row(attempts.counted, self._clock.wall())
        else:
            table.pop(self._key, None)
        self._state.write(NAME, msgspec.json.encode(table))

    def _table(self) -> dict[str, _Row]:
        raw = self._state.read(NAME)
        if raw is None:
            return {}
        try:
            table = msgspec.json.decode(raw, type=dict[str, _Row])
        except (ValueError, RecursionError):
            raise StorageError(
                "The list of counted guesses is damaged.",
                hint=f"Look at {NAME} in Tallow's state folder; remove it if nobody edits it.",
            ) from None
        oldest = self._clock.wall() - KEPT_S
        return {key: row for key, row in table.items() if row.at >= oldest}
