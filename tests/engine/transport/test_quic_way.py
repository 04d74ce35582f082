"""The way over QUIC: the pin is checked before anything of ours is sent."""

from __future__ import annotations

import datetime as dt
import socket
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from relay.certificate import Certificate, given_certificate
from relay.server import RelayServer
from tallow.engine.transport import quic_way
from tallow.engine.transport.pins import CA_SIGNED, Trust
from tallow.engine.transport.quic_way import over_quic
from tallow.engine.transport.way import WayFailed
from tallow.errors import RelayKeyChanged
from tallow.protocol.address import RelayAddress
from tests.engine.transport.relays import certificate, relay, silent_udp, unused
from tests.relay.client import until

pytestmark = pytest.mark.wire

NAME = "relay.example"
FIRST_USE = Trust("", from_address=False)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as a file."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def vouched_for(folder: Path) -> tuple[Certificate, Path]:
    """Return a certificate for NAME and the file of the authority that signed it."""
    authority, ours = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "an authority")])
    start = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)

    def signed(
        name: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_ca: bool
    ) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + dt.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
            .sign(authority, hashes.SHA256())
        )

    paths = [folder / name for name in ("ca.pem", "relay.pem", "relay.key")]
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    for path, content in zip(
        paths,
        [
            signed(issuer, authority, is_ca=True).public_bytes(serialization.Encoding.PEM),
            signed(subject, ours, is_ca=False).public_bytes(serialization.Encoding.PEM),
            key_pem(ours),
        ],
        strict=True,
    ):
        path.write_bytes(content)
    return given_certificate(paths[1], paths[2]), paths[0]


def by_name(monkeypatch: pytest.MonkeyPatch, address: RelayAddress) -> RelayAddress:
    """Return the same place under NAME, which resolves for the length of a test."""
    place = (address.host, address.port)
    found = [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", place)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *asked, **options: found)
    return RelayAddress(NAME, address.port)


def links(server: RelayServer) -> int:
    """Return how many clients have said anything at all."""
    return len(server.switch)


async def test_the_key_is_the_relays_own() -> None:
    """B3: the hash that is pinned is that of the certificate the relay printed."""
    async with relay() as (_, address):
        connection = await over_quic(address, FIRST_USE)
        assert connection.key_hash == connection.relay_key_hash == certificate().key_hash
        assert not connection.by_ca
        connection.close()
        await connection.closed()


@pytest.mark.parametrize("from_address", [True, False])
async def test_a_false_key_is_left_before_a_word(from_address: bool) -> None:
    """B3: with another key than the pinned one the relay hears nothing of ours."""
    async with relay() as (server, address):
        with pytest.raises(RelayKeyChanged):
            await over_quic(address, Trust("ab" * 32, from_address=from_address))
        assert links(server) == 0
        good = await over_quic(address, Trust(certificate().key_hash.hex(), from_address=True))
        good.close()
        await good.closed()
        assert links(server) == 0


async def test_an_authority_may_vouch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """B3: a certificate that this machine's authorities signed for the name is known as such."""
    shown, authority = vouched_for(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    async with relay(shown=shown) as (_, address):
        connection = await over_quic(by_name(monkeypatch, address), FIRST_USE)
        assert connection.by_ca
        connection.close()
        await connection.closed()


async def test_what_was_vouched_for_must_be_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B3: a name that had a signed certificate is not accepted with a self-made one."""
    async with relay() as (server, address):
        with pytest.raises(WayFailed, match="no longer valid") as caught:
            await over_quic(by_name(monkeypatch, address), Trust(CA_SIGNED, from_address=False))
        assert caught.value.answered
        assert "tallow relay forget" in caught.value.error.hint
        assert links(server) == 0


async def test_another_protocol_is_no_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    """B2: a server of another protocol is named as what it is."""
    async with relay() as (server, address):
        server._open_quic()._configuration.alpn_protocols = ["h3"]  # type: ignore[union-attr]
        with pytest.raises(WayFailed, match="no Tallow relay") as caught:
            await over_quic(address, FIRST_USE)
        assert caught.value.answered


async def test_nobody_there_is_known_at_once() -> None:
    """A closed port fails with the system's reason."""
    with pytest.raises(WayFailed) as caught:
        await over_quic(unused(), FIRST_USE)
    assert caught.value.reason == "connection refused"


async def test_silence_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that swallows UDP is given up."""
    monkeypatch.setattr(quic_way, "WITHIN_S", 0.05)
    address = unused()
    with silent_udp(address), pytest.raises(WayFailed, match="did not answer"):
        await over_quic(address, FIRST_USE)


async def test_the_next_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address of the name that is silent does not hold up one that answers."""
    async with relay() as (_, address):
        dead = unused()
        found = [
            (socket.AF_INET, socket.SOCK_DGRAM, 17, "", (place.host, place.port))
            for place in (dead, address)
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *asked, **options: found)
        with silent_udp(dead):
            connection = await over_quic(RelayAddress("two.local", address.port), FIRST_USE)
        connection.close()
        await connection.closed()


async def test_a_name_that_is_not_known_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver's answer is the reason."""

    def unknown(*asked: object, **options: object) -> object:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(WayFailed) as caught:
        await over_quic(RelayAddress(NAME, 4433), FIRST_USE)
    assert caught.value.reason == "Name or service not known"


async def test_nothing_is_left_open() -> None:
    """A connection that is refused for its key is closed on both sides."""
    async with relay() as (server, address):
        with pytest.raises(RelayKeyChanged):
            await over_quic(address, Trust("ab" * 32, from_address=True))
        await until(lambda: not server._quic._wires)  # type: ignore[union-attr]
