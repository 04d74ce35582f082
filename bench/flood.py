"""Many connections a second from many loopback addresses, held open: what a relay must stand.

    python -m bench.flood --port 4433 [--per-second 300] [--addresses 1000] [--seconds 10]

Only 127.0.0.1 is ever a target, every source is bound inside 127.0.0.0/8, and rate and time have
caps: this measures our own relay on this machine and is of no use against another one. With
``--hello`` each connection also begins a TLS handshake, which costs the relay a signature.
``--discard`` is the other half of a control run: a port that accepts and reads away.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import selectors
import socket
import ssl
import sys
import time

from tallow.wire.relay import ALPN

TARGET = "127.0.0.1"
PER_SECOND_MAX = 1000
SECONDS_MAX = 30.0
ADDRESSES_MAX = 4000


def raise_file_limit(wanted: int) -> None:
    """Allow as many open files as this process needs, or as many as it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def source_address(number: int) -> str:
    """Return one of many addresses of 127.0.0.0/8, never the first net's."""
    return f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"


def opening() -> bytes:
    """Return the first bytes of a TLS handshake with the relay's protocol name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([ALPN])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(incoming, outgoing).do_handshake()
    except ssl.SSLWantReadError:
        pass  # The first flight stands in the BIO; nobody answers it here.
    return outgoing.read()


class Flood:
    """Opens at a steady rate and holds everything until the target or the end closes it."""

    def __init__(self, port: int, addresses: int, first: bytes) -> None:
        """Aim at a port of this machine."""
        self._target = (TARGET, port)
        self._addresses = addresses
        self._first = first
        self._selector = selectors.DefaultSelector()
        self._opened = 0
        self.failed = 0
        self.closed = 0

    def run(self, per_second: int, seconds: float) -> int:
        """Open connections until the time is up and return how many were begun."""
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            while self._opened < passed * per_second:
                self._open()
            for key, events in self._selector.select(timeout=0.002):
                self._serve(key.fileobj, events)  # type: ignore[arg-type]  # only sockets
        for key in list(self._selector.get_map().values()):
            self._drop(key.fileobj)  # type: ignore[arg-type]  # only sockets
        return self._opened

    def _open(self) -> None:
        number, self._opened = self._opened, self._opened + 1
        sock = socket.socket()
        sock.setblocking(False)
        try:
            sock.bind((source_address(number % self._addresses), 0))
            sock.connect_ex(self._target)
            self._selector.register(sock, selectors.EVENT_WRITE)
        except OSError:
            self.failed += 1
            sock.close()

    def _serve(self, sock: socket.socket, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                if self._first:
                    sock.send(self._first)
                self._selector.modify(sock, selectors.EVENT_READ)
            elif not sock.recv(65536):
                self.closed += 1
                self._drop(sock)
        except BlockingIOError:
            pass
        except OSError:
            self.failed += 1
            self._drop(sock)

    def _drop(self, sock: socket.socket) -> None:
        self._selector.unregister(sock)
        sock.close()


class Discard(asyncio.Protocol):
    """Takes everything and says nothing."""


async def discard() -> None:
    """Serve a discard port on the loopback until killed; print the port."""
    server = await asyncio.get_running_loop().create_server(Discard, TARGET, 0, backlog=512)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def main() -> int:
    """Flood, or be flooded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int)
    parser.add_argument("--per-second", type=int, default=300)
    parser.add_argument("--addresses", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--hello", action="store_true")
    parser.add_argument("--discard", action="store_true")
    options = parser.parse_args()
    raise_file_limit(16384)
    if options.discard:
        asyncio.run(discard())
        return 0
    if options.port is None:
        parser.error("--port or --discard is needed")
    per_second = min(options.per_second, PER_SECOND_MAX)
    addresses = max(1, min(options.addresses, ADDRESSES_MAX))
    flood = Flood(options.port, addresses, opening() if options.hello else b"")
    began = time.monotonic()
    opened = flood.run(per_second, min(options.seconds, SECONDS_MAX))
    took = time.monotonic() - began
    sys.stdout.write(f"{opened} {took:.2f} {flood.failed} {flood.closed}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
