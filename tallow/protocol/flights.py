"""The three flights of the code handshake as bytes, and the key schedule over them.

``encode_`` and ``decode_`` are twins; decoding checks every length before anything is computed.
Both hellos and the schedule from th on serve psk_flights.py too.
This module draws no randomness and keeps no state. After it: handshake.py.
Spec: docs/protocol.md §5.2 (flights), §5.3 (key schedule).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from tallow.crypto.errors import CryptoError
from tallow.crypto.kdf import expand, extract, mac, sha512
from tallow.crypto.kem import CIPHERTEXT_BYTES, PUBLIC_BYTES
from tallow.crypto.lv import Buffer, lv, unlv
from tallow.crypto.secret import SecretBytes
from tallow.errors import PeerVersion, RemoteProtocolError
from tallow.wire import limits

PROTOCOL_VERSION = 1
SUITE = 1
"""CPACE-X25519-SHA512, ML-KEM-1024 + X25519, HKDF-SHA-512, AES-256-GCM, BLAKE3."""

Kind = Literal["code", "room"]
"""What a handshake with words may be for."""
SecretKind = Kind | Literal["psk"]
"""What stands first among the inputs of PRK, so that no kind's keys are another's."""
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


def split(raw: bytes, count: int) -> tuple[bytes, ...]:
    """Return exactly so many items of a flight, or raise RemoteProtocolError."""
    try:
        return unlv(raw, count=count, max_item=limits.FLIGHT_MAX_BYTES)
    except CryptoError:
        raise RemoteProtocolError("The other side sent a malformed handshake.") from None


def need(raw: bytes, length: int) -> bytes:
    """Return a field of exactly this length, or raise RemoteProtocolError."""
    if len(raw) != length:
        raise RemoteProtocolError("The other side sent a handshake field of a false length.")
    return raw


def decode_hello1(ada: bytes) -> Hello1:
    """Return the parts of ADa; PeerVersion before anything that a version may change."""
    versions = _read_u16_list(_first_item(ada))
    if PROTOCOL_VERSION not in versions:
        raise PeerVersion(why=f"they speak {_listed(versions)}, this program {PROTOCOL_VERSION}")
    _, suites_raw, commitment, ek, x = split(ada, 5)
    suites = _read_u16_list(suites_raw)
    if SUITE not in suites:
        raise PeerVersion(why="no cipher suite in common")
    return Hello1(versions, suites, need(commitment, 32), need(ek, PUBLIC_BYTES), need(x, 32))


def decode_hello2(adb: bytes, offered: Hello1) -> Hello2:
    """Return the parts of ADb; refuses a choice that was not offered."""
    version_raw, suite_raw, nonce, ct, x = split(adb, 5)
    version, suite = _read_u16_list(version_raw), _read_u16_list(suite_raw)
    if len(version) != 1 or version[0] not in offered.versions:
        raise PeerVersion(why="the other side chose a version that was not offered")
    if len(suite) != 1 or suite[0] not in offered.suites:
        raise PeerVersion(why="the other side chose a cipher suite that was not offered")
    return Hello2(version[0], suite[0], need(nonce, 32), need(ct, CIPHERTEXT_BYTES), need(x, 32))


def decode_m1(raw: bytes) -> tuple[bytes, bytes, Hello1]:
    """Return Ya, ADa and its parts; PeerVersion before anything that a version may change."""
    ya, ada = split(raw, 2)
    hello = decode_hello1(ada)
    return need(ya, 32), ada, hello


def decode_m2(raw: bytes, offered: Hello1) -> tuple[bytes, bytes, Hello2, bytes]:
    """Return Yb, ADb, its parts and T_r; refuses a choice that was not offered."""
    yb, adb, tag = split(raw, 3)
    hello = decode_hello2(adb, offered)
    return need(yb, 32), adb, hello, need(tag, 64)


def decode_m3(raw: bytes) -> tuple[bytes, bytes]:
    """Return n_I and T_i."""
    nonce, tag = split(raw, 2)
    return need(nonce, 32), need(tag, 64)


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


def transcript(*said: bytes) -> bytes:
    """Return th over everything both sides said: CI, Ya, ADa, Yb, ADb with a code."""
    return sha512(b"tallow/1 th", lv(*said))


def root_secret(kind: SecretKind, shared: Buffer, ss_mlkem: bytes, ss_x25519: bytes) -> bytes:
    """Return PRK: ISK or psk, post-quantum and classical secrets in fixed order, lv-joined."""
    return extract(EXTRACT_SALT, lv(kind, shared, ss_mlkem, ss_x25519))


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
