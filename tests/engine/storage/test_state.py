"""The state folder: private, whole or not at all, on the disk before a write returns."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tallow.engine.storage.state import FileState
from tallow.errors import StorageError
from tests.fakes import MemoryState
from tests.world.world import make


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """A name holds the last content, and nothing before it was written or after it was removed."""
    state = FileState(tmp_path / "state")
    assert state.read("name") is None
    state.write("name", b"one")
    state.write("name", b"two")
    assert state.read("name") == b"two"
    state.remove("name")
    state.remove("name")
    assert state.read("name") is None


def test_it_is_private(tmp_path: Path) -> None:
    """X10: the folder is 0700 and its files 0600, whatever the umask allows."""
    before = os.umask(0)
    try:
        FileState(tmp_path / "a/state").write("name", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a/state").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "a/state/name").stat().st_mode) == 0o600


def test_a_write_is_on_the_disk_when_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Content is synced before it has its name, and the name is synced too."""
    order: list[str] = []
    real_sync, real_replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        real_sync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        order.append("name")
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    FileState(tmp_path).write("name", b"x")
    assert order == ["file", "name", "folder"]


def test_a_write_that_fails_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk changes nothing and leaves no draft behind."""
    state = FileState(tmp_path)
    state.write("name", b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError) as caught:
        state.write("name", b"new")
    assert caught.value.why == "No space left on device"
    assert caught.value.hint
    assert state.read("name") == b"old"
    assert os.listdir(tmp_path) == ["name"]


def test_a_short_write_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that takes only part of a write is given the rest: no file is ever cut short."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: real(descriptor, content[:3]))
    FileState(tmp_path).write("name", b"0123456789")
    assert (tmp_path / "name").read_bytes() == b"0123456789"


def test_a_link_in_the_place_of_a_file_is_replaced(tmp_path: Path) -> None:
    """X10: state is never written through a link."""
    make(tmp_path, {"precious": b"precious", "state": None})
    (tmp_path / "state/name").symlink_to(tmp_path / "precious")
    FileState(tmp_path / "state").write("name", b"new")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert not (tmp_path / "state/name").is_symlink()


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    """A state folder that cannot be used is one clear error with exit 8, for every verb."""
    make(tmp_path, {"file": b"", "state/name": None})
    verbs: list[Callable[[FileState], object]] = [
        lambda state: state.write("name", b"x"),
        lambda state: state.read("name"),
    ]
    for verb in verbs:
        for folder in (tmp_path / "file/below", tmp_path / "state"):
            with pytest.raises(StorageError) as caught:
                verb(FileState(folder))
            assert caught.value.exit_code == 8
            assert str(folder) in caught.value.message
    with pytest.raises(StorageError):
        FileState(tmp_path / "state").remove("name")


def test_names_are_listed(tmp_path: Path) -> None:
    """X10: files alone count: a folder, a link or a draft of the same beginning is none."""
    assert FileState(tmp_path / "missing").names("transfer-") == []
    state = FileState(tmp_path)
    for name in ("transfer-b", "transfer-a", "other"):
        state.write(name, b"x")
    make(tmp_path, {"transfer-folder": None, ".transfer-c.draft": b""})
    (tmp_path / "transfer-link").symlink_to(tmp_path / "other")
    assert state.names("transfer-") == ["transfer-a", "transfer-b"]
    assert MemoryState().names("x") == []


def test_names_of_a_folder_that_cannot_be(tmp_path: Path) -> None:
    """A state folder that is no folder is the same clear error when it is listed."""
    make(tmp_path, {"file": b""})
    with pytest.raises(StorageError):
        FileState(tmp_path / "file").names("x")
