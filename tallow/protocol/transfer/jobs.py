"""What the transfer machines ask the lane to do with bulk bytes, as frozen notes.

A machine decides which leaves go when and in which record; engine/lane.py reads, hashes, seals,
writes. Nothing here holds file content except views into a record that was just opened.
Spec: docs/protocol.md §8.3.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallow.protocol.bulk import Reserved
from tallow.wire import limits


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


SealJob = LeavesJob | StreamJob | PackJob


@dataclass(frozen=True, slots=True)
class StoreLeaves:
    """Hash these leaves and write them at their offset."""

    number: int
    file_no: int
    first_leaf: int
    offset: int
    leaves: tuple[memoryview, ...]

    @property
    def plain_bytes(self) -> int:
        """How many file bytes are written."""
        return sum(len(leaf) for leaf in self.leaves)


@dataclass(frozen=True, slots=True)
class StorePack:
    """Hash and write these whole small files."""

    number: int
    files: tuple[tuple[int, memoryview], ...]

    @property
    def plain_bytes(self) -> int:
        """How many file bytes are written."""
        return sum(len(content) for _, content in self.files)


StoreJob = StoreLeaves | StorePack
