"""TLS 1.3 over one TCP connection, with no buffer of its own while nothing moves.

asyncio's own TLS keeps a 256 KiB read buffer per connection and copies once more; this pump
speaks to OpenSSL through memory BIOs instead and reads into two buffers that all connections of
the loop share. That is safe because asyncio asks for the buffer, fills it and hands it over
without returning to the loop in between, and a link takes what it needs before it returns.
This module never parses a frame. Before: server.py. After: link.py.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from relay.link import Link
from tallow.wire import limits
from tallow.wire.relay import ALPN, LANE_MAGIC, LANE_OPENING_BYTES

_RECORD_BYTES = 17 * limits.KIB
"""A TLS record with its overhead: what may be left over from the read before."""


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a TLS 1.3 context; OSError or ssl.SSLError if the files do not fit together."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols([ALPN])
    # Clients come once per room; tickets would cost memory and link one visit to the next.
    context.num_tickets = 0
    return context


class ReadBuffers:
    """The two buffers that every connection of one event loop reads into."""

    def __init__(self) -> None:
        """Allocate room for the largest chunk, sealed and opened."""
        self._sealed = memoryview(bytearray(limits.RELAY_CHUNK_MAX_BYTES))
        self.opened = memoryview(bytearray(limits.RELAY_CHUNK_MAX_BYTES + _RECORD_BYTES))
        self.sealed = self._sealed

    def share_among(self, links: int) -> None:
        """Size one read so that all links of pairs together stay within RELAY_CHUNKS_BYTES.

        OpenSSL's BIOs keep the size of the largest chunk that went through them.
        """
        fair = limits.RELAY_CHUNKS_BYTES // max(1, links)
        chunk = max(limits.RELAY_CHUNK_MIN_BYTES, min(limits.RELAY_CHUNK_MAX_BYTES, fair))
        self.sealed = self._sealed[:chunk]


class House(Protocol):
    """What a connection needs from the server."""

    buffers: ReadBuffers
    context: ssl.SSLContext
    now: Callable[[], float]

    def admit(self, wire: TlsWire, address: str) -> Link:
        """Give a new connection its link."""

    def may_be_refused_in_words(self) -> bool:
        """Tell whether a connection that was refused may still have its TLS handshake."""

    def handshake_begins(self, wire: TlsWire, address: str) -> None:
        """Note that a connection begins TLS; another one may be ended for it."""

    def handshake_ends(self, wire: TlsWire) -> None:
        """Note that a handshake is over, well or badly."""

    def lane_arrives(self, transport: asyncio.Transport, opening: bytes, address: str) -> None:
        """Take a connection that begins a lane; its transport ends here."""

    def left(self, wire: TlsWire) -> None:
        """Note that a connection is gone."""


class TlsWire(asyncio.BufferedProtocol):
    """One connection: sealed bytes outside, a link's bytes inside."""

    def __init__(self, house: House) -> None:
        """Wait for the connection."""
        self._house = house
        self._loop = asyncio.get_running_loop()
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        """Made at the first byte: whoever only connects costs no OpenSSL state."""
        self._read_into: Callable[[int, memoryview], int]
        self._handshake_bytes = 0
        self.address = ""
        """Whose connection this is, for the log."""
        self._transport: asyncio.Transport | None = None
        self._link: Link | None = None
        self._opening: bytearray | None = bytearray()
        """The first bytes, until they tell TLS from a lane."""
        self._early: bytearray | None = bytearray()
        """What was written before the handshake ended; None from then on."""
        self._closing = False
        self._flush_due = False
        self._linger: asyncio.TimerHandle | None = None

    # --- asyncio ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a stream transport is needed")
        self._transport = transport
        transport.set_write_buffer_limits(
            high=max(4 * limits.RELAY_CHUNK_MIN_BYTES, self._fair_backlog_bytes())
        )
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        self._link = self._house.admit(self, self.address)

    def get_buffer(self, _sizehint: int) -> memoryview:
        if self._opening is not None:
            # What follows a lane's token is not for this module: it stays in the kernel.
            return self._house.buffers.sealed[: LANE_OPENING_BYTES - len(self._opening)]
        # Only a pair's bulk is read in large chunks: a stranger's would stay in OpenSSL's BIO.
        if self._link is not None and self._link.settled:
            return self._house.buffers.sealed
        return self._house.buffers.sealed[: limits.RELAY_CHUNK_MIN_BYTES]

    def buffer_updated(self, nbytes: int) -> None:
        if self._opening is not None and self._sorted_out(nbytes):
            return
        self._incoming.write(self._house.buffers.sealed[:nbytes])
        try:
            if self._early is not None and not self._shake_hands(nbytes):
                return
            if not self._closing:
                self._read()
        except ssl.SSLError:
            self._end()
        if self._outgoing.pending:
            self._flush()

    def eof_received(self) -> None:
        return None

    def connection_lost(self, _exc: Exception | None) -> None:
        self._closing = True
        self._forget_tls()
        if self._linger is not None:
            self._linger.cancel()
        if self._link is not None:
            self._link.gone(self._house.now())
        self._house.left(self)

    def pause_writing(self) -> None:
        if self._link is not None:
            self._link.choked(self._house.now())

    def resume_writing(self) -> None:
        if self._link is not None:
            self._link.relieved()

    # --- relay.link.Wire ----------------------------------------------------------------------

    def write(self, chunk: bytes | memoryview) -> None:
        """Seal bytes at once; they leave when the loop turns."""
        if self._closing:
            return
        if self._early is not None:
            if len(self._early) + len(chunk) > limits.RELAY_EARLY_MAX_BYTES:
                self._end()
                return
            self._early += chunk
            return
        self._seal(chunk)

    def pause_reading(self) -> None:
        """Leave what arrives in the kernel."""
        if self._transport is not None and not self._closing:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._transport is not None and not self._closing:
            self._transport.resume_reading()

    def close(self) -> None:
        """Send what was written, say goodbye and end; what does not leave in time is dropped."""
        if self._closing:
            return
        if self._early is not None and self._house.may_be_refused_in_words():
            self._linger_then_abort()
            return
        self._end()

    def abort(self) -> None:
        """End at once; what was not sent is lost."""
        self._closing = True
        self._forget_tls()
        if self._transport is not None:
            self._transport.abort()

    # --- inside -------------------------------------------------------------------------------

    def _sorted_out(self, nbytes: int) -> bool:
        """Look at the first bytes; True if that was all that is to be done with them.

        A lane goes its own way as soon as its token is there.
        """
        opening = self._opening = bytearray(self._opening or b"")
        opening += self._house.buffers.sealed[:nbytes]
        if opening[0] != LANE_MAGIC[0]:
            self._opening = None
            if len(opening) < LANE_OPENING_BYTES:
                return False
            # No TLS ends here, and what follows must be read: unread bytes would reset the end.
            self._incoming.write(opening)
            return True
        transport = self._transport
        if transport is None or len(opening) < LANE_OPENING_BYTES:
            return True
        link, may_come = self._link, not self._closing
        self._closing = True
        if link is None or link.closed or not may_come:
            transport.abort()
        else:
            link.gone(self._house.now())
            self._house.lane_arrives(transport, bytes(opening), self.address)
        return True

    def _shake_hands(self, nbytes: int) -> bool:
        self._handshake_bytes += nbytes
        if self._tls is None:
            context = self._house.context
            self._house.handshake_begins(self, self.address)
            self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
            # typeshed does not know the form that reads into a buffer and returns a count.
            self._read_into = self._tls.read  # type: ignore[assignment]
        tls = self._tls
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            if self._handshake_bytes > limits.RELAY_TLS_HANDSHAKE_MAX_BYTES:
                self._end()
            return False
        self._house.handshake_ends(self)
        early, self._early = self._early, None
        if tls.selected_alpn_protocol() != ALPN:
            self._end()
            return False
        if early:
            self._seal(early)
        if self._link is None or self._link.closed:
            self._end()
            return False
        return True

    def _read(self) -> None:
        opened = self._house.buffers.opened
        size = len(opened)
        filled = 0
        ended = False
        try:
            while not self._closing:
                count = self._read_into(size - filled, opened[filled:])
                if not count:
                    ended = True
                    break
                filled += count
                if filled == size:
                    self._deliver(opened)
                    filled = 0
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            ended = True
        if filled:
            self._deliver(opened[:filled])
        if ended:
            self._end()

    def _deliver(self, opened: memoryview) -> None:
        if self._link is not None and not self._closing:
            self._link.received(opened, self._house.now())

    def _seal(self, chunk: bytes | bytearray | memoryview) -> None:
        view, tls = memoryview(chunk), self._tls
        while view and tls is not None:
            view = view[tls.write(view) :]
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if self._transport is not None and (sealed := self._outgoing.read()):
            self._transport.write(sealed)

    def _end(self) -> None:
        if self._closing:
            return
        self._closing = True
        if self._early is None and self._tls is not None:
            try:
                self._tls.unwrap()
            except ssl.SSLError:
                pass  # The goodbye is written; whether the client answers does not matter.
        self._flush()
        if self._transport is not None:
            self._transport.close()
            self._linger_then_abort()

    def _forget_tls(self) -> None:
        """Give OpenSSL's memory back now: wire and link know each other and die much later."""
        self._house.handshake_ends(self)
        if self._tls is not None:
            self._tls = None
            self._read_into = _read_nothing
            self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()

    def _linger_then_abort(self) -> None:
        if self._transport is not None and self._linger is None:
            self._linger = self._loop.call_later(limits.RELAY_LINGER_S, self._transport.abort)

    def _fair_backlog_bytes(self) -> int:
        return min(limits.RELAY_BACKLOG_MAX_BYTES, len(self._house.buffers.sealed))


def _read_nothing(_count: int, _into: memoryview) -> int:
    return 0
