"""What is noted between two syncs, and the file it ends up in."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tallow.engine.storage import journal as journal_module
from tallow.engine.storage.folder import open_folder
from tallow.engine.storage.held import HeldFolders
from tallow.engine.storage.history import JournalState, fold_journal
from tallow.engine.storage.journal import (
    FileNamed,
    FolderMade,
    JournalHead,
    LeavesDurable,
    PartOpened,
    read_journal,
)
from tallow.engine.storage.pages import JournalPages
from tallow.errors import StorageError
from tests.fakes import SeededRng

KEY = bytes(32)
HEAD = JournalHead(bytes(16), bytes(32), 1, 9, b"\xff\x01", "rename")
PART = ".tallow-0123456789abcdef.part"
TAG = b"T" * 16


def _part(file_no: int, *above: str) -> PartOpened:
    return PartOpened(file_no, list(above), PART, TAG)


def _name(file_no: int, name: str = "name") -> FileNamed:
    return FileNamed(file_no, TAG, [], name)


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[JournalPages]:
    """Pages of a transfer into an empty folder."""
    folders = HeldFolders(open_folder(tmp_path))
    yield JournalPages(folders, SeededRng("pages").bytes, lambda: KEY)
    folders.close()


def _on_disk(folder: Path) -> list[object]:
    (journal,) = folder.glob(".tallow-*.journal")
    return list(read_journal(journal.read_bytes(), KEY))


def test_the_journal_is_there_from_the_beginning(tmp_path: Path, pages: JournalPages) -> None:
    """C3: whoever is killed before the first byte finds the transfer, with nothing of it here."""
    pages.begin(HEAD)
    assert _on_disk(tmp_path) == [HEAD]
    assert not pages.is_worth_keeping
    pages.remove()
    assert os.listdir(tmp_path) == []


def test_nothing_is_listed_before_the_transfer_has_a_name(
    tmp_path: Path, pages: JournalPages
) -> None:
    """Without a transfer id there is nothing that could be resumed."""
    pages.opening([_part(0)])
    pages.named(_name(1), at_once=True)
    pages.write(pages.take())
    assert os.listdir(tmp_path) == []


def test_the_head_comes_first_and_once(tmp_path: Path, pages: JournalPages) -> None:
    """What was noted is written in order, under one head."""
    pages.begin(HEAD)
    pages.opening([_part(4, "a")])
    pages.written(4, 0, [b"h" * 32, b"i" * 32])
    pages.write(pages.take())
    pages.named(_name(4))
    pages.write(pages.take())
    assert _on_disk(tmp_path) == [
        HEAD,
        _part(4, "a"),
        LeavesDurable(4, 0, b"h" * 32 + b"i" * 32),
        _name(4),
    ]
    pages.remove()
    assert os.listdir(tmp_path) == []


def test_what_is_noted_during_a_sync_waits_for_the_next(
    tmp_path: Path, pages: JournalPages
) -> None:
    """Only what was there before the sync began is durable after it."""
    pages.begin(HEAD)
    pages.written(1, 0, [b"h" * 32])
    noted = pages.take()
    pages.written(1, 1, [b"i" * 32])
    pages.write(noted)
    assert _on_disk(tmp_path) == [HEAD, LeavesDurable(1, 0, b"h" * 32)]
    pages.remove()


def test_a_file_that_failed_is_forgotten(pages: JournalPages) -> None:
    """What was noted of a file that was given up is not written any more."""
    pages.written(1, 0, [b"h" * 32])
    pages.written(2, 0, [b"h" * 32])
    pages.named(_name(1))
    pages.forget(1)
    assert pages.take() == {2: [LeavesDurable(2, 0, b"h" * 32)]}


def test_a_key_that_cannot_be_had_leaves_nothing(tmp_path: Path) -> None:
    """A damaged journal key is an error, and no empty journal stays beside the target."""

    def damaged() -> bytes:
        raise StorageError("The journal key is damaged.")

    folders = HeldFolders(open_folder(tmp_path))
    pages = JournalPages(folders, SeededRng("pages").bytes, damaged)
    with pytest.raises(StorageError, match="damaged"):
        pages.begin(HEAD)
    pages.remove()
    folders.close()
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_nothing(
    tmp_path: Path, pages: JournalPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that could not be written is taken away with the rest."""

    def full(*_args: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        pages.begin(HEAD)
        pages.written(1, 0, [b"h" * 32])
        with pytest.raises(OSError, match="No space"):
            pages.write(pages.take())
    pages.remove()
    pages.remove()
    assert os.listdir(tmp_path) == []


def test_a_name_makes_what_was_noted_idle(pages: JournalPages) -> None:
    """A file that is finished between two syncs costs no entry for each of its leaves."""
    pages.written(1, 0, [b"h" * 32])
    pages.named(_name(1))
    assert pages.take() == {1: [_name(1)]}


def test_what_could_not_be_written_is_noted_again(tmp_path: Path, pages: JournalPages) -> None:
    """C3: after a full disk the next sync lists what this one did not, but for failed files."""
    pages.begin(HEAD)
    for file_no in (1, 2):
        pages.written(file_no, 0, [b"h" * 32])
    noted = pages.take()
    pages.written(1, 1, [b"i" * 32])
    pages.forget(2)
    pages.put_back(noted)
    pages.write(pages.take())
    assert _on_disk(tmp_path) == [
        HEAD,
        LeavesDurable(1, 0, b"h" * 32),
        LeavesDurable(1, 1, b"i" * 32),
    ]
    pages.remove()


def test_what_is_made_was_listed_before(tmp_path: Path, pages: JournalPages) -> None:
    """C3: a process that is killed at any moment has named its temporary files and its names."""
    pages.begin(HEAD)
    pages.opening([_part(1), _part(3)])
    assert _on_disk(tmp_path) == [HEAD, _part(1), _part(3)]
    pages.named(_name(2), at_once=True)
    assert _on_disk(tmp_path) == [HEAD, _part(1), _part(3), _name(2)]
    assert pages.take() == {}
    pages.remove()
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_said_at_once_waits(
    tmp_path: Path, pages: JournalPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C3: a full disk does not lose a name: the next sync lists it."""

    def full(*_args: object) -> int:
        raise OSError(28, "No space left on device")

    pages.begin(HEAD)
    pages.written(1, 0, [b"h" * 32])
    pages.write(pages.take())
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        pages.opening([_part(2)])
        pages.named(_name(3), at_once=True)
    pages.write(pages.take())
    leaf = LeavesDurable(1, 0, b"h" * 32)
    assert _on_disk(tmp_path) == [HEAD, leaf, _part(2), _name(3)]
    pages.remove()


def test_a_name_that_is_no_text_is_not_listed(pages: JournalPages) -> None:
    """Bytes that a user gave as a name and that are no text never make a journal unreadable."""
    pages.named(_name(1, "\udcff"))
    assert pages.take() == {}


def test_made_folders_are_listed_once(tmp_path: Path) -> None:
    """C7: a later session knows which folders are its own, to give them their times."""
    folders = HeldFolders(open_folder(tmp_path))
    pages = JournalPages(folders, SeededRng("pages").bytes, lambda: KEY)
    pages.begin(HEAD)
    for name in ("a", "b"):
        with folders.borrow((name,)):
            pages.written(1, 0, [b"h" * 32])
        pages.write(pages.take())
    leaf = LeavesDurable(1, 0, b"h" * 32)
    assert _on_disk(tmp_path) == [HEAD, FolderMade(["a"]), leaf, FolderMade(["b"]), leaf]
    pages.remove()
    folders.close()


def test_a_journal_is_worth_keeping_for_what_it_lists(pages: JournalPages) -> None:
    """A journal without a leaf or a name saves nobody anything."""
    pages.begin(HEAD)
    worth = [pages.is_worth_keeping]
    notes: list[Callable[[], None]] = [
        lambda: pages.opening([_part(1)]),
        lambda: pages.written(1, 0, [b"h" * 32]),
        lambda: pages.forget(1),
        lambda: pages.named(_name(2)),
    ]
    for note in notes:
        note()
        pages.write(pages.take())
        worth.append(pages.is_worth_keeping)
    assert worth == [False, False, True, False, True]
    pages.remove()


def test_nobody_waits_for_a_sync(
    tmp_path: Path, pages: JournalPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a journal is being synced, a file that is opened is listed behind it at once."""
    pages.begin(HEAD)
    pages.written(1, 0, [b"h" * 32])

    def syncing(_descriptor: int) -> None:
        pages.opening([_part(2)])

    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "sync_file", syncing)
        pages.write(pages.take())
    assert _on_disk(tmp_path) == [HEAD, LeavesDurable(1, 0, b"h" * 32), _part(2)]
    pages.remove()


def _left(tmp_path: Path) -> tuple[str, JournalState, int]:
    """Leave a journal of another session behind."""
    folders = HeldFolders(open_folder(tmp_path))
    pages = JournalPages(folders, SeededRng("first").bytes, lambda: KEY)
    pages.begin(HEAD)
    pages.opening([_part(1)])
    pages.written(1, 0, [b"h" * 32])
    pages.write(pages.take())
    pages.close()
    folders.close()
    raw = (tmp_path / pages.name).read_bytes()
    state = fold_journal(io.BytesIO(raw), KEY)
    assert state is not None
    return pages.name, state, len(raw)


def test_a_journal_is_taken_over(tmp_path: Path, pages: JournalPages) -> None:
    """A later session writes its own head and says which numbers its parts have by now."""
    name, state, size_bytes = _left(tmp_path)
    pages.take_over(name, state, size_bytes, [_part(7)])
    again = JournalHead(HEAD.transfer_id, b"R" * 32, 2, 9, b"\x01\x00", "skip")
    pages.begin(again)
    assert pages.name == name
    assert pages.is_worth_keeping
    pages.written(7, 1, [b"i" * 32])
    pages.write(pages.take())
    leaf, more = LeavesDurable(1, 0, b"h" * 32), LeavesDurable(7, 1, b"i" * 32)
    assert _on_disk(tmp_path) == [HEAD, _part(1), leaf, again, _part(7), more]
    pages.remove()
    assert os.listdir(tmp_path) == []


def test_a_journal_in_use_is_not_taken_over(tmp_path: Path, pages: JournalPages) -> None:
    """Two receivers never write one journal."""
    name, state, size_bytes = _left(tmp_path)
    pages.take_over(name, state, size_bytes, [])
    folders = HeldFolders(open_folder(tmp_path))
    second = JournalPages(folders, SeededRng("second").bytes, lambda: KEY)
    with pytest.raises(StorageError, match="Another Tallow"):
        second.take_over(name, state, size_bytes, [])
    pages.close()
    second.take_over(name, state, size_bytes, [])
    second.close()
    folders.close()


def test_a_journal_that_changed_is_not_taken_over(tmp_path: Path, pages: JournalPages) -> None:
    """What another session added since it was read is never cut off."""
    name, state, size_bytes = _left(tmp_path)
    raw = (tmp_path / name).read_bytes()
    for changed in (raw + b"more", raw[:-1], bytes(len(raw))):
        (tmp_path / name).write_bytes(changed)
        with pytest.raises(StorageError) as caught:
            pages.take_over(name, state, size_bytes, [])
        assert "changed" in caught.value.why
        assert (tmp_path / name).read_bytes() == changed
