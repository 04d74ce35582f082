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
from tallow.errors import LocalProtocolError, StorageError
from tallow.protocol.manifest import Selection
from tallow.protocol.transfer.jobs import StoreLeaves, StorePack


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
    return StoreLeaves(0, 0, offset // 4, offset, tuple(map(memoryview, content)))


def test_leaves_are_written_in_order(pipe: tuple[int, int]) -> None:
    """C2: what comes out is what went in, and is hashed on the way."""
    sink = StdoutSink(pipe[1])
    assert sink.in_order
    sink.prepare(Selection.everything(1))
    sink.begin(JournalHead(bytes(16), bytes(32)))
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
    assert sink.store_pack(StorePack(0, ((0, memoryview(b"small")),))) == [leaf_hash(b"small")]
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
    sink.abandon()
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
