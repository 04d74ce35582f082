"""The psk flights as bytes, and their keys held against the formulas written out."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from tallow.crypto.kem import default_kem
from tallow.crypto.secret import SecretBytes
from tallow.errors import LocalProtocolError, PeerVersion, RemoteProtocolError
from tallow.protocol import flights, psk_flights
from tallow.protocol.flights import Hello1, Hello2
from tests.house.tree import ROOT
from tests.pair.chance import Chance
from tests.pair.reunion import RESUME, Reunion, new_initiator
from tests.protocol.test_flights import expand, lv

HELLO1 = Hello1((1,), (1,), b"c" * 32, b"e" * 1568, b"x" * 32)
HELLO2 = Hello2(1, 1, b"n" * 32, b"t" * 1568, b"y" * 32)
ADA, ADB = flights.encode_hello1(HELLO1), flights.encode_hello2(HELLO2)
F1, F2 = psk_flights.encode_f1(ADA, b"m" * 32), psk_flights.encode_f2(ADB, b"T" * 64)

PSK = expand(RESUME, b"psk", b"", 32)
MEET_ID = expand(RESUME, b"meet", b"", 32)
H0 = hashlib.sha512(b"tallow/1 kk" + lv(b"psk", b"\0\1", MEET_ID)).digest()


# --- bytes ------------------------------------------------------------------------------------


def test_the_flights_are_laid_out_as_written() -> None:
    """A3: F1 = lv(ADa, mac1) of 1 696 bytes, F2 = lv(ADb, T_r) of 1 728, hellos as with a code."""
    assert lv(ADA, b"m" * 32) == F1
    assert lv(ADB, b"T" * 64) == F2
    assert (len(F1), len(F2)) == (1696, 1728)


def test_flights_survive_the_round_trip() -> None:
    """A3: what was encoded is decoded to the same parts, and ADa stays unread."""
    assert psk_flights.decode_f1(F1) == (ADA, b"m" * 32)
    assert psk_flights.decode_f1(lv(b"anything", b"m" * 32)) == (b"anything", b"m" * 32)
    assert psk_flights.decode_f2(F2, HELLO1) == (ADB, HELLO2, b"T" * 64)
    assert flights.decode_hello1(ADA) == HELLO1


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_by_name(raw: bytes) -> None:
    """X14: arbitrary bytes are no flight, and the error is one of two."""
    with pytest.raises((RemoteProtocolError, PeerVersion)):
        psk_flights.decode_f2(raw, HELLO1)
    with pytest.raises((RemoteProtocolError, PeerVersion)):
        flights.decode_hello1(raw)


def test_every_cut_of_a_flight_is_refused() -> None:
    """X14: no prefix and no flight with one byte more is taken."""
    for raw in (*(F1[:cut] for cut in range(len(F1))), F1 + b"\0"):
        with pytest.raises(RemoteProtocolError):
            psk_flights.decode_f1(raw)
    for raw in (*(F2[:cut] for cut in range(len(F2))), F2 + b"\0"):
        with pytest.raises(RemoteProtocolError):
            psk_flights.decode_f2(raw, HELLO1)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_tag_of_another_length_is_refused(size: int) -> None:
    """X20: mac1 has 32 bytes and T_r 64, whatever length the peer chose."""
    with pytest.raises(RemoteProtocolError):
        psk_flights.decode_f1(lv(ADA, bytes(size)))
    with pytest.raises(RemoteProtocolError):
        psk_flights.decode_f2(lv(ADB, bytes(size % 64)), HELLO1)


def test_only_what_was_offered_may_be_chosen() -> None:
    """X26: a version or suite in F2 that F1 did not offer is refused."""
    for hello in (Hello2(2, 1, *_rest(HELLO2)), Hello2(1, 2, *_rest(HELLO2))):
        raw = psk_flights.encode_f2(flights.encode_hello2(hello), b"T" * 64)
        with pytest.raises(PeerVersion):
            psk_flights.decode_f2(raw, HELLO1)


def _rest(hello: Hello2) -> tuple[bytes, bytes, bytes]:
    return hello.nonce, hello.ct, hello.x


# --- keys -------------------------------------------------------------------------------------


def test_what_the_resume_secret_gives() -> None:
    """A3: psk, meet id, h0 and mac1 follow the formulas, and the secret itself is left alone."""
    resume = SecretBytes(RESUME)
    psk = psk_flights.resume_psk(resume)
    assert psk.same_as(PSK)
    assert psk_flights.resume_meet_id(resume) == MEET_ID
    assert psk_flights.opening(MEET_ID) == H0
    mac1 = hmac.digest(expand(PSK, b"mac1", H0, 32), lv(ADA), "sha512")[:32]
    assert psk_flights.caller_tag(psk, H0, ADA) == mac1
    assert resume.same_as(RESUME)


def test_known_answers() -> None:
    """A3: the bytes of a fixed secret and fixed randomness never change between releases."""
    initiator = new_initiator()
    initiator.begin(0)
    [frame] = initiator.bytes_to_send()
    digest = hashlib.sha512(frame).hexdigest()[:32]
    assert (PSK.hex(), MEET_ID.hex(), H0.hex()[:32], digest) == (
        "3a3860fc80b8e32294feaa86152a18f2be872c0a3563f135b479ac0640463733",
        "1fd1dcfed3a2144385e483af07d9f6da1ea75d454e11bcae112dcdb3c6e46df0",
        "da9f94ddbabda92be1e217dce6d0a0b7",
        "83a5c65a5a0912b06e2cf68246224464",
    )


def test_the_example_of_the_document() -> None:
    """A3: docs/protocol.md shows the meet id of 64 zero bytes."""
    page = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    assert psk_flights.resume_meet_id(SecretBytes(bytes(64))).hex() in page


@pytest.mark.parametrize("size", [0, 32, 63, 65])
def test_a_damaged_secret_is_never_used(size: int) -> None:
    """A4: an empty or cut secret would let anybody in, so it is our own error."""
    for derive in (psk_flights.resume_psk, psk_flights.resume_meet_id):
        with pytest.raises(LocalProtocolError):
            derive(SecretBytes(bytes(size)))


def test_a_whole_run_follows_the_formulas() -> None:
    """A3: th, PRK, T_r, T_i, th2 and every S(x), computed from the wire and the private keys."""
    reunion = Reunion().run()
    f1, f2, f3 = (reunion.flight(name) for name in ("F1", "F2", "F3"))
    ada, mac1 = _split(f1)
    adb, t_r = _split(f2)
    nonce, t_i = _split(f3)
    chance = Chance(1)
    x_i, kem = chance(32), default_kem().from_seed(chance(64))
    _, _, _, ct, x_r = _split(adb)
    ss_x = X25519PrivateKey.from_private_bytes(x_i).exchange(X25519PublicKey.from_public_bytes(x_r))
    th = hashlib.sha512(b"tallow/1 th" + lv(H0, ada, mac1, adb)).digest()
    salt = hashlib.sha512(b"tallow/1 extract").digest()
    prk = hmac.digest(salt, lv(b"psk", PSK, kem.decapsulate(ct), ss_x), "sha512")
    assert t_r == hmac.digest(expand(prk, b"confirm r", th, 64), th, "sha512")
    key_i = expand(prk, b"confirm i", th, 64)
    assert t_i == hmac.digest(key_i, lv(th, t_r, nonce), "sha512")
    th2 = hashlib.sha512(b"tallow/1 th2" + lv(th, t_r, nonce, t_i)).digest()
    for end in (reunion.initiator_end, reunion.responder_end):
        assert end.secrets is not None
        assert end.secrets.th2 == th2
        for name in ("traffic_i", "traffic_r", "join", "resume", "contact", "sas", "exporter"):
            secret: SecretBytes = getattr(end.secrets, name)
            assert secret.same_as(expand(prk, name.replace("_", " ").encode(), th2, 64))


def _split(raw: bytes) -> list[bytes]:
    items, at = [], 0
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4], "big")
        items.append(raw[at + 4 : at + 4 + size])
        at += 4 + size
    return items


def test_the_kind_separates_keys() -> None:
    """A3: the same inputs under another kind or another suite's opening give other keys."""
    secrets = (b"k" * 32, b"m" * 32, b"x" * 32)
    kinds: tuple[flights.SecretKind, ...] = ("psk", "code", "room")
    assert len({flights.root_secret(kind, *secrets) for kind in kinds}) == 3
    assert psk_flights.opening(MEET_ID) != psk_flights.opening(bytes(32))
