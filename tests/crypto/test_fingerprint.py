"""Fingerprints: fixed forms that cover both keys."""

from __future__ import annotations

import hashlib

import pytest

from tallow.crypto.errors import CryptoError
from tallow.crypto.fingerprint import identity_fingerprint, show_fingerprint
from tallow.crypto.lv import lv

ED, MLDSA = bytes(range(32)), bytes(i & 0xFF for i in range(2592))


def test_it_is_the_hash_of_both_keys() -> None:
    """D1: 32 bytes of SHA-512 over label and keys; a change in either key shows."""
    fp = identity_fingerprint(ED, MLDSA)
    whole = hashlib.sha512(b"tallow/1 identity" + lv(ED, MLDSA)).digest()
    assert fp == whole[:32]
    assert fp != identity_fingerprint(ED[:-1] + b"\0", MLDSA)
    assert fp != identity_fingerprint(ED, MLDSA[:-1] + b"\0")


@pytest.mark.parametrize("lengths", [(31, 2592), (32, 2591), (33, 2591), (0, 0)])
def test_other_lengths_are_refused(lengths: tuple[int, int]) -> None:
    """A4: keys of another length end in CryptoError."""
    with pytest.raises(CryptoError):
        identity_fingerprint(bytes(lengths[0]), bytes(lengths[1]))


def test_shown_form() -> None:
    """D1: eight groups of four lower-case base32 characters from the first 20 bytes."""
    assert show_fingerprint(bytes(32)) == " ".join(["aaaa"] * 8)
    fp = bytes.fromhex("00443214c74254b635cf84653a56d7c675be77df") + bytes(12)
    assert show_fingerprint(fp) == "abcd efgh ijkl mnop qrst uvwx yz23 4567"
    with pytest.raises(ValueError, match="32 bytes"):
        show_fingerprint(bytes(20))
