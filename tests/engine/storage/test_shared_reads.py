"""What several readers of one tree share: a bounded window of leaves, and their hashes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tallow.crypto.tree import leaf_hash
from tallow.engine.storage.outbox import Outbox, ReadFailed
from tallow.engine.storage.shared_reads import SharedOutbox, SharedReads
from tallow.engine.storage.walk import walk_sources
from tallow.wire import limits

LEAF = 64 * limits.KIB
CONTENT = bytes(range(256)) * (LEAF * 40 // 256) + b"tail"


class Counted:
    """Which ranges were read from the disk."""

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []
        self.lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """How much was read."""
        return sum(length for _, length in self.ranges)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Count what reaches the disk."""
    seen, plain = Counted(), Outbox.read_into

    def read_into(outbox: Outbox, file_no: int, offset: int, room: memoryview) -> None:
        with seen.lock:
            seen.ranges.append((offset, len(room)))
        plain(outbox, file_no, offset, room)

    monkeypatch.setattr(Outbox, "read_into", read_into)
    return seen


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return one file of forty leaves and a tail."""
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def shared(source: Path) -> Iterator[SharedReads]:
    """Share the file with room for twenty leaves."""
    yield SharedReads(walk_sources([str(source)]), 20 * (LEAF + 256))


def read(reader: SharedOutbox, first: int, leaves: int = 1) -> bytes:
    """Read whole leaves."""
    begin = first * LEAF
    room = memoryview(bytearray(min(leaves * LEAF, len(CONTENT) - begin)))
    reader.read_into(0, begin, room)
    assert room == CONTENT[begin : begin + len(room)]
    return bytes(room)


def test_what_one_has_read_another_need_not(shared: SharedReads, counted: Counted) -> None:
    """C13: receivers within a window of each other cause one reading, however they cut it."""
    first, second = shared.reader(), shared.reader()
    for at in range(0, 20, 4):
        read(first, at, 4)
        read(second, at, 1)
        read(second, at + 1, 3)
    assert counted.bytes == 20 * LEAF
    first.close()
    second.close()


def test_only_what_is_missing_is_read(shared: SharedReads, counted: Counted) -> None:
    """C13: leaves that are here are copied, the gaps between them are read, neighbours at once."""
    reader = shared.reader()
    read(reader, 2)
    read(reader, 5)
    counted.ranges.clear()
    read(reader, 0, 8)
    assert counted.ranges == [(0, 2 * LEAF), (3 * LEAF, 2 * LEAF), (6 * LEAF, 2 * LEAF)]
    reader.close()


def test_the_window_is_bounded(shared: SharedReads, counted: Counted) -> None:
    """C13: whoever is further behind than the window reads again, and memory stays as it was."""
    fast, slow = shared.reader(), shared.reader()
    read(fast, 0, 41)
    read(slow, 21, 20)
    assert counted.bytes == len(CONTENT)
    read(slow, 0)
    assert counted.bytes == len(CONTENT) + LEAF
    fast.close()
    slow.close()


def test_the_last_receiver_alone_shares_with_nobody(shared: SharedReads, counted: Counted) -> None:
    """C13: once nobody else can come, a single reader keeps nothing."""
    first, second = shared.reader(), shared.reader()
    read(first, 0)
    read(second, 0)
    shared.expect_no_more()
    read(first, 0)
    assert counted.bytes == LEAF
    second.close()
    read(first, 0)
    read(first, 0)
    assert counted.bytes == 3 * LEAF
    first.close()


def test_a_hash_is_made_once(shared: SharedReads, counted: Counted) -> None:
    """C13: the hash of a leaf that was sent to one is known for all, without reading it."""
    first, second = shared.reader(), shared.reader()
    content = memoryview(read(first, 3))
    assert second.known_hash(0, 3) is None
    assert first.leaf_hash(0, 3, content) == leaf_hash(content)
    assert second.known_hash(0, 3) == leaf_hash(content)
    assert second.known_hash(0, 4) is None
    # What was remembered stands, so that a source that changed unseen cannot pass.
    assert second.leaf_hash(0, 3, memoryview(b"x" * LEAF)) == leaf_hash(content)
    assert counted.bytes == LEAF
    first.close()
    second.close()


def test_hashes_are_bounded(shared: SharedReads, monkeypatch: pytest.MonkeyPatch) -> None:
    """C13: beyond its bound nothing is remembered, and everything is still right."""
    monkeypatch.setattr(limits, "LEAF_HASHES_MAX_BYTES", 100)
    reader = shared.reader()
    assert reader.leaf_hash(0, 0, memoryview(b"a")) == leaf_hash(memoryview(b"a"))
    assert reader.known_hash(0, 0) is None
    assert reader.leaf_hash(0, 0, memoryview(b"b")) == leaf_hash(memoryview(b"b"))


def test_many_threads_read_every_leaf_once(shared: SharedReads, counted: Counted) -> None:
    """C13: threads that want the same leaf at the same moment wait for one reading."""
    readers = [shared.reader() for _ in range(4)]
    together = threading.Barrier(len(readers))

    def work(reader: SharedOutbox) -> None:
        for at in range(0, 20, 4):
            together.wait(10)
            read(reader, at, 4)

    with ThreadPoolExecutor(len(readers)) as pool:
        list(pool.map(work, readers))
    assert counted.bytes == 20 * LEAF
    for reader in readers:
        reader.close()


def test_a_failed_reading_is_everybodys_own(
    shared: SharedReads, source: Path, counted: Counted
) -> None:
    """C13: who waited for a reading that failed tries itself and gets the reason."""
    first, second = shared.reader(), shared.reader()
    source.write_bytes(b"shorter")
    for reader in (first, second):
        with pytest.raises(ReadFailed):
            read(reader, 0)
    assert not shared.find([(0, 0)])[1], "nobody waits for a reading that has failed"
    first.close()
    second.close()


def test_odd_ranges_go_past_the_window(shared: SharedReads, counted: Counted) -> None:
    """What is no whole leaf is read for itself."""
    reader = shared.reader()
    for _ in range(2):
        room = memoryview(bytearray(10))
        reader.read_into(0, 5, room)
        assert room == CONTENT[5:15]
    assert counted.bytes == 20
    reader.close()
