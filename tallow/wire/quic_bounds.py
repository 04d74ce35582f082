"""What a stranger can make a QUIC connection hold: bounds that aioquic does not have.

aioquic raises a stream's limit as bytes arrive, to twice what came, whether or not anybody took
them: whoever reads slowly would hold everything, and a reassembly buffer would grow with it. Here
limits follow what was consumed. There is one stream, and the TLS handshake is small.
These methods are aioquic's own, by names that it does not promise to keep; without them this
module refuses to load, and there is no QUIC rather than one without bounds.
Neighbour: quic.py. Spec: docs/protocol.md §4.4; RFC 9000 §4.
"""

from __future__ import annotations

from typing import Any

from aioquic.buffer import Buffer  # type: ignore[attr-defined]  # documented, not declared
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import (
    MAX_STREAM_DATA_FRAME_CAPACITY,
    QuicConnection,
    QuicConnectionError,
    QuicReceiveContext,
)
from aioquic.quic.packet import QuicErrorCode, QuicFrameType
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketPacer, QuicPacketSpace
from aioquic.quic.stream import QuicStream

from tallow.wire import limits

STREAM = 0
"""The first bidirectional stream that a client opens, and the only one there is."""

_OVERRIDDEN = ("_write_stream_limits", "_handle_crypto_frame")
_TIMER_TICK_S = 0.005

for _name in _OVERRIDDEN:
    if not hasattr(QuicConnection, _name):
        raise ImportError(f"this aioquic has no {_name}", name="aioquic")


class _CoarsePacer(QuicPacketPacer):
    """A pacer for timers that are late by a millisecond and more, as event loops' are."""

    def update_rate(self, congestion_window: int, smoothed_rtt: float) -> None:
        """Let what is due between two ticks leave at once, a quarter faster than the window.

        The quarter is RFC 9002 §7.7: without it a sender never finds out that it could go faster.
        """
        super().update_rate(congestion_window * 5 // 4, smoothed_rtt)
        self.bucket_max = max(self.bucket_max, _TIMER_TICK_S)


class BoundedConnection(QuicConnection):
    """aioquic's connection with bounds on what the other side can make it hold."""

    def __init__(self, configuration: QuicConfiguration, **options: Any) -> None:
        """Allow one stream, which the client opens, and what the configuration's window says."""
        super().__init__(configuration=configuration, **options)
        streams = 0 if configuration.is_client else 1
        self._local_max_streams_bidi.value = self._local_max_streams_bidi.sent = streams
        self._local_max_streams_uni.value = self._local_max_streams_uni.sent = 0
        self._loss._pacer = _CoarsePacer(max_datagram_size=configuration.max_datagram_size)
        self._consumed_bytes = 0
        self._allowed_bytes = configuration.max_stream_data
        self._step_bytes = limits.QUIC_WINDOW_MIN_BYTES // 4

    def consumed(self, count: int, window_bytes: int) -> None:
        """Raise the stream's limit, never beyond twice what the other side really sent."""
        self._consumed_bytes += count
        earned = max(limits.QUIC_WINDOW_MIN_BYTES, min(window_bytes, self._consumed_bytes))
        self._allowed_bytes = max(self._allowed_bytes, self._consumed_bytes + earned)
        self._step_bytes = earned // 4

    def _confirm_handshake(self) -> None:
        """Free 48 KiB that a server's side has no use for after its handshake."""
        super()._confirm_handshake()
        if not self._is_client:
            self._crypto_buffers = {}

    def _write_stream_limits(
        self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: QuicStream
    ) -> None:
        """Announce what was consumed, in steps; the overridden one doubles what arrives."""
        del space
        if stream.stream_id != STREAM or stream.receiver.is_finished:
            return
        if self._allowed_bytes - stream.max_stream_data_local >= self._step_bytes:
            stream.max_stream_data_local = self._allowed_bytes
        if stream.max_stream_data_local_sent == stream.max_stream_data_local:
            return
        frame = builder.start_frame(
            QuicFrameType.MAX_STREAM_DATA,
            capacity=MAX_STREAM_DATA_FRAME_CAPACITY,
            handler=self._on_max_stream_data_delivery,
            handler_args=(stream,),
        )
        frame.push_uint_var(stream.stream_id)
        frame.push_uint_var(stream.max_stream_data_local)
        stream.max_stream_data_local_sent = stream.max_stream_data_local

    def _handle_crypto_frame(
        self, context: QuicReceiveContext, frame_type: int, buf: Buffer
    ) -> None:
        """Refuse a long handshake before anything is allocated for it."""
        at = buf.tell()
        end = buf.pull_uint_var() + buf.pull_uint_var()
        if end > limits.QUIC_CRYPTO_MAX_BYTES:
            raise QuicConnectionError(
                QuicErrorCode.CRYPTO_BUFFER_EXCEEDED, frame_type, "handshake too long"
            )
        buf.seek(at)
        super()._handle_crypto_frame(context, frame_type, buf)
