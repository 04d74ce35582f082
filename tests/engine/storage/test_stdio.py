"""Pipes in and out: read to the end, written in order, never a hang that cannot be stopped."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallow.crypto.tree import leaf_hash
from tallow.engine.storage import stdio
from tallow.engine.storage.journal import JournalHead
from tallow.engine.storage.outbox import ReadFailed
from tallow.engine.storage.sink import Named
from tallow.engine.storage.stdio import StdoutSink, StreamSource
from tallow.errors import DiskFull, LocalProtocolError, RootMismatch, StorageError
from tallow.protocol.bulk import Codec, Leaf
from tallow.protocol.manifest import Selection
from tallow.protocol.transfer.jobs import CheckLeaves, StoreLeaves, StorePack


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe: reading and writing end."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass  # The test closed it.


def read(source: StreamSource, most: int) -> bytes:
    """Read up to so much, as the lane does."""
    room = bytearray(most)
    return bytes(room[: source.read_into(memoryview(room))])


def test_a_pipe_is_read_to_its_end(pipe: tuple[int, int]) -> None:
    """Full rooms until the last, short one; then nothing."""
    os.write(pipe[1], b"0123456789")
    os.close(pipe[1])
    source = StreamSource(pipe[0])
    assert [read(source, 4) for _ in range(4)] == [b"0123", b"4567", b"89", b""]


@pytest.mark.parametrize("cut", [0, 1, 4, 6, 10])
def test_what_was_read_already_comes_first(pipe: tuple[int, int], cut: int) -> None:
    """The head that a front door read to find out what this is, is part of the stream."""
    content = b"0123456789"
    os.write(pipe[1], content[cut:])
    os.close(pipe[1])
    source = StreamSource(pipe[0], content[:cut])
    assert [read(source, 4) for _ in range(3)] == [b"0123", b"4567", b"89"]


def test_pieces_are_put_together(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer of crumbs makes no crumbs on the wire."""
    real = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, _most: real(descriptor, 1))
    os.write(pipe[1], b"0123456789")
    os.close(pipe[1])
    assert read(StreamSource(pipe[0]), 8) == b"01234567"


def test_a_quiet_pipe_can_be_given_up(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that waits for nothing ends when the transfer does."""
    monkeypatch.setattr(stdio, "STEP_MS", 1)
    source = StreamSource(pipe[0])
    outcome: list[str] = []

    def reading() -> None:
        try:
            read(source, 4)
        except ReadFailed as failure:
            outcome.append(str(failure))

    thread = threading.Thread(target=reading)
    thread.start()
    source.close()
    thread.join(10)
    assert outcome == ["cancelled"]


def test_a_pipe_that_cannot_be_read(tmp_path: Path) -> None:
    """What the system says is the reason that the peer is told."""
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(ReadFailed, match="directory"):
            read(StreamSource(descriptor), 4)
    finally:
        os.close(descriptor)


def leaves(offset: int, *content: bytes) -> StoreLeaves:
    """Return leaves to write."""
    made = tuple(Leaf(Codec.RAW, len(piece), memoryview(piece)) for piece in content)
    return StoreLeaves(0, 0, offset // 4, offset, made)


def test_leaves_are_written_in_order(pipe: tuple[int, int]) -> None:
    """C2: what comes out is what went in, and is hashed on the way."""
    sink = StdoutSink(pipe[1])
    assert sink.in_order
    sink.prepare(Selection.everything(1))
    sink.begin(JournalHead(bytes(16), bytes(32), 1, 1, b"\x01", "rename"))
    assert sink.journal_name == ""
    assert sink.store_leaves(leaves(0, b"0123", b"4567")) == [
        leaf_hash(b"0123"),
        leaf_hash(b"4567"),
    ]
    sink.store_leaves(leaves(8, b"89"))
    sink.make_durable()
    assert sink.give_name(0) == Named("done", "-")
    sink.finish()
    assert os.read(pipe[0], 100) == b"0123456789"


def test_a_small_file_is_written_whole(pipe: tuple[int, int]) -> None:
    """A packed file comes out like any other."""
    sink = StdoutSink(pipe[1])
    job = StorePack(0, Codec.RAW, memoryview(b"small"), ((0, 5),))
    assert sink.store_pack(job) == [leaf_hash(b"small")]
    assert os.read(pipe[0], 100) == b"small"


def test_nothing_is_written_out_of_order(pipe: tuple[int, int]) -> None:
    """A gap in a pipe could never be filled: it is refused before it is written."""
    sink = StdoutSink(pipe[1])
    with pytest.raises(LocalProtocolError):
        sink.store_leaves(leaves(4, b"4567"))
    os.close(pipe[1])
    assert os.read(pipe[0], 100) == b""


def test_what_came_out_cannot_be_taken_back(pipe: tuple[int, int]) -> None:
    """A failed or abandoned stream leaves what was written; its reader learns it by exit code."""
    sink = StdoutSink(pipe[1])
    sink.store_leaves(leaves(0, b"0123"))
    sink.discard(0)
    assert not sink.abandon(keep=True)
    assert os.read(pipe[0], 100) == b"0123"


def test_a_reader_that_left_is_an_error_of_ours(pipe: tuple[int, int]) -> None:
    """A closed pipe is exit 8, not a signal and not a traceback."""
    os.close(pipe[0])
    with pytest.raises(StorageError, match="standard output") as caught:
        StdoutSink(pipe[1]).store_leaves(leaves(0, b"0123"))
    assert caught.value.exit_code == 8


def test_a_pipe_that_takes_little_gets_all(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short writes are completed."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: real(descriptor, content[:3]))
    StdoutSink(pipe[1]).store_leaves(leaves(0, b"0123", b"4567"))
    assert os.read(pipe[0], 100) == b"01234567"


def test_a_hole_comes_out_as_zeros(pipe: tuple[int, int]) -> None:
    """C7: a pipe has no holes, so whoever reads it gets the zeros."""
    sink = StdoutSink(pipe[1])
    hole = StoreLeaves(0, 0, 0, 0, (Leaf(Codec.HOLE, 4, memoryview(b"")),))
    assert sink.store_leaves(hole) == [leaf_hash(bytes(4))]
    sink.store_leaves(leaves(4, b"4567"))
    assert os.read(pipe[0], 100) == bytes(4) + b"4567"


@pytest.mark.parametrize("taken", [0, 1, 3, 4, 6, 8])
def test_a_write_that_failed_goes_on_where_it_was(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    """C3: output into a file on a full disk is repeated without a byte twice or missing."""
    real, room = os.write, [taken]

    def full(descriptor: int, content: memoryview) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        written = real(descriptor, content[: room[0]])
        room[0] -= written
        return written

    sink, job = StdoutSink(pipe[1]), leaves(0, b"0123", b"4567", b"8")
    with monkeypatch.context() as patch, pytest.raises(DiskFull):
        patch.setattr(os, "write", full)
        sink.store_leaves(job)
    assert sink.store_leaves(job) == [leaf_hash(piece) for piece in (b"0123", b"4567", b"8")]
    assert os.read(pipe[0], 100) == b"012345678"
    with pytest.raises(LocalProtocolError):
        sink.store_leaves(job)


def test_a_later_session_goes_on_with_a_pipe(pipe: tuple[int, int]) -> None:
    """What went into a pipe is known by its hashes, for as long as this process lives."""
    sink = StdoutSink(pipe[1])
    assert sink.whole_leaves(4) == 0
    hashes = sink.store_leaves(leaves(0, b"0123", b"4567"))
    assert sink.whole_leaves(4) == 2
    assert sink.whole_leaves(5) == 1
    assert sink.check_leaves(CheckLeaves(0, 0, 0, (4, 4))) == hashes
    assert sink.check_leaves(CheckLeaves(0, 1, 4, (4, 4))) == [hashes[1], b""]


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_what_a_pipe_has_taken_may_come_again(pipe: tuple[int, int], kept: int) -> None:
    """A later session sends the rest once more, and the pipe takes each byte once."""
    sink = StdoutSink(pipe[1])
    sink.store_leaves(leaves(0, b"0123", b"4567", b"89"))
    sink.go_on(kept, 4)
    rest = [b"0123", b"4567", b"89"][kept:]
    assert sink.store_leaves(leaves(kept * 4, *rest)) == [leaf_hash(piece) for piece in rest]
    assert os.read(pipe[0], 100) == b"0123456789"


def test_a_pipe_is_not_told_another_story(pipe: tuple[int, int]) -> None:
    """X25: other bytes in the place of those that the pipe has taken are a root that differs."""
    sink = StdoutSink(pipe[1])
    sink.store_leaves(leaves(0, b"0123", b"89"))
    sink.go_on(1, 4)
    with pytest.raises(RootMismatch):
        sink.store_leaves(leaves(4, b"8x"))
