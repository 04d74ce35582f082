"""The relay's end of one QUIC connection: a link's bytes inside, datagrams outside.

What the lobby hands in is fed to the connection (tallow/wire/quic.py), what comes out goes to
the link; credit returns only for bytes that the link has taken, so that a link which is not read
stops its client. This module never parses a frame and opens no socket.
Before: quic.py. After: link.py. Spec: docs/protocol.md §4.4.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from relay.link import Link
from relay.udp import Address, Reply
from tallow.wire import limits
from tallow.wire.quic import Arrived, Ended, Finished, Named, QuicLine, Ready, Unnamed

_BACKLOG_MIN_BYTES = 4 * limits.QUIC_WINDOW_MIN_BYTES


class Clocks(Protocol):
    """The two times of a relay."""

    now: Callable[[], float]
    loop_time: Callable[[], float]


class Lobby(Protocol):
    """Who leads datagrams here and knows how many connections share."""

    share_bytes: int

    def named(self, wire: QuicWire, connection_id: bytes) -> None:
        """Lead datagrams for this id to the wire."""

    def unnamed(self, connection_id: bytes) -> None:
        """Lead datagrams for this id nowhere."""

    def admit(self, wire: QuicWire, address: str) -> Link:
        """Make a link of a connection whose stream speaks."""

    def left(self, wire: QuicWire, names: set[bytes], *, was_link: bool) -> None:
        """Forget a connection."""


class QuicWire:
    """One connection, and the ``relay.link.Wire`` of its link."""

    def __init__(self, clocks: Clocks, lobby: Lobby, line: QuicLine, address: str) -> None:
        """Wait for the handshake, and for the first bytes of the stream, so long as is fair."""
        self._clocks = clocks
        self._lobby = lobby
        self._line = line
        self._address = address
        self._loop = asyncio.get_running_loop()
        self._reply: Reply | None = None
        self._link: Link | None = None
        self._names: set[bytes] = set()
        self._held: deque[bytes] = deque()
        """What arrived and the link has not taken: at most one window."""
        self._paused = False
        self._choked = False
        self._finished = False
        """The client will send nothing more."""
        self._closing = False
        self._over = False
        self._left = False
        self._pump_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._patience = self._loop.call_later(limits.RELAY_FIRST_MESSAGE_S, self.abort)

    # --- what the lobby asks ------------------------------------------------------------------

    def name(self, connection_id: bytes) -> None:
        """Be known by this id."""
        self._names.add(connection_id)
        self._lobby.named(self, connection_id)

    def receive(self, datagram: bytes, address: Address, reply: Reply) -> None:
        """Take a datagram, to act on when the loop turns, together with those that follow."""
        self._reply = reply
        self._line.receive(datagram, address, self._clocks.loop_time())
        self._pump_soon()

    # --- relay.link.Wire ----------------------------------------------------------------------

    def write(self, chunk: bytes | memoryview) -> None:
        """Take bytes at once; they leave when the loop turns."""
        if not self._closing and not self._over:
            self._line.write(chunk)
            self._pump_soon()

    def pause_reading(self) -> None:
        """Give no more credit."""
        self._paused = True

    def resume_reading(self) -> None:
        """Deliver what waits and give credit again."""
        self._paused = False
        self._pump_soon()

    def close(self) -> None:
        """Send what was written, then end; what is not acknowledged in time is dropped."""
        if self._closing or self._left:
            return
        self._closing = True
        self._held.clear()
        self._line.finish()
        self._patience.cancel()
        self._patience = self._loop.call_later(limits.RELAY_LINGER_S, self.abort)
        self._pump_soon()

    def abort(self) -> None:
        """End at once; what was not acknowledged is lost."""
        if self._left:
            return
        self._closing = True
        self._held.clear()
        self._line.close()
        self._transmit()
        self._leave()

    # --- inside -------------------------------------------------------------------------------

    def _pump_soon(self) -> None:
        if not self._pump_due and not self._left:
            self._pump_due = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Carry out what arrived, send what is due, and wait for the next of both."""
        self._pump_due = False
        if self._left:
            return
        self._take_events()
        self._deliver()
        self._transmit()
        # What was sent may have been the goodbye.
        self._take_events()
        self._mind_backlog()
        if self._over and not self._is_owed():
            self._leave()
        elif not self._left:
            self._set_timer()

    def _take_events(self) -> None:
        while (event := self._line.next_event()) is not None:
            match event:
                case Arrived(chunk):
                    if not self._closing:
                        self._held.append(chunk)
                case Finished():
                    self._finished = True
                case Ended():
                    self._over = True
                case Named(connection_id):
                    self.name(connection_id)
                case Unnamed(connection_id):
                    self._names.discard(connection_id)
                    self._lobby.unnamed(connection_id)
                case Ready():
                    pass  # A client that speaks the protocol says so by speaking first.

    def _deliver(self) -> None:
        while self._held and not self._paused and not self._closing:
            chunk = self._held.popleft()
            if self._link is None:
                self._patience.cancel()
                self._link = self._lobby.admit(self, self._address)
            if not self._closing:
                self._link.received(memoryview(chunk), self._clocks.now())
            self._line.credit(len(chunk), self._lobby.share_bytes)
        if (self._finished or self._over) and not self._held and not self._closing:
            if self._link is not None:
                self._link.gone(self._clocks.now())
            self.close()

    def _transmit(self) -> None:
        if self._reply is None:
            return
        now = self._clocks.loop_time()
        for datagram, address in self._line.bytes_to_send(now):
            self._reply(datagram, address)
        if self._closing and self._line.is_flushed:
            self._line.close()
            for datagram, address in self._line.bytes_to_send(now):
                self._reply(datagram, address)

    def _mind_backlog(self) -> None:
        """Have the partner read only as fast as this client acknowledges."""
        if self._link is None or self._closing:
            return
        most = max(_BACKLOG_MIN_BYTES, self._lobby.share_bytes)
        backlog_bytes = self._line.backlog_bytes
        if not self._choked and backlog_bytes > most:
            self._choked = True
            self._link.choked(self._clocks.now())
        elif self._choked and backlog_bytes <= most // 2:
            self._choked = False
            self._link.relieved()

    def _is_owed(self) -> bool:
        """Tell whether the link still has to take what arrived before the end."""
        return bool(self._held) and not self._closing

    def _leave(self) -> None:
        if self._left:
            return
        self._left = True
        self._patience.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._link is not None:
            self._link.gone(self._clocks.now())
        self._lobby.left(self, self._names, was_link=self._link is not None)

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
        self._line.on_deadline(self._clocks.loop_time())
        self._pump()
