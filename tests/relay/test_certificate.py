"""The certificate: made once, read back without its library, and named by its key."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from relay.certificate import Certificate, given_certificate, key_hash, own_certificate
from relay.errors import RelayError


def parsed(certificate: Certificate) -> x509.Certificate:
    """Return what the library sees in a certificate's file."""
    return x509.load_pem_x509_certificate(certificate.certificate.read_bytes())


def key_hash_by_library(certificate: Certificate) -> bytes:
    """Return the SHA-256 of the SubjectPublicKeyInfo as the library writes it."""
    key = parsed(certificate).public_key()
    return hashlib.sha256(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).digest()


def test_a_certificate_is_made_once(tmp_path: Path) -> None:
    """B3: the second start finds the key of the first, so pins stay good."""
    first = own_certificate(tmp_path)
    assert own_certificate(tmp_path) == first
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert own_certificate(elsewhere).key_hash != first.key_hash


def test_the_made_certificate_is_what_it_says(tmp_path: Path) -> None:
    """B3: P-256, twenty years, no name of this machine, good from yesterday on."""
    certificate = parsed(own_certificate(tmp_path))
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert certificate.subject.rfc4514_string() == "CN=tallow-relay"
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert life == dt.timedelta(days=7300)
    assert certificate.not_valid_before_utc < dt.datetime.now(dt.UTC)


def test_the_key_hash_is_the_librarys(tmp_path: Path, certificate: Certificate) -> None:
    """B3: our short reading of DER agrees with the library on every key made here."""
    made = own_certificate(tmp_path)
    for one in (made, certificate):
        assert one.key_hash == key_hash_by_library(one)
        assert one.pin == "sha256:" + one.key_hash.hex()


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
def test_the_private_key_is_for_its_owner(tmp_path: Path) -> None:
    """X10: the file that holds the key is 0600."""
    made = own_certificate(tmp_path)
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600


def test_a_given_certificate_is_used(certificate: Certificate) -> None:
    """B3: an operator's own files are named by their key like self-made ones."""
    given_one = given_certificate(certificate.certificate, certificate.key)
    assert given_one == certificate


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\xff\xfe",
        b"-----BEGIN CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
    ],
)
def test_a_file_without_a_certificate_is_named(tmp_path: Path, content: bytes) -> None:
    """A wrong file is exit 2 with a way out, not a traceback."""
    path = tmp_path / "cert.pem"
    path.write_bytes(content)
    with pytest.raises(RelayError, match="no certificate in it") as caught:
        given_certificate(path, path)
    assert caught.value.exit_code == 2
    with pytest.raises(RelayError, match="cannot be used"):
        given_certificate(tmp_path / "none", path)


@given(st.binary(max_size=80))
def test_no_bytes_raise_anything_but_value_errors(raw: bytes) -> None:
    """X14: what is no certificate is a ValueError, whatever it is."""
    try:
        key_hash(raw)
    except ValueError:
        pass


def test_a_certificate_cut_short_is_none(certificate: Certificate) -> None:
    """X14: every proper prefix of a certificate that ends before its key is refused."""
    pem = certificate.certificate.read_text()
    der = ssl.PEM_cert_to_DER_cert(pem[: pem.index("-----BEGIN PRIVATE")])
    assert key_hash(der) == certificate.key_hash
    for length in range(len(der)):
        with pytest.raises(ValueError, match=r"cut short|not a certificate"):
            key_hash(der[:length])
