"""Records: sealed, opened, refused, and never left half-verified in a buffer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from tallow.crypto.aead import TAG_BYTES, RecordKey
from tallow.crypto.errors import CryptoError
from tests.vectors import counted, read_cases

MATERIAL = bytes(range(44))
numbers = st.integers(0, 2**64 - 1)


def test_known_answers() -> None:
    """A1: AES-256-GCM cases 13 and 14 of the GCM specification."""
    key = RecordKey(bytes(44))
    assert key.seal(0, b"", b"").hex() == "530f8afbc74536b9a963b4f1c4cb738b"
    assert key.seal(0, b"", bytes(16)).hex() == (
        "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
    )


@given(numbers)
def test_the_nonce_is_mask_xor_number(number: int) -> None:
    """The number enters the last 8 bytes of the 12-byte mask, big-endian."""
    mask = MATERIAL[32:]
    padded = bytes(4) + number.to_bytes(8, "big")
    nonce = bytes(a ^ b for a, b in zip(mask, padded, strict=True))
    expected = AESGCM(MATERIAL[:32]).encrypt(nonce, b"body", b"aad")
    assert RecordKey(MATERIAL).seal(number, b"aad", b"body") == expected


@given(numbers, st.binary(max_size=50), st.binary(max_size=300))
def test_round_trip_by_every_door(number: int, aad: bytes, plaintext: bytes) -> None:
    """Allocating, into another buffer and in place give the same bytes, both ways."""
    key = RecordKey(bytearray(MATERIAL))
    sealed = key.seal(number, aad, plaintext)
    assert key.open(number, aad, sealed) == plaintext

    apart = bytearray(len(sealed) + 5)
    assert key.seal_into(number, aad, plaintext, memoryview(apart)) == len(sealed)
    assert apart == sealed + bytes(5)
    opened = bytearray(len(plaintext) + 5)
    assert key.open_into(number, aad, sealed, memoryview(opened)) == len(plaintext)
    assert opened == plaintext + bytes(5)

    place = memoryview(bytearray(plaintext + bytes(TAG_BYTES)))
    assert key.seal_into(number, aad, place[: len(plaintext)], place) == len(sealed)
    assert place == sealed
    assert key.open_into(number, aad, place, place[: len(plaintext)]) == len(plaintext)
    assert place[: len(plaintext)] == plaintext


def test_in_place_with_a_megabyte() -> None:
    """Exact overlap holds for a whole bulk record, where the cipher works in wide blocks."""
    plaintext = bytes(i * 7 & 0xFF for i in range(1 << 20))
    key = RecordKey(MATERIAL)
    place = memoryview(bytearray(plaintext + bytes(TAG_BYTES)))
    key.seal_into(5, b"a", place[: len(plaintext)], place)
    assert bytes(place) == key.seal(5, b"a", plaintext)
    key.open_into(5, b"a", place, place)
    assert place[: len(plaintext)] == plaintext


@given(st.binary(min_size=1, max_size=20), st.binary(max_size=100), st.data())
def test_one_flipped_bit_fails(aad: bytes, plaintext: bytes, draw: st.DataObject) -> None:
    """A flip in key, mask, number, associated data, ciphertext or tag is refused."""
    number = 7
    sealed = RecordKey(MATERIAL).seal(number, aad, plaintext)
    whole = MATERIAL + aad + sealed + number.to_bytes(8, "big")
    bit = draw.draw(st.integers(0, len(whole) * 8 - 1))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    aad_end = len(MATERIAL) + len(aad)
    key = RecordKey(flipped[: len(MATERIAL)])
    with pytest.raises(CryptoError):
        key.open(
            int.from_bytes(flipped[-8:], "big"),
            flipped[len(MATERIAL) : aad_end],
            flipped[aad_end:-8],
        )


@given(st.binary(min_size=1, max_size=200), st.booleans())
def test_a_bad_tag_leaves_no_plaintext(plaintext: bytes, in_place: bool) -> None:
    """X10: what did not verify is zeros in the buffer, in place or apart; the rest is kept."""
    key = RecordKey(MATERIAL)
    sealed = bytearray(key.seal(1, b"", plaintext) + b"next")
    record = memoryview(sealed)[:-4]
    sealed[len(plaintext)] ^= 1
    out = record if in_place else memoryview(bytearray(b"\xaa" * len(record)))
    with pytest.raises(CryptoError):
        key.open_into(1, b"", record, out)
    assert out[: len(plaintext)] == bytes(len(plaintext))
    assert sealed[-4:] == b"next"


@given(st.binary(max_size=60))
def test_any_bytes_are_refused(garbage: bytes) -> None:
    """X20: bytes of any length, also shorter than a tag, end in CryptoError by both doors."""
    key = RecordKey(MATERIAL)
    with pytest.raises(CryptoError):
        key.open(0, b"", garbage)
    with pytest.raises(CryptoError):
        key.open_into(0, b"", garbage, memoryview(bytearray(60)))


def test_a_truncated_tag_is_refused() -> None:
    """X20: the tag is always compared at 16 bytes."""
    sealed = RecordKey(MATERIAL).seal(0, b"", b"")
    for length in range(TAG_BYTES):
        with pytest.raises(CryptoError):
            RecordKey(MATERIAL).open(0, b"", sealed[:length])


@pytest.mark.parametrize("number", [-1, 2**64])
def test_numbers_have_64_bits(number: int) -> None:
    """A number that would wrap the nonce is a ValueError by every door."""
    key = RecordKey(MATERIAL)
    out = memoryview(bytearray(32))
    for call in (
        lambda: key.seal(number, b"", b""),
        lambda: key.seal_into(number, b"", b"", out),
        lambda: key.open(number, b"", bytes(16)),
        lambda: key.open_into(number, b"", bytes(16), out),
    ):
        with pytest.raises(ValueError, match="u64"):
            call()


def test_short_buffers_and_keys_are_refused() -> None:
    """No room is a ValueError before a byte is written, and so is material of another length."""
    key = RecordKey(MATERIAL)
    out = memoryview(bytearray(18))
    with pytest.raises(ValueError, match="no room"):
        key.seal_into(0, b"", b"abc", out)
    with pytest.raises(ValueError, match="no room"):
        key.open_into(0, b"", key.seal(0, b"", bytes(19)), out)
    assert bytes(out) == bytes(18)
    for length in (0, 32, 43, 45):
        with pytest.raises(ValueError, match="44 bytes"):
            RecordKey(bytes(length))


def test_threads_share_a_key() -> None:
    """One key seals in several threads at once without mixing records up."""
    key = RecordKey(MATERIAL)
    bodies = [bytes([n]) * 70_000 for n in range(32)]
    with ThreadPoolExecutor(4) as pool:
        sealed = list(pool.map(lambda n: key.seal(n, b"", bodies[n]), range(32)))
    assert [key.open(n, b"", record) for n, record in enumerate(sealed)] == bodies


def test_aes_gcm_vectors() -> None:
    """A1: the published AES-256 cases with 96-bit nonces replay without a deviation."""
    replayed = 0
    for group, case in read_cases("aes-gcm", "aes_gcm_test.json"):
        if (group["keySize"], group["ivSize"]) != (256, 96):
            continue
        nonce = bytes.fromhex(case["iv"])
        number = int.from_bytes(nonce[4:], "big")
        key = RecordKey(bytes.fromhex(case["key"]) + nonce[:4] + bytes(8))
        aad, message = bytes.fromhex(case["aad"]), bytes.fromhex(case["msg"])
        sealed = bytes.fromhex(case["ct"] + case["tag"])
        if case["result"] == "valid":
            assert key.seal(number, aad, message) == sealed, case["tcId"]
            assert key.open(number, aad, sealed) == message, case["tcId"]
        else:
            with pytest.raises(CryptoError):
                key.open(number, aad, sealed)
        replayed += 1
    assert replayed > 0
    counted("aes-gcm", replayed)
