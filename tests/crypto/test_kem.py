"""ML-KEM-1024 through the default provider.

Not replayed: published sets that need a chosen encapsulation randomness or an expanded private
key, which the library does not take, and those of FIPS 203's draft (CCTV intermediate and
unlucky-sample values), whose key generation hashes the seed without the rank byte.
"""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.crypto.errors import CryptoError
from tallow.crypto.kem import (
    CIPHERTEXT_BYTES,
    PUBLIC_BYTES,
    SEED_BYTES,
    SHARED_BYTES,
    default_kem,
)
from tests.vectors import counted, read_cases, read_records, vectors

KEM = default_kem()


def test_known_key_generation() -> None:
    """A1: the seed of the first NIST known-answer test gives its public key (by SHA-256)."""
    d = "6dbbc4375136df3b07f7c70e639e223e177e7fd53b161b3f4d57791794f12624"
    z = "f696484048ec21f96cf50a56d0759c448f3779752f0383d37449690694cf7a68"
    pair = KEM.from_seed(bytes.fromhex(d + z))
    digest = hashlib.sha256(pair.public).hexdigest()
    assert digest == "b6dff88f25fef3b0bbee12f9c5fe8174c6df6f300e0d975419cef692759d6906"
    assert pair.seed().hex() == d + z


def test_sizes_and_round_trip() -> None:
    """Both sides get the same 32 bytes, and a pair made from its seed again does too."""
    pair = KEM.generate()
    shared, ciphertext = KEM.encapsulate(pair.public)
    sizes = (len(pair.public), len(ciphertext), len(shared), len(pair.seed()))
    assert sizes == (PUBLIC_BYTES, CIPHERTEXT_BYTES, SHARED_BYTES, SEED_BYTES)
    assert pair.decapsulate(ciphertext) == shared
    assert KEM.from_seed(bytearray(pair.seed())).decapsulate(ciphertext) == shared
    assert KEM.name == "cryptography"


def test_nothing_repeats() -> None:
    """Two pairs differ, and two encapsulations for one key share nothing."""
    public = KEM.generate().public
    assert public != KEM.generate().public
    first, second = KEM.encapsulate(public), KEM.encapsulate(public)
    assert not set(first) & set(second)


@settings(max_examples=40)
@given(st.integers(0, CIPHERTEXT_BYTES * 8 - 1))
def test_a_flipped_ciphertext_bit_gives_another_secret(bit: int) -> None:
    """A1: implicit rejection: no error, but a secret the sender does not have, the same twice."""
    pair = KEM.from_seed(bytes(64))
    shared, ciphertext = KEM.encapsulate(pair.public)
    flipped = bytearray(ciphertext)
    flipped[bit // 8] ^= 1 << bit % 8
    rejected = pair.decapsulate(bytes(flipped))
    assert rejected != shared
    assert rejected == pair.decapsulate(bytes(flipped))


@pytest.mark.parametrize("change", [-1, 1, -1568])
def test_wrong_lengths_are_refused(change: int) -> None:
    """A4: public key, ciphertext and seed of another length end in CryptoError."""
    pair = KEM.generate()
    with pytest.raises(CryptoError):
        KEM.encapsulate(bytes(PUBLIC_BYTES + change))
    with pytest.raises(CryptoError):
        pair.decapsulate(bytes(CIPHERTEXT_BYTES + change))
    with pytest.raises(CryptoError):
        KEM.from_seed(bytes(max(0, SEED_BYTES + change)))


@pytest.mark.parametrize("coefficient", [3329, 4095])
@pytest.mark.parametrize("position", [0, 1, 511, 1023])
def test_a_coefficient_of_q_or_more_is_refused(coefficient: int, position: int) -> None:
    """X08: a public key whose encoding is not reduced modulo q never gets a secret."""
    public = bytearray(KEM.generate().public)
    at = position * 12 // 8
    packed = int.from_bytes(public[at : at + 2], "little")
    keep, shift = (0x000F, 4) if position % 2 else (0xF000, 0)
    public[at : at + 2] = (packed & keep | coefficient << shift).to_bytes(2, "little")
    with pytest.raises(CryptoError):
        KEM.encapsulate(bytes(public))


def test_decapsulation_vectors() -> None:
    """A1: seed, public key, ciphertext and secret of the published set agree."""
    cases = read_cases("mlkem", "mlkem_1024_test.json")
    for _, case in cases:
        seed, ciphertext = bytes.fromhex(case["seed"]), bytes.fromhex(case["c"])
        if case["result"] == "valid":
            pair = KEM.from_seed(seed)
            assert pair.public.hex() == case.get("ek", pair.public.hex()), case["tcId"]
            assert pair.decapsulate(ciphertext).hex() == case["K"], case["tcId"]
        else:
            with pytest.raises(CryptoError):
                KEM.from_seed(seed).decapsulate(ciphertext)
    counted("mlkem", len(cases))


def test_public_key_vectors() -> None:
    """X08: every public key of the published sets is taken or refused as it says."""
    cases = [
        (case["ek"], case["result"] == "valid")
        for _, case in read_cases("mlkem", "mlkem_1024_encaps_test.json")
    ]
    modulus = (vectors("mlkem") / "cctv_modulus_ML-KEM-1024_sample.txt").read_text("ascii")
    cases += [(line, False) for line in modulus.split()]
    for group, case in read_cases("mlkem", "acvp_mlkem1024_encapdecap.json"):
        if group["function"] == "encapsulation":
            cases.append((case["ek"], True))
    for public, valid in cases:
        if valid:
            assert len(KEM.encapsulate(bytes.fromhex(public))[0]) == SHARED_BYTES
        else:
            with pytest.raises(CryptoError):
                KEM.encapsulate(bytes.fromhex(public))
    counted("mlkem", len(cases))


def test_key_generation_vectors() -> None:
    """A1: every published seed gives its public key."""
    seeds = [
        (case["seed"], case["ek"])
        for _, case in read_cases("mlkem", "mlkem_1024_keygen_seed_test.json")
    ]
    seeds += [
        (case["d"] + case["z"], case["ek"])
        for _, case in read_cases("mlkem", "acvp_mlkem1024_keygen.json")
    ]
    for seed, public in seeds:
        assert KEM.from_seed(bytes.fromhex(seed)).public == bytes.fromhex(public)
    counted("mlkem", len(seeds))


def test_known_answer_records() -> None:
    """A1: the NIST records replay, implicit rejection (ct_n, ss_n) included."""
    replayed = 0
    for case in read_records("mlkem", "kat_MLKEM_1024_first60.rsp", "count"):
        pair = KEM.from_seed(bytes.fromhex(case["d"] + case["z"]))
        assert pair.public.hex() == case["pk"]
        assert pair.decapsulate(bytes.fromhex(case["ct"])).hex() == case["ss"]
        assert pair.decapsulate(bytes.fromhex(case["ct_n"])).hex() == case["ss_n"]
        replayed += 1
    assert replayed > 0
    counted("mlkem", replayed)
