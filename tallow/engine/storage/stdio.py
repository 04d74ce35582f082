"""Standard input as a source and standard output as a sink, so that pipes are first-class.

Reading waits in short steps, so that a cancelled exchange never hangs on a pipe that says
nothing. What was written to a pipe cannot be taken back: a root that does not match ends with
exit 6, and the reader of the pipe must look at it.
"""

from __future__ import annotations

import os
import select
import threading

from tallow.crypto.tree import leaf_hash
from tallow.engine.storage.folder import storage_error
from tallow.engine.storage.journal import JournalHead
from tallow.engine.storage.outbox import ReadFailed
from tallow.engine.storage.sink import Named
from tallow.errors import LocalProtocolError
from tallow.protocol.manifest import Selection
from tallow.protocol.transfer.jobs import StoreLeaves, StorePack

STEP_MS = 200


class StreamSource:
    """Reads a pipe in order; ``head`` is what a front door has read already."""

    def __init__(self, descriptor: int, head: bytes = b"") -> None:
        self._descriptor = descriptor
        self._head = memoryview(head)
        self._closed = threading.Event()

    def read_into(self, room: memoryview) -> int:
        """Fill ``room`` as far as the stream goes; less than all of it means its end."""
        filled = min(len(room), len(self._head))
        room[:filled] = self._head[:filled]
        self._head = self._head[filled:]
        try:
            while filled < len(room):
                content = self._read(len(room) - filled)
                if not content:
                    break
                room[filled : filled + len(content)] = content
                filled += len(content)
        except OSError as error:
            raise ReadFailed(error.strerror or "the stream cannot be read") from None
        return filled

    def close(self) -> None:
        """Stop a read that is waiting."""
        self._closed.set()

    def _read(self, most: int) -> bytes:
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(self._descriptor, select.POLLIN | select.POLLHUP)
            while not poll.poll(STEP_MS):
                if self._closed.is_set():
                    raise ReadFailed("cancelled")
        return os.read(self._descriptor, most)


class StdoutSink:
    """Writes one file or stream to a pipe, in order."""

    in_order = True

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0

    def prepare(self, selection: Selection) -> None:
        """Nothing has to be there."""

    def begin(self, head: JournalHead) -> None:
        """A pipe keeps no journal."""

    def store_leaves(self, job: StoreLeaves) -> list[bytes]:
        """Hash and write leaves, which must follow each other."""
        if job.offset != self._position:
            raise LocalProtocolError("A stream was stored out of order.")
        for leaf in job.leaves:
            self._write(leaf)
        return [leaf_hash(leaf) for leaf in job.leaves]

    def store_pack(self, job: StorePack) -> list[bytes]:
        """Hash and write a small file."""
        for _, content in job.files:
            self._write(content)
        return [leaf_hash(content) for _, content in job.files]

    def give_name(self, file_no: int) -> Named:
        """Standard output has no name to give."""
        del file_no
        return Named("done", "-")

    def discard(self, file_no: int) -> None:
        """What was written to a pipe cannot be taken back."""

    def make_durable(self) -> None:
        """Whoever reads the pipe decides how durable it is."""

    def finish(self) -> None:
        """Nothing is left to do."""

    def abandon(self) -> None:
        """What was written to a pipe cannot be taken back."""

    def _write(self, content: memoryview) -> None:
        self._position += len(content)
        try:
            while content:
                content = content[os.write(self._descriptor, content) :]
        except OSError as error:
            raise storage_error(error, "standard output") from None
