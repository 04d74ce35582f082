"""Two sockets, each one's bytes to the other, without a look at them.

Where the system can, bytes go from socket to pipe to socket and never enter this process (Linux:
splice); elsewhere through one buffer that all lanes of the loop share. A direction is not read
while its bytes wait to be written, so a slow reader slows its sender and not the relay.
This module never parses and never logs. Before: lane.py. Spec: docs/protocol.md §4.6.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable

from tallow.wire import limits

_SHARED = memoryview(bytearray(limits.RELAY_LANE_CHUNK_BYTES))
"""Filled and emptied without returning to the loop in between; what is left over is copied."""


class Splice:
    """A lane: two directions that end together."""

    def __init__(
        self,
        one: socket.socket,
        other: socket.socket,
        on_end: Callable[[], None],
        *,
        in_kernel: bool = sys.platform == "linux",
    ) -> None:
        """Take both non-blocking sockets over and start; ``on_end`` is called once."""
        self._loop = asyncio.get_running_loop()
        self._sockets = (one, other)
        self._on_end = on_end
        self._ended = False
        self.in_kernel = in_kernel
        self._ways = (_Way(self, one, other), _Way(self, other, one))
        for way in self._ways:
            way.start(self._loop)

    @property
    def moved_bytes(self) -> int:
        """Bytes forwarded so far, both ways together."""
        return sum(way.moved_bytes for way in self._ways)

    def end(self) -> None:
        """Close both sockets at once; what was under way is lost."""
        if self._ended:
            return
        self._ended = True
        for sock in self._sockets:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)
            sock.close()
        for way in self._ways:
            way.close_pipe()
        self._on_end()

    def way_ended(self) -> None:
        """Note that one direction is over; a lane of which both are is at its end."""
        if all(way.is_over for way in self._ways):
            self.end()


class _Way:
    """One direction."""

    def __init__(self, lane: Splice, source: socket.socket, target: socket.socket) -> None:
        self.moved_bytes = 0
        self.is_over = False
        self._lane = lane
        self._source = source
        self._target = target
        self._loop: asyncio.AbstractEventLoop
        self._pipe: tuple[int, int] | None = None
        self._piped = 0
        """Bytes in the pipe."""
        self._left = b""
        """Bytes out of the shared buffer that did not leave at once."""
        self._blocked = False
        self._source_ended = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        loop.add_reader(self._source, self._run, self._pull)

    def close_pipe(self) -> None:
        if self._pipe is not None:
            for end in self._pipe:
                os.close(end)
            self._pipe = None

    def _run(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._lane.end()

    def _pull(self) -> None:
        if self._pipe is None:
            count = self._source.recv_into(_SHARED)
            self._left = bytes(self._send(_SHARED[:count]))
        else:
            count = os.splice(self._source.fileno(), self._pipe[1], limits.RELAY_LANE_PIPE_BYTES)
            self._piped = count
        if not count:
            self._source_ended = True
            self._loop.remove_reader(self._source)
        self.moved_bytes += count
        self._push()

    def _push(self) -> None:
        """Write what waits; read on once all of it has left."""
        try:
            if self._left:
                self._left = bytes(self._send(memoryview(self._left)))
            while self._piped and self._pipe is not None:
                self._piped -= os.splice(self._pipe[0], self._target.fileno(), self._piped)
        except (BlockingIOError, InterruptedError):
            pass
        waits = bool(self._left or self._piped)
        if waits != self._blocked:
            self._turn(blocked=waits)
        if not waits:
            self._passed_on()

    def _passed_on(self) -> None:
        if self._source_ended and not self.is_over:
            self.is_over = True
            self._target.shutdown(socket.SHUT_WR)
            self._lane.way_ended()
        elif self._pipe is None and self._lane.in_kernel and self._is_bulk():
            self._pipe = _open_pipe()
            self._lane.in_kernel = self._pipe is not None

    def _is_bulk(self) -> bool:
        """Proofs go one way and the other; only the direction of the files is worth a pipe."""
        return self.moved_bytes >= limits.RELAY_LANE_CHUNK_BYTES

    def _turn(self, *, blocked: bool) -> None:
        self._blocked = blocked
        if blocked:
            self._loop.remove_reader(self._source)
            self._loop.add_writer(self._target, self._run, self._push)
        else:
            self._loop.remove_writer(self._target)
            if not self._source_ended:
                self._loop.add_reader(self._source, self._run, self._pull)

    def _send(self, chunk: memoryview) -> memoryview:
        """Return what could not be sent."""
        while chunk:
            try:
                chunk = chunk[self._target.send(chunk) :]
            except (BlockingIOError, InterruptedError):
                break
        return chunk


def _open_pipe() -> tuple[int, int] | None:
    """Return a wide pipe that does not block, or None if there is no room for one."""
    import fcntl  # only where splice is

    try:
        ends = os.pipe()
    except OSError:
        return None
    for end in ends:
        os.set_blocking(end, False)
    try:
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, limits.RELAY_LANE_PIPE_BYTES)
    except OSError:
        pass  # This user has used up its wide pipes; a narrow one carries a lane too.
    return ends
