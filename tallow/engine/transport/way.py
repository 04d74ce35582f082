"""What every way to a relay has in common: what stands at its end, and how it fails.

A way connects, shakes hands and checks the pin by one transport. It remembers nothing: only the
way that won may pin a key (dialer.py). Neighbours: dialer.py with TCP, quic_way.py with QUIC.
Spec: docs/protocol.md §4.4.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
from typing import Protocol

from tallow.engine.ports import Connection, Detour
from tallow.engine.transport import pins
from tallow.errors import RelayUnreachable
from tallow.protocol.address import RelayAddress


class Standing(Connection, Protocol):
    """A connection whose relay showed the right key."""

    key_hash: bytes
    """SHA-256 of the relay's public key."""
    by_ca: bool
    """A certificate authority vouches for the relay's name."""
    first_use: bool
    detour: Detour | None


class WayFailed(Exception):
    """A way led nowhere; another one may lead to the relay."""

    def __init__(self, error: RelayUnreachable, reason: str, *, answered: bool) -> None:
        """Keep the error that tells of this way alone, and its reason in a few words.

        ``answered``: something is there, but not the relay.
        """
        super().__init__(error.message)
        self.error = error
        self.reason = reason
        self.answered = answered


def unreachable(address: RelayAddress, reason: str) -> WayFailed:
    """Return that nothing could be reached."""
    error = RelayUnreachable(f"The relay {address} cannot be reached.", why=reason)
    return WayFailed(error, reason, answered=False)


def no_answer(address: RelayAddress, waited_s: float) -> WayFailed:
    """Return that nobody answered in this time."""
    error = RelayUnreachable(f"The relay {address} did not answer within {waited_s:.0f} seconds.")
    return WayFailed(error, f"no answer within {waited_s:g} s", answered=False)


def no_relay(address: RelayAddress, why: str) -> WayFailed:
    """Return that whatever answers speaks another protocol."""
    error = RelayUnreachable(f"Something at {address} answers, but it is no Tallow relay.", why=why)
    return WayFailed(error, f"no Tallow relay answers there, {why}", answered=True)


def certificate_refused(address: RelayAddress, why: str) -> WayFailed:
    """Return that no authority vouches any more for a name that once had one."""
    error = RelayUnreachable(
        f"The certificate of the relay {address} is no longer valid.",
        why=why,
        hint=f"If its owner changed it:  tallow relay forget {address}",
    )
    return WayFailed(error, f"its certificate is no longer valid, {why}", answered=True)


def os_reason(error: OSError) -> str:
    """Return why a system call failed, in the system's words and without addresses."""
    numbers = [error.errno] if error.errno else map(int, re.findall(r"\[Errno (\d+)\]", str(error)))
    reasons = dict.fromkeys(os.strerror(number).lower() for number in numbers if number > 0)
    return ", ".join(reasons) or error.strerror or str(error)


def spki_sha256(certificate_der: bytes) -> bytes:
    """Return the SHA-256 of a certificate's SubjectPublicKeyInfo."""
    from cryptography import x509  # 30 ms that only a connection needs
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_der_x509_certificate(certificate_der).public_key()
    return hashlib.sha256(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).digest()


def needs_ca(trust: pins.Trust) -> bool:
    """Return whether a certificate authority must vouch for the relay, as it did before."""
    return trust.pin == pins.CA_SIGNED


def asks_ca(trust: pins.Trust, address: RelayAddress) -> bool:
    """Return whether it is worth asking if a certificate authority vouches for the relay."""
    return needs_ca(trust) or (not trust.pin and may_have_ca(address.host))


def may_have_ca(host: str) -> bool:
    """Return whether a certificate authority could vouch for this host."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host != "localhost" and not host.endswith((".local", ".localhost"))
    return False
