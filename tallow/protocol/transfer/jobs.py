"""What the transfer machines ask the lane to do with bulk bytes, as frozen notes.

A machine decides which leaves go when and in which record; engine/lane.py reads, hashes, seals,
writes. Nothing here holds file content except views into a record that was just opened.
Spec: docs/protocol.md §8.3.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallow.protocol.bulk import Codec, Leaf, Reserved
from tallow.wire import limits

# --- sender -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LeavesJob:
    """Read consecutive leaves of a file, hash each, seal them as one record."""

    reserved: Reserved
    file_no: int
    first_leaf: int
    offset: int
    lengths: tuple[int, ...]
    last: bool

    @property
    def plain_bytes(self) -> int:
        """How many file bytes the record carries."""
        return sum(self.lengths)


@dataclass(frozen=True, slots=True)
class StreamJob:
    """Read up to ``most_leaves`` leaves from a stream; the lane finds out whether it ends."""

    reserved: Reserved
    file_no: int
    first_leaf: int
    most_leaves: int

    @property
    def plain_bytes(self) -> int:
        """The most bytes that the record may carry."""
        return self.most_leaves * limits.STREAM_LEAF_BYTES


@dataclass(frozen=True, slots=True)
class PackJob:
    """Read small files whole, hash each, seal them as one record."""

    reserved: Reserved
    files: tuple[tuple[int, int], ...]
    """File number and size of each."""

    @property
    def plain_bytes(self) -> int:
        """How many file bytes the record carries."""
        return sum(size for _, size in self.files)


@dataclass(frozen=True, slots=True)
class HoleJob:
    """Seal a record that says that these leaves are zero bytes; nothing is read."""

    reserved: Reserved
    file_no: int
    first_leaf: int
    lengths: tuple[int, ...]
    last: bool

    @property
    def plain_bytes(self) -> int:
        """How many file bytes the record carries: none, so it costs no credit."""
        return 0

    @property
    def covers_bytes(self) -> int:
        """How many bytes of the file are done with it."""
        return sum(self.lengths)


@dataclass(frozen=True, slots=True)
class HashJob:
    """Read and hash leaves that the receiver has; nothing is sent, so there is no number."""

    file_no: int
    first_leaf: int
    offset: int
    lengths: tuple[int, ...]
    last: bool
    """Whether the file's final leaf is among them."""


SealJob = LeavesJob | StreamJob | PackJob | HoleJob
SendJob = SealJob | HashJob

# --- receiver ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoreLeaves:
    """Expand and hash these leaves and write them at their offset; a hole is not written."""

    number: int
    file_no: int
    first_leaf: int
    offset: int
    leaves: tuple[Leaf, ...]

    @property
    def plain_bytes(self) -> int:
        """How many file bytes cost credit: all but holes."""
        return sum(leaf.plain_bytes for leaf in self.leaves if leaf.codec is not Codec.HOLE)

    @property
    def covers_bytes(self) -> int:
        """How many bytes of the file are done with it, holes included."""
        return sum(leaf.plain_bytes for leaf in self.leaves)

    @property
    def has_holes(self) -> bool:
        """Whether a leaf is a hole."""
        return any(leaf.codec is Codec.HOLE for leaf in self.leaves)


@dataclass(frozen=True, slots=True)
class StorePack:
    """Expand a block of whole small files, hash and write each."""

    number: int
    codec: Codec
    stored: memoryview
    files: tuple[tuple[int, int], ...]
    """File number and plain length of each."""

    @property
    def plain_bytes(self) -> int:
        """How many file bytes are written."""
        return sum(length for _, length in self.files)


@dataclass(frozen=True, slots=True)
class CheckLeaves:
    """Read and hash leaves that are on this disk already."""

    file_no: int
    first_leaf: int
    offset: int
    lengths: tuple[int, ...]


StoreJob = StoreLeaves | StorePack
SinkJob = StoreJob | CheckLeaves
