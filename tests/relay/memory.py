"""A switch with its hub and links over wires that keep what was written to them.

The wire is a real twin of a transport: it copies what it is given at once, delivers nothing
while reading is paused, and ends for good.
"""

from __future__ import annotations

import random

from relay.hub import Hub, HubRules
from relay.link import Link
from relay.log import Log
from relay.quota import Quota, QuotaLimits
from relay.switch import Switch
from tallow.wire.frames import LinkReader, LinkType, encode_link
from tallow.wire.relay import (
    ClientHello,
    ClientSays,
    Join,
    Meet,
    RelaySays,
    Take,
    client_frame,
    decode_relay,
)

HELLO = client_frame(ClientHello([1], b"c" * 32))
FIRST = b"\x00\x00\x00\x02\x01x"


class MemoryWire:
    """What was written, in writes, and whether the link reads."""

    def __init__(self) -> None:
        """Start open and reading."""
        self.writes: list[bytes] = []
        self.paused = False
        self.closed = False
        self.link: Link | None = None

    def write(self, chunk: bytes | memoryview) -> None:
        """Keep a copy."""
        assert not self.closed, "written after the end"
        self.writes.append(bytes(chunk))

    def pause_reading(self) -> None:
        """Deliver nothing."""
        self.paused = True

    def resume_reading(self) -> None:
        """Deliver again."""
        self.paused = False

    def close(self) -> None:
        """End."""
        self.closed = True

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        written, self.writes = b"".join(self.writes), []
        return written

    def frames(self) -> list[tuple[LinkType, bytes]]:
        """Return the whole frames that were written since the last time."""
        reader = LinkReader()
        return [(kind, bytes(body)) for kind, body in reader.feed(self.taken())]

    def heard(self) -> list[RelaySays]:
        """Return the relay messages that were written since the last time."""
        return [decode_relay(body) for kind, body in self.frames() if kind is LinkType.CONTROL]


class MemoryRelay:
    """A relay whose clients are tests."""

    def __init__(self, rules: HubRules | None = None, quota: QuotaLimits | None = None) -> None:
        """Run a switch with a seeded generator."""
        self.now = 1000.0
        self.lines: list[str] = []
        hub = Hub(random.Random(5).randrange, rules, Quota(quota))
        log = Log(self.lines.append, unix_s=lambda: 0.0, new_key=lambda: bytes(32))
        self.switch = Switch(hub, log, lambda: 1_700_000_000)

    def open(self, address: str = "192.0.2.1") -> MemoryWire:
        """Open a link."""
        wire = MemoryWire()
        wire.link = self.switch.open(wire, address, self.now)
        return wire

    def feed(self, wire: MemoryWire, raw: bytes) -> None:
        """Deliver bytes in a buffer that is scribbled over afterwards."""
        assert wire.link is not None
        buffer = bytearray(raw)
        wire.link.received(memoryview(buffer), self.now)
        buffer[:] = b"\xee" * len(buffer)

    def say(self, wire: MemoryWire, *messages: ClientSays) -> None:
        """Deliver relay messages."""
        self.feed(wire, b"".join(client_frame(message) for message in messages))

    def gone(self, wire: MemoryWire) -> None:
        """Let a connection go."""
        assert wire.link is not None
        wire.closed = True
        wire.link.gone(self.now)

    def wait(self, seconds: float) -> None:
        """Move the clock and sweep once a second."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 1)
            self.switch.sweep(self.now)

    def enter(self, verb: ClientSays) -> MemoryWire:
        """Open a link, exchange hellos and say a verb."""
        wire = self.open()
        self.feed(wire, HELLO + client_frame(verb))
        return wire

    def pair(self, *, settled: bool = True) -> tuple[MemoryWire, MemoryWire]:
        """Return creator and joiner of a meeting with nothing left to read."""
        creator, joiner = self.enter(Meet(b"i" * 32, 600)), self.enter(Meet(b"i" * 32, 600))
        self.say(creator, Take(1))
        if settled:
            self.feed(joiner, encode_link(LinkType.DATA, b"m3"))
        creator.taken()
        joiner.taken()
        return creator, joiner

    def join(self, plate: str) -> MemoryWire:
        """Open a link and join a plate."""
        return self.enter(Join(plate, FIRST))
