"""Final names in batches beside the loop: thousands of small files share a thread's turn.

Before: receiving.py. After: storage. A file whose name cannot be given fails alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tallow.engine.events import TransferFile
from tallow.engine.ports import Workers
from tallow.engine.storage.sink import Sink
from tallow.errors import DiskFull, StorageError
from tallow.protocol.transfer.receiver import FileReady

Outcome = tuple[int, TransferFile]


class NameQueue:
    """Files whose root matched, waiting for their name."""

    def __init__(self, workers: Workers, sink: Sink, ring: Callable[[], None]) -> None:
        self._workers = workers
        self._sink = sink
        self._ring = ring
        self._waiting: list[FileReady] = []
        self._running: asyncio.Future[list[Outcome]] | None = None

    def put(self, ready: FileReady) -> None:
        """Queue a file."""
        self._waiting.append(ready)
        self._start()

    def take(self) -> list[Outcome]:
        """Return what was named since the last call; raises DiskFull."""
        if self._running is None or not self._running.done():
            return []
        outcomes, self._running = self._running.result(), None
        self._start()
        return outcomes

    async def stop(self) -> None:
        """Wait for what runs."""
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)

    def _start(self) -> None:
        if self._running is None and self._waiting:
            batch, self._waiting = self._waiting, []
            self._running = self._workers.submit(give_names, self._sink, batch)
            self._running.add_done_callback(lambda _: self._ring())


def give_names(sink: Sink, batch: list[FileReady]) -> list[Outcome]:
    """Name each file; a failure is that file's own, except a full disk."""
    outcomes: list[Outcome] = []
    for ready in batch:
        path = ready.entry.path
        try:
            named = sink.give_name(ready.file_no, ready.xattrs)
        except DiskFull:
            raise
        except StorageError as error:
            sink.discard(ready.file_no)
            reason = error.why or error.message
            outcomes.append((ready.file_no, TransferFile(0, path, "failed", reason)))
            continue
        note = named.name if named.status == "renamed" else ""
        outcomes.append((ready.file_no, TransferFile(0, path, named.status, note)))
    return outcomes
