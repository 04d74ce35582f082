"""One QUIC connection that carries one stream of bytes: no socket, no clock, no await.

Relay and client run this same machine; their shells feed datagrams, hand in ``now``, drain events
and send what comes out. aioquic does the work, within the bounds of quic_bounds.py. Loading this
module loads aioquic, about 15 MB and a tenth of a second, so it is imported at the first need.
Before: relay/quic_wire.py, engine/transport/quic.py. It never parses a link frame.
Spec: docs/protocol.md §4.4; RFC 9000, RFC 9001.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aioquic import tls
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import logger
from aioquic.quic.packet import QuicErrorCode, QuicFrameType
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from tallow.wire import limits
from tallow.wire.quic_bounds import STREAM, BoundedConnection
from tallow.wire.relay import ALPN

Address = Any
"""A socket address, as the shell's socket writes it."""

# It would write to standard error what strangers send.
logger.disabled = True

_CERT_NONE = 0
"""``ssl.CERT_NONE``, without a library that opens sockets."""
_NO_APPLICATION_PROTOCOL = QuicErrorCode.CRYPTO_ERROR + 120
"""TLS alert 120, as QUIC writes it (RFC 9001 §8.1)."""
_NO_LIMIT_BYTES = 1 << 60
"""The connection's own window: one stream has one window, the stream's."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The handshake is done and both sides speak Tallow's protocol."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """Bytes of the stream, in order; ``credit`` them once they are consumed."""

    chunk: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """The other side will send nothing more."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection is over and nothing can be sent any more."""

    why: str
    answered: bool
    """False if the other side was merely silent."""


@dataclass(frozen=True, slots=True)
class Named:
    """Datagrams for this connection id belong here."""

    connection_id: bytes


@dataclass(frozen=True, slots=True)
class Unnamed:
    """Datagrams for this connection id no longer belong here."""

    connection_id: bytes


LineEvent = Ready | Arrived | Finished | Ended | Named | Unnamed


def client_line(host: str) -> QuicLine:
    """Return a connection to be made; whoever checks the certificate does so at Ready."""
    configuration = _configuration(is_client=True, window_bytes=limits.QUIC_WINDOW_MAX_BYTES)
    configuration.server_name = host
    # The pin, or ``is_vouched_for``, replaces the check inside the handshake.
    configuration.verify_mode = _CERT_NONE
    return QuicLine(BoundedConnection(configuration))


def server_configuration(certificate_pem: bytes, key_pem: bytes) -> QuicConfiguration:
    """Return what all connections of a relay share; ValueError if a file does not hold its PEM."""
    configuration = _configuration(is_client=False, window_bytes=limits.QUIC_WINDOW_MIN_BYTES)
    chain = x509.load_pem_x509_certificates(certificate_pem)
    configuration.certificate, configuration.certificate_chain = chain[0], chain[1:]
    configuration.private_key = load_pem_private_key(key_pem, None)
    return configuration


def server_line(
    configuration: QuicConfiguration, original_id: bytes, retry_id: bytes | None = None
) -> QuicLine:
    """Return the server's side of the connection that a client's first datagram names.

    ``retry_id`` is the connection id of the Retry that the client answers, if there was one.
    """
    return QuicLine(
        BoundedConnection(
            configuration,
            original_destination_connection_id=original_id,
            retry_source_connection_id=retry_id,
        )
    )


class QuicLine:
    """One stream over one connection."""

    def __init__(self, connection: BoundedConnection) -> None:
        """Drive a connection that ``client_line`` or ``server_line`` made."""
        self._connection = connection
        self._waiting: events.QuicEvent | None = None
        self._over: Ended | None = None
        self._said_over = False
        self._finished = False

    @property
    def certificate_der(self) -> bytes:
        """The certificate that the other side showed and proved to own, empty if none."""
        shown: x509.Certificate | None = self._connection.tls._peer_certificate
        return b"" if shown is None else shown.public_bytes(Encoding.DER)

    def is_vouched_for(self, host: str, cafile: str | None, capath: str | None) -> bool:
        """Return whether a certificate authority vouches for what the other side showed.

        Authorities are those of the file and the folder, or of certifi if there is neither.
        """
        shown = self._connection.tls
        if shown._peer_certificate is None:
            return False
        try:
            tls.verify_certificate(
                shown._peer_certificate,
                shown._peer_certificate_chain,
                server_name=host,
                cafile=cafile,
                capath=capath,
            )
        except (tls.Alert, ValueError):
            return False
        return True

    @property
    def host_id(self) -> bytes:
        """The first connection id of this side."""
        return self._connection.host_cid

    @property
    def backlog_bytes(self) -> int:
        """Bytes that were written and that the other side has not acknowledged."""
        stream = self._connection._streams.get(STREAM)
        if stream is None:
            return 0
        return stream.sender._buffer_stop - stream.sender._buffer_start

    @property
    def is_flushed(self) -> bool:
        """Whether the end of the stream was sent and acknowledged."""
        stream = self._connection._streams.get(STREAM)
        return self._finished and (stream is None or stream.sender.is_finished)

    # --- the five doors -----------------------------------------------------------------------

    def receive(self, datagram: bytes, address: Address, now: float) -> None:
        """Take a datagram; what it means comes out as events."""
        self._connection.receive_datagram(datagram, address, now)

    def next_event(self) -> LineEvent | None:
        """Return what happened next, or None."""
        while not self._said_over:
            event = self._next_raw()
            if event is None:
                closed = self._connection._close_event
                if self._over is None and closed is not None and self._has_said_goodbye:
                    self._over = _end_of(closed)
                self._said_over = self._over is not None
                return self._over
            told = self._tell(event)
            if told is not None:
                return told
        return None

    def bytes_to_send(self, now: float) -> list[tuple[bytes, Address]]:
        """Return the datagrams to send, each with where it goes."""
        if self._over is not None:
            return []
        return self._connection.datagrams_to_send(now)

    def next_deadline(self) -> float | None:
        """Return when ``on_deadline`` is due; ask after every ``bytes_to_send``."""
        return None if self._over is not None else self._connection.get_timer()

    def on_deadline(self, now: float) -> None:
        """Notice losses and silence."""
        deadline = self.next_deadline()
        if deadline is not None and now >= deadline:
            self._connection.handle_timer(now)

    # --- verbs --------------------------------------------------------------------------------

    def connect(self, address: Address, now: float) -> None:
        """Begin the handshake, as a client."""
        self._connection.connect(address, now)

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Queue bytes; they are copied."""
        if not self._finished:
            self._put(chunk, end=False)

    def finish(self) -> None:
        """Say that nothing more will be written."""
        if not self._finished:
            self._finished = True
            self._put(b"", end=True)

    def credit(self, consumed_bytes: int, window_bytes: int) -> None:
        """Let the other side send on, up to a window beyond all that was consumed."""
        self._connection.consumed(consumed_bytes, window_bytes)

    def ping(self) -> None:
        """Ask for a sign of life."""
        if self._over is None:
            self._connection.send_ping(0)

    def close(self) -> None:
        """End the connection; what was not acknowledged may be lost."""
        self._connection.close()

    # --- inside -------------------------------------------------------------------------------

    def _put(self, chunk: bytes | bytearray | memoryview, *, end: bool) -> None:
        if self._over is not None:
            return
        try:
            # The stream's buffer grows by any bytes-like object; bytes() would copy twice.
            self._connection.send_stream_data(STREAM, chunk, end)  # type: ignore[arg-type]
        except (RuntimeError, ValueError):
            pass  # The other side wants no more, or ended the stream; an event says so.

    @property
    def _has_said_goodbye(self) -> bool:
        """Whether nothing is left to send on a connection that is closed, by either side."""
        return not self._connection._close_pending

    def _next_raw(self) -> events.QuicEvent | None:
        waiting, self._waiting = self._waiting, None
        return waiting or self._connection.next_event()

    def _tell(self, event: events.QuicEvent) -> LineEvent | None:
        match event:
            case events.StreamDataReceived():
                return self._data(event)
            case events.HandshakeCompleted():
                if event.alpn_protocol == ALPN:
                    return Ready()
                self._connection.close(_NO_APPLICATION_PROTOCOL, QuicFrameType.CRYPTO)
            case events.ConnectionTerminated():
                self._over = _end_of(event)
            case events.ConnectionIdIssued():
                return Named(event.connection_id)
            case events.ConnectionIdRetired():
                return Unnamed(event.connection_id)
            case events.StreamReset() | events.StopSendingReceived():
                self._connection.close()
                return Finished()
            case _:
                pass
        return None

    def _data(self, event: events.StreamDataReceived) -> LineEvent | None:
        """Join what arrived in one go: frames are taken apart faster in large pieces."""
        if event.stream_id != STREAM:
            self._connection.close(QuicErrorCode.STREAM_LIMIT_ERROR, QuicFrameType.STREAM_BASE)
            return None
        chunks = [event.data]
        while not event.end_stream:
            following = self._connection.next_event()
            if (
                not isinstance(following, events.StreamDataReceived)
                or following.stream_id != STREAM
            ):
                self._waiting = following
                break
            event = following
            chunks.append(event.data)
        if event.end_stream:
            self._waiting = events.StreamDataReceived(b"", True, STREAM)
        chunk = b"".join(chunks)
        if chunk:
            return Arrived(chunk)
        self._waiting = None
        return Finished()


def _configuration(*, is_client: bool, window_bytes: int) -> QuicConfiguration:
    return QuicConfiguration(
        is_client=is_client,
        alpn_protocols=[ALPN],
        idle_timeout=limits.QUIC_IDLE_S,
        max_data=_NO_LIMIT_BYTES,
        max_stream_data=window_bytes,
    )


def _end_of(event: events.ConnectionTerminated) -> Ended:
    """Say it in our words: a reason phrase is the other side's text."""
    code = event.error_code
    if code == QuicErrorCode.INTERNAL_ERROR and event.reason_phrase == "Idle timeout":
        return Ended("it fell silent", answered=False)
    if code == QuicErrorCode.NO_ERROR:
        return Ended("it was closed", answered=True)
    if QuicErrorCode.CRYPTO_ERROR <= code < QuicErrorCode.CRYPTO_ERROR + 0x100:
        return Ended(f"TLS failed, alert {code - QuicErrorCode.CRYPTO_ERROR}", answered=True)
    return Ended(f"QUIC error {code}", answered=True)
