"""What the other side of a QUIC connection can make this one hold."""

from __future__ import annotations

import gc
import importlib
import tracemalloc

import pytest
from aioquic.quic.connection import QuicConnection

from tallow.wire import limits, quic_bounds
from tallow.wire.quic import Ended
from tests.wire.quic_pair import Pair, stranger_met


def test_nothing_is_sent_beyond_the_credit() -> None:
    """X14: who does not consume is sent one window and no more, however long the stream was."""
    pair = Pair.standing()
    pair.client.line.write(bytes(8 * limits.MIB))
    pair.settle()
    pair.server.reads = False
    already = len(pair.server.received)
    pair.client.line.write(bytes(8 * limits.MIB))
    pair.settle()
    ahead = len(pair.server.received) - already
    assert limits.QUIC_WINDOW_MAX_BYTES // 2 < ahead <= limits.QUIC_WINDOW_MAX_BYTES
    assert pair.client.line.backlog_bytes == 8 * limits.MIB - ahead
    pair.server.reads = True
    pair.server.drain()
    pair.settle()
    assert len(pair.server.received) == already + 8 * limits.MIB


def test_a_window_is_earned() -> None:
    """X10: a client may send ahead little at first, and never more than it has sent already."""
    pair = Pair.standing()
    pair.server.reads = False
    pair.client.line.write(bytes(limits.MIB))
    pair.settle()
    assert len(pair.server.received) == limits.QUIC_WINDOW_MIN_BYTES
    pair.server.line.credit(limits.QUIC_WINDOW_MIN_BYTES, limits.QUIC_WINDOW_MAX_BYTES)
    pair.settle()
    assert len(pair.server.received) == 2 * limits.QUIC_WINDOW_MIN_BYTES


def test_a_second_stream_is_refused() -> None:
    """X14: there is one stream; a client that wants two loses the connection."""
    pair = Pair.standing()
    pair.client.line._connection._remote_max_streams_bidi = 9
    pair.client.line._connection.send_stream_data(4, b"another")
    pair.settle()
    assert pair.server.has(Ended)
    assert pair.client.has(Ended)
    assert not pair.server.received


@pytest.mark.parametrize("far", [limits.QUIC_CRYPTO_MAX_BYTES, 500_000, 1 << 61])
def test_a_long_handshake_is_refused_before_it_is_held(far: int) -> None:
    """X14: a CRYPTO frame far out would make the reassembly buffer grow up to its place."""
    frame = b"\x06" + (far | 3 << 62).to_bytes(8, "big") + b"\x01x"
    tracemalloc.start()
    try:
        line = stranger_met(frame)
        assert tracemalloc.get_traced_memory()[1] < 400_000
    finally:
        tracemalloc.stop()
    line.bytes_to_send(1.0)
    ended = line.next_event()
    assert isinstance(ended, Ended)
    assert "QUIC error" in ended.why


@pytest.mark.parametrize("name", quic_bounds._OVERRIDDEN)
def test_without_its_hooks_there_is_no_quic(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """X14: an aioquic whose bounds cannot be overridden is not used at all."""
    monkeypatch.delattr(QuicConnection, name)
    with pytest.raises(ImportError, match=name):
        importlib.reload(quic_bounds)


def test_a_late_timer_costs_no_speed() -> None:
    """What is due between two ticks of a coarse timer leaves at once."""
    pacer = quic_bounds._CoarsePacer(max_datagram_size=1200)
    pacer.update_rate(congestion_window=1_200_000, smoothed_rtt=0.05)
    assert pacer.packet_time == pytest.approx(0.05 / 1250)
    pacer.update_bucket(now=10.0)
    sent = 0
    while pacer.next_send_time(now=10.0) is None:
        pacer.update_after_send(now=10.0)
        sent += 1
    assert 100 < sent < 200


def test_a_standing_connection_is_small() -> None:
    """B4: an idle connection costs a relay less than 64 KiB."""
    kept = [Pair.standing().server.line]
    tracemalloc.start()
    try:
        kept += [Pair.standing().server.line for _ in range(10)]
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 10 * 64 * limits.KIB
    finally:
        tracemalloc.stop()
