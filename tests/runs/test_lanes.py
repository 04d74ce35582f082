"""Lanes with real processes: they are used, and what kills them costs no byte."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tallow.wire.relay import LANE_MAGIC
from tests.runs.programs import Person, RelayProcess, make_tree, tree_of

pytestmark = pytest.mark.wire

SIZE = 16_000_001
THROTTLE = "8MB"
"""So slow that lanes stand long before it is over."""
CHUNK_BYTES = 1 << 16
OPENING_BYTES = 36


class Gate:
    """A port in front of a relay that tells lanes from links by their first byte."""

    def __init__(
        self, relay: str, *, lane_bytes: int | None = None, swallows: bool = False
    ) -> None:
        """Forward everything; a lane ends, or swallows, after so many bytes in one direction."""
        host, _, port = relay.rpartition(":")
        self._place = host, int(port)
        self._lane_bytes = lane_bytes
        self._swallows = swallows
        self._door = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._door.getsockname()[1]}"
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self.lanes = self.link_bytes = self.over_lanes_bytes = self.killed = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End everything."""
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        with self._lock:
            for each in self._open:
                _end(each)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        first = near.recv(1, socket.MSG_PEEK)
        is_lane = first == LANE_MAGIC[:1]
        far = socket.create_connection(self._place)
        with self._lock:
            self.lanes += is_lane
            self._open += [near, far]
        for source, target in ((near, far), (far, near)):
            work = (source, target, is_lane)
            threading.Thread(target=self._pump, args=work, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, is_lane: bool) -> None:
        passed = 0
        with suppress(OSError):
            while chunk := source.recv(CHUNK_BYTES):
                passed += len(chunk)
                with self._lock:
                    self.over_lanes_bytes += len(chunk) * is_lane
                    self.link_bytes += len(chunk) * (not is_lane)
                if is_lane and self._lane_bytes is not None and passed > self._lane_bytes:
                    if self._swallows:
                        continue
                    self.killed += 1
                    break
                target.sendall(chunk)
        _end(source)
        _end(target)


def _end(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def gate(relay: RelayProcess, **how: int | bool) -> Iterator[Gate]:
    """Hold a gate for the length of a block."""
    there = Gate(relay.address, **how)  # type: ignore[arg-type]  # named as the parameters are
    try:
        yield there
    finally:
        there.close()


def sent_through(alice: Person, bob: Person, one: Gate, other: Gate, *words: str) -> None:
    """Send a file through two gates and check that it arrived byte for byte."""
    content = random.Random(11).randbytes(SIZE)
    make_tree(alice.folder, {"file": content})
    alice.relay, bob.relay = one.address, other.address
    sending = alice.start("send", "file", "--throttle", THROTTLE, *words)
    received = bob.run("receive", sending.first_line(), "--yes")
    sent = sending.end()
    assert (received.code, sent.code) == (0, 0), received.err + sent.err
    assert tree_of(bob.folder) == {"file": content}


def test_bulk_goes_over_lanes(alice: Person, bob: Person, relay: RelayProcess) -> None:
    """B2: on both ways most bytes go over lanes, and few over TLS."""
    with gate(relay) as one, gate(relay) as other:
        sent_through(alice, bob, one, other)
        for each in (one, other):
            assert each.lanes >= 1
            assert each.over_lanes_bytes > SIZE // 2
            assert each.link_bytes < SIZE // 2


def test_tls_only_makes_no_lane(alice: Person, bob: Person, relay: RelayProcess) -> None:
    """X25: with --lanes tls nothing leaves TLS, on either side."""
    with gate(relay) as one, gate(relay) as other:
        sent_through(alice, bob, one, other, "--lanes", "tls")
        assert (one.lanes, other.lanes) == (0, 0)


@pytest.mark.parametrize("lane_bytes", [OPENING_BYTES, 100, 300_000, 1_000_000])
@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_a_lane_that_is_killed_costs_no_byte(
    alice: Person, bob: Person, relay: RelayProcess, lane_bytes: int, who: str
) -> None:
    """X25: a lane that ends at any byte, on either side's path, leaves the file equal."""
    with gate(relay) as whole, gate(relay, lane_bytes=lane_bytes) as deadly:
        pair = (deadly, whole) if who == "sender" else (whole, deadly)
        sent_through(alice, bob, *pair)
        assert deadly.lanes >= 1
        assert deadly.killed
