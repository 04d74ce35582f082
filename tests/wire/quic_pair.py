"""Two ends of a QUIC connection in one test: datagrams pass at once, time moves when they stop."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import QuicPacketType, QuicProtocolVersion
from aioquic.quic.packet_builder import QuicPacketBuilder

from relay.self_made import make
from tallow.wire import limits
from tallow.wire.quic import (
    Arrived,
    LineEvent,
    QuicLine,
    client_line,
    server_configuration,
    server_line,
)

CLIENT = ("192.0.2.1", 5000)
SERVER = ("192.0.2.2", 4433)
FIRST_ID = b"stranger"
QUIET_S = 5.0
"""Timers that fire later than this after the last datagram are left alone."""


@cache
def pem() -> bytes:
    """Return one self-made certificate and its key."""
    return make()


class End:
    """One side, what happened to it, and whether it gives credit back."""

    def __init__(self, line: QuicLine, window_bytes: int) -> None:
        """Consume everything at once."""
        self.line = line
        self.reads = True
        self.events: list[LineEvent] = []
        self.owed_bytes = 0
        self.window_bytes = window_bytes
        self.received = bytearray()

    def drain(self) -> None:
        """Take what happened."""
        while (event := self.line.next_event()) is not None:
            if isinstance(event, Arrived):
                self.received += event.chunk
                self.owed_bytes += len(event.chunk)
            else:
                self.events.append(event)
        if self.reads:
            self.line.credit(self.owed_bytes, self.window_bytes)
            self.owed_bytes = 0

    def has(self, kind: type[LineEvent]) -> bool:
        """Tell whether something of this kind happened."""
        return any(isinstance(event, kind) for event in self.events)


class Pair:
    """A client and a server, joined."""

    def __init__(self, client: QuicLine | None = None) -> None:
        """Begin the handshake; nothing was delivered yet."""
        self.now = 100.0
        self.meddle: Callable[[bytes, bool], bytes | None] = lambda datagram, _up: datagram
        """Sees every datagram and whether it goes to the server; None loses it."""
        self.client = End(client or client_line("relay.test"), limits.QUIC_WINDOW_MAX_BYTES)
        self.client.line.connect(SERVER, self.now)
        first = self.client.line.bytes_to_send(self.now)
        configuration = server_configuration(pem(), pem())
        original_id = first[0][0][6 : 6 + first[0][0][5]]
        server = server_line(configuration, original_id)
        self.server = End(server, limits.QUIC_WINDOW_MAX_BYTES)
        self._deliver([datagram for datagram, _ in first], up=True)

    @classmethod
    def standing(cls) -> Pair:
        """Return a pair whose handshake is done."""
        pair = cls()
        pair.settle()
        pair.client.events.clear()
        pair.server.events.clear()
        return pair

    def settle(self) -> None:
        """Deliver until nothing moves, letting time pass up to the next timer."""
        last_moved = self.now
        while True:
            up = [datagram for datagram, _ in self.client.line.bytes_to_send(self.now)]
            down = [datagram for datagram, _ in self.server.line.bytes_to_send(self.now)]
            self._deliver(up, up=True)
            self._deliver(down, up=False)
            self.client.drain()
            self.server.drain()
            if up or down:
                last_moved = self.now
                continue
            ends = (self.client.line, self.server.line)
            deadlines = [at for end in ends if (at := end.next_deadline()) is not None]
            if not deadlines or min(deadlines) > last_moved + QUIET_S:
                return
            self.now = max(self.now + 0.000_1, min(deadlines))
            for end in ends:
                end.on_deadline(self.now)

    def wait(self, seconds: float) -> None:
        """Let time pass, with every timer on the way."""
        end = self.now + seconds
        while self.now < end:
            self.settle()
            lines = (self.client.line, self.server.line)
            deadlines = [at for line in lines if (at := line.next_deadline()) is not None]
            self.now = min([end, *(at for at in deadlines if at > self.now)])
            for line in lines:
                line.on_deadline(self.now)
        self.settle()

    def _deliver(self, datagrams: list[bytes], *, up: bool) -> None:
        end, source = (self.server, CLIENT) if up else (self.client, SERVER)
        for datagram in datagrams:
            passed = self.meddle(datagram, up)
            if passed is not None:
                end.line.receive(passed, source, self.now)
        end.drain()


def sealed_initial(payload: bytes) -> bytes:
    """Return a first datagram that holds these frames, as anybody can seal it (RFC 9001 §5.2)."""
    keys = CryptoPair()
    version = QuicProtocolVersion.VERSION_1
    keys.setup_initial(cid=FIRST_ID, is_client=True, version=version)
    builder = QuicPacketBuilder(
        host_cid=b"backward", peer_cid=FIRST_ID, is_client=True,
        max_datagram_size=1200, version=version,
    )  # fmt: skip
    builder.start_packet(QuicPacketType.INITIAL, keys)
    # The frame type is the payload's first byte, which is written like any other.
    builder.start_frame(payload[0], capacity=len(payload)).push_bytes(payload[1:])
    return builder.flush()[0][0]


def stranger_met(payload: bytes) -> QuicLine:
    """Return a server's side that was sent these frames by a stranger."""
    line = server_line(server_configuration(pem(), pem()), FIRST_ID)
    line.receive(sealed_initial(payload), CLIENT, 1.0)
    return line
