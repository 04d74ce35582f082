"""Reading what was listed: exactly that, or a failure; and where a file has holes."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from tallow.engine.storage import outbox as outbox_module
from tallow.engine.storage.outbox import Outbox, ReadFailed
from tallow.engine.storage.sources import SourceTree
from tallow.engine.storage.walk import WalkOptions, walk_sources
from tallow.protocol.kept import NotKept
from tests.engine.storage.trees import make

MIB = 1 << 20


@pytest.fixture
def tree(tmp_path: Path) -> SourceTree:
    """A tree of one file of 100 bytes."""
    make(tmp_path, {"file": bytes(range(100))})
    return walk_sources([str(tmp_path / "file")])


def test_a_file_is_read_at_any_place(tree: SourceTree) -> None:
    """Leaves are read by offset, in any order, and the file is closed after the check."""
    outbox, room = Outbox(tree), bytearray(10)
    for offset in (90, 0, 45):
        outbox.read_into(0, offset, memoryview(room))
        assert bytes(room) == bytes(range(offset, offset + 10))
    outbox.finish(0)
    outbox.read_whole(0, memoryview(bytearray(100)))
    outbox.close()


def test_a_file_is_not_closed_under_a_reader(
    tree: SourceTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C3: a file that is let go while a thread reads stays open for it, and closes after."""
    outbox, room, seen = Outbox(tree), bytearray(10), list[int]()
    real = os.preadv

    def slow(descriptor: int, rooms: list[memoryview], offset: int) -> int:
        outbox.finish(0)
        seen.append(descriptor)
        return real(descriptor, rooms, offset)

    monkeypatch.setattr(os, "preadv", slow)
    outbox.read_into(0, 45, memoryview(room))
    assert bytes(room) == bytes(range(45, 55))
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(seen[0])
    outbox.close()


def test_reading_past_the_end_fails_the_file(tree: SourceTree) -> None:
    """A file that is shorter than listed is a failure, never zeros."""
    outbox = Outbox(tree)
    with pytest.raises(ReadFailed, match="shorter"):
        outbox.read_into(0, 95, memoryview(bytearray(10)))
    outbox.close()


@pytest.mark.parametrize("change", ["size", "time", "kind", "gone"])
def test_another_file_than_listed_is_not_read(
    tree: SourceTree, tmp_path: Path, change: str
) -> None:
    """X13: before the first byte the file must still be the one that was listed."""
    path = tmp_path / "file"
    if change == "size":
        path.write_bytes(b"other")
    elif change == "time":
        os.utime(path, ns=(1, 1))
    else:
        path.unlink()
        if change == "kind":
            os.mkfifo(path)
    outbox = Outbox(tree)
    with pytest.raises(ReadFailed):
        outbox.read_into(0, 0, memoryview(bytearray(10)))
    outbox.close()


def test_a_link_in_the_place_of_a_file_is_not_followed(tree: SourceTree, tmp_path: Path) -> None:
    """X13: a file that became a link after it was listed discloses nothing."""
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(range(100)))
    status = (tmp_path / "file").stat()
    os.utime(secret, ns=(status.st_atime_ns, status.st_mtime_ns))
    (tmp_path / "file").unlink()
    (tmp_path / "file").symlink_to(secret)
    with pytest.raises(ReadFailed):
        Outbox(tree).read_into(0, 0, memoryview(bytearray(10)))


def test_a_change_during_the_reading_is_noticed(tree: SourceTree, tmp_path: Path) -> None:
    """After the last byte size and time are looked at again."""
    outbox = Outbox(tree)
    outbox.read_into(0, 0, memoryview(bytearray(100)))
    with (tmp_path / "file").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ReadFailed, match="changed"):
        outbox.finish(0)


def test_a_disk_that_breaks_fails_the_file(
    tree: SourceTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system says goes to the peer as the reason of this one file."""

    def broken(*_args: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", broken)
    outbox = Outbox(tree)
    with pytest.raises(ReadFailed, match="Input/output error"):
        outbox.read_into(0, 0, memoryview(bytearray(10)))
    outbox.close()


@pytest.mark.parametrize("depth", [1, 2])
def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path: Path, depth: int) -> None:
    """X13: a parent that became a link after the list was made discloses nothing."""
    make(tmp_path, {"p/a/b/file": b"mine", "secret/b/file": b"that"})
    status = (tmp_path / "p/a/b/file").stat()
    os.utime(tmp_path / "secret/b/file", ns=(status.st_atime_ns, status.st_mtime_ns))
    source = Outbox(walk_sources([str(tmp_path / "p")]))
    parent = tmp_path / ("p/a" if depth == 1 else "p/a/b")
    parent.rename(tmp_path / "moved")
    parent.symlink_to(tmp_path / ("secret" if depth == 1 else "secret/b"))
    with pytest.raises(ReadFailed):
        source.read_into(3, 0, memoryview(bytearray(4)))
    with pytest.raises(ReadFailed):
        source.read_whole(3, memoryview(bytearray(4)))
    source.close()


def test_what_links_pointed_to_is_read(tmp_path: Path) -> None:
    """C7: with links followed their targets are read, and only as long as they are the same."""
    make(tmp_path, {"p/x": b"1", "other/file": b"22", "lone": b"333"})
    (tmp_path / "p/folder").symlink_to(tmp_path / "other")
    (tmp_path / "p/lone").symlink_to(tmp_path / "lone")
    tree = walk_sources([str(tmp_path / "p")], options=WalkOptions(symlinks="follow"))
    source = Outbox(tree)
    assert [source.path(number) for number in (2, 3)] == ["p/folder/file", "p/lone"]
    for number, content in ((2, b"22"), (3, b"333")):
        room = bytearray(len(content))
        source.read_whole(number, memoryview(room))
        assert room == content
    status = (tmp_path / "lone").stat()
    (tmp_path / "lone").rename(tmp_path / "was")
    make(tmp_path, {"lone": b"444"})
    os.utime(tmp_path / "lone", ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(ReadFailed, match="replaced"):
        source.read_whole(3, memoryview(bytearray(3)))
    source.close()


def sparse(path: Path, size: int, *content: tuple[int, bytes]) -> Outbox:
    """Make a file of holes and some content, list it, and skip where there are no holes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)
        for at, written in content:
            file.seek(at)
            file.write(written)
    if not hasattr(os, "SEEK_HOLE") or path.stat().st_blocks * 512 >= size:
        pytest.skip("there are no holes in files here")
    return Outbox(walk_sources([str(path)]))


def test_holes_are_found(tmp_path: Path) -> None:
    """C7: every byte of content lies in a range; of what was never written nearly nothing does."""
    content = ((2 * MIB, b"in the middle"), (5 * MIB + 7, b"x"), (9 * MIB, bytes([7]) * MIB))
    source = sparse(tmp_path / "image", 64 * MIB, *content)
    ranges = source.data_ranges(0)
    for at, written in content:
        assert any(start <= at and at + len(written) <= end for start, end in ranges)
    assert sum(end - start for start, end in ranges) <= MIB + 3 * 65536
    assert all(a[1] < b[0] for a, b in pairwise(ranges))
    room = bytearray(13)
    source.read_into(0, 2 * MIB, memoryview(room))
    assert room == b"in the middle"
    source.finish(0)
    source.close()


def test_a_file_of_nothing_is_one_hole(tmp_path: Path) -> None:
    """C9: a terabyte that was never written has no content at all."""
    source = sparse(tmp_path / "image", 1 << 40)
    assert source.data_ranges(0) == ()
    source.close()


def test_small_holes_count_as_content(tmp_path: Path) -> None:
    """Holes that no leaf fits into are read like the rest: the list of ranges stays short."""
    pieces = tuple((at, b"x") for at in range(0, MIB, 16384))
    source = sparse(tmp_path / "image", 8 * MIB, *pieces)
    ((start, end),) = source.data_ranges(0)
    assert (start, end < MIB + 65536) == (0, True)
    source.close()


def test_a_file_without_holes_is_all_content(tree: SourceTree, tmp_path: Path) -> None:
    """A dense file, and one that cannot be looked at, is read as a whole."""
    source = Outbox(tree)
    assert source.data_ranges(0) == ((0, 100),)
    source.close()
    (tmp_path / "file").unlink()
    assert Outbox(tree).data_ranges(0) == ((0, 100),)


@pytest.mark.parametrize("lacking", ["SEEK_HOLE", "preadv"])
def test_a_system_without_holes_reads_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    """Where a system cannot tell holes, or only by moving a shared place, all is content."""
    source = sparse(tmp_path / "image", MIB)
    monkeypatch.delattr(os, lacking)
    assert source.data_ranges(0) == ((0, MIB),)
    source.close()


def test_attributes_are_read_only_where_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C7, X13: of listed files alone, through the folder that was listed, never by a link."""
    make(tmp_path, {"p/file": b"1"})
    monkeypatch.setattr(outbox_module, "read_xattrs", lambda _: (((b"n", b"v"),), 2))
    for wanted, found, lost in ((False, (), 0), (True, ((b"n", b"v"),), 2)):
        options = WalkOptions(xattrs=wanted)
        source = Outbox(walk_sources([str(tmp_path / "p")], options=options))
        assert source.xattrs(1) == found
        assert source.not_kept() == NotKept(xattrs=lost)
        source.close()
    source = Outbox(walk_sources([str(tmp_path / "p")], options=WalkOptions(xattrs=True)))
    (tmp_path / "p/file").unlink()
    (tmp_path / "p/file").symlink_to("/etc/passwd")
    assert source.xattrs(1) == ()
    source.close()
