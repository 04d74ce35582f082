"""Records on their way in: opened ones to the lane, what was written back to the machine.

What was here before is hashed beside the flow, a little at a time; a full disk holds all of it.
Before: receiving.py drives it. After: lane.py, full_disk.py and storage.
It never decides which leaf is wanted: the machine does.
"""

from __future__ import annotations

from collections.abc import Callable

from tallow.engine.context import ExchangeContext
from tallow.engine.full_disk import FullDisk
from tallow.engine.lane import StoreLane
from tallow.engine.link import Link
from tallow.engine.storage.sink import Sink
from tallow.protocol.session import BulkReceived
from tallow.protocol.transfer.jobs import CheckLeaves
from tallow.protocol.transfer.receiver import Receiver

CHECKS_AT_ONCE = 2
"""Leaves on disk are hashed beside the flow, and leave the lane room for what arrives."""


class Inflow:
    """What is opened, hashed and written of one accepted offer."""

    def __init__(
        self,
        context: ExchangeContext,
        link: Link,
        receiver: Receiver,
        sink: Sink,
        full: FullDisk,
        still_missing: Callable[[], int],
    ) -> None:
        """``still_missing`` says how many bytes are still to be written."""
        self._link = link
        self._clock = context.ports.clock
        self._receiver = receiver
        self._lane = StoreLane(context.ports.workers, sink, link.ring)
        self._full = full
        self._still_missing = still_missing
        self.checking = 0
        """How many pieces of what was here are being hashed."""

    @property
    def has_room(self) -> bool:
        """Whether another record can be taken; while the disk is full, credit bounds them."""
        return self._full.holds or self._lane.has_room

    @property
    def wake_at(self) -> float:
        """When to look again whether the disk has room; 0 if it has."""
        return self._full.wake_at

    async def stop(self) -> None:
        """Wait for what runs; its results are dropped."""
        await self._lane.stop()

    def take(self, event: BulkReceived) -> None:
        """Take an opened record: RemoteProtocolError if it was not asked for."""
        job = self._receiver.admit(event.number, event.body)
        if self._receiver.is_moot(job):
            # It was overtaken by word that its file failed: only its credit goes back.
            self._receiver.stored(job, [], self._clock.now())
            return
        buffer = self._link.keep()
        if self._full.holds:
            self._full.hold(job, buffer)
        else:
            self._lane.start(job, buffer)

    def move(self) -> bool:
        """Take what was written, and start what waits for the disk; False if nothing moved."""
        moved = False
        while (record := self._lane.next_stored()) is not None:
            moved = True
            now = self._clock.now()
            if isinstance(record.job, CheckLeaves):
                self.checking -= 1
                self._receiver.checked(record.job, record.hashes, now)
                continue
            if record.failed is not None:
                self._full.refused(record, self._still_missing())
                continue
            if record.buffer is not None:
                self._link.recycle(record.buffer)
            self._receiver.stored(record.job, record.hashes, now)
            self._full.stored()
        return moved | self._full.try_again(self._lane)

    def check_leaves(self) -> bool:
        """Hash what is here from an earlier session, a little at a time."""
        moved = False
        while self._lane.has_room and self.checking < CHECKS_AT_ONCE:
            job = self._receiver.next_check()
            if job is None:
                break
            self.checking += 1
            self._lane.start(job, None)
            moved = True
        return moved
