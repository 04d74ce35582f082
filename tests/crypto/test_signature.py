"""Hybrid signatures: both halves or nothing."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA87PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.crypto.errors import CryptoError
from tallow.crypto.lv import lv
from tallow.crypto.signature import (
    ED25519_PUBLIC_BYTES,
    ED25519_SIGNATURE_BYTES,
    MLDSA87_PUBLIC_BYTES,
    MLDSA87_SIGNATURE_BYTES,
    HybridSignature,
    SigningKey,
    VerifyKey,
    check_ed25519_public,
    verify,
    verify_ed25519,
    verify_mldsa87,
)
from tests.vectors import counted, read_cases, read_json, read_records

CONTEXT, MESSAGE = b"tallow/1 test", b"both or nothing"
P = 2**255 - 19


@cache
def signer() -> SigningKey:
    return SigningKey(b"e" * 32, b"m" * 32)


@cache
def signed() -> HybridSignature:
    return signer().sign(CONTEXT, MESSAGE)


def refused(public: VerifyKey, signature: HybridSignature) -> bool:
    try:
        verify(public, CONTEXT, MESSAGE, signature)
    except CryptoError:
        return True
    return False


def test_rfc_8032_answer() -> None:
    """A1: key and signature of RFC 8032 §7.1, test 1."""
    seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    signature = (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    assert SigningKey(bytes.fromhex(seed), bytes(32)).public.ed25519.hex() == public
    verify_ed25519(bytes.fromhex(public), b"", bytes.fromhex(signature))
    with pytest.raises(CryptoError):
        verify_ed25519(bytes.fromhex(public), b"x", bytes.fromhex(signature))


def test_known_mldsa_key_generation() -> None:
    """A1: the seed of the first NIST known-answer test gives its public key (by SHA-256)."""
    seed = "f696484048ec21f96cf50a56d0759c448f3779752f0383d37449690694cf7a68"
    public = SigningKey(bytes(32), bytearray.fromhex(seed)).public.mldsa87
    digest = hashlib.sha256(public).hexdigest()
    assert digest == "b509c4ebd6b5fa67009c73cc7cebe55a3f38486a24acfbf9d91dd04f63e660b5"


def test_sizes_and_halves() -> None:
    """Each half has its fixed size, signs what the specification says and verifies."""
    public, signature = signer().public, signed()
    assert (len(public.ed25519), len(public.mldsa87)) == (
        ED25519_PUBLIC_BYTES,
        MLDSA87_PUBLIC_BYTES,
    )
    assert (len(signature.ed25519), len(signature.mldsa87)) == (
        ED25519_SIGNATURE_BYTES,
        MLDSA87_SIGNATURE_BYTES,
    )
    verify(public, CONTEXT, MESSAGE, signature)
    verify_ed25519(public.ed25519, lv(CONTEXT, MESSAGE), signature.ed25519)
    verify_mldsa87(public.mldsa87, CONTEXT, MESSAGE, signature.mldsa87)


@settings(max_examples=25)
@given(st.binary(min_size=1, max_size=255), st.binary(max_size=400))
def test_round_trip(context: bytes, message: bytes) -> None:
    """Whatever is signed verifies, and under no other context or message."""
    signature = signer().sign(context, message)
    verify(signer().public, context, message, signature)
    for other_context, other_message in (
        (context, message + b"\0"),
        (context[:-1] + bytes([context[-1] ^ 1]), message),
    ):
        with pytest.raises(CryptoError):
            verify(signer().public, other_context, other_message, signature)


def test_context_and_message_do_not_run_together() -> None:
    """A byte moved from the context to the message is another statement."""
    signature = signer().sign(b"ab", b"c")
    with pytest.raises(CryptoError):
        verify(signer().public, b"a", b"bc", signature)


def test_one_half_is_never_enough() -> None:
    """X19: with either half from another signer or another message nothing verifies."""
    other = SigningKey(b"E" * 32, b"M" * 32)
    for stranger in (other.sign(CONTEXT, MESSAGE), signer().sign(CONTEXT, b"other words")):
        assert refused(signer().public, replace(signed(), ed25519=stranger.ed25519))
        assert refused(signer().public, replace(signed(), mldsa87=stranger.mldsa87))
    assert refused(replace(signer().public, ed25519=other.public.ed25519), signed())
    assert refused(replace(signer().public, mldsa87=other.public.mldsa87), signed())
    assert not refused(signer().public, signed())


@settings(max_examples=60)
@given(st.integers(0, (ED25519_SIGNATURE_BYTES + MLDSA87_SIGNATURE_BYTES) * 8 - 1))
def test_one_flipped_bit_fails(bit: int) -> None:
    """A flip anywhere in either signature is refused."""
    raw = bytearray(signed().ed25519 + signed().mldsa87)
    raw[bit // 8] ^= 1 << bit % 8
    halves = bytes(raw[:ED25519_SIGNATURE_BYTES]), bytes(raw[ED25519_SIGNATURE_BYTES:])
    assert refused(signer().public, HybridSignature(*halves))


@settings(max_examples=60)
@given(st.integers(0, (ED25519_PUBLIC_BYTES + MLDSA87_PUBLIC_BYTES) * 8 - 1))
def test_one_flipped_key_bit_fails(bit: int) -> None:
    """A flip anywhere in either public key is refused."""
    raw = bytearray(signer().public.ed25519 + signer().public.mldsa87)
    raw[bit // 8] ^= 1 << bit % 8
    halves = bytes(raw[:ED25519_PUBLIC_BYTES]), bytes(raw[ED25519_PUBLIC_BYTES:])
    assert refused(VerifyKey(*halves), signed())


@given(st.binary(max_size=70), st.booleans())
def test_any_bytes_are_refused(garbage: bytes, as_key: bool) -> None:
    """X20: keys and signatures of any other length or content end in CryptoError."""
    if as_key:
        assert refused(replace(signer().public, ed25519=garbage), signed())
        assert refused(replace(signer().public, mldsa87=garbage), signed())
    else:
        assert refused(signer().public, replace(signed(), ed25519=garbage))
        assert refused(signer().public, replace(signed(), mldsa87=garbage))


@pytest.mark.parametrize("context", [b"", b"c" * 256])
def test_context_bounds(context: bytes) -> None:
    """A purpose has 1 to 255 bytes, at signing and at verifying."""
    with pytest.raises(ValueError, match="context"):
        signer().sign(context, MESSAGE)
    with pytest.raises(ValueError, match="context"):
        verify(signer().public, context, MESSAGE, signed())


@pytest.mark.parametrize("lengths", [(31, 32), (33, 32), (32, 31), (32, 64), (0, 0)])
def test_seed_lengths(lengths: tuple[int, int]) -> None:
    """A4: a seed of another length ends in CryptoError."""
    with pytest.raises(CryptoError):
        SigningKey(bytes(lengths[0]), bytes(lengths[1]))


def _edwards_double(x: int, y: int) -> tuple[int, int]:
    d = -121665 * pow(121666, -1, P) % P
    product = d * x * x * y * y % P
    return (
        2 * x * y * pow(1 + product, -1, P) % P,
        (y * y + x * x) * pow(1 - product, -1, P) % P,
    )


def _small_order_y() -> set[int]:
    d = -121665 * pow(121666, -1, P) % P
    root = pow(2, (P - 1) // 4, P)
    found = set()
    # Doubling a point of order 8 gives y = 0, hence y^2 = -x^2 there: d y^4 + 2 y^2 - 1 = 0.
    discriminant = (1 + d) % P
    square = pow(discriminant, (P + 3) // 8, P)
    if square * square % P != discriminant:
        square = square * root % P
    for candidate in ((-1 + square) * pow(d, -1, P) % P, (-1 - square) * pow(d, -1, P) % P):
        y = pow(candidate, (P + 3) // 8, P)
        if y * y % P != candidate:
            y = y * root % P
        if y * y % P == candidate:
            x = y * root % P
            for _ in range(3):
                found |= {y % P, -y % P}
                x, y = _edwards_double(x, y)
            assert (x, y) == (0, 1)
    return found | {0, 1, P - 1}


def test_small_order_keys_are_refused() -> None:
    """X08: all points of order 1, 2, 4 and 8, worked out from the curve, in every encoding."""
    points = _small_order_y()
    assert len(points) == 5
    for y in points | {P, P + 1, 2**255 - 1}:
        for sign in (0, 1 << 255):
            with pytest.raises(CryptoError):
                check_ed25519_public((y | sign).to_bytes(32, "little"))
    check_ed25519_public(signer().public.ed25519)


def test_a_universal_signature_is_refused() -> None:
    """X08: under the identity as key one signature would fit every message; it does not here."""
    identity = bytes([1]) + bytes(31)
    with pytest.raises(CryptoError):
        verify_ed25519(identity, b"any message", identity + bytes(32))


def test_ed25519_vectors() -> None:
    """A1: the published set replays without a deviation."""
    cases = read_cases("ed25519", "ed25519_test.json")
    for group, case in cases:
        arguments = [group["publicKey"]["pk"], case["msg"], case["sig"]]
        try:
            verify_ed25519(*map(bytes.fromhex, arguments))
            accepted = True
        except CryptoError:
            accepted = False
        assert accepted == (case["result"] == "valid"), case["tcId"]
    counted("ed25519", len(cases))


def test_ed25519_edge_cases() -> None:
    """X08: of the disputed cases none with a small-order or non-canonical key is accepted."""
    cases = read_json("ed25519", "cctv_ed25519vectors.json")
    accepted = 0
    for case in cases:
        try:
            verify_ed25519(
                bytes.fromhex(case["key"]), case["msg"].encode(), bytes.fromhex(case["sig"])
            )
        except CryptoError:
            continue
        accepted += 1
        assert not {"low_order_A", "non_canonical_A"} & set(case["flags"] or ()), case["number"]
    assert 0 < accepted < len(cases)
    speccheck = read_json("ed25519", "speccheck_cases.json")
    verdicts = ""
    for case in speccheck:
        arguments = [case["pub_key"], case["message"], case["signature"]]
        try:
            verify_ed25519(*map(bytes.fromhex, arguments))
            verdicts += "V"
        except CryptoError:
            verdicts += "X"
    assert verdicts == "XXVVXXXXXXXX"
    counted("ed25519", len(cases) + len(speccheck))


def test_mldsa_verify_vectors() -> None:
    """A1: the published ML-DSA-87 verification set replays without a deviation."""
    cases = read_cases("mldsa", "mldsa_87_verify_test.json")
    for group, case in cases:
        arguments = [group["publicKey"], case.get("ctx", ""), case["msg"], case["sig"]]
        try:
            verify_mldsa87(*map(bytes.fromhex, arguments))
            accepted = True
        except CryptoError:
            accepted = False
        assert accepted == (case["result"] == "valid"), case["tcId"]
    counted("mldsa", len(cases))


def test_mldsa_signing_vectors() -> None:
    """A1: seeds give their keys, published signatures verify, bad seeds and contexts do not."""
    cases = read_cases("mldsa", "mldsa_87_sign_seed_test.json")
    for group, case in cases:
        seed, context = bytes.fromhex(group["privateSeed"]), bytes.fromhex(case.get("ctx", ""))
        if "IncorrectPrivateKeyLength" in case["flags"]:
            with pytest.raises(CryptoError):
                SigningKey(bytes(32), seed)
            continue
        key = SigningKey(bytes(32), seed)
        assert key.public.mldsa87.hex() == group["publicKey"], case["tcId"]
        if "InvalidContext" in case["flags"]:
            with pytest.raises(ValueError, match="context"):
                key.sign(context, bytes.fromhex(case["msg"]))
        elif "msg" in case:
            message, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
            verify_mldsa87(key.public.mldsa87, context, message, signature)
        else:
            library_key = MLDSA87PublicKey.from_public_bytes(key.public.mldsa87)
            library_key.verify_mu(bytes.fromhex(case["sig"]), bytes.fromhex(case["mu"]))
    counted("mldsa", len(cases))


def test_mldsa_key_and_record_vectors() -> None:
    """A1: NIST seeds give their keys and the NIST records' signatures verify."""
    keys = read_cases("mldsa", "acvp_mldsa87_keygen.json")
    for _, case in keys:
        public = SigningKey(bytes(32), bytes.fromhex(case["seed"])).public.mldsa87
        assert public.hex().upper() == case["pk"], case["tcId"]
    records = list(read_records("mldsa", "kat_MLDSA_87_det_pure_first40.rsp", "count"))
    for record in records:
        public = SigningKey(bytes(32), bytes.fromhex(record["xi"])).public.mldsa87
        assert public.hex() == record["pk"]
        signature = bytes.fromhex(record["sm"])[:MLDSA87_SIGNATURE_BYTES]
        context, message = bytes.fromhex(record["ctx"]), bytes.fromhex(record["msg"])
        verify_mldsa87(public, context, message, signature)
    assert keys
    assert records
    counted("mldsa", len(keys) + len(records))


def test_mldsa_internal_vectors() -> None:
    """A1: the library itself agrees with NIST's internal-interface verdicts."""
    cases = read_cases("mldsa", "acvp_mldsa87_sigver_internal.json")
    for group, case in cases:
        public = bytes.fromhex(group["pk"])
        digest = hashlib.shake_256(public).digest(64)
        mu = hashlib.shake_256(digest + bytes.fromhex(case["message"])).digest(64)
        try:
            key = MLDSA87PublicKey.from_public_bytes(public)
            key.verify_mu(bytes.fromhex(case["signature"]), mu)
            accepted = True
        except InvalidSignature:
            accepted = False
        assert accepted == case["testPassed"], case["tcId"]
    counted("mldsa", len(cases))
