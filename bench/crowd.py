"""Many rooms with two TLS clients each, all in one process that keeps little per client.

The clients speak the relay's own protocol over blocking handshakes and then a selector; what they
send is noise in DATA frames. They stand in for programs, whose memory is not what is measured.
Before: relay_load.py.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from collections import defaultdict

from tallow.wire.frames import LinkType, encode_link
from tallow.wire.relay import ALPN, ClientHello, Meet, Take, client_frame

FRAME = encode_link(LinkType.DATA, bytes(256 * 1024))
SETTLE = encode_link(LinkType.DATA, b"third flight")
HANDSHAKE_WITHIN_S = 30.0


class Crowd:
    """Two clients per room; the second one has spoken, so that the pair is settled."""

    def __init__(self, port: int) -> None:
        """Aim at a relay of this machine."""
        self._port = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self._context.set_alpn_protocols([ALPN])
        self.rooms: list[tuple[ssl.SSLSocket, ssl.SSLSocket]] = []
        self._at: defaultdict[int, int] = defaultdict(int)
        """How much of its present frame each sender has sent: streams outlive a measurement."""

    def fill(self, rooms: int) -> None:
        """Open rooms until there are so many."""
        while len(self.rooms) < rooms:
            name = len(self.rooms).to_bytes(32, "big")
            pair = self._enter(name), self._enter(name)
            pair[0].sendall(client_frame(Take(1)))
            pair[1].sendall(SETTLE)
            self.rooms.append(pair)
        for pair in self.rooms:
            for client in pair:
                client.setblocking(False)

    def send(self, seconds: float, *, read: bool) -> None:
        """Let every first client send, and every second one read or not."""
        selector = selectors.DefaultSelector()
        for first, second in self.rooms:
            selector.register(first, selectors.EVENT_WRITE)
            if read:
                selector.register(second, selectors.EVENT_READ)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for key, events in selector.select(timeout=0.1):
                client = key.fileobj
                if not isinstance(client, ssl.SSLSocket):
                    continue
                try:
                    if events & selectors.EVENT_WRITE:
                        start = self._at[key.fd]
                        sent = client.send(FRAME[start : start + 16384])
                        self._at[key.fd] = (start + sent) % len(FRAME)
                    else:
                        client.recv(65536)
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    continue
        selector.close()

    def leave(self) -> None:
        """Close everything."""
        for pair in self.rooms:
            for client in pair:
                client.close()
        self.rooms.clear()
        self._at.clear()

    def _enter(self, name: bytes) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self._port), timeout=HANDSHAKE_WITHIN_S)
        client = self._context.wrap_socket(plain)
        client.sendall(client_frame(ClientHello([1], b"c" * 32)) + client_frame(Meet(name, 600)))
        # The greeting and the answer to the verb: after both the seat is taken.
        heard = b""
        while heard.count(b"\xa1t\xa5hello") < 1 or not (b"waiting" in heard or b"paired" in heard):
            chunk = client.recv(4096)
            if not chunk:
                raise RuntimeError(f"the relay closed a link: {heard!r}")
            heard += chunk
        return client
