"""What is noted between two syncs, and the file it ends up in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallow.engine.storage.folder import open_folder
from tallow.engine.storage.held import HeldFolders
from tallow.engine.storage.journal import (
    FileNamed,
    JournalHead,
    LeavesDurable,
    PartOpened,
    read_journal,
)
from tallow.engine.storage.pages import JournalPages
from tallow.errors import StorageError
from tests.fakes import SeededRng

KEY = bytes(32)
HEAD = JournalHead(bytes(16), bytes(32))
PART = ".tallow-0123456789abcdef.part"


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[JournalPages]:
    """Pages of a transfer into an empty folder."""
    folders = HeldFolders(open_folder(tmp_path))
    yield JournalPages(folders, SeededRng("pages").bytes, lambda: KEY)
    folders.close()


def _on_disk(folder: Path) -> list[object]:
    (journal,) = folder.glob(".tallow-*.journal")
    return list(read_journal(journal.read_bytes(), KEY))


def test_a_short_transfer_leaves_no_journal(tmp_path: Path, pages: JournalPages) -> None:
    """Nothing is made before the first sync, nor by a sync of nothing."""
    pages.head = HEAD
    pages.write(pages.take())
    pages.opened(0, (), PART)
    pages.remove()
    assert os.listdir(tmp_path) == []


def test_nothing_is_listed_before_the_transfer_has_a_name(
    tmp_path: Path, pages: JournalPages
) -> None:
    """Without a transfer id there is nothing that could be resumed."""
    pages.opened(0, (), PART)
    pages.write(pages.take())
    assert os.listdir(tmp_path) == []


def test_the_head_comes_first_and_once(tmp_path: Path, pages: JournalPages) -> None:
    """What was noted is written in order, under one head."""
    pages.head = HEAD
    pages.opened(4, ("a",), PART)
    pages.written(4, 0, [b"h" * 32, b"i" * 32])
    pages.write(pages.take())
    pages.named(4)
    pages.write(pages.take())
    assert _on_disk(tmp_path) == [
        HEAD,
        PartOpened(4, ["a"], PART),
        LeavesDurable(4, 0, b"h" * 32 + b"i" * 32),
        FileNamed(4),
    ]
    pages.remove()
    assert os.listdir(tmp_path) == []


def test_what_is_noted_during_a_sync_waits_for_the_next(
    tmp_path: Path, pages: JournalPages
) -> None:
    """Only what was there before the sync began is durable after it."""
    pages.head = HEAD
    pages.written(1, 0, [b"h" * 32])
    noted = pages.take()
    pages.written(1, 1, [b"i" * 32])
    pages.write(noted)
    assert _on_disk(tmp_path) == [HEAD, LeavesDurable(1, 0, b"h" * 32)]
    pages.remove()


def test_a_file_that_failed_is_forgotten(pages: JournalPages) -> None:
    """What was noted of a file that was given up is not written any more."""
    pages.opened(1, (), PART)
    pages.written(1, 0, [b"h" * 32])
    pages.written(2, 0, [b"h" * 32])
    pages.named(1)
    pages.forget(1)
    assert pages.take() == [LeavesDurable(2, 0, b"h" * 32)]


def test_a_key_that_cannot_be_had_leaves_nothing(tmp_path: Path) -> None:
    """A damaged journal key is an error, and no empty journal stays beside the target."""

    def damaged() -> bytes:
        raise StorageError("The journal key is damaged.")

    folders = HeldFolders(open_folder(tmp_path))
    pages = JournalPages(folders, SeededRng("pages").bytes, damaged)
    pages.head = HEAD
    pages.written(1, 0, [b"h" * 32])
    with pytest.raises(StorageError, match="damaged"):
        pages.write(pages.take())
    pages.remove()
    folders.close()
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_nothing(
    tmp_path: Path, pages: JournalPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that could not be written is taken away with the rest."""

    def full(*_args: object) -> int:
        raise OSError(28, "No space left on device")

    pages.head = HEAD
    pages.written(1, 0, [b"h" * 32])
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(os, "write", full)
        pages.write(pages.take())
    pages.remove()
    pages.remove()
    assert os.listdir(tmp_path) == []
