"""How bytes reach the disk on each system."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tallow.engine.storage import durability
from tallow.engine.storage.durability import sync_file, sync_file_system
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
