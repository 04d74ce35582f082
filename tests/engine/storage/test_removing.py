"""Removing what a sync does not list: only that, only there, and only as it was seen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tallow.engine.storage.mirror import Extra, Extras, compare, identity
from tallow.engine.storage.removing import Removed, delete_extra, set_modes
from tallow.engine.storage.target import Target, plan_target
from tallow.errors import LocalProtocolError
from tallow.protocol.manifest import Entry, EntryKind, Manifest
from tests.engine.storage.trees import make
from tests.world.world import tree

ROOTS = frozenset({"d"})


def _listed(there: Path, *names: str) -> Target:
    entries = [Entry("d", EntryKind.FOLDER, 0, 0o755, 0)]
    entries += [Entry(f"d/{name}", EntryKind.FILE, 1, 0o640, 0) for name in names]
    return plan_target(Manifest.of(entries), "files", str(there), look=False)


def _extras(there: Path, *names: str) -> Extras:
    return compare(_listed(there, *names), extras=True).extras


def test_extra_files_and_empty_folders_go(tmp_path: Path) -> None:
    """C12: everything that was shown is removed and told, folders last."""
    make(tmp_path, {"d/keep": b"k", "d/x": b"1", "d/more/in/y": b"2", "beside": b"b"})
    extras = _extras(tmp_path, "keep")
    removed = delete_extra(tmp_path, ROOTS, extras.files, extras.folders)
    assert removed == [
        Removed("d/x"), Removed("d/more/in/y"), Removed("d/more/in/"), Removed("d/more/"),
    ]  # fmt: skip
    assert tree(tmp_path) == {"d": None, "d/keep": b"k", "beside": b"b"}


def test_what_changed_since_it_was_shown_stays(tmp_path: Path) -> None:
    """X04, X17: a file that was written, or replaced, after somebody agreed is not removed."""
    make(tmp_path, {"d/x": b"1", "d/y": b"2", "d/z": b"3"})
    extras = _extras(tmp_path)
    (tmp_path / "d/x").write_bytes(b"work of an hour")
    (tmp_path / "d/y").unlink()
    (tmp_path / "d/y").mkdir()
    removed = delete_extra(tmp_path, ROOTS, extras.files)
    assert removed == [
        Removed("d/x", "it changed meanwhile"),
        Removed("d/y", "it changed meanwhile"),
        Removed("d/z"),
    ]
    assert (tmp_path / "d/x").read_bytes() == b"work of an hour"


def test_a_file_that_came_later_stays_and_so_does_its_folder(tmp_path: Path) -> None:
    """C12: what nobody was shown is not removed, and keeps the folder it is in."""
    make(tmp_path, {"d/more/x": b"1"})
    extras = _extras(tmp_path)
    make(tmp_path, {"d/more/new": b"2"})
    assert delete_extra(tmp_path, ROOTS, extras.files, extras.folders) == [Removed("d/more/x")]
    assert (tmp_path / "d/more/new").read_bytes() == b"2"


def test_a_folder_swapped_for_a_link_is_not_followed(tmp_path: Path) -> None:
    """X04, X13, X17: nothing behind a link that was put in the way is touched."""
    make(tmp_path, {"d/sub/x": b"1", "elsewhere/x": b"1"})
    extras = _extras(tmp_path)
    (tmp_path / "d/sub").rename(tmp_path / "moved")
    (tmp_path / "d/sub").symlink_to(tmp_path / "elsewhere")
    removed = delete_extra(tmp_path, ROOTS, extras.files, extras.folders)
    assert [one.path for one in removed if not one.reason] == []
    assert (tmp_path / "elsewhere/x").exists()
    assert (tmp_path / "moved/x").exists()


def test_a_link_goes_and_its_target_stays(tmp_path: Path) -> None:
    """X04: removing a link removes the link alone."""
    make(tmp_path, {"precious/p": b"p", "d": None})
    (tmp_path / "d/link").symlink_to(tmp_path / "precious")
    extras = _extras(tmp_path)
    assert delete_extra(tmp_path, ROOTS, extras.files) == [Removed("d/link")]
    assert (tmp_path / "precious/p").exists()


@pytest.mark.parametrize(
    ("above", "name"),
    [
        ((), "d"),
        ((), "outside"),
        (("other",), "x"),
        (("d", ".."), "outside"),
        (("d",), ".."),
        (("d",), "../outside"),
        (("d", ""), "x"),
        (("d",), "a\0b"),
        (("d",), ".tallow-0011223344556677.part"),
    ],
)
def test_hostile_places_are_refused(tmp_path: Path, above: tuple[str, ...], name: str) -> None:
    """X04, X11, X17: whatever put it on the list, nothing outside the root or of ours goes."""
    make(tmp_path, {"d/x": b"1", "outside": b"2", "other/x": b"3"})
    before = tree(tmp_path)
    seen = identity((tmp_path / "outside").stat())
    with pytest.raises(LocalProtocolError):
        delete_extra(tmp_path, ROOTS, [Extra(above, name, seen)])
    with pytest.raises(LocalProtocolError):
        delete_extra(tmp_path, ROOTS, [], [(*above, name)])
    assert tree(tmp_path) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may remove everything")
def test_one_failure_is_that_files_own(tmp_path: Path) -> None:
    """C12: a folder that may not be written keeps its file; the others go."""
    make(tmp_path, {"d/held/x": b"1", "d/y": b"2"})
    extras = _extras(tmp_path)
    (tmp_path / "d/held").chmod(0o500)
    removed = delete_extra(tmp_path, ROOTS, extras.files)
    (tmp_path / "d/held").chmod(0o700)
    assert sorted(bool(one.reason) for one in removed) == [False, True]


def test_what_is_gone_already_is_not_told(tmp_path: Path) -> None:
    """C12: only what was removed here is listed."""
    make(tmp_path, {"d/x": b"1"})
    extras = _extras(tmp_path)
    (tmp_path / "d/x").unlink()
    assert delete_extra(tmp_path, ROOTS, extras.files) == []


def test_modes_are_set_and_links_are_not_followed(tmp_path: Path) -> None:
    """X04: permission bits go to the entry itself, never through a link."""
    make(tmp_path, {"d/a": b"1", "b": b"2"})
    (tmp_path / "b").chmod(0o600)
    (tmp_path / "d/b").symlink_to(tmp_path / "b")
    assert set_modes(_listed(tmp_path, "a", "b"), [1, 2]) == []
    assert (tmp_path / "d/a").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600
