"""The three flights as bytes, and the key schedule held against the formulas written out."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.crypto.secret import SecretBytes
from tallow.errors import PeerVersion, RemoteProtocolError
from tallow.protocol import flights
from tallow.protocol.flights import Hello1, Hello2

HELLO1 = Hello1((1,), (1,), b"c" * 32, b"e" * 1568, b"x" * 32)
HELLO2 = Hello2(1, 1, b"n" * 32, b"t" * 1568, b"y" * 32)


def lv(*items: bytes) -> bytes:
    """Join items as the protocol writes them, independently of the program."""
    return b"".join(len(item).to_bytes(4, "big") + item for item in items)


def expand(key: bytes, label: bytes, ctx: bytes, count: int) -> bytes:
    """HKDF-Expand with SHA-512 over lv("tallow/1", label, ctx), from RFC 5869 alone."""
    info = lv(b"tallow/1", label, ctx)
    made, block, number = b"", b"", 1
    while len(made) < count:
        block = hmac.digest(key, block + info + bytes([number]), "sha512")
        made, number = made + block, number + 1
    return made[:count]


M1 = lv(b"A" * 32, flights.encode_hello1(HELLO1))
M2 = lv(b"B" * 32, flights.encode_hello2(HELLO2), b"T" * 64)
M3 = lv(b"n" * 32, b"T" * 64)


# --- bytes ------------------------------------------------------------------------------------


def test_the_flights_are_laid_out_as_written() -> None:
    """A3: ADa = lv(versions, suites, c_I, ek, x_I); ADb = lv(version, suite, n_R, ct, x_R)."""
    ada = lv(b"\0\1", b"\0\1", b"c" * 32, b"e" * 1568, b"x" * 32)
    adb = lv(b"\0\1", b"\0\1", b"n" * 32, b"t" * 1568, b"y" * 32)
    assert flights.encode_hello1(HELLO1) == ada
    assert flights.encode_hello2(HELLO2) == adb


def test_flights_survive_the_round_trip() -> None:
    """A3: what was encoded is decoded to the same parts."""
    assert flights.decode_m1(M1) == (b"A" * 32, flights.encode_hello1(HELLO1), HELLO1)
    adb = flights.encode_hello2(HELLO2)
    assert flights.decode_m2(M2, HELLO1) == (b"B" * 32, adb, HELLO2, b"T" * 64)
    assert flights.decode_m3(M3) == (b"n" * 32, b"T" * 64)


@given(st.binary(max_size=300))
def test_any_bytes_decode_or_are_refused(raw: bytes) -> None:
    """X14, A4: arbitrary bytes are a flight or one of two errors, nothing else."""
    for decode in (flights.decode_m1, lambda b: flights.decode_m2(b, HELLO1), flights.decode_m3):
        with pytest.raises((RemoteProtocolError, PeerVersion)):
            decode(raw)


def test_every_cut_of_a_flight_is_refused() -> None:
    """X14: no prefix and no flight with one byte more is taken."""
    for cut in range(len(M1)):
        with pytest.raises(RemoteProtocolError):
            flights.decode_m1(M1[:cut])
    for cut in range(len(M2)):
        with pytest.raises(RemoteProtocolError):
            flights.decode_m2(M2[:cut], HELLO1)
    for cut in range(len(M3)):
        with pytest.raises(RemoteProtocolError):
            flights.decode_m3(M3[:cut])
    for decode, raw in ((flights.decode_m1, M1), (flights.decode_m3, M3)):
        with pytest.raises(RemoteProtocolError):
            decode(raw + b"\0")
    with pytest.raises(RemoteProtocolError):
        flights.decode_m2(M2 + b"\0", HELLO1)


@pytest.mark.parametrize("off", [-1, 1])
@pytest.mark.parametrize("part", ["ya", "commitment", "ek", "x"])
def test_a_field_of_m1_with_another_length_is_refused(part: str, off: int) -> None:
    """X14, X20: every field of M1 has one legal length."""
    sizes = {"ya": 32, "commitment": 32, "ek": 1568, "x": 32}
    sizes[part] += off
    ada = lv(b"\0\1", b"\0\1", *(bytes(sizes[name]) for name in ("commitment", "ek", "x")))
    with pytest.raises(RemoteProtocolError):
        flights.decode_m1(lv(bytes(sizes["ya"]), ada))


@pytest.mark.parametrize("off", [-1, 1])
@pytest.mark.parametrize("part", ["yb", "nonce", "ct", "x", "tag"])
def test_a_field_of_m2_with_another_length_is_refused(part: str, off: int) -> None:
    """X14, X20: every field of M2 has one legal length, the tag above all."""
    sizes = {"yb": 32, "nonce": 32, "ct": 1568, "x": 32, "tag": 64}
    sizes[part] += off
    adb = lv(b"\0\1", b"\0\1", *(bytes(sizes[name]) for name in ("nonce", "ct", "x")))
    with pytest.raises(RemoteProtocolError):
        flights.decode_m2(lv(bytes(sizes["yb"]), adb, bytes(sizes["tag"])), HELLO1)


@pytest.mark.parametrize(("nonce", "tag"), [(31, 64), (33, 64), (32, 63), (32, 65), (0, 0)])
def test_a_field_of_m3_with_another_length_is_refused(nonce: int, tag: int) -> None:
    """X20: a shorter tag is refused, never compared up to its length."""
    with pytest.raises(RemoteProtocolError):
        flights.decode_m3(lv(bytes(nonce), bytes(tag)))


# --- versions ---------------------------------------------------------------------------------


def ada_of(versions: bytes, suites: bytes = b"\0\1") -> bytes:
    """Return an M1 with these raw lists."""
    return lv(bytes(32), lv(versions, suites, bytes(32), bytes(1568), bytes(32)))


@pytest.mark.parametrize("versions", [b"\0\2", b"\0\0", b"\1\0", b"\0\2\0\3", b"\xff\xff" * 16])
def test_no_common_version_is_a_version_error(versions: bytes) -> None:
    """A3: a list without version 1 is PeerVersion, which says what they speak."""
    with pytest.raises(PeerVersion) as caught:
        flights.decode_m1(ada_of(versions))
    assert str(int.from_bytes(versions[:2], "big")) in caught.value.why


def test_a_later_version_may_change_everything_else() -> None:
    """A3: the version list is read before anything that another version lays out its way."""
    with pytest.raises(PeerVersion):
        flights.decode_m1(lv(b"", lv(b"\0\2") + b"whatever version 2 puts here"))


@pytest.mark.parametrize("suites", [b"\0\2", b"\0\0", b"\0\2\0\3"])
def test_no_common_suite_is_a_version_error(suites: bytes) -> None:
    """A3, X26: a suite that this program does not speak is never agreed on."""
    with pytest.raises(PeerVersion):
        flights.decode_m1(ada_of(b"\0\1", suites))


@pytest.mark.parametrize("listed", [b"", b"\0", b"\0\1\0", b"\0\1" * 17])
def test_a_malformed_list_is_refused(listed: bytes) -> None:
    """X14: a list is not empty, not odd and not long."""
    for raw in (ada_of(listed), ada_of(b"\0\1", listed)):
        with pytest.raises(RemoteProtocolError):
            flights.decode_m1(raw)


@pytest.mark.parametrize(
    ("version", "suite"),
    [(b"\0\2", b"\0\1"), (b"\0\1", b"\0\2"), (b"\0\1\0\1", b"\0\1"), (b"\0\1", b"\0\1\0\1")],
)
def test_only_what_was_offered_may_be_chosen(version: bytes, suite: bytes) -> None:
    """X26: the creator chooses one version and one suite of those that the joiner listed."""
    adb = lv(version, suite, bytes(32), bytes(1568), bytes(32))
    with pytest.raises(PeerVersion):
        flights.decode_m2(lv(bytes(32), adb, bytes(64)), HELLO1)


# --- key schedule -----------------------------------------------------------------------------


def test_channel_identifier_and_commitment_follow_the_formulas() -> None:
    """A2: CI = lv("tallow/1 pake", kind, roles, plate); c_I = H("tallow/1 commit" ‖ n_I)[:32]."""
    assert flights.channel_identifier("room", "7123") == lv(
        b"tallow/1 pake", b"room", b"joiner", b"creator", b"7123"
    )
    commitment = hashlib.sha512(b"tallow/1 commit" + b"n" * 32).digest()[:32]
    assert flights.commitment_to(b"n" * 32) == commitment


def test_the_key_schedule_follows_the_formulas() -> None:
    """A3: th, PRK, T_r, T_i, th2 and every S(x), computed from HMAC and SHA-512 alone."""
    ci, ya, ada, yb, adb = (bytes([number]) * 9 for number in range(5))
    th = hashlib.sha512(b"tallow/1 th" + lv(ci, ya, ada, yb, adb)).digest()
    assert flights.transcript(ci, ya, ada, yb, adb) == th
    salt = hashlib.sha512(b"tallow/1 extract").digest()
    prk = hmac.digest(salt, lv(b"code", b"I" * 64, b"m" * 32, b"x" * 32), "sha512")
    assert flights.root_secret("code", b"I" * 64, b"m" * 32, b"x" * 32) == prk
    t_r = hmac.digest(expand(prk, b"confirm r", th, 64), th, "sha512")
    assert flights.creator_tag(prk, th) == t_r
    nonce = b"n" * 32
    t_i = hmac.digest(expand(prk, b"confirm i", th, 64), lv(th, t_r, nonce), "sha512")
    assert flights.joiner_tag(prk, th, t_r, nonce) == t_i
    th2 = hashlib.sha512(b"tallow/1 th2" + lv(th, t_r, nonce, t_i)).digest()
    assert flights.final_transcript(th, t_r, nonce, t_i) == th2
    secrets = flights.session_secrets(prk, th2)
    labels = [each.name for each in fields(secrets) if each.name != "th2"]
    assert len(labels) == 9
    for label in labels:
        expected = expand(prk, label.replace("_", " ").encode(), th2, 64)
        assert getattr(secrets, label).same_as(expected), label


def test_every_secret_goes_into_the_root() -> None:
    """A3: PAKE, post-quantum and classical secret and the kind each change PRK, in their place."""
    prk = {
        flights.root_secret("code", b"a" * 64, b"b" * 32, b"c" * 32),
        flights.root_secret("room", b"a" * 64, b"b" * 32, b"c" * 32),
        flights.root_secret("code", b"z" * 64, b"b" * 32, b"c" * 32),
        flights.root_secret("code", b"a" * 64, b"z" * 32, b"c" * 32),
        flights.root_secret("code", b"a" * 64, b"b" * 32, b"z" * 32),
        flights.root_secret("code", b"a" * 64, b"c" * 32, b"b" * 32),
    }
    assert len(prk) == 6


def test_secrets_are_hidden_and_can_be_erased() -> None:
    """A4: no printed form shows a secret, and one call wipes all nine."""
    secrets = flights.session_secrets(b"p" * 64, b"t" * 64)
    shown = expand(b"p" * 64, b"exporter", b"t" * 64, 64)
    assert secrets.exporter.same_as(shown)
    assert repr(shown)[2:20] not in repr(secrets)
    secrets.wipe()
    for each in fields(secrets):
        value = getattr(secrets, each.name)
        if isinstance(value, SecretBytes):
            with pytest.raises(ValueError, match="wiped"):
                value.view()
