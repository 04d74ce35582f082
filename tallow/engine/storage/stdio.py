"""Standard input as a source and standard output as a sink, so that pipes are first-class.

Reading waits in short steps, so that a cancelled exchange never hangs on a pipe that says
nothing. What was written to a pipe cannot be taken back: a root that does not match ends with
exit 6, and the reader of the pipe must look at it. Only this process can go on with it.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque

from tallow.crypto.tree import leaf_hash
from tallow.engine.compression import expand_leaf, expand_pack
from tallow.engine.storage.folder import storage_error
from tallow.engine.storage.journal import JournalHead
from tallow.engine.storage.outbox import ReadFailed
from tallow.engine.storage.sink import Named
from tallow.errors import LocalProtocolError, RootMismatch
from tallow.protocol.kept import NotKept
from tallow.protocol.manifest import Selection
from tallow.protocol.messages import Xattrs
from tallow.protocol.transfer.jobs import CheckLeaves, StoreLeaves, StorePack
from tallow.wire import limits

STEP_MS = 200
KEPT_BYTES = limits.WINDOW_BYTES + 4 * limits.RECORD_LEAVES_MAX_BYTES
"""What is under way at most: the window, and the records that are being sealed."""


class StreamSource:
    """Reads a pipe in order; ``head`` is what a front door has read already.

    A pipe cannot be read twice, so what the receiver may not have stored yet is kept: never more
    than the window, and what a broken path lost is given out again from there.
    """

    def __init__(self, descriptor: int, head: bytes = b"") -> None:
        self._descriptor = descriptor
        self._head = memoryview(head)
        self._closed = threading.Event()
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0
        self._read_bytes = 0
        """How much of the stream was read from the pipe."""
        self._given_bytes = 0
        """How much of it was given out."""

    def read_into(self, room: memoryview) -> int:
        """Fill ``room`` as far as the stream goes; less than all of it means its end."""
        filled = self._give_again(room)
        try:
            while filled < len(room):
                content = self._next_piece(len(room) - filled)
                if not content:
                    break
                room[filled : filled + len(content)] = content
                filled += len(content)
                self._keep(bytes(content))
        except OSError as error:
            raise ReadFailed(error.strerror or "the stream cannot be read") from None
        self._given_bytes += filled
        return filled

    def go_back(self, at_bytes: int) -> None:
        """Give everything from this place on out again: a new session begins there.

        Raises: ReadFailed if so much is not kept any more.
        """
        if not self._read_bytes - self._kept_bytes <= at_bytes <= self._read_bytes:
            raise ReadFailed("what was sent of the stream is not kept any more")
        self._given_bytes = at_bytes
        self._closed.clear()

    def close(self) -> None:
        """Stop a read that is waiting."""
        self._closed.set()

    def _give_again(self, room: memoryview) -> int:
        """Fill room with what was read before and has to go once more."""
        filled, start = 0, self._read_bytes - self._kept_bytes
        for piece in self._kept:
            skip = max(0, self._given_bytes + filled - start)
            if skip < len(piece) and filled < len(room):
                part = piece[skip : skip + len(room) - filled]
                room[filled : filled + len(part)] = part
                filled += len(part)
            start += len(piece)
        return filled

    def _keep(self, piece: bytes) -> None:
        self._kept.append(piece)
        self._kept_bytes += len(piece)
        self._read_bytes += len(piece)
        while self._kept_bytes - len(self._kept[0]) >= KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft())

    def _next_piece(self, most: int) -> bytes | memoryview:
        if self._head:
            piece, self._head = self._head[:most], self._head[most:]
            return piece
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
    journal_name = ""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0
        self._broken_off: int | None = None
        self._xattrs_lost = 0
        self._hashes: list[bytes] = []
        self._again: deque[bytes] = deque()
        """Hashes of what the pipe has taken and a new session sends once more."""
        self._packed: list[bytes] = []

    def whole_leaves(self, leaf_bytes: int) -> int:
        """Return how many leaves of full size the pipe has taken."""
        return min(self._position // leaf_bytes, len(self._hashes))

    def go_on(self, leaves: int, leaf_bytes: int) -> None:
        """Begin a new session behind these leaves; the rest that the pipe has must not differ."""
        self._again.extendleft(reversed(self._hashes[leaves:]))
        del self._hashes[leaves:]
        self._broken_off = leaves * leaf_bytes

    def prepare(self, selection: Selection) -> None:
        """Nothing has to be there."""

    def begin(self, head: JournalHead) -> None:
        """A pipe keeps no journal."""

    def store_leaves(self, job: StoreLeaves) -> list[bytes]:
        """Expand, hash and write leaves, which must follow each other; holes are zeros here."""
        if job.offset not in (self._position, self._broken_off):
            raise LocalProtocolError("A stream was stored out of order.")
        plain = [expand_leaf(leaf) for leaf in job.leaves]
        self._write(plain, job.offset)
        hashes = [leaf_hash(content) for content in plain]
        for found in hashes:
            if self._again and self._again.popleft() != found:
                raise _taken_already()
        self._hashes += hashes
        return hashes

    def store_pack(self, job: StorePack) -> list[bytes]:
        """Expand, hash and write a small file."""
        block = expand_pack(job.codec, job.stored, job.plain_bytes)
        plain, at = [], 0
        for _, length in job.files:
            plain.append(block[at : at + length])
            at += length
        self._write(plain, 0)
        hashes = [leaf_hash(content) for content in plain]
        if self._packed not in ([], hashes):
            raise _taken_already()
        self._packed = hashes
        return hashes

    def check_leaves(self, job: CheckLeaves) -> list[bytes]:
        """What was written to a pipe cannot be read again: return what was hashed then."""
        hashes = self._hashes[job.first_leaf : job.first_leaf + len(job.lengths)]
        return hashes + [b""] * (len(job.lengths) - len(hashes))

    def give_name(self, file_no: int, xattrs: Xattrs = ()) -> Named:
        """Standard output has no name to give, and no attributes."""
        del file_no
        self._xattrs_lost += len(xattrs)
        return Named("done", "-")

    def discard(self, file_no: int) -> None:
        """What was written to a pipe cannot be taken back."""

    def make_durable(self) -> None:
        """Whoever reads the pipe decides how durable it is."""

    def finish(self) -> None:
        """Nothing is left to do."""

    def not_kept(self) -> NotKept:
        """A pipe carries content and nothing else."""
        return NotKept(xattrs=self._xattrs_lost)

    def abandon(self, *, keep: bool) -> bool:
        """What was written to a pipe cannot be taken back; another process cannot go on with it."""
        del keep
        return False

    def _write(self, pieces: list[memoryview], offset: int) -> None:
        """Write pieces that begin at an offset, but for what a failed try has written already."""
        begins = offset
        try:
            for content in pieces:
                rest = content[max(0, self._position - offset) :]
                offset += len(content)
                while rest:
                    written = os.write(self._descriptor, rest)
                    rest = rest[written:]
                    self._position += written
        except OSError as error:
            self._broken_off = begins
            raise storage_error(error, "standard output") from None
        self._broken_off = None


def _taken_already() -> RootMismatch:
    return RootMismatch(
        why="the other side sent something else in the place of what standard output has taken"
    )
