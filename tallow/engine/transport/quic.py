"""A stream of link frames over QUIC: the twin of tcp.py for networks that let only UDP through.

One bidirectional stream carries exactly the bytes that TLS would carry. The connection is the
machine of tallow/wire/quic.py; this shell feeds it datagrams, time and frames. Credit returns as
frames are taken, so a slow consumer slows the relay down. Loading this module loads aioquic.
Before: the relay. After: engine/link.py. It never looks into DATA. Spec: docs/protocol.md §4.4.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from tallow.engine.ports import Detour, SystemClock
from tallow.wire import limits
from tallow.wire.errors import WireError
from tallow.wire.frames import LinkFrame, LinkReader
from tallow.wire.quic import Arrived, Ended, Finished, Named, Ready, Unnamed, client_line

READ_AHEAD_BYTES = 4 * limits.FRAME_MAX_BYTES
WRITE_HIGH_BYTES = 2 * limits.MIB
WRITE_LOW_BYTES = 1 * limits.MIB
CLOSE_WITHIN_S = 3.0
DOUBT_S = 2.0
"""How long a relay whose port seems closed has to show that it lives."""


class QuicFailed(Exception):
    """No QUIC connection came about."""

    def __init__(self, why: str, *, answered: bool) -> None:
        """Say why; ``answered`` if something at the address spoke, but not Tallow's protocol."""
        super().__init__(why)
        self.why = why
        self.answered = answered


def _nothing() -> None:
    return None


class QuicConnection(asyncio.DatagramProtocol):
    """One QUIC connection to a relay."""

    def __init__(self, host: str, sock: socket.socket) -> None:
        """Get ready for a relay of this name, to which the socket is connected."""
        self.on_change: Callable[[], None] = _nothing
        self.key_hash = b""
        self.first_use = False
        self.by_ca = False
        self.detour: Detour | None = None
        self._loop = asyncio.get_running_loop()
        self._now = SystemClock().now
        self._line = client_line(host)
        self._host = host
        self._socket = sock
        self._reader = LinkReader()
        self._frames: deque[LinkFrame] = deque()
        self._queued_bytes = 0
        self._owed_bytes = 0
        """Read but not credited, because frames pile up."""
        self._congested = False
        self._lost: str | None = None
        self._closing = False
        self._transport: asyncio.DatagramTransport | None = None
        self._peer: Any = None
        self._stands: asyncio.Future[None] = self._loop.create_future()
        self._gone = asyncio.Event()
        self._turn_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._doubt: asyncio.TimerHandle | None = None

    async def stand(self) -> None:
        """Wait for the handshake; QuicFailed if it fails. Nothing of ours is sent before that."""
        await self._stands

    def is_vouched_for(self) -> bool:
        """Return whether a certificate authority vouches for the relay's name."""
        system = ssl.get_default_verify_paths()
        return self._line.is_vouched_for(self._host, system.cafile, system.capath)

    @property
    def certificate_der(self) -> bytes:
        """The certificate that the relay proved to own."""
        return self._line.certificate_der

    # --- what the engine sees -----------------------------------------------------------------

    @property
    def relay_key_hash(self) -> bytes:
        """SHA-256 of the relay's public key."""
        return self.key_hash

    @property
    def transport_name(self) -> str:
        """What carries the frames."""
        return "quic"

    @property
    def waiting(self) -> bool:
        """True while frames are not taken yet."""
        return bool(self._frames)

    @property
    def congested(self) -> bool:
        """True while much is written and not acknowledged."""
        return self._congested

    @property
    def lost(self) -> str | None:
        """Why the connection is gone, once every frame that came before was taken."""
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
        if self._owed_bytes and self._queued_bytes < READ_AHEAD_BYTES // 2:
            self._credit()
            self._turn_soon()
        return frame

    def recycle(self, body: memoryview) -> None:
        """Give a frame's buffer back."""
        self._reader.recycle(body)

    def send(self, frame: bytes | memoryview) -> None:
        """Queue a frame; it leaves when the loop turns."""
        if self._lost is None and not self._closing:
            self._line.write(frame)
            self._mind_backlog()
            self._turn_soon()

    def close(self) -> None:
        """Have what was written acknowledged, then close."""
        if not self._closing:
            self._closing = True
            self._line.finish()
            self._turn_soon()

    async def closed(self) -> None:
        """Wait for the end; a relay that acknowledges nothing is left after some seconds."""
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._gone.wait()
        except TimeoutError:
            self.abort()
            await self._gone.wait()

    def abort(self) -> None:
        """End at once; what was not acknowledged is lost."""
        self._closing = True
        self._line.close()
        self._turn()

    # --- what asyncio calls -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        # Python 3.11's own datagram transport does not derive from the class that it implements.
        self._transport = cast(asyncio.DatagramTransport, transport)
        self._peer = transport.get_extra_info("peername")
        self._line.connect(self._peer, self._now())
        self._turn()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Take a datagram, which is the relay's, because the socket is connected."""
        del addr
        self._be_sure()
        now = self._now()
        self._line.receive(data, self._peer, now)
        # asyncio reads one datagram a turn; what waits behind it costs a call instead of a turn.
        for _ in range(limits.QUIC_BATCH_DATAGRAMS):
            try:
                data = self._socket.recv(limits.DATAGRAM_MAX_BYTES)
            except OSError:
                break
            self._line.receive(data, self._peer, now)
        self._turn()

    def error_received(self, exc: Exception) -> None:
        """Give a handshake up at once, but doubt a standing connection only."""
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        if not self._stands.done():
            self._fail(QuicFailed(why.lower(), answered=False))
        elif self._doubt is None and not self._gone.is_set():
            # Such errors can be forged by whoever guesses the port: ask the relay itself.
            self._doubt = self._loop.call_later(DOUBT_S, self._despair)
            self._line.ping()
            self._turn_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the socket is gone."""
        self._end(str(exc) if exc else "the connection was closed")
        self._be_sure()
        if self._timer is not None:
            self._timer.cancel()
        self._gone.set()
        self.on_change()

    # --- inside -------------------------------------------------------------------------------

    def _turn_soon(self) -> None:
        if not self._turn_due:
            self._turn_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Carry out what arrived, send what is due, and wait for the next of both."""
        self._turn_due = False
        if self._transport is None or self._transport.is_closing():
            return
        changed = self._take_events()
        self._transmit()
        # What was sent may have been the goodbye.
        changed = self._take_events() or changed
        changed = self._mind_backlog() or changed
        self._set_timer()
        if changed:
            self.on_change()

    def _take_events(self) -> bool:
        changed = False
        while (event := self._line.next_event()) is not None:
            changed = True
            match event:
                case Ready():
                    if not self._stands.done():
                        self._stands.set_result(None)
                case Arrived(chunk):
                    self._read(chunk)
                case Finished():
                    self._end("the relay closed the connection")
                    self.close()
                case Ended():
                    self._fail(QuicFailed(event.why, answered=event.answered))
                    self._end(f"the connection ended: {event.why}")
                    if self._transport is not None:
                        self._transport.abort()
                case Named() | Unnamed():
                    pass  # One socket, one connection: names do not matter here.
        return changed

    def _read(self, chunk: bytes) -> None:
        if self._lost is not None:
            return
        try:
            for frame in self._reader.feed(chunk):
                self._frames.append(frame)
                self._queued_bytes += len(frame[1])
        except WireError as error:
            self._end(f"the relay sent a malformed frame ({error})")
            self._line.close()
        self._owed_bytes += len(chunk)
        if self._queued_bytes < READ_AHEAD_BYTES:
            self._credit()

    def _credit(self) -> None:
        self._line.credit(self._owed_bytes, limits.QUIC_WINDOW_MAX_BYTES)
        self._owed_bytes = 0

    def _transmit(self) -> None:
        if self._transport is None:
            return
        now = self._now()
        for datagram, _address in self._line.bytes_to_send(now):
            self._transport.sendto(datagram)
        if self._closing and self._line.is_flushed:
            self._line.close()
            for datagram, _address in self._line.bytes_to_send(now):
                self._transport.sendto(datagram)

    def _mind_backlog(self) -> bool:
        """Return whether there is room again."""
        backlog_bytes = self._line.backlog_bytes
        if not self._congested and backlog_bytes > WRITE_HIGH_BYTES:
            self._congested = True
        elif self._congested and backlog_bytes < WRITE_LOW_BYTES:
            self._congested = False
            return True
        return False

    def _set_timer(self) -> None:
        """Wake at the next deadline; a timer that is too early is cheaper than a new one."""
        deadline = self._line.next_deadline()
        if deadline is None or (self._timer is not None and self._timer.when() <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._timed)

    def _timed(self) -> None:
        self._timer = None
        self._line.on_deadline(self._now())
        self._turn()

    def _be_sure(self) -> None:
        if self._doubt is not None:
            self._doubt.cancel()
            self._doubt = None

    def _despair(self) -> None:
        self._end("nothing listens at the relay's port any more")
        self.abort()

    def _fail(self, failure: QuicFailed) -> None:
        if not self._stands.done():
            self._stands.set_exception(failure)
            # Whoever stopped waiting for it has its own reason to give.
            self._stands.exception()

    def _end(self, why: str) -> None:
        if self._lost is None:
            self._lost = why
