"""Opening below a root: never through a link that was put there later, with or without handles."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tallow.engine.storage.rooted import HELD, RootedFiles
from tallow.engine.storage.sources import SourceTree
from tallow.engine.storage.walk import walk_sources
from tests.engine.storage.trees import make

both_ways = pytest.mark.parametrize("handles", [True, False])


@pytest.fixture
def tree(tmp_path: Path) -> SourceTree:
    """A listed tree, and something beside it that is not listed."""
    make(tmp_path, {"p/a/b/file": b"mine", "p/top": b"top", "secret/b/file": b"that"})
    make(tmp_path, {"lone": b"lone"})
    return walk_sources([str(tmp_path / "p"), str(tmp_path / "lone")])


def content(files: RootedFiles, path: str) -> bytes:
    """Open a file, read it and close it."""
    descriptor = files.open(path)
    try:
        return os.read(descriptor, 1000)
    finally:
        os.close(descriptor)


def open_handles() -> int:
    """Return how many descriptors this process holds."""
    return len(os.listdir("/dev/fd"))


@both_ways
def test_what_was_listed_is_opened(tree: SourceTree, handles: bool) -> None:
    """Files at any depth, and files that are sources themselves, are opened; all is let go."""
    before = open_handles()
    files = RootedFiles(tree, handles=handles)
    assert content(files, "p/a/b/file") == b"mine"
    assert content(files, "p/top") == b"top"
    assert content(files, "lone") == b"lone"
    with pytest.raises(FileNotFoundError):
        files.open("p/a/missing")
    files.close()
    assert open_handles() == before


@both_ways
@pytest.mark.parametrize("place", ["p/a", "p/a/b", "p/a/b/file", "p"])
def test_links_that_came_later_are_not_followed(
    tree: SourceTree, tmp_path: Path, handles: bool, place: str
) -> None:
    """X13: no component of the way may have become a link, the source itself included."""
    (tmp_path / place).rename(tmp_path / "moved")
    goal = {"p": "secret", "p/a": "secret", "p/a/b": "secret/b", "p/a/b/file": "secret/b/file"}
    if place == "p":
        make(tmp_path, {"secret/a/b/file": b"that"})
    (tmp_path / place).symlink_to(tmp_path / goal[place])
    before = open_handles()
    files = RootedFiles(tree, handles=handles)
    with pytest.raises(OSError):
        files.open("p/a/b/file")
    files.close()
    assert open_handles() == before


def test_the_way_to_a_source_may_not_change(tmp_path: Path) -> None:
    """X13: a link above the source leads to another folder, which is not the one in the list."""
    make(tmp_path, {"above/p/file": b"mine", "else/p/file": b"that", "above/lone": b"mine"})
    make(tmp_path, {"else/lone": b"that"})
    tree = walk_sources([str(tmp_path / "above/p"), str(tmp_path / "above/lone")])
    (tmp_path / "above").rename(tmp_path / "moved")
    (tmp_path / "above").symlink_to("else")
    files = RootedFiles(tree)
    for path in ("p/file", "lone"):
        with pytest.raises(OSError, match="replaced"):
            files.open(path)
    files.close()


def test_a_held_folder_stays_the_one_it_was(tree: SourceTree, tmp_path: Path) -> None:
    """X13: what was opened before the swap goes on from its handle, not from the name."""
    files = RootedFiles(tree)
    assert content(files, "p/a/b/file") == b"mine"
    (tmp_path / "p/a").rename(tmp_path / "moved")
    (tmp_path / "p/a").symlink_to(tmp_path / "secret")
    assert content(files, "p/a/b/file") == b"mine"
    files.close()


@both_ways
def test_only_some_folders_are_held(tmp_path: Path, handles: bool) -> None:
    """A tree of more folders than a process may hold is read with a few handles, in any order."""
    names = [f"p/{n}/{n % 7}/x" for n in range(3 * HELD)] + ["p/" + "d/" * 100 + "x"]
    make(tmp_path, {name: name.encode() for name in names})
    tree = walk_sources([str(tmp_path / "p")])
    before = open_handles()
    files = RootedFiles(tree, handles=handles)
    for name in (*names, *names[::-5], names[-1], *names[::3]):
        assert content(files, name) == name.encode()
        assert open_handles() <= before + HELD
    files.close()
    assert open_handles() == before
