"""A raw relay client over real TLS, for tests: it says, hears, sends and trusts any key."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from relay.certificate import Certificate
from relay.config import RelayTable, settle
from relay.log import Log
from relay.server import RelayServer
from tallow.wire.frames import LinkType, encode_link, read_link_header
from tallow.wire.relay import (
    ALPN,
    ClientHello,
    ClientSays,
    Paired,
    RelayHello,
    RelaySays,
    Take,
    client_frame,
    decode_relay,
)

ID = b"i" * 32
FIRST = b"\x00\x00\x00\x02\x01x"
NONCE = b"c" * 32


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        """Start anywhere."""
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the instant."""
        return self.now


async def start_relay(
    certificate: Certificate,
    clock: Clock,
    *,
    password_key: bytes | None = None,
    lines: list[str] | None = None,
    **table: object,
) -> tuple[RelayServer, int]:
    """Start a relay on a free port of this machine and return it with the port."""
    settings = settle(RelayTable(), "test", {"listen": "127.0.0.1:0", **table})
    log = Log((lines if lines is not None else []).append)
    server = RelayServer(settings, certificate, log, password_key=password_key, now=clock)
    _, port = await server.start()
    return server, port


def trusting_context(alpn: str | None = ALPN) -> ssl.SSLContext:
    """Return a client context that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn is not None:
        context.set_alpn_protocols([alpn])
    return context


class Client:
    """One link to a relay."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak over these streams."""
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int, *, receive_bytes: int | None = None) -> Client:
        """Connect; ``receive_bytes`` makes the kernel's buffer small."""
        sock = socket.socket()
        if receive_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        streams = await asyncio.open_connection(
            sock=sock, ssl=trusting_context(), server_hostname="", limit=64 * 1024
        )
        return cls(*streams)

    @classmethod
    async def enter(
        cls, port: int, verb: ClientSays, *, receive_bytes: int | None = None
    ) -> Client:
        """Connect, exchange hellos and say a verb."""
        client = await cls.connect(port, receive_bytes=receive_bytes)
        client.say(ClientHello([1], NONCE), verb)
        assert isinstance(await client.hear(), RelayHello)
        return client

    def say(self, *messages: ClientSays) -> None:
        """Send relay messages in one write."""
        self.writer.write(b"".join(client_frame(message) for message in messages))

    def send(self, body: bytes) -> None:
        """Send DATA."""
        self.writer.write(encode_link(LinkType.DATA, body))

    async def frame(self) -> tuple[LinkType, bytes]:
        """Return the next frame."""
        header = await self.reader.readexactly(5)
        kind, length = read_link_header(header)
        return kind, await self.reader.readexactly(length)

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
        """Wait for the end of the stream; True if nothing came before it."""
        try:
            return await self.reader.read(1) == b""
        except (ConnectionError, ssl.SSLError):
            return True

    async def close(self) -> None:
        """End the link."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except (OSError, ssl.SSLError):
            pass  # The relay may have ended it first.


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - sockets signal nobody but the relay
            await asyncio.sleep(0)
