"""A stream of link frames over TCP and TLS: asyncio's buffered protocol, nothing more.

Bytes are read straight into the frame reader's buffers; writing encrypts at once, so a caller may
reuse its memory. Reading pauses while frames pile up, so a slow consumer slows the sender down.
Before: the relay. After: engine/link.py. It never looks into DATA.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from tallow.engine.ports import Detour
from tallow.wire import limits
from tallow.wire.errors import WireError
from tallow.wire.frames import LinkFrame, LinkReader

READ_AHEAD_BYTES = 4 * limits.FRAME_MAX_BYTES
WRITE_HIGH_BYTES = 2 * limits.MIB
WRITE_LOW_BYTES = 512 * limits.KIB
CLOSE_WITHIN_S = 1.0


def _nothing() -> None:
    return None


class TcpConnection(asyncio.BufferedProtocol):
    """One TLS connection to a relay."""

    def __init__(self) -> None:
        self.on_change: Callable[[], None] = _nothing
        self.key_hash = b""
        self.first_use = False
        self.by_ca = False
        self.detour: Detour | None = None
        self._reader = LinkReader()
        self._frames: deque[LinkFrame] = deque()
        self._queued_bytes = 0
        self._reading_paused = False
        self._congested = False
        self._lost: str | None = None
        self._transport: asyncio.Transport | None = None
        self._gone = asyncio.Event()
        self._closing = False

    # --- what the engine sees -----------------------------------------------------------------

    @property
    def relay_key_hash(self) -> bytes:
        """SHA-256 of the relay's public key."""
        return self.key_hash

    @property
    def transport_name(self) -> str:
        """What carries the frames."""
        return "tcp"

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
        if self._reading_paused and self._queued_bytes < READ_AHEAD_BYTES // 2 and self._transport:
            self._reading_paused = False
            self._transport.resume_reading()
        return frame

    def recycle(self, body: memoryview) -> None:
        """Give a frame's buffer back."""
        self._reader.recycle(body)

    def send(self, frame: bytes | memoryview) -> None:
        """Encrypt and write a frame."""
        if self._transport is not None and self._lost is None:
            self._transport.write(frame)

    def close(self) -> None:
        """Drop what still arrives until the relay closes.

        Closing a socket with unread data resets it, and the relay would lose our last words.
        """
        self._closing = True
        self._frames.clear()
        self._queued_bytes = 0
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()

    def hang_up(self) -> None:
        """Close first: nothing was said that the relay should still hear."""
        if self._transport is not None:
            self._transport.close()

    async def closed(self) -> None:
        """Wait for the relay's close; after a moment it is forced."""
        if self._transport is None:
            return
        for end in (self._transport.close, self._transport.abort):
            try:
                async with asyncio.timeout(CLOSE_WITHIN_S):
                    await self._gone.wait()
                    return
            except TimeoutError:
                end()
        await self._gone.wait()

    # --- what asyncio calls -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES, low=WRITE_LOW_BYTES)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go."""
        del sizehint
        return self._reader.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Take the frames that these bytes complete."""
        try:
            for frame in self._reader.filled(nbytes):
                if self._closing:
                    self._reader.recycle(frame[1])
                    continue
                self._frames.append(frame)
                self._queued_bytes += len(frame[1])
        except WireError as error:
            self._lost = f"the relay sent a malformed frame ({error})"
            if self._transport is not None:
                self._transport.abort()
        if self._queued_bytes >= READ_AHEAD_BYTES and not self._reading_paused and self._transport:
            self._reading_paused = True
            self._transport.pause_reading()
        self.on_change()

    def pause_writing(self) -> None:
        """Note that bulk must pause."""
        self._congested = True

    def resume_writing(self) -> None:
        """Note that there is room again."""
        self._congested = False
        self.on_change()

    def eof_received(self) -> bool:
        """Close when the relay does."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note why the connection is gone."""
        if self._lost is None:
            self._lost = str(exc) if exc else "the relay closed the connection"
        self._gone.set()
        self.on_change()
