"""What was written and not yet reported: it returns credit, so it never waits long.

Before: receiver.py. It never counts what is only on its way. Spec: docs/protocol.md §8.4.
"""

from __future__ import annotations

from tallow.protocol.messages import Stored
from tallow.protocol.ranges import as_ranges
from tallow.protocol.transfer.jobs import StoreJob, StoreLeaves
from tallow.wire import limits

STORED_EVERY_S = 0.25
STORED_EVERY_BYTES = limits.WINDOW_BYTES // 8


class StoredReport:
    """Numbers of written records until they are said."""

    def __init__(self) -> None:
        """Have nothing to say."""
        self._numbers: list[int] = []
        self.credit_bytes = 0
        self.hole_records = 0
        self.due_at: float | None = None

    def note(self, job: StoreJob, now: float) -> bool:
        """Note a written record; True if the report should not wait."""
        self._numbers.append(job.number)
        self.credit_bytes += job.plain_bytes
        self.hole_records += isinstance(job, StoreLeaves) and job.has_holes
        if self.due_at is None:
            self.due_at = now + STORED_EVERY_S
        many_holes = self.hole_records >= limits.HOLE_RECORDS_MAX // 2
        return self.credit_bytes >= STORED_EVERY_BYTES or many_holes

    def messages(self, offer: int) -> list[Stored]:
        """Return the messages that say it."""
        ranges = as_ranges(self._numbers)
        return [
            Stored(offer, ranges[at : at + limits.HELD_RECORDS_MAX])
            for at in range(0, len(ranges), limits.HELD_RECORDS_MAX)
        ]
