"""The relay on the network: sockets, clock, chance, signals, and an orderly end.

The server accepts TCP, gives each connection its TLS pump and its link, wakes the switch once a
second, and drains on SIGTERM: nobody new comes in, running pairs may finish, then it closes. It
decides nothing about rooms (hub.py) and parses nothing (link.py).
Spec: docs/protocol.md §4.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import signal
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from relay.certificate import Certificate
from relay.config import Settings
from relay.errors import EXIT_NETWORK, EXIT_USAGE, RelayError
from relay.half_open import HalfOpen
from relay.hub import Hub, HubRules
from relay.link import Link, Wire
from relay.log import Log
from relay.quota import Quota
from relay.switch import Switch
from relay.tls import ReadBuffers, TlsWire, server_context
from relay.udp import QuicSide, UdpDoor, open_doors
from tallow.wire import limits

_SWEEP_EVERY_S = 1.0
_BACKLOG = 512
_SPARE_FILES = 64
_FILES_PER_LANE = 4
_REFUSALS_PER_S = 10
"""How many refused connections may have a TLS handshake, to be told why."""
_PORT_TRIES = 8
"""The system chooses a free TCP port; whether UDP is free there too is luck."""


class Ending(Wire, Protocol):
    """A transport under a link that can be ended at once."""

    def abort(self) -> None:
        """End; what was not sent is lost."""


class RelayServer:
    """One listening relay."""

    def __init__(
        self,
        settings: Settings,
        certificate: Certificate,
        log: Log,
        *,
        password_key: bytes | None = None,
        now: Callable[[], float] = time.monotonic,
        unix_s: Callable[[], float] = time.time,
        random_below: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        """Prepare everything but the sockets; RelayError if the certificate cannot be used."""
        rules = HubRules(
            password_key=password_key,
            key_hash=certificate.key_hash,
            orphan_s=settings.orphan_s,
            expires_max_s=settings.expires_max_s,
            lanes=limits.LANES_PER_SESSION_MAX if _can_watch_sockets() else 0,
        )
        self.now = now
        self.loop_time: Callable[[], float] = time.monotonic
        self.random_bytes: Callable[[int], bytes] = secrets.token_bytes
        self.buffers = ReadBuffers()
        self._quota = Quota(settings.quota)
        self.hub = Hub(random_below, rules, self._quota)
        self.switch = Switch(self.hub, log, lambda: int(unix_s()))
        self.context = _context(certificate)
        # Read now: a certificate renewed on the disk would differ from what TLS shows.
        self._pem = _read_pem(certificate) if settings.quic else None
        self._settings = settings
        self._log = log
        self._server: asyncio.Server | None = None
        self._doors: list[UdpDoor] = []
        self._quic: QuicSide | None = None
        self._wires: set[Ending] = set()
        self._half_open: HalfOpen[TlsWire] = HalfOpen()
        self._tick: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._refusals_left = _REFUSALS_PER_S

    # --- life ---------------------------------------------------------------------------------

    async def start(self) -> tuple[str, int]:
        """Listen and return the address; RelayError says why that is not possible."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._note_failure)
        self.loop_time = loop.time
        self._make_room_for_links()
        host, port = self._settings.host, self._settings.port
        try:
            server = self._server = await self._listen(host, port)
        except OSError as error:
            raise _cannot_listen(host, port, error) from error
        self._tick = loop.call_later(_SWEEP_EVERY_S, self._sweep)
        bound = server.sockets[0].getsockname()
        return str(bound[0]), int(bound[1])

    async def drain(self) -> None:
        """Take nobody in any more, tell everybody, and wait for running pairs to finish."""
        self._log.event("drain", pairs=self.hub.pairs(), limit_s=self._settings.drain_s)
        self.switch.drain(self.now())
        try:
            async with asyncio.timeout(self._settings.drain_s):
                while self.hub.pairs():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            self._log.event("drain.cut", pairs=self.hub.pairs())

    async def close(self) -> None:
        """Stop listening, end every link, and wait until what was written has left."""
        self._stop_listening()
        self.switch.close_all(self.now())
        while self._wires:
            self._changed.clear()
            await self._changed.wait()
        self._close_doors()
        for door in self._doors:
            await door.closed()
        if self._server is not None:
            await self._server.wait_closed()

    def abort(self) -> None:
        """Stop at once; what was not sent is lost."""
        self._stop_listening()
        for wire in list(self._wires):
            wire.abort()
        self.switch.lanes.close()
        self._close_doors()

    # --- what a transport asks ----------------------------------------------------------------

    def admit(self, wire: Ending, address: str) -> Link:
        """Give a new connection its link."""
        self._wires.add(wire)
        self.buffers.share_among(2 * self.hub.pairs())
        return self.switch.open(wire, address, self.now())

    def may_be_refused_in_words(self) -> bool:
        """Tell whether a refused connection gets a TLS handshake; in a flood most do not."""
        self._refusals_left -= 1
        return self._refusals_left >= 0

    def may_knock(self, address: str) -> bool:
        """Tell whether an address gets a QUIC handshake: refused ones do within the same bound."""
        refused = self._quota.refuses_link(address, self.now())
        return not refused or self.may_be_refused_in_words()

    def handshake_begins(self, wire: TlsWire, address: str) -> None:
        """Count a TLS handshake, and end another one where there are too many."""
        victim = self._half_open.begin(wire, address)
        if victim is not None:
            self._log.event("refused", code="half-open", address=victim.address)
            victim.abort()

    def handshake_ends(self, wire: TlsWire) -> None:
        """Note that a TLS handshake is over."""
        self._half_open.end(wire)

    def lane_arrives(self, transport: asyncio.Transport, opening: bytes, address: str) -> None:
        """Let a lane in by its token, or end it without a word."""
        if not self.switch.lanes.arrive(transport, opening, self.now()):
            self._log.event("refused", code="lane", address=address)

    def left(self, wire: Ending) -> None:
        """Note that a connection is gone."""
        self._wires.discard(wire)
        self.buffers.share_among(2 * self.hub.pairs())
        self._changed.set()

    # --- inside -------------------------------------------------------------------------------

    def _sweep(self) -> None:
        self._refusals_left = _REFUSALS_PER_S
        self._tick = asyncio.get_running_loop().call_later(_SWEEP_EVERY_S, self._sweep)
        self.switch.sweep(self.now())
        self._changed.set()

    async def _listen(self, host: str, port: int) -> asyncio.Server:
        """Open the TCP sockets and, beside each, a UDP one on the same port."""
        for tries_left in reversed(range(1 if port else _PORT_TRIES)):
            server = await self._listen_tcp(host, port)
            if not self._settings.quic:
                return server
            try:
                self._doors = await open_doors(server.sockets, self._open_quic)
            except OSError:
                server.close()
                if not tries_left:
                    raise
            else:
                return server
        raise OSError(errno.EADDRINUSE, "no port is free for TCP and UDP")

    async def _listen_tcp(self, host: str, port: int) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        if host == "::" and socket.has_dualstack_ipv6():
            both = socket.create_server(
                (host, port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG
            )
            return await loop.create_server(lambda: TlsWire(self), sock=both)
        return await loop.create_server(lambda: TlsWire(self), host, port, backlog=_BACKLOG)

    def _open_quic(self) -> QuicSide | None:
        """Load QUIC, once; None, with a line in the log, where that is not possible."""
        if self._quic is None and self._pem is not None:
            pem, self._pem = self._pem, None
            try:
                from relay.quic import QuicLobby

                self._quic = QuicLobby(self, *pem)
                self._log.event("quic.open")
            except (ImportError, ValueError, TypeError) as error:
                self._log.event("quic.none", error=type(error).__name__)
        return self._quic

    def _close_doors(self) -> None:
        for door in self._doors:
            door.close()

    def _stop_listening(self) -> None:
        if self._tick is not None:
            self._tick.cancel()
        if self._server is not None:
            self._server.close()
        if self._quic is not None:
            self._quic.close()

    def _make_room_for_links(self) -> None:
        try:
            import resource
        except ImportError:
            return
        wanted = self._settings.quota.links + _FILES_PER_LANE * limits.RELAY_LANES_MAX
        wanted += _SPARE_FILES
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < wanted:
            self._log.event("files.short", wanted=wanted, allowed=hard)
            wanted = hard
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

    def _note_failure(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log what failed without its values: they may be a client's."""
        error = context.get("exception")
        trace = error.__traceback__ if isinstance(error, BaseException) else None
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else ""
        self._log.event("failure", error=type(error).__name__, where=where)


async def serve(server: RelayServer) -> int:
    """Run a started server until a signal; return the exit code.

    The first SIGTERM or SIGINT drains and closes; a second one ends it at once.
    """
    signals: asyncio.Queue[int] = asyncio.Queue()
    _watch_signals(signals)
    await signals.get()
    orderly = asyncio.create_task(_end_orderly(server))
    again = asyncio.create_task(signals.get())
    await asyncio.wait({orderly, again}, return_when=asyncio.FIRST_COMPLETED)
    if orderly.done():
        again.cancel()
        orderly.result()
        return 0
    orderly.cancel()
    server.abort()
    return 128 + again.result()


async def _end_orderly(server: RelayServer) -> None:
    await server.drain()
    await server.close()


def _can_watch_sockets() -> bool:
    """Tell whether lanes can be carried: some loops wait for operations, not for sockets."""
    return not hasattr(asyncio, "ProactorEventLoop")


def _watch_signals(signals: asyncio.Queue[int]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, signals.put_nowait, int(number))
        except NotImplementedError:
            signal.signal(
                number,
                lambda got, _frame: loop.call_soon_threadsafe(signals.put_nowait, got) and None,
            )


def _context(certificate: Certificate) -> ssl.SSLContext:
    try:
        return server_context(certificate.certificate, certificate.key)
    except (OSError, ValueError) as error:
        raise RelayError(
            f"The certificate {certificate.certificate} and its key cannot be used: {error}",
            "Set cert and key to PEM files that belong together, or leave both out.",
            EXIT_USAGE,
        ) from error


def _read_pem(certificate: Certificate) -> tuple[bytes, bytes]:
    """Return certificate and key as they are on the disk now."""
    return _read_start(certificate.certificate), _read_start(certificate.key)


def _read_start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(limits.RELAY_CONFIG_MAX_BYTES)


def _cannot_listen(host: str, port: int, error: OSError) -> RelayError:
    if isinstance(error, socket.gaierror):
        why, hint = "there is no such host", "Use an address of this machine, as in 0.0.0.0:4433."
    elif error.errno == errno.EADDRINUSE:
        why = "the port is in use"
        hint = (
            "Is a relay running already? Stop it, or choose another port with --listen;"
            " if only UDP is taken, --no-quic leaves it alone."
        )
    elif error.errno == errno.EACCES:
        why = "this port is reserved"
        hint = "Ports below 1024 need a privilege; use --listen with a higher one."
    else:
        why = error.strerror or str(error)
        hint = "Use an address of this machine, as in 0.0.0.0:4433 or [::]:4433."
    return RelayError(f"Cannot listen on {host}:{port}: {why}.", hint, EXIT_NETWORK)
