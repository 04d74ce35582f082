"""Hashes, HKDF, HMAC and Argon2id against answers known beforehand."""

from __future__ import annotations

import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.crypto.errors import CryptoError
from tallow.crypto.kdf import (
    argon2id,
    argon2id_raw,
    expand,
    expand_info,
    extract,
    mac,
    same,
    sha512,
)
from tests.vectors import counted, read_cases, read_json, read_records

MIB_64 = 65536


def test_sha512_known_answer() -> None:
    """A1: SHA-512 of "abc" is the one of FIPS 180-2, in one part or several."""
    expected = (
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    )
    assert sha512(b"abc").hex() == expected
    assert sha512(b"a", bytearray(b"b"), memoryview(b"c")).hex() == expected


def test_hmac_known_answers() -> None:
    """A1: HMAC-SHA-512 gives the tags of RFC 4231, cases 1 and 2."""
    assert mac(b"\x0b" * 20, b"Hi There").hex() == (
        "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
        "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"
    )
    assert mac(b"Jefe", b"what do ya want for nothing?").hex() == (
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
        "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
    )


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=40), st.integers(1, 200))
def test_hkdf_follows_its_definition(salt: bytes, ikm: bytes, info: bytes, n: int) -> None:
    """A1: extract and expand equal RFC 5869 §2 written out over the standard library's HMAC."""
    prk = hmac.digest(salt or bytes(64), ikm, "sha512")
    okm, block = b"", b""
    for counter in range(1, -(-n // 64) + 1):
        block = hmac.digest(prk, block + info + bytes([counter]), "sha512")
        okm += block
    assert extract(salt, ikm) == prk
    assert expand_info(bytearray(prk), info, n) == okm[:n]


def test_expand_binds_label_and_context() -> None:
    """The info string is lv("tallow/1", label, ctx), so no two purposes share a key."""
    info = b"\0\0\0\x08tallow/1\0\0\0\x03key\0\0\0\x03ctx"
    assert expand(b"k" * 64, "key", b"ctx", 44) == expand_info(b"k" * 64, info, 44)
    assert expand(b"k" * 64, "keyc", b"tx", 44) != expand(b"k" * 64, "key", b"ctx", 44)


@pytest.mark.parametrize("n", [-1, 0, 255 * 64 + 1])
def test_expand_length_is_bounded(n: int) -> None:
    """HKDF gives at most 255 blocks and never an empty key."""
    with pytest.raises(ValueError, match="out of range"):
        expand(b"k" * 64, "key", b"", n)


def test_hkdf_vectors() -> None:
    """A1: the published HKDF-SHA512 set replays without a deviation."""
    cases = read_cases("hkdf", "hkdf_sha512_test.json")
    for _, case in cases:
        prk = extract(bytes.fromhex(case["salt"]), bytes.fromhex(case["ikm"]))
        info = bytes.fromhex(case["info"])
        if case["result"] == "valid":
            assert expand_info(prk, info, case["size"]).hex() == case["okm"], case["tcId"]
        else:
            with pytest.raises(ValueError, match="out of range"):
                expand_info(prk, info, case["size"])
    counted("hkdf", len(cases))


def test_hmac_vectors() -> None:
    """A1: the published HMAC-SHA-512 set replays without a deviation."""
    cases = read_cases("hkdf", "hmac_sha512_test.json")
    for group, case in cases:
        tag = mac(bytes.fromhex(case["key"]), bytes.fromhex(case["msg"]))
        matches = same(tag[: group["tagSize"] // 8], bytes.fromhex(case["tag"]))
        assert matches == (case["result"] == "valid"), case["tcId"]
    counted("hmac", len(cases))


@given(st.binary(min_size=1, max_size=64), st.data())
def test_same_is_equality_of_equal_lengths(a: bytes, draw: st.DataObject) -> None:
    """X20: equal bytes match, one flipped bit or any other length does not."""
    bit = draw.draw(st.integers(0, len(a) * 8 - 1))
    cut = draw.draw(st.integers(0, len(a) - 1))
    flipped = bytearray(a)
    flipped[bit // 8] ^= 1 << bit % 8
    assert same(a, bytearray(a))
    assert not same(a, flipped)
    assert not same(a, a[:cut])
    assert not same(a[:cut], a)


def test_empty_tags_never_match() -> None:
    """X20: two tags of no length prove nothing."""
    assert not same(b"", b"")


def test_argon2id_defaults() -> None:
    """A5: without parameters it is 256 MiB, t=3, p=4 (answer computed with argon2-cffi 25.1)."""
    assert argon2id(bytearray(b"correct horse"), b"tallow-argon2-16", length=64).hex() == (
        "667634d0036a4c13041acd7e2ea60a4af967aba79acb4d2600f173cf35c233f6"
        "f0a7cecd9c4f5919f9f10c00df3300ca12521a9d8ea3078cff3292ddb67abee7"
    )


def test_argon2id_rfc_9106_answer() -> None:
    """A1: the RFC's own example, with secret and associated data."""
    tag = argon2id_raw(
        b"\1" * 32,
        b"\2" * 16,
        length=32,
        memory_kib=32,
        iterations=3,
        lanes=4,
        secret=b"\3" * 8,
        ad=b"\4" * 12,
    )
    assert tag.hex() == "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"


@pytest.mark.parametrize(
    "change",
    [
        {"memory_kib": MIB_64 - 1},
        {"memory_kib": 1024 * 1024 + 1},
        {"memory_kib": -1},
        {"iterations": 0},
        {"iterations": 11},
        {"lanes": 0},
        {"lanes": 17},
        {"length": 3},
        {"length": 1025},
    ],
)
def test_argon2id_parameters_are_capped(change: dict[str, int]) -> None:
    """A5: parameters outside the bounds are refused before memory is taken."""
    parameters = {"length": 32, "memory_kib": MIB_64, "iterations": 1, "lanes": 1} | change
    with pytest.raises(CryptoError):
        argon2id(b"password", b"somesalt", **parameters)


def test_argon2id_short_salt() -> None:
    """A5: a salt under 8 bytes is refused."""
    with pytest.raises(CryptoError):
        argon2id(b"password", b"seven77", length=32, memory_kib=MIB_64)


def _argon2id_json() -> list[dict[str, Any]]:
    rfc = read_json("argon2id", "rfc9106.json")
    raw = [rfc | {name: bytes.fromhex(rfc[name]) for name in ("password", "salt", "secret", "ad")}]
    for case in read_json("argon2id", "phc_argon2id.json"):
        texts = {name: case[f"{name}_utf8"].encode() for name in ("password", "salt")}
        raw.append(case | texts)
    return raw


def _argon2id_records() -> list[dict[str, Any]]:
    return [
        {
            "password": bytes.fromhex(record["pass"]),
            "salt": bytes.fromhex(record["salt"]),
            "secret": bytes.fromhex(record.get("secret", "")) or None,
            "ad": bytes.fromhex(record.get("ad", "")) or None,
            "memory_kib": int(record["memcost"]),
            "iterations": int(record["iter"]),
            "lanes": int(record["lanes"]),
            "tag": record["output"],
        }
        for record in read_records("argon2id", "argon2id_pyca.txt", "count")
    ]


def test_argon2id_vectors() -> None:
    """A1: the published sets replay, and those within our bounds through the capped door too."""
    cases = _argon2id_json() + _argon2id_records()
    capped = 0
    for case in cases:
        parameters = {name: case[name] for name in ("memory_kib", "iterations", "lanes")}
        length = len(bytes.fromhex(case["tag"]))
        tag = argon2id_raw(
            case["password"],
            case["salt"],
            length=length,
            secret=case.get("secret"),
            ad=case.get("ad"),
            **parameters,
        )
        assert tag.hex() == case["tag"]
        if parameters["memory_kib"] >= MIB_64:
            capped += 1
            again = argon2id(case["password"], case["salt"], length=length, **parameters)
            assert again.hex() == case["tag"]
    assert capped > 0
    counted("argon2id", len(cases))
