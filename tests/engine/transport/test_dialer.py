"""Dialling real relays over real TLS: pins, first use, changed keys, and what is no relay."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from relay.certificate import Certificate
from tallow.engine.transport import dialer as dialer_module
from tallow.engine.transport import pins, tcp
from tallow.engine.transport.dialer import SystemDialer, tls_context
from tallow.engine.transport.way import Standing, may_have_ca, spki_sha256
from tallow.errors import RelayKeyChanged, RelayUnreachable
from tallow.protocol.address import RelayAddress
from tallow.wire.relay import ALPN, ClientHello, RelayHello, client_frame, decode_relay
from tests.fakes import MemoryState

pytestmark = pytest.mark.wire

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True)
def short_goodbye(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for a relay that was told nothing to close."""
    monkeypatch.setattr(tcp, "CLOSE_WITHIN_S", 0.001)


async def _dial(state: MemoryState, address: RelayAddress) -> Standing:
    return await SystemDialer(state, "tcp").dial(address)


async def _close(connection: Standing) -> None:
    connection.close()
    await connection.closed()


async def test_the_first_use_pins_the_key(relay: RelayAddress, certificate: Certificate) -> None:
    """A relay's key is remembered when it is first seen, and expected from then on."""
    state = MemoryState()
    first = await _dial(state, relay)
    assert first.first_use is True
    assert first.relay_key_hash == certificate.key_hash
    assert pins.known(state, relay).pin == certificate.key_hash.hex()
    again = await _dial(state, relay)
    assert again.first_use is False
    await _close(first)
    await _close(again)


async def test_frames_go_both_ways(relay: RelayAddress) -> None:
    """What is sent arrives whole, and what comes back is read whole."""
    connection = await _dial(MemoryState(), relay)
    changed = asyncio.Event()
    connection.on_change = changed.set
    connection.send(client_frame(ClientHello([1], bytes(32))))
    while (frame := connection.take()) is None:
        changed.clear()
        await changed.wait()
    assert isinstance(decode_relay(frame[1]), RelayHello)
    assert connection.transport_name == "tcp"
    await _close(connection)
    assert connection.lost


async def test_a_changed_key_stops_everything(relay: RelayAddress) -> None:
    """X12: another key than before is exit 4, with the way out, and is not remembered."""
    state = MemoryState()
    pins.remember(state, relay, "00" * 32)
    before = dict(state.content)
    with pytest.raises(RelayKeyChanged) as caught:
        await _dial(state, relay)
    assert caught.value.exit_code == 4
    assert f"tallow relay forget {relay}" in caught.value.hint
    assert state.content == before
    assert pins.forget(state, relay)
    await _close(await _dial(state, relay))


async def test_an_address_may_carry_the_pin(relay: RelayAddress, certificate: Certificate) -> None:
    """A pin in the address is checked and wins over what is remembered."""
    state = MemoryState()
    pins.remember(state, relay, "00" * 32)
    pinned = RelayAddress(relay.host, relay.port, certificate.key_hash.hex())
    connection = await _dial(state, pinned)
    assert connection.first_use is False
    await _close(connection)
    assert pins.known(state, relay).pin == "00" * 32


async def test_a_pin_that_does_not_fit(relay: RelayAddress) -> None:
    """A relay without the key that the address names is exit 4, and nothing is remembered."""
    state = MemoryState()
    with pytest.raises(RelayKeyChanged) as caught:
        await _dial(state, RelayAddress(relay.host, relay.port, "00" * 32))
    assert (caught.value.exit_code, state.content) == (4, {})
    assert "forget" not in caught.value.hint


async def test_nothing_is_said_before_the_pin_is_checked(certificate: Certificate) -> None:
    """A relay with the wrong key hears nothing of us but the TLS handshake."""
    heard: list[bytes] = []
    done = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())
        writer.close()
        done.set()

    async with _serving(listen, _server_context(certificate)) as address:
        with pytest.raises(RelayKeyChanged):
            await _dial(MemoryState(), RelayAddress(address.host, address.port, "00" * 32))
        await done.wait()
    assert heard == [b""]


@asynccontextmanager
async def _serving(serve: Serve, context: ssl.SSLContext | None) -> AsyncIterator[RelayAddress]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        yield RelayAddress("127.0.0.1", port)
    finally:
        server.close()
        await server.wait_closed()


def _server_context(certificate: Certificate, *alpn: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    context.set_alpn_protocols(list(alpn) or [ALPN])
    return context


async def _hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.close()


async def _say_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")
    await reader.read(1)
    writer.close()


@pytest.mark.parametrize("serve", [_hang_up, _say_hello], ids=["hangs up", "speaks first"])
async def test_something_else_listens_there(serve: Serve) -> None:
    """A port that speaks no TLS is exit 4, with a sentence of ours."""
    async with _serving(serve, None) as address:
        with pytest.raises(RelayUnreachable) as caught:
            await _dial(MemoryState(), address)
    assert str(address) in caught.value.message


async def test_another_protocol_over_tls(certificate: Certificate) -> None:
    """A TLS server that does not speak our protocol is no Tallow relay, and is not pinned."""
    state = MemoryState()
    for alpn in ("h2", "http/1.1"):
        async with _serving(_hang_up, _server_context(certificate, alpn)) as address:
            with pytest.raises(RelayUnreachable, match="no Tallow relay"):
                await _dial(state, address)
    assert state.content == {}


async def test_a_server_without_any_protocol_name(certificate: Certificate) -> None:
    """A server that ignores the protocol name is none of ours either."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    async with _serving(_hang_up, context) as address:
        with pytest.raises(RelayUnreachable, match="no Tallow relay"):
            await _dial(MemoryState(), address)


async def test_an_old_tls_is_refused(certificate: Certificate) -> None:
    """X26: nothing below TLS 1.3 is spoken."""
    context = _server_context(certificate)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with _serving(_hang_up, context) as address:
        with pytest.raises(RelayUnreachable):
            await _dial(MemoryState(), address)


async def test_nobody_listens_there() -> None:
    """A closed port is exit 4, with the reason and what to do."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = RelayAddress("127.0.0.1", closed.getsockname()[1])
        with pytest.raises(RelayUnreachable) as caught:
            await _dial(MemoryState(), address)
    assert caught.value.exit_code == 4
    assert "tallow relay" in caught.value.hint


async def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that does not resolve is the same clear error."""

    async def unknown(*_args: object, **_kwargs: object) -> object:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    with pytest.raises(RelayUnreachable) as caught:
        await _dial(MemoryState(), RelayAddress("nowhere.test", 4433))
    assert caught.value.why == "Name or service not known"


async def test_a_certificate_that_cannot_be_read(
    relay: RelayAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that is nonsense behind a working handshake is no crash."""

    def unreadable(_certificate: bytes) -> bytes:
        raise ValueError("error parsing asn1 value")

    monkeypatch.setattr(dialer_module, "spki_sha256", unreadable)
    with pytest.raises(RelayUnreachable, match="no Tallow relay"):
        await _dial(MemoryState(), relay)


async def test_a_relay_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that takes the connection and says nothing is given up."""
    monkeypatch.setattr(dialer_module, "CONNECT_WITHIN_S", 0.01)
    ended = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        ended.set()

    async with _serving(silent, None) as address:
        with pytest.raises(RelayUnreachable, match="did not answer"):
            await _dial(MemoryState(), address)
        await ended.wait()


# --- certificate authorities ------------------------------------------------------------------


@pytest.fixture
def signed(tmp_path: Path) -> Certificate:
    """A certificate for relay.test."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "relay.test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("relay.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    der = made.public_bytes(serialization.Encoding.DER)
    return Certificate(tmp_path / "cert.pem", tmp_path / "key.pem", spki_sha256(der))


@pytest.fixture
def trusts(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path | None], None]:
    """Make this machine trust one authority, or none, and find relay.test on it."""

    def trust(authority: Path | None) -> None:
        def context() -> ssl.SSLContext:
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            if authority is not None:
                made.load_verify_locations(authority)
            return made

        async def here(host: str, port: int, **_kwargs: object) -> list[object]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(ssl, "create_default_context", context)
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", here)

    return trust


async def test_an_authority_may_vouch_for_a_name(
    signed: Certificate, trusts: Callable[[Path | None], None]
) -> None:
    """A relay with a certificate for its name is remembered as such: its key may change."""
    state = MemoryState()
    trusts(signed.certificate)
    async with _serving(_hang_up, _server_context(signed)) as address:
        named = RelayAddress("relay.test", address.port)
        connection = await _dial(state, named)
        assert connection.relay_key_hash == signed.key_hash
        assert pins.known(state, named).pin == pins.CA_SIGNED
        await _close(connection)


async def test_an_authority_is_not_given_up_for_a_pin(
    certificate: Certificate, trusts: Callable[[Path | None], None]
) -> None:
    """A name that an authority vouched for and no longer does is stopped, not pinned anew."""
    state = MemoryState()
    trusts(None)
    async with _serving(_hang_up, _server_context(certificate)) as address:
        named = RelayAddress("relay.test", address.port)
        pins.remember(state, named, pins.CA_SIGNED)
        with pytest.raises(RelayUnreachable, match="no longer valid") as caught:
            await _dial(state, named)
        assert f"tallow relay forget {named}" in caught.value.hint
        assert pins.known(state, named).pin == pins.CA_SIGNED


async def test_a_name_without_an_authority_is_pinned(
    certificate: Certificate, trusts: Callable[[Path | None], None]
) -> None:
    """A self-made certificate under a name is pinned on first use like any other."""
    state = MemoryState()
    trusts(None)
    async with _serving(_hang_up, _server_context(certificate)) as address:
        named = RelayAddress("relay.test", address.port)
        connection = await _dial(state, named)
        assert connection.first_use is True
        assert pins.known(state, named).pin == certificate.key_hash.hex()
        await _close(connection)


@pytest.mark.parametrize(
    ("host", "possible"),
    [
        ("relay.example.org", True),
        ("localhost", False),
        ("printer.local", False),
        ("a.localhost", False),
        ("192.0.2.1", False),
        ("2001:db8::1", False),
    ],
)
def test_who_could_have_an_authority(host: str, possible: bool) -> None:
    """Authorities vouch for public names only."""
    assert may_have_ca(host) is possible


def test_both_contexts_are_strict() -> None:
    """X26: with or without an authority it is TLS 1.3 with our protocol name."""
    for verify in (True, False):
        context = tls_context(verify=verify)
        assert context.minimum_version is ssl.TLSVersion.TLSv1_3
        assert (context.verify_mode is ssl.CERT_REQUIRED) == verify
        assert context.check_hostname == verify
