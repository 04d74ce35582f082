"""The lane: records sealed in place and opened again, results in order, failures as results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallow.crypto.tree import leaf_hash, root_hash
from tallow.engine.lane import (
    SEAL_DEPTH,
    STORE_DEPTH,
    Sealed,
    SealLane,
    StoreLane,
    seal,
    store,
)
from tallow.engine.storage.outbox import Outbox, walk_sources
from tallow.engine.storage.stdio import StdoutSink, StreamSource
from tallow.errors import LocalProtocolError, StorageError
from tallow.protocol.bulk import (
    BulkKeys,
    BulkRecvChannel,
    BulkSendChannel,
    LeavesBody,
    PackBody,
    read_body,
)
from tallow.protocol.transfer.jobs import LeavesJob, PackJob, SealJob, StoreLeaves, StreamJob
from tallow.wire import limits
from tallow.wire.frames import LinkReader, LinkType, decode_peer
from tests.engine.storage.test_inbox import inbox_for, leaves, pack
from tests.fakes import InlineWorkers, SeededRng, virtual
from tests.world.stranger import file
from tests.world.world import make, tree

SOME = SeededRng("lane").bytes(300_000)
KEYS = (bytes(32), bytes(32), bytes(16), 1, bytes(64))


@pytest.fixture
def channels() -> tuple[BulkSendChannel, BulkRecvChannel]:
    """Both ends of a bulk channel."""
    return BulkSendChannel(1, "i", BulkKeys(*KEYS)), BulkRecvChannel(1, "i", BulkKeys(*KEYS))


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    """Files of several sizes: folder 0, then a (1), b (2), c (3), empty (4)."""
    make(tmp_path, {"p/a": SOME, "p/b": b"bb", "p/c": b"ccc", "p/e": b""})
    made = Outbox(walk_sources([str(tmp_path / "p")]))
    yield made
    made.close()


def opened(sealed: Sealed, channel: BulkRecvChannel) -> LeavesBody | PackBody:
    """Read a sealed frame as the other side does."""
    ((kind, body),) = LinkReader().feed(sealed.frame)
    assert kind is LinkType.DATA
    frame = decode_peer(bytearray(body))
    assert frame.header is not None
    plain = channel.open(frame.header, frame.body)
    assert plain is not None
    return read_body(plain)


def has_room(lane: SealLane | StoreLane) -> bool:
    """Ask a lane anew."""
    return lane.has_room


def slot() -> bytearray:
    """Return a buffer with leftovers in it."""
    return bytearray(b"\xee" * (limits.FRAME_MAX_BYTES + limits.LINK_HEADER_BYTES))


def test_leaves_are_read_hashed_and_sealed(
    outbox: Outbox, channels: tuple[BulkSendChannel, BulkRecvChannel]
) -> None:
    """A record holds exactly the leaves that were wanted, with their hashes beside it."""
    send, receive = channels
    job = LeavesJob(send.reserve(), 1, 3, 3 * 65536, (65536, 300_000 - 4 * 65536), last=True)
    sealed = seal(job, outbox, slot())
    body = opened(sealed, receive)
    assert isinstance(body, LeavesBody)
    assert (body.file_no, body.first_leaf, body.last) == (1, 3, True)
    assert b"".join(body.leaves) == SOME[3 * 65536 :]
    assert sealed.hashes == [leaf_hash(leaf) for leaf in body.leaves]
    assert (sealed.size, sealed.last, sealed.failed) == (300_000 - 3 * 65536, True, "")


def test_small_files_travel_whole(
    outbox: Outbox, channels: tuple[BulkSendChannel, BulkRecvChannel]
) -> None:
    """A pack holds each file and tells each root."""
    send, receive = channels
    sealed = seal(PackJob(send.reserve(), ((2, 2), (3, 3), (4, 0))), outbox, slot())
    body = opened(sealed, receive)
    assert isinstance(body, PackBody)
    assert [(number, bytes(content)) for number, content in body.files] == [
        (2, b"bb"), (3, b"ccc"), (4, b""),
    ]  # fmt: skip
    roots = {end.file_no: end.root for end in sealed.ended}
    assert roots[3] == root_hash(3, 65536, [leaf_hash(b"ccc")])
    assert roots[4] == root_hash(0, 65536, [])
    assert sealed.size == 5


@pytest.mark.parametrize("missing", [{"b"}, {"c"}, {"e"}, {"b", "c"}, {"b", "e"}])
def test_a_pack_goes_without_the_files_that_failed(
    outbox: Outbox,
    channels: tuple[BulkSendChannel, BulkRecvChannel],
    tmp_path: Path,
    missing: set[str],
) -> None:
    """C11: the others move together; nothing of a failed file, no gap and no leftover is sent."""
    numbers = {"b": 2, "c": 3, "e": 4}
    for name in missing:
        (tmp_path / "p" / name).unlink()
    send, receive = channels
    sealed = seal(PackJob(send.reserve(), ((2, 2), (3, 3), (4, 0))), outbox, slot())
    body = opened(sealed, receive)
    assert isinstance(body, PackBody)
    kept = {number for name, number in numbers.items() if name not in missing}
    content = {2: b"bb", 3: b"ccc", 4: b""}
    assert {number: bytes(held) for number, held in body.files} == {n: content[n] for n in kept}
    failed = {end.file_no for end in sealed.ended if end.failed}
    assert failed == {numbers[name] for name in missing}
    assert all(len(end.failed) <= limits.REASON_MAX_CHARS for end in sealed.ended)


def test_a_pack_of_failures_sends_nothing(
    outbox: Outbox, channels: tuple[BulkSendChannel, BulkRecvChannel], tmp_path: Path
) -> None:
    """If no file is left there is no record, only the reasons."""
    for name in "bc":
        (tmp_path / "p" / name).unlink()
    sealed = seal(PackJob(channels[0].reserve(), ((2, 2), (3, 3))), outbox, slot())
    assert not sealed.frame
    assert [end.file_no for end in sealed.ended] == [2, 3]
    assert all(end.failed for end in sealed.ended)


def test_a_file_that_cannot_be_read_is_a_result(
    outbox: Outbox, channels: tuple[BulkSendChannel, BulkRecvChannel], tmp_path: Path
) -> None:
    """A failed read is told with its reason; nothing is raised in the thread."""
    (tmp_path / "p/a").unlink()
    job = LeavesJob(channels[0].reserve(), 1, 0, 0, (65536,), last=False)
    sealed = seal(job, outbox, slot())
    assert sealed.failed == "No such file or directory"
    assert not sealed.frame


@pytest.mark.parametrize(
    ("size", "lengths", "last"),
    [
        (1, [1], True),
        (limits.STREAM_LEAF_BYTES, [limits.STREAM_LEAF_BYTES], True),
        (300_000, [limits.STREAM_LEAF_BYTES, 300_000 - limits.STREAM_LEAF_BYTES], True),
        (2 * limits.STREAM_LEAF_BYTES, [limits.STREAM_LEAF_BYTES] * 2, False),
        (2 * limits.STREAM_LEAF_BYTES + 5, [limits.STREAM_LEAF_BYTES] * 2, False),
    ],
)
def test_a_stream_finds_its_end(
    channels: tuple[BulkSendChannel, BulkRecvChannel],
    tmp_path: Path,
    size: int,
    lengths: list[int],
    last: bool,
) -> None:
    """A short room is the last; a full one may not be."""
    content = (SOME * 2)[:size]
    (tmp_path / "stream").write_bytes(content)
    descriptor = os.open(tmp_path / "stream", os.O_RDONLY)
    source = StreamSource(descriptor)
    sealed = seal(StreamJob(channels[0].reserve(), 0, 0, 2), source, slot())
    os.close(descriptor)
    body = opened(sealed, channels[1])
    assert isinstance(body, LeavesBody)
    assert [len(leaf) for leaf in body.leaves] == lengths
    assert b"".join(body.leaves) == content[: sum(lengths)]
    assert (body.last, sealed.last) == (last, last)


def test_an_empty_stream_has_no_record(
    channels: tuple[BulkSendChannel, BulkRecvChannel],
) -> None:
    """The end alone is no record; the trailer tells it."""
    descriptor = os.open(os.devnull, os.O_RDONLY)
    sealed = seal(StreamJob(channels[0].reserve(), 0, 0, 4), StreamSource(descriptor), slot())
    os.close(descriptor)
    assert (bytes(sealed.frame), sealed.last, sealed.failed) == (b"", True, "")


def test_a_job_must_fit_its_source(
    outbox: Outbox, channels: tuple[BulkSendChannel, BulkRecvChannel]
) -> None:
    """A stream job for files, or the reverse, is our own mistake."""
    pairs: list[tuple[SealJob, Outbox | StreamSource]] = [
        (StreamJob(channels[0].reserve(), 0, 0, 4), outbox),
        (PackJob(channels[0].reserve(), ((2, 2),)), StreamSource(0)),
    ]
    for job, source in pairs:
        with pytest.raises(LocalProtocolError):
            seal(job, source, slot())


@virtual
async def test_results_come_in_the_order_of_the_jobs(tmp_path: Path) -> None:
    """Threads may end in any order; records are written in theirs, from slots that are reused."""
    make(tmp_path, {"a": SOME})
    source = Outbox(walk_sources([str(tmp_path / "a")]))
    send = BulkSendChannel(1, "i", BulkKeys(*KEYS))
    workers, rings = InlineWorkers(last_first=True), []
    lane = SealLane(workers, source, lambda: rings.append(1))
    for index in range(SEAL_DEPTH):
        assert has_room(lane)
        lane.start(LeavesJob(send.reserve(), 0, index, index * 65536, (65536,), last=False))
    assert not has_room(lane)
    assert lane.next_sealed() is None
    await workers.turn()
    assert len(rings) == SEAL_DEPTH
    for index in range(SEAL_DEPTH):
        sealed = lane.next_sealed()
        assert sealed is not None
        assert isinstance(sealed.job, LeavesJob)
        assert sealed.job.first_leaf == index
        lane.give_back(sealed)
    assert lane.next_sealed() is None
    assert has_room(lane)
    lane.start(LeavesJob(send.reserve(), 0, 0, 0, (65536,), last=False))
    await lane.stop()
    assert lane.next_sealed() is None


@virtual
async def test_stored_records_come_in_order_too(tmp_path: Path) -> None:
    """Hashes go back to the machine in the order of arrival, with the buffer that is free again."""
    box = inbox_for(tmp_path, file("big", 100_000))
    workers = InlineWorkers(last_first=True)
    lane = StoreLane(workers, box, lambda: None)
    for index in range(STORE_DEPTH):
        assert has_room(lane)
        job = StoreLeaves(index, 0, index, index * 4, (memoryview(b"0123"),))
        lane.start(job, memoryview(bytearray(1)))
    assert not has_room(lane)
    await workers.turn()
    for index in range(STORE_DEPTH):
        stored = lane.next_stored()
        assert stored is not None
        assert (stored.job.number, stored.hashes) == (index, [leaf_hash(b"0123")])
        assert stored.buffer is not None
    assert has_room(lane)
    await lane.stop()
    box.abandon()


@virtual
async def test_a_pipe_is_written_one_record_at_a_time() -> None:
    """A sink that needs order gets the next record when the last one is written."""
    lane = StoreLane(InlineWorkers(), StdoutSink(99_999), lambda: None)
    assert has_room(lane)
    lane.start(leaves(0, 0, b"0123"), None)
    assert not has_room(lane)
    await lane.stop()


@virtual
async def test_a_trouble_comes_with_its_result() -> None:
    """What a thread could not write is raised where the result is taken."""
    workers = InlineWorkers()
    lane = StoreLane(workers, StdoutSink(99_999), lambda: None)
    lane.start(leaves(0, 0, b"0123"), None)
    await workers.turn()
    with pytest.raises(StorageError):
        lane.next_stored()
    await lane.stop()


def test_both_kinds_of_records_are_stored(tmp_path: Path) -> None:
    """Leaves and packs end in the same place."""
    box = inbox_for(tmp_path, file("big", 100_000), file("small", 2))
    assert store(leaves(0, 0, b"0123"), box, None).hashes == [leaf_hash(b"0123")]
    assert store(pack((1, b"ok")), box, None).hashes == [leaf_hash(b"ok")]
    box.give_name(1)
    box.abandon()
    assert tree(tmp_path) == {"small": b"ok"}
