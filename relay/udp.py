"""The relay's UDP sockets: one beside every TCP socket, on the same port number.

Until somebody speaks QUIC they cost a file each: only a datagram that can be the first of a QUIC
connection makes the relay load QUIC at all (15 MB, a tenth of a second). Everything else that
arrives is dropped after a look at its first bytes. This module knows nothing of what is inside.
Before: server.py. After: quic.py. Spec: docs/protocol.md §4.4.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable, Iterable
from typing import Any, Protocol, cast

from tallow.wire import limits

Address = Any
"""(host, port) or (host, port, flow, scope)."""
Reply = Callable[[bytes, Address], None]

_INITIAL_MIN_BYTES = 1200
"""A client pads its first datagram to this size (RFC 9000 §14.1)."""
_ID_BYTES = range(8, 21)
"""How long the connection id is that a client makes up (RFC 9000 §7.2, §17.2)."""
_LONG_FIXED = 0xC0
_TYPE = 0x30
_INITIAL_TYPES = {b"\x00\x00\x00\x01": 0x00, b"\x6b\x33\x43\xcf": 0x10}
"""Where QUIC 1 and QUIC 2 keep the type of a long header, and how Initial is written there."""
_RECEIVE_BUFFER_BYTES = 4 * limits.MIB
"""What is asked of the kernel; it gives what its owner allows."""


class QuicSide(Protocol):
    """Whoever understands QUIC."""

    def receive(self, datagram: bytes, address: Address, reply: Reply) -> None:
        """Take a datagram; ``reply`` sends over the socket that it came from."""

    def close(self) -> None:
        """Begin no new connection."""


def begins_quic(datagram: bytes) -> bool:
    """Return whether a datagram can be the first of a QUIC connection (RFC 9000 §17.2.2)."""
    return (
        len(datagram) >= _INITIAL_MIN_BYTES
        and datagram[0] & _LONG_FIXED == _LONG_FIXED
        and _INITIAL_TYPES.get(datagram[1:5]) == datagram[0] & _TYPE
        and datagram[5] in _ID_BYTES
    )


class UdpDoor(asyncio.DatagramProtocol):
    """One socket; QUIC is loaded when the first datagram asks for it."""

    def __init__(self, sock: socket.socket, open_quic: Callable[[], QuicSide | None]) -> None:
        """Read from a bound socket; ``open_quic`` loads and returns QUIC, None without it."""
        self._socket = sock
        self._open_quic = open_quic
        self._quic: QuicSide | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Python 3.11's own datagram transport does not derive from the class that it implements.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._take(data, addr)
        # asyncio reads one datagram a turn; what waits behind it costs a call instead of a turn.
        for _ in range(limits.QUIC_BATCH_DATAGRAMS):
            try:
                self._take(*self._socket.recvfrom(limits.DATAGRAM_MAX_BYTES))
            except OSError:
                break

    def error_received(self, exc: Exception) -> None:
        """Go on: an error concerns one datagram, and nobody can tell whose."""

    def connection_lost(self, _exc: Exception | None) -> None:
        self._gone.set()

    def send(self, datagram: bytes, address: Address) -> None:
        """Send a datagram, which the network may lose."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(datagram, address)

    def close(self) -> None:
        """Give the socket back."""
        if self._transport is not None:
            self._transport.abort()

    async def closed(self) -> None:
        """Wait until the socket is given back."""
        await self._gone.wait()

    def _take(self, datagram: bytes, address: Address) -> None:
        if self._quic is None and begins_quic(datagram):
            self._quic = self._open_quic()
        if self._quic is not None:
            self._quic.receive(datagram, address, self.send)


async def open_doors(
    beside: Iterable[socket.socket], open_quic: Callable[[], QuicSide | None]
) -> list[UdpDoor]:
    """Return a door on the address of every TCP socket; OSError if one of them is taken."""
    loop = asyncio.get_running_loop()
    doors: list[UdpDoor] = []
    try:
        for tcp in beside:
            sock = _bound_like(tcp)
            _, door = await loop.create_datagram_endpoint(
                functools.partial(UdpDoor, sock, open_quic), sock=sock
            )
            doors.append(door)
    except OSError:
        for door in doors:
            door.close()
        raise
    return doors


def _bound_like(tcp: socket.socket) -> socket.socket:
    sock = socket.socket(tcp.family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if tcp.family == socket.AF_INET6:
            only_v6 = tcp.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_v6)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        sock.bind(tcp.getsockname())
    except OSError:
        sock.close()
        raise
    return sock
