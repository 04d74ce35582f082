"""Boxes: only the right key and context open them, and only whole."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from tallow.crypto.errors import CryptoError
from tallow.crypto.kdf import expand
from tallow.crypto.lv import lv
from tallow.crypto.sealing import BOX_OVERHEAD_BYTES, open_box, seal_box

KEY = bytes(range(32))


@given(st.binary(max_size=300), st.binary(max_size=30))
def test_round_trip(plaintext: bytes, context: bytes) -> None:
    """What was sealed opens again, 74 bytes shorter, also from wipeable memory."""
    boxed = seal_box(KEY, context, plaintext)
    assert len(boxed) == len(plaintext) + BOX_OVERHEAD_BYTES == len(plaintext) + 74
    assert open_box(bytearray(KEY), context, memoryview(boxed)) == plaintext


def test_format_by_hand() -> None:
    """The box is what the description says, rebuilt here from HKDF and AES-GCM alone."""
    boxed = seal_box(KEY, b"journal", b"state")
    salt = boxed[2:26]
    derived = expand(KEY, "box", lv(salt, b"journal"), 76)
    assert boxed[:2] == b"\1\1"
    assert boxed[26:58] == derived[44:]
    assert AESGCM(derived[:32]).decrypt(derived[32:44], boxed[58:], boxed[:58]) == b"state"


def test_equal_plaintexts_look_different() -> None:
    """Every box has a salt, and with it a key, of its own."""
    assert seal_box(KEY, b"", b"same")[2:] != seal_box(KEY, b"", b"same")[2:]


@given(st.binary(max_size=60), st.data())
def test_one_flipped_bit_fails(plaintext: bytes, draw: st.DataObject) -> None:
    """A flip anywhere in box, key or context ends in CryptoError."""
    context = b"journal"
    whole = bytearray(KEY + context + seal_box(KEY, context, plaintext))
    bit = draw.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CryptoError):
        open_box(whole[:32], bytes(whole[32:39]), whole[39:])


@given(st.binary(max_size=120))
def test_any_bytes_are_refused(garbage: bytes) -> None:
    """A4: arbitrary bytes, with or without the right mark, end in CryptoError."""
    for boxed in (garbage, b"\1\1" + garbage):
        with pytest.raises(CryptoError):
            open_box(KEY, b"", boxed)


def test_cut_and_grown_boxes_are_refused() -> None:
    """X20: every shorter length and every trailing byte is refused."""
    boxed = seal_box(KEY, b"", b"state")
    for length in range(len(boxed)):
        with pytest.raises(CryptoError):
            open_box(KEY, b"", boxed[:length])
    with pytest.raises(CryptoError):
        open_box(KEY, b"", boxed + b"\0")


@pytest.mark.parametrize("mark", [b"\0\1", b"\2\1", b"\1\0", b"\1\2"])
def test_other_versions_and_suites_are_refused(mark: bytes) -> None:
    """A box of another version or suite is never opened as this one."""
    with pytest.raises(CryptoError):
        open_box(KEY, b"", mark + seal_box(KEY, b"", b"state")[2:])


def test_the_commitment_holds_a_box_to_one_key() -> None:
    """A ciphertext that would open under a second key is refused by its commitment first."""
    boxed = bytearray(seal_box(KEY, b"", b"state"))
    other_key = bytes(32)
    derived = expand(other_key, "box", lv(bytes(boxed[2:26]), b""), 76)
    forged = AESGCM(derived[:32]).encrypt(derived[32:44], b"state", bytes(boxed[:58]))
    with pytest.raises(CryptoError):
        open_box(other_key, b"", bytes(boxed[:58]) + forged)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_key_length(length: int) -> None:
    """A key of another length is a mistake of the caller."""
    boxed = seal_box(KEY, b"", b"")
    with pytest.raises(ValueError, match="32 bytes"):
        seal_box(bytes(length), b"", b"")
    with pytest.raises(ValueError, match="32 bytes"):
        open_box(bytes(length), b"", boxed)
