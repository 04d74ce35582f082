"""Leaves as they may arrive: raw, compressed, or holes; and twice, after the disk was full."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

from tallow.crypto.tree import leaf_hash, zero_leaf_hash
from tallow.engine.compression import Compressor
from tallow.errors import DiskFull, IntegrityError, StorageError
from tallow.protocol.bulk import Codec, Leaf
from tallow.protocol.transfer.jobs import StoreLeaves, StorePack
from tests.engine.storage.boxes import (
    LEAF,
    check_job,
    content_of,
    found,
    growing,
    hole_job,
    inbox_for,
    interrupted,
    journals,
    large,
    leaf_job,
    pack,
)
from tests.world.stranger import file
from tests.world.world import tree

BIG = large("d/big", 4)


def test_holes_stay_holes(tmp_path: Path) -> None:
    """C7: a file of holes takes no room, has its listed size, and hashes as its zeros do."""
    entry = large("sparse", 900)
    box = inbox_for(tmp_path, entry)
    box.store_leaves(leaf_job(0, 1))
    assert box.store_leaves(hole_job(0, 2, 898)) == [zero_leaf_hash(LEAF)] * 898
    assert box.store_leaves(hole_job(0, 0)) == [leaf_hash(bytes(LEAF))]
    box.give_name(0)
    box.finish()
    seen = (tmp_path / "sparse").stat()
    assert (seen.st_size, seen.st_blocks * 512 < 10 * LEAF) == (900 * LEAF, True)
    with (tmp_path / "sparse").open("rb") as made:
        assert made.read(3 * LEAF) == bytes(LEAF) + content_of(1) + bytes(LEAF)


def test_a_file_that_is_one_hole(tmp_path: Path) -> None:
    """C7: a hole at the end gives the file its length, though nothing was ever written."""
    box = inbox_for(tmp_path, large("empty", 2))
    box.store_leaves(hole_job(0, 0, 2))
    box.give_name(0)
    box.finish()
    assert (tmp_path / "empty").read_bytes() == bytes(2 * LEAF)


def test_listed_holes_are_still_there(tmp_path: Path) -> None:
    """C7, C3: holes that were stored are claimed like any other leaf, and read as zeros."""
    box = inbox_for(tmp_path, BIG)
    box.store_leaves(hole_job(0, 2, 2))
    assert box.abandon(keep=True)
    resumed = found(tmp_path, BIG)
    assert resumed.have == {0: ((2, 3),)}
    box = inbox_for(tmp_path, BIG, resumed=resumed)
    assert box.check_leaves(check_job(0, 1, 3)) == [zero_leaf_hash(LEAF)] * 3
    box.abandon(keep=False)


def test_a_hole_over_what_an_earlier_session_left(tmp_path: Path) -> None:
    """X15: bytes that were never listed do not show through where the sender says zeros."""
    interrupted(tmp_path, BIG, leaves={0: range(1)})
    (part,) = (tmp_path / "d").glob(".tallow-*.part")
    with part.open("ab") as grown:
        grown.write(b"never synced" * LEAF)
    box = inbox_for(tmp_path, BIG, resumed=found(tmp_path, BIG))
    box.store_leaves(hole_job(0, 1, 3))
    box.give_name(0)
    box.finish()
    assert (tmp_path / "d/big").read_bytes() == content_of(0) + bytes(3 * LEAF)


def test_compressed_leaves_are_expanded(tmp_path: Path) -> None:
    """C8: what is hashed and written is what was sent before it was made smaller."""
    plain = content_of(0)
    frame = Compressor().shrink(memoryview(plain))
    assert frame is not None
    box = inbox_for(tmp_path, large("big", 1), file("a", 300), file("b", 200))
    leaf = Leaf(Codec.ZSTD, LEAF, memoryview(frame))
    assert box.store_leaves(StoreLeaves(0, 0, 0, 0, (leaf,))) == [leaf_hash(plain)]
    block = b"a" * 300 + b"b" * 200
    stored = Compressor().shrink(memoryview(block))
    assert stored is not None
    box.store_pack(StorePack(1, Codec.ZSTD, memoryview(stored), ((1, 300), (2, 200))))
    for file_no in range(3):
        box.give_name(file_no)
    box.finish()
    assert tree(tmp_path) == {"big": plain, "a": b"a" * 300, "b": b"b" * 200}


def test_false_compression_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """X14, X17: a leaf that does not expand to what it says ends the session with exit 6."""
    box = inbox_for(tmp_path, BIG, file("small", 300))
    false = Leaf(Codec.ZSTD, LEAF, memoryview(b"no frame at all"))
    with pytest.raises(IntegrityError) as caught:
        box.store_leaves(StoreLeaves(0, 0, 0, 0, (false,)))
    assert caught.value.exit_code == 6
    with pytest.raises(IntegrityError):
        box.store_pack(StorePack(0, Codec.ZSTD, memoryview(b"no frame"), ((1, 300),)))
    assert not growing(tmp_path)
    box.abandon(keep=False)


def full(*_args: object) -> NoReturn:
    """Refuse, as a full disk does."""
    raise OSError(28, "No space left on device")


def test_a_pack_is_repeated_from_the_file_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C3: what was whole before the disk was full is not written again, and all of it arrives."""
    box = inbox_for(tmp_path, file("a", 2), file("b", 2))
    job = pack((0, b"aa"), (1, b"bb"))
    real, room = os.pwrite, [2]

    def little(descriptor: int, content: memoryview, offset: int) -> int:
        # What is listed before needs room of its own.
        room[0] -= len(content) if len(content) == 2 else 0
        return real(descriptor, content, offset) if room[0] >= 0 else full()

    with monkeypatch.context() as patch, pytest.raises(DiskFull, match="b"):
        patch.setattr(os, "pwrite", little)
        box.store_pack(job)
    assert box.store_pack(job) == [leaf_hash(b"aa"), leaf_hash(b"bb")]
    for file_no in (0, 1):
        box.give_name(file_no)
    box.finish()
    assert tree(tmp_path) == {"a": b"aa", "b": b"bb"}


def test_what_a_sync_could_not_list_the_next_one_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C3: leaves that were stored when the journal could not grow are not lost."""
    box = inbox_for(tmp_path, BIG)
    box.store_leaves(leaf_job(0, 0))
    with monkeypatch.context() as patch, pytest.raises(DiskFull):
        patch.setattr(os, "pwrite", full)
        box.make_durable()
    assert box.abandon(keep=True)
    assert found(tmp_path, BIG).have == {0: ((0, 0),)}


def test_the_journal_goes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C3: as long as a name might be lost, there is something to go on with."""
    box = inbox_for(tmp_path, BIG)
    for number in range(4):
        box.store_leaves(leaf_job(0, number))
    box.make_durable()
    box.give_name(0)
    with monkeypatch.context() as patch, pytest.raises(StorageError):
        patch.setattr(os, "fsync", full)
        box.finish()
    assert [path.name for path in journals(tmp_path)] == [box.journal_name]
    box.finish()
    assert not growing(tmp_path)
