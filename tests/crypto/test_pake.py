"""CPace: the draft's vectors, agreement on equal words only, and no fixed key."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.crypto.errors import CryptoError
from tallow.crypto.pake import Cpace, generator, generator_string, isk_ir, lv_cat, prepend_len
from tests.vectors import counted, read_json

P = 2**255 - 19
CI = b"\x0bA_initiator\x0bB_responder"
SID = bytes.fromhex("7e4b4791d6a8ef019b936c79fb7f2c57")
YA = bytes.fromhex("21b4f4bd9e64ed355c3eb676a28ebedaf6d8f17bdc365995b319097153044080")
YB = bytes.fromhex("848b0779ff415f0af4ea14df9dd1d3c29ac41d836c7808896c4eba19c51ac40a")

# Appendix B.1.10 of the draft: point to key under this scalar; no key means that the run aborts.
LOW_ORDER_SCALAR = bytes.fromhex("af46e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449aff")
LOW_ORDER = {
    "0000000000000000000000000000000000000000000000000000000000000000": "",
    "0100000000000000000000000000000000000000000000000000000000000000": "",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": "",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800": "",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157": "",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": "",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": "",
    "daffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": (
        "d8e2c776bbacd510d09fd9278b7edcd25fc5ae9adfba3b6e040e8d3b71b21806"
    ),
    "dbffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": (
        "c85c655ebe8be44ba9c0ffde69f2fe10194458d137f09bbff725ce58803cdb38"
    ),
    "d9ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": (
        "db64dafa9b8fdd136914e61461935fe92aa372cb056314e1231bc4ec12417456"
    ),
    "cdeb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880": (
        "e062dcd5376d58297be2618c7498f55baa07d7e03184e8aada20bca28888bf7a"
    ),
    "4c9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7": (
        "993c6ad11c4c29da9a56f7691fd0ff8d732e49de6250b6c2e80003ff4629a175"
    ),
}

words = st.binary(min_size=1, max_size=60)


def test_draft_run() -> None:
    """A2: the draft's X25519 run, from the words to the session key, byte by byte."""
    g = generator(b"Password", CI, SID)
    a, b = Cpace(g, YA), Cpace(g, YB)
    assert g.hex() == "d04bf6d41f6a289632a2e929fa29bebd51092512a7829fdde7d314b62f05a73f"
    assert a.share.hex() == "1d13c89278cdadd826f6d8d7f887701430f8380ddc17611cdd6dc989ce0c9f32"
    assert b.share.hex() == "248cccf6d5cdc3646f0ad593f9e6cef4e69d4945f8372e623512ecea32185623"
    k = a.finish(b.share)
    assert k == b.finish(a.share)
    assert k.hex() == "5b067effbdc0b2a0e1d907b21ebb25cfedb96a852179a847c37e43ee71322c6b"
    assert isk_ir(k, SID, a.share, b"ADa", b.share, b"ADb").hex() == (
        "6e19b875f7a561d6b3ca3dbb9ef42ac55de3e717881018204b8922b4d5e53bb2"
        "aa82c300bea7b65d2b671da71922ddf6472301b79bc270adfa8bf413285f2263"
    )


@given(words, st.binary(max_size=40))
def test_equal_words_agree(prs: bytes, ci: bytes) -> None:
    """A2: both sides get the same key, a fresh one in every run."""
    g = generator(prs, ci)
    first, second = Cpace(g), Cpace(g)
    k = first.finish(second.share)
    assert k == second.finish(first.share)
    assert k != bytes(32)
    assert Cpace(g).share not in (first.share, second.share)


@given(words, words, st.binary(max_size=20), st.binary(max_size=20))
def test_other_words_or_channels_disagree(
    prs: bytes, other_prs: bytes, ci: bytes, other_ci: bytes
) -> None:
    """A2: with any difference in words or channel identifier the keys differ."""
    g, other_g = generator(prs, ci), generator(other_prs, other_ci)
    a, b = Cpace(g), Cpace(other_g)
    agreed = a.finish(b.share) == b.finish(a.share)
    assert agreed == ((prs, ci) == (other_prs, other_ci))
    assert (g == other_g) == agreed


@given(words, st.binary(max_size=20), st.binary(max_size=20))
def test_generator_by_the_textbook(prs: bytes, ci: bytes, sid: bytes) -> None:
    """A2: the branch-free map equals the draft's definition with inverses and branches."""
    string = generator_string(prs, ci, sid)
    u = int.from_bytes(hashlib.sha512(string).digest()[:32], "little") % 2**255
    v = -486662 * pow(1 + 2 * u * u, -1, P) % P
    on_curve = pow(v**3 + 486662 * v**2 + v, (P - 1) // 2, P) == 1
    expected = v if on_curve else (-v - 486662) % P
    assert generator(prs, ci, sid) == expected.to_bytes(32, "little")
    assert pow(expected**3 + 486662 * expected**2 + expected, (P - 1) // 2, P) == 1


@given(st.binary(max_size=300))
def test_words_fill_the_first_hash_block(prs: bytes) -> None:
    """The padding ends the first SHA-512 block, or is empty when the words are longer."""
    string = generator_string(prs, b"ci", b"sid")
    head = lv_cat(b"CPace255", prs)
    padding = max(0, 128 - len(head) - 1)
    assert string == head + prepend_len(bytes(padding)) + lv_cat(b"ci", b"sid")
    assert len(head) + 1 + padding >= 128


def test_reflected_share_is_refused() -> None:
    """A2: our own share sent back ends in CryptoError."""
    side = Cpace(generator(b"words", CI))
    with pytest.raises(CryptoError):
        side.finish(side.share)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_other_lengths_are_refused(length: int) -> None:
    """A4: share, generator and scalar of another length end in CryptoError."""
    g = generator(b"words", CI)
    with pytest.raises(CryptoError):
        Cpace(g).finish(b"\x09" * length)
    with pytest.raises(CryptoError):
        Cpace(b"\x09" * length)
    with pytest.raises(CryptoError):
        Cpace(g, b"\x09" * length)


def test_a_run_finishes_once() -> None:
    """A4: the scalar is gone after the first answer, good or bad."""
    g = generator(b"words", CI)
    side = Cpace(g)
    with pytest.raises(CryptoError):
        side.finish(bytes(32))
    with pytest.raises(ValueError, match="once"):
        side.finish(Cpace(g).share)


def test_non_canonical_points_are_legal() -> None:
    """A set top bit is masked, as in the draft; only an all-zero key is an abort."""
    g = generator(b"words", CI)
    peer = Cpace(g).share
    masked = peer[:31] + bytes([peer[31] | 0x80])
    assert Cpace(g, YA).finish(peer) == Cpace(g, YA).finish(masked)


def test_isk_binds_every_part() -> None:
    """The session key changes with each of its six inputs and with their borders."""
    parts = [b"k" * 32, b"sid", b"A" * 32, b"ad a", b"B" * 32, b"ad b"]
    seen = {isk_ir(*parts)}
    for i in range(len(parts)):
        changed = list(parts)
        changed[i] += b"\0"
        seen.add(isk_ir(*changed))
    seen.add(isk_ir(parts[0], parts[1], parts[4], parts[5], parts[2], parts[3]))
    assert len(seen) == 8


def test_points_with_and_without_a_top_bit() -> None:
    """X08: of the draft's twelve points seven abort; five, masked, give the published key."""
    g = Cpace(generator(b"words", CI)).share
    for point, key in LOW_ORDER.items():
        side = Cpace(g, LOW_ORDER_SCALAR)
        if key:
            assert side.finish(bytes.fromhex(point)).hex() == key
            continue
        with pytest.raises(CryptoError):
            side.finish(bytes.fromhex(point))
        with pytest.raises(CryptoError):
            Cpace(bytes.fromhex(point))


def test_low_order_vectors() -> None:
    """X08: the published points are the twelve above, so each verdict is known."""
    points = read_json("cpace", "cpace_x25519_sha512.json")[-1]["values"]
    assert {point.lower() for point in points.values()} == set(LOW_ORDER)
    points = read_json("cpace", "testvectors_all_groups.json")["X25519_points"]
    assert {point.lower() for point in points.values()} == set(LOW_ORDER)
    counted("cpace", len(points))


def _replay_run(values: dict[str, Any]) -> None:
    raw = {name: bytes.fromhex(value) for name, value in values.items()}
    g = generator(raw["PRS"], raw["CI"], raw["sid"])
    a, b = Cpace(g, raw["ya"]), Cpace(g, raw["yb"])
    assert (g, a.share, b.share) == (raw["g"], raw["Ya"], raw["Yb"])
    assert a.finish(raw["Yb"]) == b.finish(raw["Ya"]) == raw["K"]
    isk = isk_ir(raw["K"], raw["sid"], raw["Ya"], raw["ADa"], raw["Yb"], raw["ADb"])
    assert isk == raw["ISK_IR"]


def test_draft_vectors() -> None:
    """A2: generator string, generator and runs of the draft's files agree."""
    first, run, _ = read_json("cpace", "cpace_x25519_sha512.json")
    values = first["values"]
    prs, ci, sid = (bytes.fromhex(values[name]) for name in ("PRS", "CI", "sid"))
    string = values["generator_string(G.DSI,PRS,CI,sid,H.s_in_bytes)"]
    assert generator_string(prs, ci, sid) == bytes.fromhex(string)
    assert generator(prs, ci, sid) == bytes.fromhex(values["generator g"])
    _replay_run(run["values"])
    _replay_run(read_json("cpace", "testvectors_all_groups.json")["G_25519"])
    counted("cpace", 3)


def test_string_vectors() -> None:
    """A2: CPace's own length encoding and concatenation agree with the draft."""
    file = read_json("cpace", "string_utils.json")
    lengths = file["prepend_len test vectors"]
    for text, item in (
        ("b''", b""),
        ("b'1234'", b"1234"),
        ("bytes(range(127))", bytes(range(127))),
        ("bytes(range(128))", bytes(range(128))),
    ):
        assert prepend_len(item) == bytes.fromhex(lengths[f"prepend_len({text})"])
    joined = file["Testvector for lv_cat()"]["lv_cat(b'1234',b'5',b'',b'678')"]
    assert lv_cat(b"1234", b"5", b"", b"678") == bytes.fromhex(joined)
    runs = file["Test vectors transcript_ir function"]
    for a, b in ((b"123", b"234"), (b"3456", b"2345")):
        expected = runs[f"transcript_ir({a!r},b'PartyA',{b!r},b'PartyB')"]
        assert lv_cat(a, b"PartyA") + lv_cat(b, b"PartyB") == bytes.fromhex(expected)
    counted("cpace", 7)
