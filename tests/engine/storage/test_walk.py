"""The list of sources: what stands in it, in which order, and what is left out and said."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from tallow.engine.storage import walk as walk_module
from tallow.engine.storage.sources import SKIPPED_KEPT, SourceTree
from tallow.engine.storage.walk import (
    Symlinks,
    WalkOptions,
    check_sources,
    name_problem,
    walk_sources,
)
from tallow.errors import SourceUnreadable, UsageError
from tallow.protocol.manifest import EntryKind
from tallow.wire import limits
from tests.engine.storage.trees import make


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
    real_open, real_access = os.open, os.access

    def closed(path: str, flags: int, *, dir_fd: int | None = None) -> int:
        if path == "closed":
            raise PermissionError(13, "Permission denied")
        return real_open(path, flags, dir_fd=dir_fd)

    def access(path: str, mode: int, *, dir_fd: int | None = None) -> bool:
        return path != "shut" and real_access(path, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", closed)
    monkeypatch.setattr(os, "access", access)
    monkeypatch.setattr(os, "supports_dir_fd", {access, *os.supports_dir_fd})
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


def open_handles() -> int:
    """Return how many descriptors this process holds."""
    return len(os.listdir("/dev/fd"))


@pytest.mark.parametrize("handles", [True, False])
def test_systems_without_handles_list_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handles: bool
) -> None:
    """Where folders cannot be held open, paths stand in, and every handle is let go."""
    monkeypatch.setattr(walk_module, "_HANDLES", handles)
    make(tmp_path, {"p/a/b/c/file": b"1", "p/a/z": b"", "p/link-to/x": b""})
    before = open_handles()
    tree = walk(tmp_path, "p")
    assert list(listed(tree)) == [
        "p", "p/a", "p/a/b", "p/a/b/c", "p/a/b/c/file", "p/a/z", "p/link-to", "p/link-to/x",
    ]  # fmt: skip
    assert open_handles() == before


def test_a_folder_that_becomes_a_link_is_not_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X13: a link put in the place of a folder while the list is made discloses no name."""
    make(tmp_path, {"p/inner/x": b"", "secret/key": b"", "p/other": b""})
    real = os.open

    def swapped(path: str, flags: int, *, dir_fd: int | None = None) -> int:
        if path == "inner":
            (tmp_path / "p/inner").rename(tmp_path / "was")
            (tmp_path / "p/inner").symlink_to(tmp_path / "secret")
        return real(path, flags, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", swapped)
    tree = walk(tmp_path, "p")
    assert list(listed(tree)) == ["p", "p/inner", "p/other"]
    assert [(item.path, item.failed) for item in tree.skipped] == [("p/inner", True)]


def test_patterns_may_come_from_lines(tmp_path: Path) -> None:
    """C6: lines of a file are patterns as they stand: commas, comments, negations."""
    make(tmp_path, {"p/a,b": b"", "p/c": b"", "p/d.o": b"", "p/keep.o": b"", "p/typed": b""})
    lines = ("# a comment", "a,b", "", "*.o", "!keep.o")
    options = WalkOptions(exclude=("typed",), exclude_from=lines)
    assert set(listed(walk_sources([str(tmp_path / "p")], options=options))) == {
        "p", "p/c", "p/keep.o",
    }  # fmt: skip
    both = walk_sources([str(tmp_path / "p")], ["c,keep.o"], options)
    assert set(listed(both)) == {"p"}


def follow(folder: Path, *names: str, symlinks: Symlinks = "follow") -> SourceTree:
    """Walk sources below a folder, links followed."""
    return walk_sources(
        [str(folder / one) for one in names], options=WalkOptions(symlinks=symlinks)
    )


def test_links_are_followed_if_asked(tmp_path: Path) -> None:
    """C7: --symlinks follow lists what links point to, inside the source or not."""
    make(tmp_path, {"p/real/file": b"12", "outside/deep/x": b"1", "lone": b"123"})
    (tmp_path / "p/inside").symlink_to("real")
    (tmp_path / "p/out").symlink_to(tmp_path / "outside")
    (tmp_path / "p/lone").symlink_to("../lone")
    (tmp_path / "p/nowhere").symlink_to("missing")
    (tmp_path / "p/self").symlink_to("self")
    tree = follow(tmp_path, "p")
    assert list(listed(tree).items()) == [
        ("p", (EntryKind.FOLDER, 0)),
        ("p/inside", (EntryKind.FOLDER, 0)),
        ("p/inside/file", (EntryKind.FILE, 2)),
        ("p/lone", (EntryKind.FILE, 3)),
        ("p/out", (EntryKind.FOLDER, 0)),
        ("p/out/deep", (EntryKind.FOLDER, 0)),
        ("p/out/deep/x", (EntryKind.FILE, 1)),
        ("p/real", (EntryKind.FOLDER, 0)),
        ("p/real/file", (EntryKind.FILE, 2)),
    ]
    assert {(item.path, item.reason, item.failed) for item in tree.skipped} == {
        ("p/nowhere", "its link leads nowhere", True), ("p/self", "its link leads nowhere", True),
    }  # fmt: skip
    places = {entry.path: tree.local_path(entry) for entry in tree.manifest}
    assert places["p/out/deep/x"] == tmp_path / "outside/deep/x"
    assert places["p/lone"] == tmp_path / "lone"
    assert places["p/inside/file"] == places["p/real/file"]


def test_followed_links_do_not_loop(tmp_path: Path) -> None:
    """C7: a link to a folder around it ends there, however long the way back is."""
    make(tmp_path, {"p/a/b/x": b"", "p/c/y": b""})
    (tmp_path / "p/a/b/up").symlink_to("..")
    (tmp_path / "p/a/b/top").symlink_to(tmp_path)
    (tmp_path / "p/c/over").symlink_to("../a")
    (tmp_path / "p/a/across").symlink_to("../c")
    tree = follow(tmp_path, "p")
    assert "p/a/across/y" in listed(tree)
    assert "p/c/over/b/x" in listed(tree)
    assert {item.path for item in tree.skipped if item.path.startswith("p/a/")} == {
        "p/a/across/over", "p/a/b/up", "p/a/b/top/p",
    }  # fmt: skip
    assert not any(item.failed for item in tree.skipped)


def test_links_are_kept_if_they_stay_inside(tmp_path: Path) -> None:
    """C7, X13: a link is listed with what it says and never followed; one that leads out is not."""
    make(tmp_path, {"p/a/x": b"1", "p/b": None, "q": b"2"})
    for path, target in {
        "p/a/near": "x",
        "p/b/up": "../a/x",
        "p/b/dir": "../a",
        "p/dangling": "missing",
        "p/abs": str(tmp_path / "p/a/x"),
        "p/over": "../q",
        "p/turns": "a/../b",
        "p/bytes": "\udcff",
    }.items():
        (tmp_path / path).symlink_to(target)
    tree = follow(tmp_path, "p", symlinks="keep")
    links = {entry.path: entry.target for entry in tree.manifest if entry.kind is EntryKind.LINK}
    assert links == {
        "p/a/near": "x", "p/b/up": "../a/x", "p/b/dir": "../a", "p/dangling": "missing",
    }  # fmt: skip
    assert {item.path: item.reason for item in tree.skipped} == {
        "p/abs": "it is a symbolic link, and its target is no relative path",
        "p/over": "it is a symbolic link, and it leads out of what is sent",
        "p/turns": "it is a symbolic link, and its target turns back on its way",
        "p/bytes": "it is a symbolic link, and its target is not valid Unicode",
    }
    assert (tree.links_left, tree.failed_count, tree.manifest.links) == (4, 0, 4)
    assert tree.manifest.files == 1


def test_bits_that_never_travel_are_counted(tmp_path: Path) -> None:
    """C7, X16: setuid, setgid and sticky are cut off and told, of folders too."""
    make(tmp_path, {"p/run": b"", "p/plain": b""})
    (tmp_path / "p/run").chmod(0o6755)
    (tmp_path / "p").chmod(0o1755)
    tree = walk_sources([str(tmp_path / "p")])
    assert tree.modes_cut == 2
    assert {entry.mode for entry in tree.manifest} == {0o755, 0o644}


def test_what_is_left_out_is_counted_not_hoarded(tmp_path: Path) -> None:
    """Of a folder full of links the first thousand are named and all are counted."""
    make(tmp_path, {"p/file": b""})
    for number in range(SKIPPED_KEPT + 50):
        (tmp_path / f"p/l{number}").symlink_to("file")
    (tmp_path / "p/z\udcff").touch()
    tree = walk(tmp_path, "p")
    assert (len(tree.skipped), tree.skipped_count) == (SKIPPED_KEPT, SKIPPED_KEPT + 51)
    assert tree.failed_count == 1


def test_too_many_files_are_refused_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An offer that no receiver takes is refused on this side, as what it is, and all is closed."""
    monkeypatch.setattr(limits, "MANIFEST_ENTRIES_MAX", 3)
    make(tmp_path, {"p/a/1": b"", "p/a/2": b"", "p/a/3": b""})
    before = open_handles()
    with pytest.raises(UsageError, match="more than 3"):
        walk(tmp_path, "p")
    assert open_handles() == before


def test_only_pages_are_held(tmp_path: Path) -> None:
    """C9: the list of many files takes no more memory than its pages and one folder's names."""
    (tmp_path / "one").touch()
    for folder in range(40):
        (tmp_path / f"p/{folder}").mkdir(parents=True)
        for number in range(500):
            (tmp_path / f"p/{folder}/a file of a usual name {number}").hardlink_to(tmp_path / "one")
    walk(tmp_path, "one")
    tracemalloc.start()
    tree = walk(tmp_path, "p")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert tree.manifest.entries == 40 * 501 + 1
    # An encoded page keeps up to half of its length as spare room.
    assert peak < 1.5 * sum(map(len, tree.manifest.pages)) + 300_000
