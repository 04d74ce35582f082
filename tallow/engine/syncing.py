"""Group commit while receiving: each second or 64 MiB, what was written becomes durable and listed.

Before: receiving.py asks every turn. After: storage. One sync runs at a time.
"""

from __future__ import annotations

from tallow.engine.deciding import RunBeside
from tallow.engine.storage.sink import Sink
from tallow.errors import DiskFull
from tallow.wire import limits


class Syncing:
    """When to sync, and what came of it."""

    def __init__(self, sink: Sink, run_beside: RunBeside, now: float, *, may_wait: bool) -> None:
        """``may_wait``: a full disk is met by the records themselves, which wait for space."""
        self._sink = sink
        self._run_beside = run_beside
        self._may_wait = may_wait
        self._synced_at = now
        self._synced_bytes = 0
        self._running = False

    def sync_if_due(self, stored_bytes: int, now: float) -> None:
        """Start a sync beside the loop if enough was written, or enough time has passed."""
        if self._running:
            return
        waited = now - self._synced_at >= limits.DURABLE_EVERY_S
        grown = stored_bytes - self._synced_bytes
        if grown >= limits.DURABLE_EVERY_BYTES or (waited and grown):
            self._running = True
            self._synced_at, self._synced_bytes = now, stored_bytes
            self._run_beside(self._sync, self._synced)

    def _sync(self) -> DiskFull | None:
        try:
            self._sink.make_durable()
        except DiskFull as full:
            return None if self._may_wait else full
        return None

    def _synced(self, failed: DiskFull | None) -> None:
        self._running = False
        if failed is not None:
            raise failed
