"""The three flights of the code handshake as bytes, and the key schedule over them.

``encode_`` and ``decode_`` are twins; decoding checks every length before anything is computed.
This module draws no randomness and keeps no state. After it: handshake.py.
Spec: docs/protocol.md §5.2 (flights), §5.3 (key schedule).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from tallow.crypto.errors import CryptoError
from tallow.crypto.kdf import expand, extract, mac, sha512
from tallow.crypto.kem import CIPHERTEXT_BYTES, PUBLIC_BYTES
from tallow.crypto.lv import lv, unlv
from tallow.crypto.secret import SecretBytes
from tallow.errors import PeerVersion, RemoteProtocolError
from tallow.wire import limits

PROTOCOL_VERSION = 1
SUITE = 1
"""CPACE-X25519-SHA512, ML-KEM-1024 + X25519, HKDF-SHA-512, AES-256-GCM, BLAKE3."""

Kind = Literal["code", "room"]
EXTRACT_SALT = sha512(b"tallow/1 extract")


@dataclass(frozen=True, slots=True)
class Hello1:
    """The joiner's public part, ADa."""

    versions: tuple[int, ...]
    suites: tuple[int, ...]
    commitment: bytes
    ek: bytes
    x: bytes


@dataclass(frozen=True, slots=True)
class Hello2:
    """The creator's public part, ADb."""

    version: int
    suite: int
    nonce: bytes
    ct: bytes
    x: bytes


def channel_identifier(kind: Kind, plate: str) -> bytes:
    """Return CI: fixed roles and the nameplate, bound into the CPace generator."""
    return lv("tallow/1 pake", kind, "joiner", "creator", plate)


def commitment_to(nonce: bytes) -> bytes:
    """Return c_I for n_I: leaves a man in the middle one try at the SAS."""
    return sha512(b"tallow/1 commit", nonce)[:32]


def _u16_list(numbers: tuple[int, ...]) -> bytes:
    return b"".join(number.to_bytes(2, "big") for number in numbers)


def _read_u16_list(raw: bytes) -> tuple[int, ...]:
    if not raw or len(raw) % 2 or len(raw) > 32:
        raise RemoteProtocolError("The other side sent a malformed list of versions.")
    return tuple(int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2))


def encode_hello1(hello: Hello1) -> bytes:
    """Return ADa."""
    return lv(
        _u16_list(hello.versions), _u16_list(hello.suites), hello.commitment, hello.ek, hello.x
    )


def encode_hello2(hello: Hello2) -> bytes:
    """Return ADb."""
    return lv(
        _u16_list((hello.version,)), _u16_list((hello.suite,)), hello.nonce, hello.ct, hello.x
    )


def _split(raw: bytes, count: int) -> tuple[bytes, ...]:
    try:
        return unlv(raw, count=count, max_item=limits.FLIGHT_MAX_BYTES)
    except CryptoError:
        raise RemoteProtocolError("The other side sent a malformed handshake.") from None


def _need(raw: bytes, length: int) -> bytes:
    if len(raw) != length:
        raise RemoteProtocolError("The other side sent a handshake field of a false length.")
    return raw


def decode_m1(raw: bytes) -> tuple[bytes, bytes, Hello1]:
    """Return Ya, ADa and its parts; PeerVersion before anything that a version may change."""
    ya, ada = _split(raw, 2)
    versions = _read_u16_list(_first_item(ada))
    if PROTOCOL_VERSION not in versions:
        raise PeerVersion(why=f"they speak {_listed(versions)}, this program {PROTOCOL_VERSION}")
    _, suites_raw, commitment, ek, x = _split(ada, 5)
    suites = _read_u16_list(suites_raw)
    if SUITE not in suites:
        raise PeerVersion(why="no cipher suite in common")
    hello = Hello1(versions, suites, _need(commitment, 32), _need(ek, PUBLIC_BYTES), _need(x, 32))
    return _need(ya, 32), ada, hello


def decode_m2(raw: bytes, offered: Hello1) -> tuple[bytes, bytes, Hello2, bytes]:
    """Return Yb, ADb, its parts and T_r; refuses a choice that was not offered."""
    yb, adb, tag = _split(raw, 3)
    version_raw, suite_raw, nonce, ct, x = _split(adb, 5)
    version, suite = _read_u16_list(version_raw), _read_u16_list(suite_raw)
    if len(version) != 1 or version[0] not in offered.versions:
        raise PeerVersion(why="the other side chose a version that was not offered")
    if len(suite) != 1 or suite[0] not in offered.suites:
        raise PeerVersion(why="the other side chose a cipher suite that was not offered")
    hello = Hello2(
        version[0], suite[0], _need(nonce, 32), _need(ct, CIPHERTEXT_BYTES), _need(x, 32)
    )
    return _need(yb, 32), adb, hello, _need(tag, 64)


def decode_m3(raw: bytes) -> tuple[bytes, bytes]:
    """Return n_I and T_i."""
    nonce, tag = _split(raw, 2)
    return _need(nonce, 32), _need(tag, 64)


def _first_item(raw: bytes) -> bytes:
    if len(raw) < 4:
        raise RemoteProtocolError("The other side sent a malformed handshake.")
    length = int.from_bytes(raw[:4], "big")
    if length > len(raw) - 4:
        raise RemoteProtocolError("The other side sent a malformed handshake.")
    return raw[4 : 4 + length]


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(str(number) for number in numbers)


# --- key schedule -----------------------------------------------------------------------------


def transcript(ci: bytes, ya: bytes, ada: bytes, yb: bytes, adb: bytes) -> bytes:
    """Return th over everything both sides said."""
    return sha512(b"tallow/1 th", lv(ci, ya, ada, yb, adb))


def root_secret(kind: Kind, isk: bytes, ss_mlkem: bytes, ss_x25519: bytes) -> bytes:
    """Return PRK: PAKE, post-quantum and classical secrets in fixed order, length-prefixed."""
    return extract(EXTRACT_SALT, lv(kind, isk, ss_mlkem, ss_x25519))


def creator_tag(prk: bytes, th: bytes) -> bytes:
    """Return T_r."""
    return mac(expand(prk, "confirm r", th, 64), th)


def joiner_tag(prk: bytes, th: bytes, t_r: bytes, nonce: bytes) -> bytes:
    """Return T_i, which covers T_r and the opened commitment."""
    return mac(expand(prk, "confirm i", th, 64), lv(th, t_r, nonce))


def final_transcript(th: bytes, t_r: bytes, nonce: bytes, t_i: bytes) -> bytes:
    """Return th2, to which every session secret is bound."""
    return sha512(b"tallow/1 th2", lv(th, t_r, nonce, t_i))


@dataclass(frozen=True, slots=True)
class SessionSecrets:
    """S(x) for every x, and the transcript they hang on."""

    th2: bytes
    traffic_i: SecretBytes
    traffic_r: SecretBytes
    chat_i: SecretBytes
    chat_r: SecretBytes
    join: SecretBytes
    resume: SecretBytes
    contact: SecretBytes
    sas: SecretBytes
    exporter: SecretBytes

    def wipe(self) -> None:
        """Erase every secret."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, SecretBytes):
                value.wipe()


def session_secrets(prk: bytes, th2: bytes) -> SessionSecrets:
    """Derive all session secrets at once, so that PRK can be dropped."""

    def secret(label: str) -> SecretBytes:
        return SecretBytes(bytearray(expand(prk, label, th2, 64)))

    return SessionSecrets(
        th2=th2,
        traffic_i=secret("traffic i"),
        traffic_r=secret("traffic r"),
        chat_i=secret("chat i"),
        chat_r=secret("chat r"),
        join=secret("join"),
        resume=secret("resume"),
        contact=secret("contact"),
        sas=secret("sas"),
        exporter=secret("exporter"),
    )
