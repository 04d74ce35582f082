"""A disk that is full in the middle: hold the transfer, say how much is missing, go on after.

Records that found no room are kept and stored again once there is some; nothing that arrived is
lost and nothing is asked for twice. Before: receiving.py. After: lane.py.
It never frees space itself.
"""

from __future__ import annotations

import shutil
from collections import deque
from pathlib import Path

from tallow.engine import events as e
from tallow.engine.context import ExchangeContext
from tallow.engine.lane import StoredRecord, StoreLane
from tallow.errors import DiskFull
from tallow.protocol.transfer.jobs import SinkJob, StoreJob
from tallow.protocol.transfer.receiver import Receiver

LOOK_EVERY_S = 1.0


class FullDisk:
    """Holds what could not be written, until it can be or the person's patience ends."""

    def __init__(
        self, context: ExchangeContext, receiver: Receiver, folder: Path | None, wait_s: float
    ) -> None:
        """``folder`` is where it is written to; None: a pipe, which is never full."""
        self._context = context
        self._receiver = receiver
        self._folder = folder
        self._wait_s = wait_s
        self._waiting: deque[tuple[SinkJob, memoryview | None]] = deque()
        self._since: float | None = None
        self._error: DiskFull | None = None
        self._look_at = 0.0
        self._trying = 0
        self._room = False

    @property
    def wake_at(self) -> float:
        """When to look again; 0 if nothing waits."""
        return self._look_at if self._since is not None else 0.0

    @property
    def holds(self) -> bool:
        """Whether the transfer stands still for want of space."""
        return self._since is not None

    def refused(self, record: StoredRecord, missing_bytes: int) -> None:
        """Take a record that found no room; raises DiskFull if nobody wants to wait."""
        if record.failed is None:
            return
        if self._folder is None or self._wait_s <= 0:
            raise record.failed
        now = self._context.ports.clock.now()
        self._waiting.append((record.job, record.buffer))
        self._trying = max(0, self._trying - 1)
        self._room, self._look_at = False, now + LOOK_EVERY_S
        self._error = record.failed
        if self._since is None:
            self._since = now
            self._receiver.pause("disk-full", now)
            missing = max(1, missing_bytes - self._free_bytes())
            self._context.emit(e.TransferPaused(self._context.ticket, "here", "disk-full", missing))

    def hold(self, job: StoreJob, buffer: memoryview | None) -> None:
        """Keep a record that arrived while there is no room."""
        self._waiting.append((job, buffer))

    def stored(self) -> None:
        """Note that a record found room after all; when all did, the transfer goes on."""
        if self._since is None:
            return
        self._trying = max(0, self._trying - 1)
        self._room = True
        if not self._waiting and not self._trying:
            self._since = None
            self._receiver.resume_receiving(self._context.ports.clock.now())
            self._context.emit(e.TransferContinued(self._context.ticket))

    def try_again(self, lane: StoreLane) -> bool:
        """Start what waits once it is time; DiskFull if it has waited too long."""
        now = self._context.ports.clock.now()
        if self._since is None or not self._waiting:
            return False
        if not self._room:
            if now < self._look_at or self._trying:
                return False
            if now - self._since >= self._wait_s and self._error is not None:
                raise self._error
            self._look_at = now + LOOK_EVERY_S
        # One record tells whether there is room; the others follow it.
        started = False
        while self._waiting and lane.has_room and (self._room or not self._trying):
            job, buffer = self._waiting.popleft()
            self._trying += 1
            lane.start(job, buffer)
            started = True
        return started

    def _free_bytes(self) -> int:
        if self._folder is None:
            return 0
        try:
            return shutil.disk_usage(self._folder).free
        except OSError:
            return 0
