"""A relay in memory: the real hub, switch and links, over wires that a test may cut or tamper with.

Clients get a Connection as over TCP: frames in order, back-pressure both ways, a loss that comes
after everything that arrived before it. The relay behind it is relay/ as it runs on the network,
without sockets. Faults act on link frames on their way from a client to the relay.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from relay.hub import Hub, HubRules
from relay.link import Link
from relay.log import Log
from relay.quota import Quota, QuotaLimits
from relay.switch import Switch
from tallow.engine.ports import Detour
from tallow.errors import RelayUnreachable
from tallow.protocol.address import RelayAddress
from tallow.protocol.lane_proof import LaneJoin
from tallow.wire import limits
from tallow.wire.frames import LinkFrame, LinkReader, LinkType, read_link_header
from tests.fakes import WALL_AT_BEGIN, SeededRng
from tests.world.lane import MemoryLane, MemoryLanes
from tests.world.pipe import LATENCY_S, Pipe

KEY_HASH = bytes(range(32))
READ_AHEAD_BYTES = 4 * limits.FRAME_MAX_BYTES
WRITE_HIGH_BYTES = 2 * limits.MIB
WRITE_LOW_BYTES = 512 * limits.KIB

ADDRESS = RelayAddress("relay.test", 4433)


@dataclass(frozen=True, slots=True)
class Sent:
    """A link frame that a client sends."""

    connection: MemoryConnection
    kind: LinkType
    body: bytes
    number: int
    """Which of this client's frames of its kind, from 0."""


Meddle = Callable[[Sent], list[bytes] | None]
"""Returns what goes on instead, as link frames; None leaves the frame alone."""


class MemoryConnection:
    """A client's end, and the wire that the relay writes to."""

    def __init__(self, relay: MemoryRelay, number: int) -> None:
        self.number = number
        self.on_change: Callable[[], None] = lambda: None
        self.sent_bytes = 0
        self.counts: dict[LinkType, int] = {}
        self.link: Link | None = None
        self.up = Pipe(self._reach_relay, self._leave_relay)
        self.up.on_drain = self._relieved
        self.down = Pipe(self._reach_client, self._relay_closed)
        self.down.on_drain = self._drained
        self._relay = relay
        self._reader = LinkReader()
        self._frames: deque[LinkFrame] = deque()
        self._queued_bytes = 0
        self._lost: str | None = None
        self._congested = False
        self._choked = False
        self._gone = asyncio.Event()

    # --- what the engine sees -----------------------------------------------------------------

    @property
    def relay_key_hash(self) -> bytes:
        """SHA-256 of the relay's public key."""
        return self._relay.key_hash

    @property
    def first_use(self) -> bool:
        """Whether the relay's key is new here."""
        return False

    @property
    def transport_name(self) -> str:
        """What carries the frames."""
        return "memory"

    @property
    def detour(self) -> Detour | None:
        """Nothing else was tried."""
        return None

    @property
    def waiting(self) -> bool:
        """True while frames are not taken yet."""
        return bool(self._frames)

    @property
    def congested(self) -> bool:
        """True while much waits to be written."""
        return self._congested

    @property
    def lost(self) -> str | None:
        """Why the connection is gone, once everything before it was taken."""
        return None if self._frames else self._lost

    @property
    def torn(self) -> bool:
        """True if the connection ended inside a frame."""
        return self._lost is not None and self._reader.inside_frame

    def take(self) -> LinkFrame | None:
        """Return the next frame."""
        if not self._frames:
            return None
        frame = self._frames.popleft()
        self._queued_bytes -= len(frame[1])
        if self._queued_bytes < READ_AHEAD_BYTES // 2:
            self.down.let_go("reader")
        return frame

    def recycle(self, body: memoryview) -> None:
        """Scribble over a buffer that nobody may look into any more, and reuse it."""
        body[:] = b"\xee" * len(body)
        self._reader.recycle(body)

    def send(self, frame: bytes | memoryview) -> None:
        """Send a whole link frame."""
        if self._lost is not None:
            return
        raw = bytes(frame)
        kind, length = read_link_header(raw)
        body = raw[limits.LINK_HEADER_BYTES :]
        assert len(body) == length, "a frame was not sent whole"
        number = self.counts.get(kind, 0)
        self.counts[kind] = number + 1
        for chunk in self._relay.meddled(Sent(self, kind, body, number), raw):
            self.sent_bytes += len(chunk)
            self.up.put(chunk)
        self._congested = self._congested or self.up.waiting_bytes > WRITE_HIGH_BYTES

    def close(self) -> None:
        """Send what waits, then end."""
        if self._lost is None:
            self._lost = "closed here"
            self.up.put(None)
            self.down.cut()

    @property
    def unread_bytes(self) -> int:
        """How much this client holds that was not taken yet."""
        return self._queued_bytes

    async def closed(self) -> None:
        """Wait until the relay has seen the end; after a second it is forced."""
        try:
            async with asyncio.timeout(1.0):
                await self._gone.wait()
        except TimeoutError:
            self.cut()

    # --- what a test does to it ---------------------------------------------------------------

    @property
    def is_closed(self) -> bool:
        """Whether this end was closed or lost its partner."""
        return self._lost is not None

    def cut(self, *, relay_notices: bool = True) -> None:
        """Break the wire; what was under way is lost."""
        self.up.cut()
        self.down.cut()
        if self._lost is None:
            self._lost = "the wire was cut"
        if relay_notices and self.link is not None:
            self.link.gone(self._relay.now())
        self._gone.set()
        self.on_change()

    # --- what the relay sees ------------------------------------------------------------------

    def write(self, chunk: bytes | memoryview) -> None:
        """Take bytes from the relay's link."""
        self.down.put(bytes(chunk))
        if self.down.waiting_bytes > limits.RELAY_BACKLOG_MAX_BYTES and not self._choked:
            self._choked = True
            if self.link is not None:
                self.link.choked(self._relay.now())

    def pause_reading(self) -> None:
        """Deliver nothing more to the relay."""
        self.up.hold("relay")

    def resume_reading(self) -> None:
        """Deliver again."""
        self.up.let_go("relay")

    # --- along the wire -----------------------------------------------------------------------

    def _reach_relay(self, chunk: bytes) -> None:
        if self.link is not None and not self.link.closed:
            buffer = bytearray(chunk)
            self.link.received(memoryview(buffer), self._relay.now())
            buffer[:] = b"\xee" * len(buffer)

    def _leave_relay(self) -> None:
        if self.link is not None:
            self.link.gone(self._relay.now())
        self._gone.set()

    def _relieved(self) -> None:
        if self._congested and self.up.waiting_bytes < WRITE_LOW_BYTES:
            self._congested = False
            self.on_change()

    def _reach_client(self, chunk: bytes) -> None:
        for kind, body in self._reader.feed(chunk):
            self._frames.append((kind, body))
            self._queued_bytes += len(body)
        if self._queued_bytes >= READ_AHEAD_BYTES:
            self.down.hold("reader")
        self.on_change()

    def _drained(self) -> None:
        if self._choked and self.down.waiting_bytes < limits.RELAY_BACKLOG_MAX_BYTES // 4:
            self._choked = False
            if self.link is not None:
                self.link.relieved()

    def _relay_closed(self) -> None:
        if self._lost is None:
            self._lost = "the relay closed the connection"
        self.up.cut()
        self._gone.set()
        self.on_change()


class RelayEnd:
    """The relay's wire to one client; its end is that of the stream."""

    def __init__(self, connection: MemoryConnection) -> None:
        self.write = connection.write
        self.pause_reading = connection.pause_reading
        self.resume_reading = connection.resume_reading
        self._connection = connection

    def close(self) -> None:
        """End the stream after what was written."""
        self._connection.down.put(None)


@dataclass(slots=True)
class MemoryRelay:
    """A relay, everybody who ever dialled it, and what a test lets happen on the way."""

    rules: HubRules = field(default_factory=lambda: HubRules(key_hash=KEY_HASH))
    quota: QuotaLimits | None = None
    is_down: bool = False
    connections: list[MemoryConnection] = field(default_factory=list)
    heard: list[Sent] = field(default_factory=list)
    """Every frame that a client sent, as it was before any meddling."""
    meddling: list[Meddle] = field(default_factory=list)
    switch: Switch = field(init=False)
    lanes: MemoryLanes = field(init=False)
    _sweeping: bool = False

    def __post_init__(self) -> None:
        self._new_switch()

    def _new_switch(self) -> None:
        chance = SeededRng(f"relay {len(self.connections)}")

        def below(count: int) -> int:
            return int.from_bytes(chance.bytes(40), "big") % count

        log = Log(lambda _: None, unix_s=lambda: WALL_AT_BEGIN, new_key=lambda: bytes(32))
        hub = Hub(below, self.rules, Quota(self.quota))
        self.switch = Switch(hub, log, lambda: int(WALL_AT_BEGIN))
        self.lanes = MemoryLanes(self.switch.hub.lane_tokens)

    @property
    def key_hash(self) -> bytes:
        """SHA-256 of this relay's key."""
        return self.rules.key_hash

    def now(self) -> float:
        """Return virtual time."""
        return asyncio.get_running_loop().time()

    def accept(self, address: str) -> MemoryConnection:
        """Take a client in, or refuse it as a network does."""
        if self.is_down:
            raise RelayUnreachable("The relay cannot be reached.", why="connection refused")
        connection = MemoryConnection(self, len(self.connections))
        self.connections.append(connection)
        connection.link = self.switch.open(RelayEnd(connection), address, self.now())
        self._sweep_later()
        return connection

    def meddled(self, sent: Sent, raw: bytes) -> list[bytes]:
        """Return what really goes on its way."""
        self.heard.append(sent)
        for meddle in self.meddling:
            instead = meddle(sent)
            if instead is not None:
                return instead
        return [raw]

    def stop(self) -> None:
        """Go down at once: every wire breaks, every room is forgotten."""
        self.is_down = True
        for connection in self.connections:
            if not connection.is_closed:
                connection.cut(relay_notices=False)
        self._new_switch()

    def start(self) -> None:
        """Answer again, with nothing remembered."""
        self.is_down = False

    def _sweep_later(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            asyncio.get_running_loop().call_later(1.0, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = False
        self.switch.sweep(self.now())
        # An empty relay must not keep virtual time running.
        if len(self.switch) or self.switch.hub.rooms():
            self._sweep_later()


class MemoryDialer:
    """Reaches one relay, whatever the address says."""

    def __init__(self, relay: MemoryRelay, address: str) -> None:
        self.relay = relay
        self.dialled: list[RelayAddress] = []
        self.lanes_dialled: list[RelayAddress] = []
        self._address = address

    async def dial(self, address: RelayAddress) -> MemoryConnection:
        """Connect a moment later."""
        self.dialled.append(address)
        await asyncio.sleep(LATENCY_S)
        return self.relay.accept(self._address)

    async def dial_lane(self, address: RelayAddress, token: bytes, join: LaneJoin) -> MemoryLane:
        """Bring a token to the relay a moment later."""
        self.lanes_dialled.append(address)
        await asyncio.sleep(LATENCY_S)
        return await self.relay.lanes.dial(token, join, self.relay.now())
