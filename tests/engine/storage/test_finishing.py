"""The last touches to a part: length, attributes, holes, times, and what a disk does not keep."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tallow.engine.storage import finishing
from tallow.engine.storage.finishing import add_xattrs, set_folder_times, settle
from tallow.engine.storage.folder import PosixFolder, open_folder
from tallow.engine.storage.held import HeldFolders
from tallow.engine.storage.parts import Part
from tallow.protocol.kept import ALL_KEPT, NotKept
from tallow.protocol.messages import Xattrs
from tests.engine.storage.boxes import target_for
from tests.world.stranger import file, folder

SIZE = 4_000_000
GIVEN: Xattrs = ((b"a", b"1"), (b"b", b"2"))


def part(place: Path, content: bytes) -> Part:
    """Return an open part that holds something."""
    descriptor = os.open(place / "part", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(descriptor, content)
    return Part((), "part", descriptor)


@pytest.mark.parametrize("holes", [True, False])
def test_a_hole_that_was_filled_is_told(tmp_path: Path, *, holes: bool) -> None:
    """C7: a sparse file that takes its whole size is correct, and counted."""
    made = part(tmp_path, b"" if holes else bytes(SIZE))
    made.leave_hole(0, SIZE, SIZE)
    lost = settle(made, file("f", SIZE), ())
    made.close()
    if holes and (tmp_path / "part").stat().st_blocks * 512 >= SIZE:
        pytest.skip("this file system has no holes")
    assert lost == NotKept(holes=not holes)
    assert (tmp_path / "part").stat().st_size == SIZE


def test_a_file_without_holes_is_no_loss(tmp_path: Path) -> None:
    """C7: a full file takes its full size."""
    made = part(tmp_path, bytes(SIZE + 5))
    assert settle(made, file("f", SIZE), ()) == ALL_KEPT
    made.close()
    assert (tmp_path / "part").stat().st_size == SIZE


@pytest.mark.parametrize("mode", [0o400, 0o644])
def test_attributes_of_a_finished_file(
    tmp_path: Path, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C7: a small file is opened once more; its mode and time are what they were before."""
    seen: list[int] = []

    def writing(descriptor: int, given: Xattrs) -> int:
        seen.append(os.fstat(descriptor).st_mode & 0o777)
        return len(given) - 1

    monkeypatch.setattr(finishing, "write_xattrs", writing)
    made = part(tmp_path, b"1")
    made.close()
    root = open_folder(tmp_path)
    entry = file("f", 1, mode)
    root.set_times("part", mode, entry.mtime_ns)
    assert add_xattrs(root, made, entry, GIVEN) == NotKept(xattrs=1)
    root.close()
    assert seen == [0o600]
    found = (tmp_path / "part").stat()
    assert (found.st_mode & 0o777, found.st_mtime_ns) == (mode, entry.mtime_ns)


def test_attributes_where_modes_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C7: what cannot be made writable gets no attributes, and that is told."""
    made = part(tmp_path, b"1")
    made.close()
    monkeypatch.setattr(PosixFolder, "set_mode", lambda *_: False)
    root = open_folder(tmp_path)
    assert add_xattrs(root, made, file("f", 1), GIVEN) == NotKept(xattrs=2)
    root.close()


def test_outer_folders_come_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C7, X16: in whatever order folders are listed, none is closed before those in it."""
    entries = [folder("a/b/c", 0o500), folder("a", 0o100), folder("a/b", 0o500)]
    folders = HeldFolders(open_folder(tmp_path))
    target = target_for(tmp_path, *entries)
    order: list[str] = []
    for parts in (("a",), ("a", "b"), ("a", "b", "c")):
        with folders.borrow(parts):
            pass
    set_times = PosixFolder.set_times

    def noting(self: PosixFolder, name: str, mode: int, mtime_ns: int) -> NotKept:
        order.append(name)
        return set_times(self, name, mode, mtime_ns)

    monkeypatch.setattr(PosixFolder, "set_times", noting)
    assert set_folder_times(folders, target, range(3)) == ALL_KEPT
    folders.close()
    assert order == ["c", "b", "a"]
    (tmp_path / "a").chmod(0o700)
