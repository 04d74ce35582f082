"""The QUIC machine, both ends in one test: bytes, ends, and whatever a stranger sends."""

from __future__ import annotations

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.wire import limits
from tallow.wire.quic import Ended, Finished, Ready, client_line, server_configuration
from tests.wire.quic_pair import CLIENT, Pair, pem, stranger_met


def test_bytes_pass_both_ways() -> None:
    """B2: what one side writes arrives at the other in order, whatever its size."""
    pair = Pair.standing()
    sent = bytes(range(256)) * 8000
    pair.client.line.write(sent)
    pair.settle()
    pair.server.line.write(sent[::-1])
    pair.settle()
    assert pair.server.received == sent
    assert pair.client.received == sent[::-1]
    assert pair.client.line.backlog_bytes == pair.server.line.backlog_bytes == 0


def test_losses_are_made_good() -> None:
    """B2: every third datagram is lost, and every byte arrives."""
    pair = Pair.standing()
    count = 0

    def lose(datagram: bytes, up: bool) -> bytes | None:
        nonlocal count
        count += 1
        return None if count % 3 == 0 else datagram

    pair.meddle = lose
    sent = bytes(range(256)) * 400
    pair.client.line.write(sent)
    pair.wait(20)
    assert pair.server.received == sent


def test_the_certificate_is_the_servers_own() -> None:
    """B3: what the pin is checked against is the certificate whose key signed the handshake."""
    pair = Pair()
    pair.settle()
    assert pair.client.has(Ready)
    shown = x509.load_der_x509_certificate(pair.client.line.certificate_der)
    assert shown == x509.load_pem_x509_certificate(pem())
    assert not pair.client.line.is_vouched_for("relay.test", None, None)


@pytest.mark.parametrize("alpn", [["h3"], None], ids=["another protocol", "no protocol"])
def test_other_protocols_do_not_stand(
    alpn: list[str] | None, caplog: pytest.LogCaptureFixture
) -> None:
    """B2: without Tallow's ALPN neither side is ever ready, both learn why, nobody logs it."""
    client = client_line("relay.test")
    client._connection.configuration.alpn_protocols = alpn
    pair = Pair(client)
    pair.settle()
    for end in (pair.client, pair.server):
        assert not end.has(Ready)
        assert end.events == [Ended("TLS failed, alert 120", answered=True)]
    assert not caplog.records


def test_the_end_of_the_stream_is_clean() -> None:
    """B2: what was written arrives before the end, and the end is acknowledged."""
    pair = Pair.standing()
    pair.client.line.write(b"last words")
    pair.client.line.finish()
    pair.client.line.write(b"too late")
    assert not pair.client.line.is_flushed
    pair.settle()
    assert pair.server.received == b"last words"
    assert pair.server.events == [Finished()]
    assert pair.client.line.is_flushed


def test_a_reset_ends_the_connection() -> None:
    """A stream that is reset has no clean end, so nothing more is expected of it."""
    pair = Pair.standing()
    pair.client.line.write(b"begun")
    pair.settle()
    pair.client.line._connection.reset_stream(0, 7)
    pair.settle()
    assert pair.server.has(Finished)
    assert pair.server.has(Ended)
    pair.server.line.write(b"to nobody")


def test_a_client_that_wants_no_more_ends_the_connection() -> None:
    """After STOP_SENDING nothing is written any more, and nothing trips over it."""
    pair = Pair.standing()
    pair.client.line.write(b"begun")
    pair.settle()
    pair.client.line._connection.stop_stream(0, 7)
    for datagram, _ in pair.client.line.bytes_to_send(pair.now):
        pair.server.line.receive(datagram, CLIENT, pair.now)
    pair.server.line.write(b"to nobody")
    pair.server.line.finish()
    pair.settle()
    assert pair.server.has(Ended)


def test_closing_is_told_at_once() -> None:
    """Both sides know of the end with the datagram that says it, without waiting."""
    pair = Pair.standing()
    at = pair.now
    pair.server.line.close()
    pair.settle()
    over = Ended("it was closed", answered=True)
    assert pair.client.events[-1] == pair.server.events[-1] == over
    assert pair.now < at + 0.1
    assert pair.client.line.next_deadline() is None
    assert pair.client.line.bytes_to_send(pair.now) == []


def test_silence_ends_the_connection() -> None:
    """B3: a side that vanishes is given up after the idle limit."""
    pair = Pair.standing()
    pair.meddle = lambda _datagram, _up: None
    pair.wait(limits.QUIC_IDLE_S + 1)
    assert pair.server.events == [Ended("it fell silent", answered=False)]


def test_a_sign_of_life_is_answered() -> None:
    """A ping moves the idle limit on both sides."""
    pair = Pair.standing()
    pair.wait(limits.QUIC_IDLE_S - 10)
    pair.client.line.ping()
    pair.wait(20)
    assert not pair.server.has(Ended)
    assert not pair.client.has(Ended)


@settings(max_examples=300)
@given(st.binary(min_size=1, max_size=900))
def test_whatever_a_stranger_seals_is_survived(payload: bytes) -> None:
    """X14: anybody can seal any frames into a first packet; no error but Ended comes out."""
    line = stranger_met(payload)
    line.bytes_to_send(1.0)
    assert all(isinstance(event, Ended) for event in iter(line.next_event, None))


@settings(max_examples=300)
@given(
    st.binary(max_size=400),
    st.sampled_from([b"\x01", b"\x02", b"\x08", b"\x0b", b"\x0d", b"\x10", b"\x14", b"\x18"]),
)
def test_whatever_comes_in_a_handshake_message_is_survived(body: bytes, kind: bytes) -> None:
    """X14: TLS messages of any kind and content end the connection with a word of its own."""
    message = kind + len(body).to_bytes(3, "big") + body
    line = stranger_met(b"\x06\x00" + (len(message) | 1 << 14).to_bytes(2, "big") + message)
    line.bytes_to_send(1.0)
    assert all(isinstance(event, Ended) for event in iter(line.next_event, None))


@given(st.binary(max_size=1300))
def test_garbage_is_dropped(datagram: bytes) -> None:
    """X14: bytes that are no QUIC change nothing on a standing connection."""
    pair = Pair.standing()
    pair.server.line.receive(datagram, CLIENT, pair.now)
    pair.client.line.write(b"still here")
    pair.settle()
    assert pair.server.received == b"still here"


@pytest.mark.parametrize("file", [b"", b"no PEM", b"-----BEGIN CERTIFICATE-----\nAA==\n"])
def test_a_certificate_that_cannot_be_read_is_a_value_error(file: bytes) -> None:
    """The relay goes on without QUIC when its files hold no certificate and key."""
    with pytest.raises(ValueError):
        server_configuration(file, file)
