"""The relay's TLS certificate: made by itself at first start, or given by the operator.

Clients pin the key, not a name, so a self-made certificate is as good as a bought one; the key
hash that they compare is the SHA-256 of the SubjectPublicKeyInfo. ``cryptography`` is loaded
nowhere here: self_made.py makes the certificate in a process of its own, and reading it back
takes twenty lines. This module never opens a socket. Spec: docs/protocol.md §4.4.
"""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path

from relay.errors import EXIT_USAGE, RelayError
from relay.self_made import in_a_process_of_its_own
from relay.state import keep_secret, read_secret
from tallow.wire import limits

FILE_NAME = "relay.pem"
_SEQUENCE = 0x30
_VERSION = 0xA0


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where the files are and which key clients will see."""

    certificate: Path
    key: Path
    key_hash: bytes
    """SHA-256 of the SubjectPublicKeyInfo, DER."""

    @property
    def pin(self) -> str:
        """Return the key hash as clients write it."""
        return f"sha256:{self.key_hash.hex()}"


def own_certificate(state: Path) -> Certificate:
    """Return the certificate of a state directory, made there if it is missing."""
    path = state / FILE_NAME
    pem = read_secret(path, limits.RELAY_CONFIG_MAX_BYTES)
    if pem is None:
        pem = keep_secret(path, in_a_process_of_its_own())
    return Certificate(path, path, _key_hash_of(pem, path))


def given_certificate(certificate: Path, key: Path) -> Certificate:
    """Return a certificate that the operator brought; RelayError if it cannot be read."""
    try:
        with certificate.open("rb") as file:
            pem = file.read(limits.RELAY_CONFIG_MAX_BYTES)
    except OSError as error:
        raise _unusable(certificate, error.strerror or str(error)) from error
    return Certificate(certificate, key, _key_hash_of(pem, certificate))


def key_hash(der: bytes) -> bytes:
    """Return the SHA-256 of the SubjectPublicKeyInfo in a DER certificate; ValueError if none.

    Source: RFC 5280 §4.1: Certificate { TBSCertificate { [0] version?, serial, signature,
    issuer, validity, subject, subjectPublicKeyInfo, … } … }.
    """
    at, _ = _enter_sequence(der, 0)
    at, _ = _enter_sequence(der, at)
    if der[at : at + 1] == bytes([_VERSION]):
        _, at = _value(der, at)
    for _ in range(5):
        _, at = _value(der, at)
    _, end = _enter_sequence(der, at)
    return hashlib.sha256(der[at:end]).digest()


def _key_hash_of(pem: bytes, path: Path) -> bytes:
    try:
        text = pem.decode("ascii")
        start = text.index(ssl.PEM_HEADER)
        end = text.index(ssl.PEM_FOOTER, start) + len(ssl.PEM_FOOTER)
        return key_hash(ssl.PEM_cert_to_DER_cert(text[start:end]))
    except ValueError as error:
        raise _unusable(path, "there is no certificate in it") from error


def _enter_sequence(der: bytes, at: int) -> tuple[int, int]:
    if der[at : at + 1] != bytes([_SEQUENCE]):
        raise ValueError("not a certificate")
    return _value(der, at)


def _value(der: bytes, at: int) -> tuple[int, int]:
    """Return where the value at this place begins and ends."""
    length_bytes = 0
    length = int.from_bytes(der[at + 1 : at + 2], "big")
    if length & 0x80:
        length_bytes = length & 0x7F
        length = int.from_bytes(der[at + 2 : at + 2 + length_bytes], "big")
    start = at + 2 + length_bytes
    if not 0 < start + length <= len(der):
        raise ValueError("cut short")
    return start, start + length


def _unusable(path: Path, why: str) -> RelayError:
    return RelayError(
        f"The certificate {path} cannot be used: {why}.",
        "Set cert and key to PEM files, or leave both out to use a self-made one.",
        EXIT_USAGE,
    )
