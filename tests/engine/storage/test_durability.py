"""How bytes reach the disk on each system."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tallow.engine.storage import durability
from tallow.engine.storage.durability import read_at, sync_file, sync_file_system, write_at
from tallow.engine.storage.folder import PathFolder, PosixFolder, open_folder


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """List the system calls that were made."""
    seen: list[str] = []
    for name in ("fdatasync", "fsync"):
        monkeypatch.setattr(os, name, lambda _descriptor, name=name: seen.append(name))
    return seen


def test_content_is_synced_without_its_times(calls: list[str]) -> None:
    """Where the system knows the difference, only content and size are waited for."""
    sync_file(7)
    assert calls == ["fdatasync"]


def test_a_system_without_fdatasync(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has only the full sync."""
    monkeypatch.delattr(os, "fdatasync")
    sync_file(7)
    assert calls == ["fsync"]


def test_macos_asks_the_drive_too(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """fsync on macOS leaves data in the drive's cache; F_FULLFSYNC does not."""
    asked: list[tuple[int, int]] = []
    fake = SimpleNamespace(F_FULLFSYNC=51, fcntl=lambda fd, command: asked.append((fd, command)))
    monkeypatch.setitem(sys.modules, "fcntl", fake)
    monkeypatch.setattr(sys, "platform", "darwin")
    sync_file(7)
    assert (asked, calls) == ([(7, 51)], [])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="syncfs is Linux's")
def test_a_whole_file_system_is_synced(tmp_path: Path) -> None:
    """One call brings thousands of small files to the disk."""
    folder = open_folder(tmp_path)
    assert sync_file_system(folder) is True
    folder.close()


def test_what_cannot_be_synced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without such a call the caller is told, and syncs one by one."""
    assert sync_file_system(PathFolder(tmp_path)) is False
    folder = open_folder(tmp_path)
    monkeypatch.setattr(durability, "CAN_SYNC_FILE_SYSTEM", False)
    assert sync_file_system(folder) is False
    folder.close()


def test_a_sync_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that says no is believed."""
    monkeypatch.setattr(durability, "CAN_SYNC_FILE_SYSTEM", True)
    with pytest.raises(OSError, match=os.strerror(9)):
        sync_file_system(PosixFolder(99_999))
    assert ctypes.get_errno() in (0, 9)


def test_everything_is_written_and_read_at_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short writes and reads are completed, and the end of a file is the end."""
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    write, read = os.pwrite, os.pread
    monkeypatch.setattr(os, "pwrite", lambda fd, content, at: write(fd, content[:3], at))
    monkeypatch.setattr(os, "pread", lambda fd, count, at: read(fd, min(count, 3), at))
    write_at(descriptor, memoryview(b"0123456789"), 5)
    assert read_at(descriptor, 8, 7) == b"23456789"
    assert read_at(descriptor, 100, 12) == b"789"
    assert read_at(descriptor, 100, 99) == b""
    for name in ("pwrite", "pread"):
        monkeypatch.delattr(os, name)
    write_at(descriptor, memoryview(b"ab"), 0)
    assert read_at(descriptor, 100, 0) == b"ab\0\0\x000123456789"
    os.close(descriptor)
