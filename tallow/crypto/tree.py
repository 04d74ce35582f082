"""BLAKE3 over files: leaf hashes, the Merkle root, and digests of manifests and root lists.

Every kind of input has its own derive-key context, so a leaf is never mistaken for a node; size,
leaf size and leaf count are bound in the root, so neither is a repeated or missing tail. Leaf
lists live in the journal: the hasher here keeps O(log n) hashes.
This module never reads a file and never chooses a leaf size.
Spec: docs/protocol.md §7.1, §8.5, §10.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from blake3 import blake3

from tallow.crypto.lv import Buffer, u32, u64

HASH_BYTES: Final = 32

_EMPTY_TOP: Final = bytes(HASH_BYTES)


def leaf_hash(data: Buffer) -> bytes:
    """Hash one leaf's bytes to 32 bytes."""
    return blake3_hash("tallow/1 leaf", data)


@lru_cache(maxsize=64)
def zero_leaf_hash(length: int) -> bytes:
    """Hash a leaf of ``length`` zero bytes: what a hole in a file holds."""
    return leaf_hash(bytes(length))


def root_hash(size: int, leaf_bytes: int, leaves: Iterable[bytes]) -> bytes:
    """Return the root of a file of ``size`` bytes; ValueError if the leaf count does not fit."""
    hasher = TreeHasher(size, leaf_bytes)
    for leaf in leaves:
        hasher.add(leaf)
    return hasher.root(size)


class TreeHasher:
    """A root in the making: leaf hashes in file order, O(log n) memory."""

    __slots__ = ("_count", "_leaf_bytes", "_peaks", "_size")

    def __init__(self, size: int | None, leaf_bytes: int) -> None:
        """Begin a file; a stream of unknown length gives None as its size."""
        if leaf_bytes < 1 or (size is not None and size < 0):
            raise ValueError("a file has a size of 0 or more and leaves of 1 byte or more")
        self._size = size
        self._leaf_bytes = leaf_bytes
        self._count = 0
        self._peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Append the next leaf's hash; ValueError past the end or on a wrong length."""
        if len(leaf) != HASH_BYTES:
            raise ValueError("a leaf hash has 32 bytes")
        if self._size is not None and self._count >= self._leaves_of(self._size):
            raise ValueError("more leaves than the file has")
        # Trailing one bits of the count are the full subtrees that this leaf completes.
        node, full = leaf, self._count
        while full & 1:
            node = _node(self._peaks.pop(), node)
            full >>= 1
        self._peaks.append(node)
        self._count += 1

    def root(self, size: int) -> bytes:
        """Return the root for a file of ``size`` bytes; ValueError if the leaves do not fit it."""
        if size < 0 or self._size not in (None, size) or self._count != self._leaves_of(size):
            raise ValueError("leaf count does not fit the size")
        head = u64(size) + u32(self._leaf_bytes) + u64(self._count)
        return blake3_hash("tallow/1 root", head, self._top())

    def _top(self) -> bytes:
        if not self._peaks:
            return _EMPTY_TOP
        # An odd last child is carried up unchanged: the smaller subtrees fold from the right.
        *rest, top = self._peaks
        for peak in reversed(rest):
            top = _node(peak, top)
        return top

    def _leaves_of(self, size: int) -> int:
        return -(-size // self._leaf_bytes)


def manifest_root(total_entries: int, pages: Iterable[bytes]) -> bytes:
    """Hash the received pages as they are: BLAKE3 over lv(u64 total, page_0, …)."""
    hasher = blake3(derive_key_context="tallow/1 manifest")
    total = u64(total_entries)
    hasher.update(u32(len(total)) + total)
    for page in pages:
        hasher.update(u32(len(page)))
        hasher.update(page)
    return hasher.digest()


def roots_digest(items: Iterable[tuple[int, bytes]]) -> bytes:
    """Hash (file number, root) pairs in the given order: BLAKE3 over (u32 ‖ root)*."""
    hasher = blake3(derive_key_context="tallow/1 roots")
    for file_no, root in items:
        if len(root) != HASH_BYTES:
            raise ValueError("a root has 32 bytes")
        hasher.update(u32(file_no) + root)
    return hasher.digest()


def blake3_hash(context: str, *parts: Buffer) -> bytes:
    """Hash the parts as one string in a context of their own, 32 bytes."""
    hasher = blake3(derive_key_context=context)
    for part in parts:
        hasher.update(part)
    return hasher.digest()


def _node(left: bytes, right: bytes) -> bytes:
    return blake3_hash("tallow/1 node", left, right)
