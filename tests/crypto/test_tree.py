"""Roots: the incremental tree equals the level-by-level one, and nothing else fits it."""

from __future__ import annotations

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from tallow.crypto.lv import lv
from tallow.crypto.tree import (
    TreeHasher,
    blake3_hash,
    leaf_hash,
    manifest_root,
    root_hash,
    roots_digest,
    zero_leaf_hash,
)
from tests.vectors import counted, read_json

LEAF = 64 * 1024


def in_context(context: str, message: bytes) -> bytes:
    return blake3(message, derive_key_context=context).digest()


def naive_root(size: int, leaf_bytes: int, leaves: list[bytes]) -> bytes:
    level = list(leaves) or [bytes(32)]
    while len(level) > 1:
        pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
        level = [
            in_context("tallow/1 node", pair[0] + pair[1]) if len(pair) == 2 else pair[0]
            for pair in pairs
        ]
    head = size.to_bytes(8, "big") + leaf_bytes.to_bytes(4, "big") + len(leaves).to_bytes(8, "big")
    return in_context("tallow/1 root", head + level[0])


def some_leaves(count: int) -> list[bytes]:
    return [leaf_hash(bytes([i & 0xFF, i >> 8])) for i in range(count)]


def test_derive_key_known_answer() -> None:
    """A1: the empty input in the published test context."""
    digest = blake3_hash("BLAKE3 2019-12-27 16:29:52 test vectors context")
    assert digest.hex() == "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d"


@given(st.integers(0, 70), st.integers(1, 9), st.integers(0, 8))
def test_three_ways_to_one_root(count: int, leaf_bytes: int, short_by: int) -> None:
    """Naive, whole and incremental roots agree for known and unknown sizes."""
    size = max(0, count * leaf_bytes - min(short_by, leaf_bytes - 1))
    leaves = some_leaves(count)
    expected = naive_root(size, leaf_bytes, leaves)
    assert root_hash(size, leaf_bytes, iter(leaves)) == expected
    stream = TreeHasher(None, leaf_bytes)
    for leaf in leaves:
        stream.add(leaf)
    assert stream.root(size) == expected
    assert stream.root(size) == expected


def test_memory_is_logarithmic() -> None:
    """C9: after 2^14 - 1 leaves the hasher holds 14 hashes, after one more it holds one."""
    hasher = TreeHasher(None, LEAF)
    leaf = leaf_hash(b"")
    for _ in range(2**14 - 1):
        hasher.add(leaf)
    assert len(hasher._peaks) == 14
    hasher.add(leaf)
    assert len(hasher._peaks) == 1


@given(st.integers(1, 20), st.data())
def test_one_flipped_bit_changes_the_root(count: int, draw: st.DataObject) -> None:
    """A flip in any leaf, or two leaves swapped, give another root."""
    leaves = some_leaves(count)
    expected = root_hash(count * LEAF, LEAF, leaves)
    bit = draw.draw(st.integers(0, count * 256 - 1))
    flipped = bytearray(leaves[bit // 256])
    flipped[bit % 256 // 8] ^= 1 << bit % 8
    changed = list(leaves)
    changed[bit // 256] = bytes(flipped)
    assert root_hash(count * LEAF, LEAF, changed) != expected
    if count > 1:
        assert root_hash(count * LEAF, LEAF, leaves[::-1]) != expected


def test_size_and_leaf_size_are_bound() -> None:
    """The same leaves under another size or leaf size have another root."""
    leaves = some_leaves(2)
    roots = {
        root_hash(2 * LEAF, LEAF, leaves),
        root_hash(2 * LEAF - 1, LEAF, leaves),
        root_hash(2 * LEAF, LEAF + 1, leaves),
    }
    assert len(roots) == 3


def test_kinds_of_input_never_meet() -> None:
    """A leaf that holds two hashes is not their node, and a node is not a root."""
    left, right = some_leaves(2)
    digests = {
        leaf_hash(left + right),
        in_context("tallow/1 node", left + right),
        root_hash(2, 1, [left, right]),
        blake3(left + right).digest(),
    }
    assert len(digests) == 4


def test_a_repeated_tail_is_another_file() -> None:
    """An odd last leaf is carried up, never doubled, so repeating it shows."""
    a, b, c = some_leaves(3)
    assert root_hash(3, 1, [a, b, c]) != root_hash(4, 1, [a, b, c, c])


@given(st.integers(0, 10), st.integers(0, 10), st.integers(1, 3))
def test_leaf_count_must_fit(count: int, size: int, leaf_bytes: int) -> None:
    """Any number of leaves but the size's own is a ValueError, early or at the end."""
    leaves = some_leaves(count)
    if count == -(-size // leaf_bytes):
        assert root_hash(size, leaf_bytes, leaves) == naive_root(size, leaf_bytes, leaves)
        return
    with pytest.raises(ValueError, match="lea"):
        root_hash(size, leaf_bytes, leaves)
    stream = TreeHasher(None, leaf_bytes)
    for leaf in leaves:
        stream.add(leaf)
    with pytest.raises(ValueError, match="does not fit"):
        stream.root(size)


def test_impossible_trees_are_refused() -> None:
    """Negative sizes, empty leaves, hashes of another length and a changed mind are ValueErrors."""
    for size, leaf_bytes in ((-1, LEAF), (0, 0), (None, -5)):
        with pytest.raises(ValueError, match="size"):
            TreeHasher(size, leaf_bytes)
    with pytest.raises(ValueError, match="32 bytes"):
        TreeHasher(None, LEAF).add(b"short")
    with pytest.raises(ValueError, match="does not fit"):
        TreeHasher(None, LEAF).root(-1)
    hasher = TreeHasher(LEAF, LEAF)
    hasher.add(leaf_hash(b""))
    with pytest.raises(ValueError, match="more leaves"):
        hasher.add(leaf_hash(b""))
    with pytest.raises(ValueError, match="does not fit"):
        hasher.root(LEAF - 1)


@given(st.integers(0, 2**64 - 1), st.lists(st.binary(max_size=60), max_size=5))
def test_manifest_root(total: int, pages: list[bytes]) -> None:
    """The streamed digest equals one over the whole lv list."""
    whole = lv(total.to_bytes(8, "big"), *pages)
    assert manifest_root(total, iter(pages)) == in_context("tallow/1 manifest", whole)


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(min_size=32, max_size=32))))
def test_roots_digest(items: list[tuple[int, bytes]]) -> None:
    """The digest covers number and root of each file in the given order."""
    whole = b"".join(number.to_bytes(4, "big") + root for number, root in items)
    assert roots_digest(iter(items)) == in_context("tallow/1 roots", whole)


@pytest.mark.parametrize("length", [0, 1, LEAF, 1 << 20])
def test_a_hole_hashes_like_its_zeros(length: int) -> None:
    """C7: a leaf that was never read has the hash of the zero bytes that it stands for."""
    assert zero_leaf_hash(length) == leaf_hash(bytes(length))
    assert zero_leaf_hash(length) is zero_leaf_hash(length)


def test_roots_digest_refuses_other_lengths() -> None:
    """A root of another length would make the list ambiguous."""
    with pytest.raises(ValueError, match="32 bytes"):
        roots_digest([(0, bytes(31))])


def test_blake3_vectors() -> None:
    """A1: derive-key digests replay through our door, plain and keyed ones in the library."""
    file = read_json("blake3", "test_vectors.json")
    key = file["key"].encode()
    for case in file["cases"]:
        message = bytes(i % 251 for i in range(case["input_len"]))
        half = len(message) // 2
        derived = blake3_hash(file["context_string"], message[:half], memoryview(message)[half:])
        assert derived.hex() == case["derive_key"][:64], case["input_len"]
        assert blake3(message).digest(131).hex() == case["hash"]
        assert blake3(message, key=key).digest(131).hex() == case["keyed_hash"]
    counted("blake3", 3 * len(file["cases"]))
