"""Links of an offer are made last, exclusively or in the place of what a person gave up."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tallow.engine.storage.folder import Folder, PathFolder, open_folder
from tallow.engine.storage.held import HeldFolders
from tallow.engine.storage.linking import make_links
from tallow.engine.storage.sink import Policy
from tallow.protocol.kept import ALL_KEPT, NotKept
from tallow.protocol.manifest import Entry, EntryKind
from tests.engine.storage.boxes import target_for
from tests.fakes import SeededRng
from tests.world.world import make

TIME_NS = 1_600_000_000_000_000_000


def link(path: str, points_to: str) -> Entry:
    """Return a link's entry."""
    return Entry(path, EntryKind.LINK, 0, 0o777, TIME_NS, points_to)


def made(
    place: Path, *entries: Entry, policy: Policy = "rename", root: Folder | None = None
) -> NotKept:
    """Make links below a folder."""
    folders = HeldFolders(root or open_folder(place))
    target = target_for(place, *entries)
    try:
        numbers = range(len(entries))
        return make_links(folders, target, numbers, lambda _: policy, SeededRng("l").bytes)
    finally:
        folders.close()


def test_a_link_and_its_time(tmp_path: Path) -> None:
    """C7: the link says what it said, and has its own time."""
    assert made(tmp_path, link("t/a/l", "../b")) == ALL_KEPT
    place = tmp_path / "t/a/l"
    assert str(place.readlink()) == "../b"
    assert place.lstat().st_mtime_ns == TIME_NS


@pytest.mark.parametrize("policy", ["rename", "skip", "overwrite"])
def test_the_same_link_again(tmp_path: Path, policy: Policy) -> None:
    """C4, C7: a session that is gone on with finds its own links and makes no others."""
    for _ in range(2):
        assert made(tmp_path, link("t/l", "x"), policy=policy) == ALL_KEPT
    assert os.listdir(tmp_path / "t") == ["l"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("rename", {"l": "mine", "l (1)": "x"}),
        ("skip", {"l": "mine"}),
        ("overwrite", {"l": "x"}),
    ],
)
@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_taken_name(tmp_path: Path, policy: Policy, kind: str, expected: dict[str, str]) -> None:
    """C8, X17: what has the name stays or is replaced itself, never what it points to."""
    make(tmp_path, {"t": None, "precious": b"mine"})
    if kind == "file":
        (tmp_path / "t/l").write_bytes(b"mine")
    else:
        (tmp_path / "t/l").symlink_to(tmp_path / "precious")
    assert made(tmp_path, link("t/l", "x"), policy=policy) == ALL_KEPT
    found = {
        path.name: str(path.readlink()) if path.is_symlink() else "mine"
        for path in (tmp_path / "t").iterdir()
    }
    assert {
        name: "mine" if "precious" in said else said for name, said in found.items()
    } == expected
    assert (tmp_path / "precious").read_bytes() == b"mine"


def test_a_folder_is_never_replaced(tmp_path: Path) -> None:
    """C8: even where a person said overwrite."""
    make(tmp_path, {"t/l/inside": b"mine"})
    assert made(tmp_path, link("t/l", "x"), policy="overwrite") == NotKept(links=1)
    assert (tmp_path / "t/l/inside").read_bytes() == b"mine"


def test_a_link_in_the_way_is_not_entered(tmp_path: Path) -> None:
    """X10, X17: a folder of the list that was swapped for a link since gets nothing."""
    make(tmp_path, {"out": None, "in": None})
    (tmp_path / "in/t").symlink_to(tmp_path / "out")
    assert made(tmp_path / "in", link("t/l", "x")) == NotKept(links=1)
    assert not os.listdir(tmp_path / "out")


def test_a_refused_replacement_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C7: a temporary link that cannot take its name goes."""
    make(tmp_path, {"t/l": b"mine"})

    def refused(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(os, "replace", refused)
    assert made(tmp_path, link("t/l", "x"), policy="overwrite") == NotKept(links=1)
    assert os.listdir(tmp_path / "t") == ["l"]


def test_trouble_of_the_disk_is_no_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C9: a full disk ends the transfer; it is not counted as a link that cannot be."""

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    make(tmp_path, {"t": None})
    monkeypatch.setattr(os, "symlink", full)
    with pytest.raises(OSError, match="full"):
        made(tmp_path, link("t/l", "x"))


def test_a_system_where_links_are_a_privilege(tmp_path: Path) -> None:
    """C7: on Windows none are made, and all of them are told."""
    entries = link("t/l", "x"), link("t/m", "x")
    assert made(tmp_path, *entries, root=PathFolder(tmp_path)) == NotKept(links=2)
