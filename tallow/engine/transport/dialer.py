"""Names are resolved and connections are made here and nowhere else.

So a proxy, Tor or another resolver can replace this one class whole. A relay's key is checked
against its pin before a single byte of ours is written. Spec: docs/protocol.md §4.4.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import ssl

from tallow.engine.ports import StateStore
from tallow.engine.transport import pins
from tallow.engine.transport.tcp import TcpConnection
from tallow.errors import RelayUnreachable
from tallow.protocol.address import RelayAddress
from tallow.wire.relay import ALPN

CONNECT_WITHIN_S = 10.0
HAPPY_EYEBALLS_S = 0.25


def spki_sha256(certificate_der: bytes) -> bytes:
    """Return the SHA-256 of a certificate's SubjectPublicKeyInfo."""
    from cryptography import x509  # 30 ms that only a connection needs
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_der_x509_certificate(certificate_der).public_key()
    return hashlib.sha256(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).digest()


def tls_context(*, verify: bool) -> ssl.SSLContext:
    """Return a TLS 1.3 context: by certificate authority, or by pin after the handshake."""
    context = ssl.create_default_context() if verify else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not verify:
        # The pin replaces the authority: pins.check runs before anything is sent.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([ALPN])
    return context


def may_have_ca(host: str) -> bool:
    """Return whether a certificate authority could vouch for this host."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host != "localhost" and not host.endswith((".local", ".localhost"))
    return False


class SystemDialer:
    """TCP and TLS by the operating system."""

    def __init__(self, state: StateStore) -> None:
        self._state = state

    async def dial(self, address: RelayAddress) -> TcpConnection:
        """Connect, shake hands, check the pin.

        Raises: RelayUnreachable, RelayKeyChanged.
        """
        trust = pins.known(self._state, address)
        by_ca = trust.pin == pins.CA_SIGNED or (not trust.pin and may_have_ca(address.host))
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                connection = await self._connect(address, trust, by_ca=by_ca)
        except TimeoutError:
            raise RelayUnreachable(
                f"The relay {address} did not answer within {CONNECT_WITHIN_S:.0f} seconds."
            ) from None
        except ssl.SSLCertVerificationError as error:
            raise RelayUnreachable(
                f"The certificate of the relay {address} is no longer valid.",
                why=error.verify_message,
                hint=f"If its owner changed it:  tallow relay forget {address}",
            ) from None
        except ssl.SSLError as error:
            raise RelayUnreachable(
                f"Something at {address} answers, but it is no Tallow relay.",
                why=(getattr(error, "reason", None) or "TLS failed").replace("_", " ").lower(),
            ) from None
        except ValueError as error:
            raise RelayUnreachable(
                f"Something at {address} answers, but it is no Tallow relay.", why=str(error)
            ) from None
        except OSError as error:
            raise RelayUnreachable(
                f"The relay {address} cannot be reached.", why=error.strerror or str(error)
            ) from None
        return connection

    async def _connect(
        self, address: RelayAddress, trust: pins.Trust, *, by_ca: bool
    ) -> TcpConnection:
        try:
            connection = await self._open(address, tls_context(verify=by_ca))
        except ssl.SSLCertVerificationError:
            if trust.pin:
                raise
            by_ca = False
            connection = await self._open(address, tls_context(verify=False))
        shown = connection.key_hash.hex()
        try:
            pins.check(trust, address, shown)
        except BaseException:
            connection.close()
            await connection.closed()
            raise
        if not trust.pin:
            pins.remember(self._state, address, pins.CA_SIGNED if by_ca else shown)
            connection.first_use = True
        return connection

    async def _open(self, address: RelayAddress, context: ssl.SSLContext) -> TcpConnection:
        transport, connection = await asyncio.get_running_loop().create_connection(
            TcpConnection,
            address.host,
            address.port,
            ssl=context,
            server_hostname=address.host,
            happy_eyeballs_delay=HAPPY_EYEBALLS_S,
        )
        tls: ssl.SSLObject = transport.get_extra_info("ssl_object")
        if tls.selected_alpn_protocol() != ALPN:
            transport.abort()
            raise ssl.SSLError(1, "no Tallow relay")
        connection.key_hash = spki_sha256(tls.getpeercert(binary_form=True) or b"")
        return connection
