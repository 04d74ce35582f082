"""The lane that stores: results in order, a full disk given back, leaves on the disk checked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tallow.crypto.tree import leaf_hash
from tallow.engine.lane import STORE_DEPTH, StoreLane, store
from tallow.engine.storage.inbox import Inbox
from tallow.engine.storage.journal import JournalHead
from tallow.engine.storage.stdio import StdoutSink
from tallow.engine.storage.target import plan_target
from tallow.errors import DiskFull, RemoteProtocolError, StorageError
from tallow.protocol.bulk import Codec, Leaf
from tallow.protocol.manifest import Entry, EntryKind, Manifest, Selection
from tallow.protocol.transfer.jobs import CheckLeaves, StoreLeaves, StorePack
from tests.fakes import InlineWorkers, SeededRng, virtual


def leaves(first: int, *content: bytes) -> StoreLeaves:
    """Return leaves of four bytes to store in file 0."""
    views = tuple(Leaf(Codec.RAW, len(one), memoryview(one)) for one in content)
    return StoreLeaves(first, 0, first, first * 4, views)


def inbox_for(place: Path, *sizes: int) -> Inbox:
    """Return an inbox for files a, b, … of these sizes, all accepted."""
    entries = [
        Entry(chr(ord("a") + number), EntryKind.FILE, size, 0o644, 0)
        for number, size in enumerate(sizes)
    ]
    manifest, chosen = Manifest.of(entries), Selection.everything(len(sizes))
    target = plan_target(manifest, "files", str(place))
    box = Inbox(target, "rename", SeededRng("box").bytes, lambda: bytes(32))
    box.prepare(chosen)
    root, bitmap = manifest.root(), chosen.bitmap
    box.begin(JournalHead(bytes(16), root, 1, manifest.entries, bitmap, "rename"))
    return box


def has_room(lane: StoreLane) -> bool:
    """Ask a lane anew."""
    return lane.has_room


@virtual
async def test_stored_records_come_in_order_too(tmp_path: Path) -> None:
    """Hashes go back to the machine in the order of arrival, with the buffer that is free again."""
    box = inbox_for(tmp_path, 100_000)
    workers = InlineWorkers(last_first=True)
    lane = StoreLane(workers, box, lambda: None)
    for index in range(STORE_DEPTH):
        assert has_room(lane)
        lane.start(leaves(index, b"0123"), memoryview(bytearray(1)))
    assert not has_room(lane)
    await workers.turn()
    for index in range(STORE_DEPTH):
        stored = lane.next_stored()
        assert stored is not None
        assert isinstance(stored.job, StoreLeaves)
        assert (stored.job.number, stored.hashes) == (index, [leaf_hash(b"0123")])
        assert stored.buffer is not None
    assert has_room(lane)
    await lane.stop()
    box.abandon(keep=False)


@virtual
async def test_a_pipe_is_written_one_record_at_a_time() -> None:
    """A sink that needs order gets the next record when the last one is written."""
    lane = StoreLane(InlineWorkers(), StdoutSink(99_999), lambda: None)
    assert has_room(lane)
    lane.start(leaves(0, b"0123"), None)
    assert not has_room(lane)
    await lane.stop()


@virtual
async def test_a_trouble_comes_with_its_result() -> None:
    """What a thread could not write is raised where the result is taken."""
    workers = InlineWorkers()
    lane = StoreLane(workers, StdoutSink(99_999), lambda: None)
    lane.start(leaves(0, b"0123"), None)
    await workers.turn()
    with pytest.raises(StorageError):
        lane.next_stored()
    await lane.stop()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk here is always full")
@virtual
async def test_a_full_disk_gives_the_record_back(tmp_path: Path) -> None:
    """A record that found no room comes back with its buffer, and is stored when there is some."""
    descriptor = os.open("/dev/full", os.O_WRONLY)
    workers, buffer = InlineWorkers(), memoryview(bytearray(b"0123"))
    lane = StoreLane(workers, StdoutSink(descriptor), lambda: None)
    job = StoreLeaves(0, 0, 0, 0, (Leaf(Codec.RAW, 4, buffer),))
    lane.start(job, buffer)
    await workers.turn()
    refused = lane.next_stored()
    assert refused is not None
    assert isinstance(refused.failed, DiskFull)
    assert (refused.job, refused.buffer, refused.hashes) == (job, buffer, [])
    room = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    os.dup2(room, descriptor)
    os.close(room)
    lane.start(refused.job, refused.buffer)
    await workers.turn()
    stored = lane.next_stored()
    assert stored is not None
    assert (stored.failed, stored.hashes) == (None, [leaf_hash(b"0123")])
    await lane.stop()
    os.close(descriptor)
    assert (tmp_path / "out").read_bytes() == b"0123"


@virtual
async def test_a_false_frame_is_raised(tmp_path: Path) -> None:
    """X10: a leaf that does not expand ends the session; it is no full disk and no result."""
    descriptor = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    workers = InlineWorkers()
    lane = StoreLane(workers, StdoutSink(descriptor), lambda: None)
    lane.start(StoreLeaves(0, 0, 0, 0, (Leaf(Codec.ZSTD, 4, memoryview(b"abc")),)), None)
    await workers.turn()
    with pytest.raises(RemoteProtocolError):
        lane.next_stored()
    await lane.stop()
    os.close(descriptor)


def test_every_kind_of_job_is_stored(tmp_path: Path) -> None:
    """Leaves and packs end in the same place, and leaves on the disk are hashed where they are."""
    box = inbox_for(tmp_path, 100_000, 2)
    assert store(leaves(0, b"0123"), box, None).hashes == [leaf_hash(b"0123")]
    checked = store(CheckLeaves(0, 0, 0, (4,)), box, None)
    assert (checked.hashes, checked.failed) == ([leaf_hash(b"0123")], None)
    pack = StorePack(1, Codec.RAW, memoryview(b"ok"), ((1, 2),))
    assert store(pack, box, None).hashes == [leaf_hash(b"ok")]
    box.give_name(1)
    box.abandon(keep=False)
    assert (tmp_path / "b").read_bytes() == b"ok"
