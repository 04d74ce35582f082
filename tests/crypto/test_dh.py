"""X25519: RFC 7748 answers, and no key that a stranger can fix."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.crypto.dh import X25519Key
from tallow.crypto.errors import CryptoError
from tests.vectors import counted, read_cases

LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def test_rfc_7748_exchange() -> None:
    """A1: the key agreement of RFC 7748 §6.1."""
    alice = X25519Key.from_bytes(
        bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    )
    bob = X25519Key.from_bytes(
        bytearray.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    )
    shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
    assert alice.public.hex() == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    assert bob.public.hex() == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    assert alice.exchange(bob.public).hex() == shared
    assert bob.exchange(memoryview(alice.public)).hex() == shared


def test_rfc_7748_iterated() -> None:
    """A1: one and a thousand iterations of RFC 7748 §5.2."""
    k = u = bytes([9]) + bytes(31)
    after: dict[int, str] = {}
    for step in range(1, 1001):
        k, u = X25519Key.from_bytes(k).exchange(u), k
        after[step] = k.hex()
    assert after[1] == "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
    assert after[1000] == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"


def test_both_sides_agree_and_keys_are_fresh() -> None:
    """Two generated keys agree with each other and with nobody else."""
    a, b, c = (X25519Key.generate() for _ in range(3))
    assert a.exchange(b.public) == b.exchange(a.public)
    assert a.exchange(b.public) != a.exchange(c.public)
    assert len({a.public, b.public, c.public}) == 3


@pytest.mark.parametrize("top_bit", [0, 0x80])
@pytest.mark.parametrize("point", LOW_ORDER)
def test_low_order_points_are_refused(point: str, top_bit: int) -> None:
    """X08: a share that forces the all-zero secret ends in CryptoError, top bit or not."""
    raw = bytearray.fromhex(point)
    raw[31] |= top_bit
    with pytest.raises(CryptoError):
        X25519Key.generate().exchange(bytes(raw))


@given(st.binary(max_size=40).filter(lambda raw: len(raw) != 32))
def test_wrong_lengths_are_refused(raw: bytes) -> None:
    """A4: keys and shares of another length end in CryptoError."""
    with pytest.raises(CryptoError):
        X25519Key.from_bytes(raw)
    with pytest.raises(CryptoError):
        X25519Key.generate().exchange(raw)


def test_x25519_vectors() -> None:
    """A1: the published set replays; an all-zero secret is refused, all else is computed."""
    cases = read_cases("x25519", "x25519_test.json")
    for _, case in cases:
        key = X25519Key.from_bytes(bytes.fromhex(case["private"]))
        if "ZeroSharedSecret" in case["flags"]:
            with pytest.raises(CryptoError):
                key.exchange(bytes.fromhex(case["public"]))
        else:
            assert key.exchange(bytes.fromhex(case["public"])).hex() == case["shared"], case["tcId"]
    counted("x25519", len(cases))
