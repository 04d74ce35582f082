"""The lane: records sealed in place and opened again, results in order, failures as results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tallow.crypto.tree import leaf_hash, root_hash
from tallow.engine.compression import Compressor, expand_leaf, expand_pack
from tallow.engine.lane import (
    SEAL_DEPTH,
    Sealed,
    SealLane,
    seal,
)
from tallow.engine.storage.outbox import Outbox
from tallow.engine.storage.stdio import StreamSource
from tallow.engine.storage.walk import walk_sources
from tallow.errors import LocalProtocolError
from tallow.protocol.bulk import (
    BulkKeys,
    BulkRecvChannel,
    BulkSendChannel,
    Codec,
    LeavesBody,
    PackBody,
    read_body,
)
from tallow.protocol.transfer.jobs import (
    HashJob,
    HoleJob,
    LeavesJob,
    PackJob,
    SendJob,
    StreamJob,
)
from tallow.wire import limits
from tallow.wire.frames import LinkReader, LinkType, decode_peer
from tests.engine.storage.trees import make
from tests.fakes import InlineWorkers, SeededRng, virtual

SOME = SeededRng("lane").bytes(300_000)
TEXT = b"".join(b"%d: line of a log\n" % n for n in range(20_000))[:300_000]
OFF = Compressor(enabled=False)
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


def plain(body: LeavesBody) -> list[bytes]:
    """Return the leaves of a record as the receiver writes them."""
    return [bytes(expand_leaf(leaf)) for leaf in body.leaves]


def packed(body: PackBody) -> dict[int, bytes]:
    """Return the files of a pack as the receiver writes them."""
    block = expand_pack(body.codec, body.stored, sum(length for _, length in body.files))
    found, at = {}, 0
    for number, length in body.files:
        found[number], at = bytes(block[at : at + length]), at + length
    assert at == len(block)
    return found


def has_room(lane: SealLane) -> bool:
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
    sealed = seal(job, outbox, slot(), OFF)
    body = opened(sealed, receive)
    assert isinstance(body, LeavesBody)
    assert (body.file_no, body.first_leaf, body.last) == (1, 3, True)
    assert b"".join(plain(body)) == SOME[3 * 65536 :]
    assert sealed.hashes == [leaf_hash(leaf) for leaf in plain(body)]
    assert (sealed.size, sealed.last, sealed.failed) == (300_000 - 3 * 65536, True, "")


def test_small_files_travel_whole(
    outbox: Outbox, channels: tuple[BulkSendChannel, BulkRecvChannel]
) -> None:
    """A pack holds each file and tells each root."""
    send, receive = channels
    sealed = seal(PackJob(send.reserve(), ((2, 2), (3, 3), (4, 0))), outbox, slot(), OFF)
    body = opened(sealed, receive)
    assert isinstance(body, PackBody)
    assert packed(body) == {2: b"bb", 3: b"ccc", 4: b""}
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
    sealed = seal(PackJob(send.reserve(), ((2, 2), (3, 3), (4, 0))), outbox, slot(), OFF)
    body = opened(sealed, receive)
    assert isinstance(body, PackBody)
    kept = {number for name, number in numbers.items() if name not in missing}
    content = {2: b"bb", 3: b"ccc", 4: b""}
    assert packed(body) == {n: content[n] for n in kept}
    failed = {end.file_no for end in sealed.ended if end.failed}
    assert failed == {numbers[name] for name in missing}
    assert all(len(end.failed) <= limits.REASON_MAX_CHARS for end in sealed.ended)


def test_a_pack_of_failures_sends_nothing(
    outbox: Outbox, channels: tuple[BulkSendChannel, BulkRecvChannel], tmp_path: Path
) -> None:
    """If no file is left there is no record, only the reasons."""
    for name in "bc":
        (tmp_path / "p" / name).unlink()
    sealed = seal(PackJob(channels[0].reserve(), ((2, 2), (3, 3))), outbox, slot(), OFF)
    assert not sealed.frame
    assert [end.file_no for end in sealed.ended] == [2, 3]
    assert all(end.failed for end in sealed.ended)


def test_a_file_that_cannot_be_read_is_a_result(
    outbox: Outbox, channels: tuple[BulkSendChannel, BulkRecvChannel], tmp_path: Path
) -> None:
    """A failed read is told with its reason; nothing is raised in the thread."""
    (tmp_path / "p/a").unlink()
    job = LeavesJob(channels[0].reserve(), 1, 0, 0, (65536,), last=False)
    sealed = seal(job, outbox, slot(), OFF)
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
    sealed = seal(StreamJob(channels[0].reserve(), 0, 0, 2), source, slot(), OFF)
    os.close(descriptor)
    body = opened(sealed, channels[1])
    assert isinstance(body, LeavesBody)
    assert [len(leaf) for leaf in plain(body)] == lengths
    assert b"".join(plain(body)) == content[: sum(lengths)]
    assert (body.last, sealed.last) == (last, last)


def test_an_empty_stream_has_no_record(
    channels: tuple[BulkSendChannel, BulkRecvChannel],
) -> None:
    """The end alone is no record; the trailer tells it."""
    descriptor = os.open(os.devnull, os.O_RDONLY)
    sealed = seal(StreamJob(channels[0].reserve(), 0, 0, 4), StreamSource(descriptor), slot(), OFF)
    os.close(descriptor)
    assert (bytes(sealed.frame), sealed.last, sealed.failed) == (b"", True, "")


def test_a_job_must_fit_its_source(
    outbox: Outbox, channels: tuple[BulkSendChannel, BulkRecvChannel]
) -> None:
    """A stream job for files, or the reverse, is our own mistake."""
    pairs: list[tuple[SendJob, Outbox | StreamSource]] = [
        (StreamJob(channels[0].reserve(), 0, 0, 4), outbox),
        (PackJob(channels[0].reserve(), ((2, 2),)), StreamSource(0)),
        (HashJob(1, 0, 0, (65536,), last=False), StreamSource(0)),
        (HoleJob(channels[0].reserve(), 1, 0, (65536,), last=False), StreamSource(0)),
    ]
    for job, source in pairs:
        with pytest.raises(LocalProtocolError):
            seal(job, source, slot(), OFF)


@pytest.fixture
def mixed(tmp_path: Path) -> Iterator[Outbox]:
    """A file (0) whose leaves are text, random bytes, text and a short random end."""
    leaf = 65536
    make(tmp_path, {"m": TEXT[:leaf] + SOME[:leaf] + TEXT[leaf : 2 * leaf] + SOME[:5000]})
    made = Outbox(walk_sources([str(tmp_path / "m")]))
    yield made
    made.close()


def test_leaves_shrink_one_by_one(
    mixed: Outbox, channels: tuple[BulkSendChannel, BulkRecvChannel]
) -> None:
    """C8: in one record what shrinks is compressed, the rest is as it is, and all comes back."""
    lengths = (65536, 65536, 65536, 5000)
    job = LeavesJob(channels[0].reserve(), 0, 0, 0, lengths, last=True)
    as_it_is = seal(job, mixed, slot(), OFF)
    small = seal(replace(job, reserved=channels[0].reserve()), mixed, slot(), Compressor())
    body, whole = opened(small, channels[1]), opened(as_it_is, channels[1])
    assert isinstance(body, LeavesBody)
    assert isinstance(whole, LeavesBody)
    assert plain(body) == plain(whole)
    assert [leaf.codec for leaf in body.leaves[:2]] == [Codec.ZSTD, Codec.RAW]
    assert {leaf.codec for leaf in whole.leaves} == {Codec.RAW}
    assert (small.hashes, small.size) == (as_it_is.hashes, sum(lengths))
    assert len(small.frame) < len(as_it_is.frame) - 60_000


def test_a_pack_shrinks_as_a_whole(
    channels: tuple[BulkSendChannel, BulkRecvChannel], tmp_path: Path
) -> None:
    """C8: small files that are alike are compressed together, the vanished one left out."""
    files = {f"p/{number}": TEXT[:1000] + b"%d" % number for number in range(20)}
    make(tmp_path, files)
    tree = walk_sources([str(tmp_path / "p")])
    (tmp_path / "p" / "7").unlink()
    sizes = {number: tree.manifest.entry(number).size for number in range(1, 21)}
    source = Outbox(tree)
    sealed = seal(
        PackJob(channels[0].reserve(), tuple(sizes.items())), source, slot(), Compressor()
    )
    body = opened(sealed, channels[1])
    assert isinstance(body, PackBody)
    assert body.codec is Codec.ZSTD
    assert len(body.stored) < 3000
    held = packed(body)
    assert {tree.manifest.entry(number).path: content for number, content in held.items()} == {
        name: content for name, content in files.items() if name != "p/7"
    }
    assert [end.file_no for end in sealed.ended if end.failed] == [18]
    assert sealed.size == sum(map(len, held.values()))


def test_a_stream_shrinks(
    channels: tuple[BulkSendChannel, BulkRecvChannel], tmp_path: Path
) -> None:
    """C8: leaves of a pipe are compressed too, also those that had to move up."""
    (tmp_path / "stream").write_bytes(TEXT)
    descriptor = os.open(tmp_path / "stream", os.O_RDONLY)
    job = StreamJob(channels[0].reserve(), 0, 3, 4)
    sealed = seal(job, StreamSource(descriptor), slot(), Compressor())
    os.close(descriptor)
    body = opened(sealed, channels[1])
    assert isinstance(body, LeavesBody)
    assert [leaf.codec for leaf in body.leaves] == [Codec.ZSTD] * 2
    assert b"".join(plain(body)) == TEXT
    assert (body.first_leaf, sealed.size, sealed.last) == (3, len(TEXT), True)


def test_holes_are_said_and_not_sent(
    outbox: Outbox, channels: tuple[BulkSendChannel, BulkRecvChannel]
) -> None:
    """C7: four thousand leaves of nothing are one small record with the hashes of zeros."""
    lengths = (65536,) * (limits.RECORD_ENTRIES_MAX - 1) + (17,)
    sealed = seal(HoleJob(channels[0].reserve(), 1, 5, lengths, last=True), outbox, slot(), OFF)
    body = opened(sealed, channels[1])
    assert isinstance(body, LeavesBody)
    assert (body.first_leaf, body.last) == (5, True)
    assert {leaf.codec for leaf in body.leaves} == {Codec.HOLE}
    assert tuple(leaf.plain_bytes for leaf in body.leaves) == lengths
    assert sealed.hashes[0] == leaf_hash(bytes(65536))
    assert sealed.hashes[-1] == leaf_hash(bytes(17))
    assert (sealed.size, sealed.last, len(sealed.hashes)) == (sum(lengths), True, len(lengths))
    assert len(sealed.frame) < 40_000


def test_what_the_receiver_has_is_hashed_only(outbox: Outbox) -> None:
    """Leaves that are there already are read and hashed, and no record is made of them."""
    lengths = (65536, 65536, 65536, 300_000 - 4 * 65536)
    sealed = seal(HashJob(1, 1, 65536, lengths, last=True), outbox, slot(), OFF)
    assert sealed.hashes == [
        leaf_hash(SOME[at : min(at + 65536, 300_000)]) for at in range(65536, 300_000, 65536)
    ]
    assert (bytes(sealed.frame), sealed.size, sealed.last) == (b"", 0, True)


def test_a_leaf_to_be_hashed_may_be_unreadable(outbox: Outbox, tmp_path: Path) -> None:
    """A file that is gone fails the hashing as it fails the sending."""
    (tmp_path / "p/a").unlink()
    sealed = seal(HashJob(1, 0, 0, (65536,), last=False), outbox, slot(), OFF)
    assert (sealed.failed, sealed.hashes) == ("No such file or directory", [])


@virtual
async def test_results_come_in_the_order_of_the_jobs(tmp_path: Path) -> None:
    """Threads may end in any order; records are written in theirs, from slots that are reused."""
    make(tmp_path, {"a": SOME})
    source = Outbox(walk_sources([str(tmp_path / "a")]))
    send = BulkSendChannel(1, "i", BulkKeys(*KEYS))
    workers, rings = InlineWorkers(last_first=True), []
    lane = SealLane(workers, source, lambda: rings.append(1), OFF)
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
