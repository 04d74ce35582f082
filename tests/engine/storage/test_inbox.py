"""The inbox: temporary names, final names by policy, two levels of durability, tidy ends."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tallow.crypto.tree import leaf_hash
from tallow.engine.storage import finishing
from tallow.engine.storage import inbox as inbox_module
from tallow.engine.storage.durability import sync_file
from tallow.engine.storage.journal import LeavesDurable, PartOpened, read_journal
from tallow.engine.storage.sink import Named, Policy
from tallow.errors import DiskFull, NotWritable, StorageError
from tallow.protocol.manifest import Entry, EntryKind, Manifest
from tests.engine.storage.boxes import (
    KEY,
    STREAM,
    growing,
    head_for,
    inbox_for,
    leaves,
    pack,
    parts,
)
from tests.world.stranger import file, folder
from tests.world.world import make, tree


def test_a_file_grows_beside_its_target(tmp_path: Path) -> None:
    """X25: until the root matched, only a private random name exists, in the folder it is for."""
    box = inbox_for(tmp_path, file("sub/file", 10))
    hashes = box.store_leaves(leaves(0, 0, b"0123", b"4567"))
    assert hashes == [leaf_hash(b"0123"), leaf_hash(b"4567")]
    (part,) = growing(tmp_path)
    assert part.parent == tmp_path / "sub"
    assert part.name.startswith(".tallow-")
    assert part.name.endswith(".part")
    assert stat.S_IMODE(part.stat().st_mode) == 0o600
    box.store_leaves(leaves(0, 2, b"89"))
    assert box.give_name(0) == Named("done", "sub/file")
    box.finish()
    assert tree(tmp_path) == {"sub": None, "sub/file": b"0123456789"}


def test_leaves_may_come_in_any_order(tmp_path: Path) -> None:
    """What arrives over several paths is put together by offset."""
    box = inbox_for(tmp_path, file("file", 10))
    for first, content in ((2, b"89"), (0, b"0123"), (1, b"4567")):
        box.store_leaves(leaves(0, first, content))
    box.give_name(0)
    box.finish()
    assert tree(tmp_path) == {"file": b"0123456789"}


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
@pytest.mark.parametrize("policy", ["rename", "skip", "overwrite"])
def test_a_taken_name(tmp_path: Path, policy: Policy, kind: str) -> None:
    """C4, X15: each policy does what it says, and a folder or a link's target is never harmed."""
    place, outside = tmp_path / "in", tmp_path / "outside"
    outside.write_bytes(b"outside")
    place.mkdir()
    box = inbox_for(place, file("a.txt", 3), policy=policy)
    if kind == "file":
        (place / "a.txt").write_bytes(b"old")
    elif kind == "link":
        (place / "a.txt").symlink_to(outside)
    else:
        (place / "a.txt").mkdir()
    box.store_pack(pack((0, b"new")))
    if policy == "overwrite" and kind == "folder":
        with pytest.raises(NotWritable):
            box.give_name(0)
        box.discard(0)
    else:
        status = {"rename": "renamed", "skip": "skipped", "overwrite": "done"}[policy]
        name = "a (1).txt" if policy == "rename" else "a.txt"
        assert box.give_name(0) == Named(status, name)  # type: ignore[arg-type]
    box.finish()
    assert outside.read_bytes() == b"outside"
    assert not parts(place)
    if policy == "overwrite" and kind != "folder":
        assert (place / "a.txt").read_bytes() == b"new"
        assert not (place / "a.txt").is_symlink()
    else:
        assert (place / "a.txt").is_symlink() == (kind == "link")
        assert (place / "a.txt").is_dir() == (kind == "folder")


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        (["a.txt"], "a (1).txt"),
        (["a.txt", "a (1).txt", "a (2).txt"], "a (3).txt"),
        ([".hidden"], ".hidden (1)"),
        (["noext"], "noext (1)"),
        (["a.tar.gz"], "a.tar (1).gz"),
    ],
)
def test_the_next_free_name(tmp_path: Path, taken: list[str], expected: str) -> None:
    """A renamed file keeps its ending, and never takes a name that is taken too."""
    make(tmp_path, dict.fromkeys(taken, b"old"))
    box = inbox_for(tmp_path, file(taken[0], 3))
    box.store_pack(pack((0, b"new")))
    assert box.give_name(0).name == expected
    box.finish()
    assert tree(tmp_path) == {**dict.fromkeys(taken, b"old"), expected: b"new"}


def test_no_free_name_fails_the_file(tmp_path: Path) -> None:
    """A name so long that no number fits behind it cannot be renamed; nothing is overwritten."""
    name = "x" * 254
    make(tmp_path, {name: b"old"})
    box = inbox_for(tmp_path, file(name, 3))
    box.store_pack(pack((0, b"new")))
    with pytest.raises(StorageError, match="free name"):
        box.give_name(0)
    box.discard(0)
    box.finish()
    assert tree(tmp_path) == {name: b"old"}


def test_modes_and_times_are_kept(tmp_path: Path) -> None:
    """C7, X16: a file has its bits and time before it has its name; a folder at the very end."""
    entries = [
        Entry("d", EntryKind.FOLDER, 0, 0o750, 5_000_000_000),
        Entry("d/x", EntryKind.FILE, 2, 0o751, 7_000_000_001),
    ]
    box = inbox_for(tmp_path, *entries)
    box.store_pack(pack((1, b"ok")))
    (part,) = growing(tmp_path)
    assert stat.S_IMODE(part.stat().st_mode) == 0o751
    box.give_name(1)
    box.finish()
    assert (tmp_path / "d/x").stat().st_mtime_ns == 7_000_000_001
    assert (tmp_path / "d").stat().st_mtime_ns == 5_000_000_000
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o750


def test_a_folder_that_was_there_keeps_its_own(tmp_path: Path) -> None:
    """X15: bits and times of a folder that this session did not make are not touched."""
    (tmp_path / "d").mkdir(mode=0o700)
    os.utime(tmp_path / "d", ns=(9, 9))
    box = inbox_for(tmp_path, Entry("d", EntryKind.FOLDER, 0, 0o777, 5))
    box.finish()
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o700
    assert (tmp_path / "d").stat().st_mtime_ns == 9


def test_an_empty_stream_becomes_an_empty_file(tmp_path: Path) -> None:
    """A stream without a byte is a file, with the bits that the person's umask gives."""
    before = os.umask(0o027)
    try:
        box = inbox_for(tmp_path, STREAM)
        assert box.give_name(0) == Named("done", "log")
        box.finish()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o640
    assert tree(tmp_path) == {"log": b""}


def test_abandoning_removes_only_what_this_session_made(tmp_path: Path) -> None:
    """X10, X15: other files, even with names like ours, stay."""
    foreign = {".tallow-0123456789abcdef.part": b"another session", "keep": b"mine"}
    make(tmp_path, foreign)
    box = inbox_for(tmp_path, file("big", 100_000), file("done", 2), file("small", 2))
    box.store_leaves(leaves(0, 0, b"0123"))
    box.store_pack(pack((1, b"ok"), (2, b"ok")))
    box.give_name(1)
    box.make_durable()
    box.abandon(keep=False)
    assert tree(tmp_path) == {**foreign, "done": b"ok"}
    box.abandon(keep=False)


def test_a_file_that_failed_is_taken_away(tmp_path: Path) -> None:
    """What had arrived of a file that its sender gave up does not stay, late writes included."""
    box = inbox_for(tmp_path, file("big", 100_000), file("small", 2))
    box.store_leaves(leaves(0, 0, b"0123"))
    box.discard(0)
    assert not growing(tmp_path)
    assert box.store_leaves(leaves(0, 1, b"4567")) == [leaf_hash(b"4567")]
    box.discard(1)
    assert box.store_pack(pack((1, b"ok"))) == [leaf_hash(b"ok")]
    assert not growing(tmp_path)
    box.finish()
    assert tree(tmp_path) == {}


def test_a_part_is_closed_only_when_nobody_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is given up while a thread writes: its number is not closed under that thread."""
    box = inbox_for(tmp_path, file("big", 100_000))
    writing, given_up = threading.Event(), threading.Event()
    real = os.pwrite

    def slow(descriptor: int, content: memoryview, offset: int) -> int:
        if bytes(content) == b"01":
            writing.set()
            assert given_up.wait(10)
        return real(descriptor, content, offset)

    monkeypatch.setattr(os, "pwrite", slow)
    outcome: list[list[bytes]] = []
    thread = threading.Thread(target=lambda: outcome.append(box.store_leaves(leaves(0, 0, b"01"))))
    thread.start()
    assert writing.wait(10)
    box.discard(0)
    assert len(growing(tmp_path)) == 1
    given_up.set()
    thread.join(10)
    assert outcome == [[leaf_hash(b"01")]]
    assert not growing(tmp_path)
    box.abandon(keep=False)


def test_syncing_beside_finishing_threads(tmp_path: Path) -> None:
    """A group sync may run while files are finished: no closed number is ever synced."""
    count = 300
    box = inbox_for(tmp_path, *(file(f"{number:03}", 2) for number in range(count)))
    over, troubles = threading.Event(), []

    def sync() -> None:
        try:
            while not over.is_set():
                box.make_durable()
        except BaseException as error:
            troubles.append(error)

    thread = threading.Thread(target=sync)
    thread.start()
    for number in range(count):
        box.store_pack(pack((number, b"ok")))
        box.give_name(number)
    over.set()
    thread.join(30)
    box.finish()
    assert not troubles
    assert len(tree(tmp_path)) == count


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """List what is synced, in order."""
    seen: list[str] = []

    def noting(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object) -> object:
            seen.append(name)
            return real(*args)

        return call

    for name in ("sync_file", "sync_file_system"):
        monkeypatch.setattr(inbox_module, name, noting(name, getattr(inbox_module, name)))
    monkeypatch.setattr(finishing, "sync_file", noting("sync_file", sync_file))
    monkeypatch.setattr(os, "fsync", noting("fsync", os.fsync))
    return seen


def test_a_large_file_is_synced_before_its_name(tmp_path: Path, calls: list[str]) -> None:
    """A name in the folder means content on the disk, whenever the power goes."""
    box = inbox_for(tmp_path, file("big", 100_000))
    box.store_leaves(leaves(0, 0, b"0123"))
    assert calls == []
    box.give_name(0)
    assert calls == ["sync_file"]
    box.finish()
    assert calls == ["sync_file", "fsync"]


def test_small_files_share_one_sync(tmp_path: Path, calls: list[str]) -> None:
    """Thousands of small files cost one sync of their file system where there is one."""
    box = inbox_for(tmp_path, file("a", 2), file("b", 2), file("c", 2))
    box.store_pack(pack((0, b"ok"), (1, b"ok"), (2, b"ok")))
    for number in range(3):
        box.give_name(number)
    box.finish()
    assert calls == ["sync_file_system"]


def test_small_files_are_synced_one_by_one_elsewhere(
    tmp_path: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file system cannot be synced as a whole, each small file is synced as written."""
    monkeypatch.setattr(inbox_module, "CAN_SYNC_FILE_SYSTEM", False)
    monkeypatch.setattr(inbox_module, "sync_file_system", lambda _: False)
    box = inbox_for(tmp_path, file("a", 2), file("sub/b", 2))
    box.store_pack(pack((0, b"ok"), (1, b"ok")))
    assert calls == ["sync_file", "sync_file"]
    for number in range(2):
        box.give_name(number)
    box.finish()
    assert calls[2:] == ["fsync", "fsync"]


def test_the_journal_lists_only_what_was_synced(tmp_path: Path) -> None:
    """Leaves are in the journal after the sync that made them durable, never before."""
    box = inbox_for(tmp_path, file("big", 100_000))
    box.store_leaves(leaves(0, 0, b"0123"))
    (journal,) = tmp_path.glob(".tallow-*.journal")
    entries = list(read_journal(journal.read_bytes(), KEY))
    assert [type(entry) for entry in entries[1:]] == [PartOpened]
    box.make_durable()
    box.store_leaves(leaves(0, 1, b"4567"))
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    entries = list(read_journal(journal.read_bytes(), KEY))
    assert entries[0] == head_for(Manifest.of([file("big", 100_000)]))
    assert journal.name == box.journal_name
    assert [type(entry) for entry in entries[1:]] == [PartOpened, LeavesDurable]
    assert entries[2] == LeavesDurable(0, 0, leaf_hash(b"0123"))
    box.abandon(keep=False)
    assert tree(tmp_path) == {}


def test_what_the_disk_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is DiskFull with the file's path, in every step that writes."""

    def full(*_args: object) -> int:
        raise OSError(28, "No space left on device")

    box = inbox_for(tmp_path, file("d/big", 100_000), file("d/small", 2))
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(DiskFull, match="d/big"):
        box.store_leaves(leaves(0, 0, b"0123"))
    with pytest.raises(DiskFull, match="d/small"):
        box.store_pack(pack((1, b"ok")))
    box.abandon(keep=False)
    assert tree(tmp_path) == {"d": None}


def test_abandoning_a_folder_that_is_gone(tmp_path: Path) -> None:
    """Tidying up in a folder that somebody removed is no error of its own."""
    box = inbox_for(tmp_path, folder("d"), file("d/big", 100_000))
    box.store_leaves(leaves(1, 0, b"0123"))
    box.make_durable()
    for path in (*parts(tmp_path), tmp_path / "d"):
        path.rmdir() if path.is_dir() else path.unlink()
    box.abandon(keep=False)
