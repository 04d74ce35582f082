"""Sources: what is listed, what is left out, and reading exactly what was listed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tallow.engine.storage.outbox import (
    Outbox,
    ReadFailed,
    SourceTree,
    check_sources,
    name_problem,
    walk_sources,
)
from tallow.errors import SourceUnreadable, UsageError
from tallow.protocol.manifest import EntryKind
from tallow.wire import limits
from tests.world.world import make


def listed(tree: SourceTree) -> dict[str, tuple[EntryKind, int]]:
    """Return what a tree lists: kind and size by path."""
    return {entry.path: (entry.kind, entry.size) for entry in tree.manifest}


def walk(folder: Path, *names: str, exclude: tuple[str, ...] = ()) -> SourceTree:
    """Walk sources below a folder."""
    return walk_sources([str(folder / name) for name in names], exclude)


def test_a_tree_is_listed_in_a_stable_order(tmp_path: Path) -> None:
    """Folders come before what is in them, siblings by name, whatever order the disk has."""
    make(tmp_path, {"p/b": b"1", "p/a/z": b"12", "p/a/y": b"", "p/c": None})
    tree = walk(tmp_path, "p")
    assert list(listed(tree).items()) == [
        ("p", (EntryKind.FOLDER, 0)),
        ("p/a", (EntryKind.FOLDER, 0)),
        ("p/a/y", (EntryKind.FILE, 0)),
        ("p/a/z", (EntryKind.FILE, 2)),
        ("p/b", (EntryKind.FILE, 1)),
        ("p/c", (EntryKind.FOLDER, 0)),
    ]
    assert tree.manifest.total_bytes == 3
    for entry in tree.manifest:
        assert tree.local_path(entry) == tmp_path / entry.path


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a/x.tar.gz", "b/x.tar.gz", "c/x.tar.gz"], ["x.tar.gz", "x (2).tar.gz", "x (3).tar.gz"]),
        (["a/.hidden", "b/.hidden"], [".hidden", ".hidden (2)"]),
        (["a/same", "a/same"], ["same", "same (2)"]),
        (["a/x", "b/x (2)", "b/x"], ["x", "x (2)", "x (3)"]),
        (["a/.", "b"], ["a", "b"]),
    ],
)
def test_equal_names_get_numbers(tmp_path: Path, names: list[str], expected: list[str]) -> None:
    """Sources that are called alike are all sent, each under a name of its own."""
    for name in names:
        if name not in ("a/.", "b"):
            make(tmp_path, {name: b"1"})
    make(tmp_path, {"a": None, "b": None})
    tree = walk(tmp_path, *names)
    assert [path for path in listed(tree) if "/" not in path] == expected
    assert not set(expected) - set(tree.roots)


EXCLUDED = {
    ("*.pyc",): {"p", "p/a", "p/a/keep", "p/b", "p/b/build", "p/b/build/x", "p/build"},
    ("a",): {"p", "p/b", "p/b/build", "p/b/build/x", "p/build", "p/z.pyc"},
    ("build/",): {"p", "p/a", "p/a/keep", "p/a/m.pyc", "p/b", "p/build", "p/z.pyc"},
    ("/p/build",): {
        "p", "p/a", "p/a/keep", "p/a/m.pyc", "p/b", "p/b/build", "p/b/build/x", "p/z.pyc",
    },
    ("*.pyc, a ,build",): {"p", "p/b"},
    ("*.pyc", "!z.pyc"): {
        "p", "p/a", "p/a/keep", "p/b", "p/b/build", "p/b/build/x", "p/build", "p/z.pyc",
    },
    ("p/**/x",): {"p", "p/a", "p/a/keep", "p/a/m.pyc", "p/b", "p/b/build", "p/build", "p/z.pyc"},
    ("",): {
        "p", "p/a", "p/a/keep", "p/a/m.pyc", "p/b", "p/b/build", "p/b/build/x", "p/build",
        "p/z.pyc",
    },
}  # fmt: skip


@pytest.mark.parametrize("patterns", EXCLUDED, ids=" ".join)
def test_patterns_work_as_in_gitignore(tmp_path: Path, patterns: tuple[str, ...]) -> None:
    """C6: --exclude takes what .gitignore takes, several by comma or repetition."""
    content = {
        "p/a/keep": b"",
        "p/a/m.pyc": b"",
        "p/b/build/x": b"",
        "p/build": b"",
        "p/z.pyc": b"",
    }
    make(tmp_path, content)
    assert set(listed(walk(tmp_path, "p", exclude=patterns))) == EXCLUDED[patterns]


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    """C7, X13: links below a source are never followed; they are said, not failed."""
    make(tmp_path, {"p/file": b"1", "secret/key": b"2"})
    (tmp_path / "p/link").symlink_to(tmp_path / "secret")
    (tmp_path / "p/loop").symlink_to("loop")
    os.mkfifo(tmp_path / "p/pipe")
    tree = walk(tmp_path, "p")
    assert set(listed(tree)) == {"p", "p/file"}
    assert {(item.path, item.failed) for item in tree.skipped} == {
        ("p/link", False), ("p/loop", False), ("p/pipe", False),
    }  # fmt: skip


def test_a_link_that_is_named_is_meant(tmp_path: Path) -> None:
    """A source on the command line may be a link: what it points to is sent."""
    make(tmp_path, {"real/file": b"1"})
    (tmp_path / "link").symlink_to("real")
    assert set(listed(walk(tmp_path, "link"))) == {"real", "real/file"}


def test_names_that_cannot_travel_count_as_failed(tmp_path: Path) -> None:
    """A file whose name is no Unicode, too long or too deep is not silently left out."""
    make(tmp_path, {"p/good": b"", os.fsdecode(b"p/\xff"): b""})
    tree = walk(tmp_path, "p")
    assert set(listed(tree)) == {"p", "p/good"}
    assert [item.failed for item in tree.skipped] == [True]
    assert "Unicode" in name_problem("\udcff")
    assert "long" in name_problem("x" * (limits.PATH_MAX_BYTES + 1))
    assert "deep" in name_problem("/".join("d" * limits.PATH_DEPTH_MAX) + "/d")
    assert name_problem("/".join("d" * limits.PATH_DEPTH_MAX)) == ""


def test_unreadable_things_count_as_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not be read, and a folder that may not be listed, fail alone."""
    make(tmp_path, {"p/closed/x": b"", "p/open": b"", "p/shut": b""})
    real_scandir, real_access = os.scandir, os.access

    def scandir(path: Path) -> object:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
        return real_scandir(path)

    def access(path: Path, mode: int) -> bool:
        return path.name != "shut" and real_access(path, mode)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(os, "access", access)
    tree = walk(tmp_path, "p")
    assert set(listed(tree)) == {"p", "p/closed", "p/open"}
    assert {(item.path, item.reason) for item in tree.skipped} == {
        ("p/closed", "Permission denied"), ("p/shut", "it may not be read"),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["missing", "x" * 300, "file/below", "nul\0", "dangling"])
def test_a_source_that_cannot_be(tmp_path: Path, name: str) -> None:
    """A source that is not there is one clear error, whatever the system calls it."""
    make(tmp_path, {"file": b""})
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(SourceUnreadable):
        check_sources([str(tmp_path / "file"), str(tmp_path / name)])
    with pytest.raises(SourceUnreadable):
        walk(tmp_path, name)


def test_nothing_to_send_names_the_reason(tmp_path: Path) -> None:
    """If nothing is left, the first thing that was left out is named."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="no regular file"):
        walk(tmp_path, "pipe")


def test_dangerous_bits_do_not_travel(tmp_path: Path) -> None:
    """X16: setuid and its kin are not even offered."""
    make(tmp_path, {"tool": b""})
    (tmp_path / "tool").chmod(0o6755)
    (entry,) = walk(tmp_path, "tool").manifest
    assert entry.mode == 0o755


@pytest.fixture
def tree(tmp_path: Path) -> SourceTree:
    """A tree of one file of 100 bytes."""
    make(tmp_path, {"file": bytes(range(100))})
    return walk(tmp_path, "file")


def test_a_file_is_read_at_any_place(tree: SourceTree) -> None:
    """Leaves are read by offset, in any order, and the file is closed after the check."""
    outbox, room = Outbox(tree), bytearray(10)
    for offset in (90, 0, 45):
        outbox.read_into(0, offset, memoryview(room))
        assert bytes(room) == bytes(range(offset, offset + 10))
    outbox.finish(0)
    outbox.read_whole(0, memoryview(bytearray(100)))
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
