"""A wire between the sender and the relay that counts, sets the pace and can be held still.

It forwards TCP bytes and knows nothing of what they say. What the sender put on a connection is
counted by connection, so that a test can tell what travelled after a moment from what was on its
way before it.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK_BYTES = 1 << 16
BUFFER_BYTES = 1 << 18


class Wire:
    """One port in front of a relay."""

    def __init__(self, relay: str, bytes_per_s: float) -> None:
        """Forward to ``relay`` (host:port), at most so fast from the sender's side."""
        self.relay = relay
        host, _, port = relay.rpartition(":")
        self._place = host, int(port)
        self._bytes_per_s = bytes_per_s
        self._door = socket.create_server(("127.0.0.1", 0))
        # What the system keeps on its way has passed already for the sender.
        self._door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self._pace = threading.Lock()
        self.address = f"127.0.0.1:{self._door.getsockname()[1]}"
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._up_bytes: list[int] = []
        self._hold_at: tuple[int, int] | None = None
        self._moving = threading.Event()
        self._moving.set()
        self._ended = False
        threading.Thread(target=self._accept, daemon=True).start()

    # --- what a test asks ---------------------------------------------------------------------

    def mark(self) -> int:
        """Return a moment: connections that come later belong to what comes later."""
        with self._lock:
            return len(self._up_bytes)

    def bytes_since(self, mark: int) -> int:
        """Return how much the sender sent over connections that came after a moment."""
        with self._lock:
            return sum(self._up_bytes[mark:])

    def hold_at(self, mark: int, count: int) -> None:
        """Let nothing pass, until ``let_go``, once so many bytes went through since a moment."""
        with self._lock:
            self._hold_at = mark, count

    def let_go(self) -> None:
        """Let everything pass again."""
        with self._lock:
            self._hold_at = None
        self._moving.set()

    def holds(self) -> bool:
        """Tell whether nothing passes."""
        return not self._moving.is_set()

    def end(self) -> None:
        """Close everything."""
        self._ended = True
        self._moving.set()
        self._door.close()
        with self._lock:
            for end in self._open:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    # --- forwarding ---------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            with self._lock:
                number = len(self._up_bytes)
                self._up_bytes.append(0)
            threading.Thread(target=self._serve, args=(near, number), daemon=True).start()

    def _serve(self, near: socket.socket, number: int) -> None:
        try:
            far = socket.create_connection(self._place, timeout=10)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        with self._lock:
            self._open |= {near, far}
        down = threading.Thread(target=self._pump, args=(far, near, None), daemon=True)
        down.start()
        self._pump(near, far, number)
        down.join()
        with self._lock:
            self._open -= {near, far}
        near.close()
        far.close()

    def _pump(self, source: socket.socket, target: socket.socket, number: int | None) -> None:
        with suppress(OSError):
            while chunk := source.recv(CHUNK_BYTES):
                if number is not None:
                    self._count(number, len(chunk))
                    self._moving.wait()
                target.sendall(chunk)
        # Whoever broke off, the other end shall know.
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _count(self, number: int, count: int) -> None:
        with self._lock:
            self._up_bytes[number] += count
            if self._hold_at is not None:
                mark, most = self._hold_at
                if sum(self._up_bytes[mark:]) >= most:
                    self._moving.clear()
        if not self._ended:
            # The pace is what gives a test time to interfere; nothing is concluded from it.
            with self._pace:
                time.sleep(count / self._bytes_per_s)


@contextmanager
def wire_to(relay: str, bytes_per_s: float) -> Iterator[Wire]:
    """Hold a wire for the length of a block."""
    wire = Wire(relay, bytes_per_s)
    try:
        yield wire
    finally:
        wire.end()
