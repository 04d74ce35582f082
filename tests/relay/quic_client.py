"""A raw relay client over real QUIC, the twin of client.py: it may stop reading, or vanish."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

from tallow.wire import limits
from tallow.wire.frames import LinkType, encode_link, read_link_header
from tallow.wire.quic import Arrived, Ended, Finished, Named, QuicLine, Ready, Unnamed, client_line
from tallow.wire.relay import (
    ClientHello,
    ClientSays,
    Paired,
    RelayHello,
    RelaySays,
    Take,
    client_frame,
    decode_relay,
)
from tests.relay.client import NONCE


class QuicClient(asyncio.DatagramProtocol):
    """One link to a relay over QUIC; any key is trusted."""

    def __init__(self, line: QuicLine) -> None:
        """Speak over this connection."""
        self.line = line
        self.reads = True
        self.over: Ended | None = None
        self.finished = False
        self.datagrams: list[bytes] = []
        """What came, in order."""
        self.ready = asyncio.Event()
        self._changed = asyncio.Event()
        self._received = bytearray()
        self._owed_bytes = 0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.transport: Any = None
        self._peer: Any = None

    @classmethod
    async def knock(
        cls, port: int, line: QuicLine | None = None, source: str = "127.0.0.1"
    ) -> QuicClient:
        """Begin a handshake, from an address of this machine."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((source, 0))
        sock.connect(("127.0.0.1", port))
        sock.setblocking(False)
        line = line or client_line("relay.test")
        _, client = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: cls(line), sock=sock
        )
        return client

    @classmethod
    async def connect(cls, port: int, source: str = "127.0.0.1") -> QuicClient:
        """Connect and shake hands."""
        client = await cls.knock(port, source=source)
        await client.ready.wait()
        return client

    @classmethod
    async def enter(cls, port: int, verb: ClientSays) -> QuicClient:
        """Connect, exchange hellos and say a verb."""
        client = await cls.connect(port)
        client.say(ClientHello([1], NONCE), verb)
        assert isinstance(await client.hear(), RelayHello)
        return client

    # --- what a test does ---------------------------------------------------------------------

    def say(self, *messages: ClientSays) -> None:
        """Send relay messages in one write."""
        self.write(b"".join(client_frame(message) for message in messages))

    def send(self, body: bytes) -> None:
        """Send DATA."""
        self.write(encode_link(LinkType.DATA, body))

    def write(self, raw: bytes) -> None:
        """Send bytes as they are."""
        self.line.write(raw)
        self.turn()

    async def frame(self) -> tuple[LinkType, bytes]:
        """Return the next frame."""
        header = await self._exactly(5)
        kind, length = read_link_header(header)
        return kind, await self._exactly(length)

    async def hear(self) -> RelaySays:
        """Return the next relay message; a pairing is taken at once, as programs do."""
        kind, body = await self.frame()
        assert kind is LinkType.CONTROL
        message = decode_relay(body)
        if isinstance(message, Paired) and message.pairing:
            self.say(Take(message.pairing))
        return message

    async def data(self) -> bytes:
        """Return the next DATA body."""
        kind, body = await self.frame()
        assert kind is LinkType.DATA
        return body

    async def is_closed(self) -> bool:
        """Wait for the end; True if nothing came before it."""
        await self._until(lambda: self.finished or self.over is not None)
        return not self._received

    async def acknowledged(self) -> None:
        """Wait until the relay has everything that was written."""
        await self._until(lambda: not self.line.backlog_bytes)

    def vanish(self) -> None:
        """Be gone without a word."""
        if self._timer is not None:
            self._timer.cancel()
        if self.transport is not None:
            self.transport.abort()
            self.transport = None

    async def close(self) -> None:
        """End the link in order."""
        if self.transport is not None:
            self.line.finish()
            self.turn()
            if self.over is None:
                await self._until(lambda: self.line.is_flushed or self.over is not None)
            self.line.close()
            self.turn()
            self.vanish()
        await asyncio.sleep(0)

    def turn(self) -> None:
        """Act on what arrived, and send what is due."""
        if self.transport is None:
            return
        self._take_events()
        for datagram, _ in self.line.bytes_to_send(time.monotonic()):
            self.transport.sendto(datagram)
        self._take_events()
        deadline = self.line.next_deadline()
        if self._timer is not None:
            self._timer.cancel()
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._timed)
        self._changed.set()

    # --- what asyncio calls -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = transport
        self._peer = transport.get_extra_info("peername")
        self.line.connect(self._peer, time.monotonic())
        self.turn()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Take a datagram."""
        self.datagrams.append(data)
        self.line.receive(data, self._peer, time.monotonic())
        self.turn()

    # --- inside -------------------------------------------------------------------------------

    def _timed(self) -> None:
        self.line.on_deadline(time.monotonic())
        self.turn()

    def _take_events(self) -> None:
        while (event := self.line.next_event()) is not None:
            match event:
                case Ready():
                    self.ready.set()
                case Arrived(chunk):
                    self._received += chunk
                    self._owed_bytes += len(chunk)
                case Finished():
                    self.finished = True
                case Ended():
                    self.over = event
                case Named() | Unnamed():
                    pass
        if self.reads:
            self.line.credit(self._owed_bytes, limits.QUIC_WINDOW_MAX_BYTES)
            self._owed_bytes = 0

    async def _exactly(self, count: int) -> bytes:
        await self._until(lambda: len(self._received) >= count or self.over is not None)
        assert len(self._received) >= count, self.over
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    async def _until(self, condition: Any) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self._changed.clear()
                await self._changed.wait()
