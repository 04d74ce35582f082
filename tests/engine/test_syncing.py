"""Group commit: when a sync starts, one at a time, and what a full disk does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import pytest

from tallow.engine.storage.sink import Sink
from tallow.engine.syncing import Syncing
from tallow.errors import DiskFull
from tallow.wire import limits

R = TypeVar("R")


class Disk:
    """Counts syncs, which end when the test says so."""

    def __init__(self, *, full: bool = False, may_wait: bool = True) -> None:
        self.begun = 0
        self.syncs = 0
        self._full = full
        self._waiting: list[Callable[[], None]] = []
        self.syncing = Syncing(cast(Sink, self), self._run_beside, 100.0, may_wait=may_wait)

    def make_durable(self) -> None:
        """Count, or find no room."""
        self.syncs += 1
        if self._full:
            raise DiskFull("no room")

    def _run_beside(self, work: Callable[[], R], then: Callable[[R], None]) -> None:
        self.begun += 1
        self._waiting.append(lambda: then(work()))

    def ends(self) -> None:
        """Let the sync that runs end."""
        self._waiting.pop()()


def test_what_was_written_is_synced_each_second() -> None:
    """C5: nothing new means no sync; something new waits a second at most."""
    disk = Disk()
    disk.syncing.sync_if_due(0, 105.0)
    assert disk.begun == 0
    disk.syncing.sync_if_due(1, 105.0)
    assert disk.begun == 1
    disk.ends()
    disk.syncing.sync_if_due(2, 105.0 + limits.DURABLE_EVERY_S / 2)
    assert disk.begun == 1
    disk.syncing.sync_if_due(2, 105.0 + limits.DURABLE_EVERY_S)
    assert disk.begun == 2


def test_much_at_once_is_synced_sooner() -> None:
    """C5: a fast disk is synced by what it took."""
    disk = Disk()
    disk.syncing.sync_if_due(limits.DURABLE_EVERY_BYTES - 1, 100.1)
    assert disk.begun == 0
    disk.syncing.sync_if_due(limits.DURABLE_EVERY_BYTES, 100.1)
    assert disk.begun == 1


def test_one_sync_runs_at_a_time() -> None:
    """C5: a slow disk is not asked again before it has answered."""
    disk = Disk()
    disk.syncing.sync_if_due(1, 200.0)
    disk.syncing.sync_if_due(limits.GIB, 300.0)
    assert disk.begun == 1
    disk.ends()
    assert disk.syncs == 1
    disk.syncing.sync_if_due(limits.GIB, 300.0)
    assert disk.begun == 2


def test_a_full_disk_is_met_by_the_records_where_they_may_wait() -> None:
    """C11: a sync without room ends nothing if what comes next waits for room anyway."""
    disk = Disk(full=True)
    disk.syncing.sync_if_due(1, 200.0)
    disk.ends()
    disk.syncing.sync_if_due(2, 300.0)
    assert disk.begun == 2


def test_a_full_disk_ends_it_where_nobody_waits() -> None:
    """C11: without patience the first failure is the end."""
    disk = Disk(full=True, may_wait=False)
    disk.syncing.sync_if_due(1, 200.0)
    with pytest.raises(DiskFull):
        disk.ends()
