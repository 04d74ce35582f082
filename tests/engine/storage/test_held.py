"""Borrowed folders: open while somebody works in them, few at a time, never through a link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tallow.engine.storage.folder import open_folder
from tallow.engine.storage.held import HELD, HeldFolders


def _open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_folders_are_made_on_the_way_and_noted(tmp_path: Path) -> None:
    """Every folder that was not there is made, and only those are noted as made."""
    (tmp_path / "a").mkdir()
    held = HeldFolders(open_folder(tmp_path))
    with held.borrow(("a", "b", "c")) as folder:
        os.close(folder.create("file"))
    assert (tmp_path / "a/b/c/file").exists()
    assert held.made == {("a", "b"), ("a", "b", "c")}
    held.close()


def test_only_few_stay_open(tmp_path: Path) -> None:
    """X17: a tree of thousands of folders does not use up the process's handles."""
    held = HeldFolders(open_folder(tmp_path))
    before = _open_descriptors()
    for number in range(3 * HELD):
        with held.borrow((f"{number}", "inner")):
            assert _open_descriptors() <= before + HELD + 2
    with held.borrow(("0", "inner")) as folder:
        os.close(folder.create("again"))
    assert (tmp_path / "0/inner/again").exists()
    held.close()
    assert _open_descriptors() == before - 1


def test_a_folder_in_use_stays_open(tmp_path: Path) -> None:
    """Who works in a folder keeps it, however many others are opened meanwhile."""
    held = HeldFolders(open_folder(tmp_path))
    with held.borrow(("mine",)) as mine:
        for number in range(2 * HELD):
            with held.borrow((f"{number}",)):
                pass
        os.close(mine.create("file"))
    assert (tmp_path / "mine/file").exists()
    held.close()


def test_a_held_folder_cannot_be_swapped(tmp_path: Path) -> None:
    """X17: what is written goes where the folder was, not where its name points by now."""
    (tmp_path / "outside").mkdir()
    held = HeldFolders(open_folder(tmp_path))
    with held.borrow(("a",)):
        pass
    (tmp_path / "a").rename(tmp_path / "moved")
    (tmp_path / "a").symlink_to(tmp_path / "outside")
    with held.borrow(("a",)) as folder:
        os.close(folder.create("file"))
    assert (tmp_path / "moved/file").exists()
    assert not list((tmp_path / "outside").iterdir())
    held.close()


def test_a_link_on_the_way_down_is_refused(tmp_path: Path) -> None:
    """X10: every component is opened without following links, not just the last."""
    (tmp_path / "outside/b").mkdir(parents=True)
    (tmp_path / "a").symlink_to(tmp_path / "outside")
    held = HeldFolders(open_folder(tmp_path))
    with pytest.raises(OSError, match=r"."), held.borrow(("a", "b")):
        pass
    held.close()


def test_closing_twice_closes_once(tmp_path: Path) -> None:
    """A number that was closed may be somebody else's by now: it is not closed again."""
    held = HeldFolders(open_folder(tmp_path))
    with held.borrow(("a",)):
        pass
    held.close()
    others = [os.open(tmp_path, os.O_RDONLY) for _ in range(4)]
    held.close()
    for number in others:
        os.close(number)


def test_a_failing_borrow_is_given_back(tmp_path: Path) -> None:
    """Work that fails in a folder does not keep it for ever."""
    held = HeldFolders(open_folder(tmp_path))
    with pytest.raises(KeyError), held.borrow(("a",)):
        raise KeyError
    before = _open_descriptors()
    for number in range(2 * HELD):
        with held.borrow((f"{number}",)):
            pass
    assert _open_descriptors() <= before + HELD
    held.close()


def test_looking_makes_nothing(tmp_path: Path) -> None:
    """A folder that is only looked for is not made, nor entered through a link."""
    (tmp_path / "outside/b").mkdir(parents=True)
    (tmp_path / "a").symlink_to(tmp_path / "outside")
    held = HeldFolders(open_folder(tmp_path))
    with pytest.raises(FileNotFoundError), held.borrow(("missing", "b"), make=False):
        pass
    with pytest.raises(OSError, match=r"."), held.borrow(("a", "b"), make=False):
        pass
    with held.borrow(("outside", "b"), make=False) as folder:
        os.close(folder.create("file"))
    assert held.made_so_far() == set()
    assert not (tmp_path / "missing").exists()
    held.close()


def test_only_plain_files_are_removed(tmp_path: Path) -> None:
    """X10, X15: tidying up takes a file by its name, never a link, a folder or what it holds."""
    (tmp_path / "d/folder").mkdir(parents=True)
    (tmp_path / "d/folder/precious").touch()
    (tmp_path / "d/file").touch()
    (tmp_path / "d/link").symlink_to(tmp_path / "d/file")
    (tmp_path / "way").symlink_to(tmp_path / "d")
    held = HeldFolders(open_folder(tmp_path))
    for above, name in ((("d",), "folder"), (("d",), "link"), (("way",), "file")):
        assert held.has(above, name)
        assert not held.remove_file(above, name)
    for above, name in ((("d",), "missing"), (("nowhere",), "file")):
        assert not held.has(above, name)
        assert held.remove_file(above, name)
    assert held.remove_file(("d",), "file")
    assert sorted(os.listdir(tmp_path / "d")) == ["folder", "link"]
    assert (tmp_path / "d/folder/precious").exists()
    held.close()
