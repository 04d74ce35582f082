"""Pages of a long list: some in memory, the rest in a file that has no name."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallow.engine.storage import page_store
from tallow.engine.storage.durability import write_at
from tallow.engine.storage.page_store import SpooledPages
from tallow.errors import LocalProtocolError, StorageError
from tallow.protocol.manifest import Entry, EntryKind, Manifest, Selection
from tallow.protocol.names import NameTable, TargetSystem


@pytest.fixture(autouse=True)
def _temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def some_pages(count: int) -> list[bytes]:
    """Return pages of different content and length."""
    return [bytes([number % 251]) * (1 + number * 37 % 400) for number in range(count)]


def filled(pages: list[bytes], in_memory_bytes: int) -> SpooledPages:
    """Return a store that was given pages."""
    store = SpooledPages(in_memory_bytes)
    for page in pages:
        store.append(page)
    return store


@pytest.mark.parametrize("in_memory_bytes", [0, 1, 500, 3000, 1 << 30])
def test_pages_come_back_as_they_were_given(in_memory_bytes: int) -> None:
    """Wherever a page lies, it is the same bytes in the same place."""
    pages = some_pages(100)
    store = filled(pages, in_memory_bytes)
    assert len(store) == 100
    assert list(store) == pages
    assert [store[index] for index in reversed(range(100))] == pages[::-1]
    for index in (-1, 100):
        with pytest.raises(LocalProtocolError):
            store[index]


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither mode bits nor nameless files")
def test_the_file_has_no_name_and_belongs_to_this_user(tmp_path: Path) -> None:
    """Nobody else can open the list, and a crash leaves nothing behind."""
    store = filled(some_pages(20), 500)
    descriptor = store._descriptor
    assert descriptor is not None
    assert list(tmp_path.iterdir()) == []
    status = os.fstat(descriptor)
    assert (status.st_mode & 0o777, status.st_nlink) == (0o600, 0)


def test_a_short_list_needs_no_file() -> None:
    """Nothing reaches a disk before the list is long."""
    store = filled(some_pages(100), 1 << 20)
    assert store._descriptor is None


def test_the_file_goes_with_the_list() -> None:
    """No reference is kept in a circle: the last one to let go of the list closes the file."""
    manifest = Manifest.of((entry(number) for number in range(2000)), SpooledPages(1000))
    assert manifest.entry(1999).path == entry(1999).path
    pages = manifest.pages
    assert isinstance(pages, SpooledPages)
    descriptor = pages._descriptor
    assert descriptor is not None
    os.fstat(descriptor)
    del pages, manifest
    with pytest.raises(OSError, match=r"[Bb]ad file"):
        os.fstat(descriptor)


def test_without_a_folder_for_files_the_pages_stay_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transfer needs memory then, and goes on."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    pages = some_pages(50)
    assert list(filled(pages, 100)) == pages


def test_on_a_full_disk_the_pages_stay_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that went to the file before are still read from there."""
    pages = some_pages(50)
    store = filled(pages[:30], 1000)
    written = len(store._ends)

    def half(descriptor: int, content: memoryview, offset: int) -> None:
        write_at(descriptor, content[: len(content) // 2], offset)
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(page_store, "write_at", half)
    for page in pages[30:]:
        store.append(page)
    assert list(store) == pages
    assert len(store._ends) == written


def test_a_file_that_lost_its_content_is_said() -> None:
    """What cannot be read back is a typed error, never fewer bytes."""
    store = filled(some_pages(20), 0)
    assert store._descriptor is not None
    os.ftruncate(store._descriptor, 10)
    with pytest.raises(StorageError):
        list(store)


def test_threads_read_side_by_side() -> None:
    """Every thread gets the page that it asked for."""
    pages = some_pages(200)
    store, wrong = filled(pages, 1000), list[int]()

    def read(step: int) -> None:
        for turn in range(400):
            index = turn * step % 200
            if store[index] != pages[index]:
                wrong.append(index)

    threads = [threading.Thread(target=read, args=(step,)) for step in (1, 7, 199)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# --- what a list costs ------------------------------------------------------------------------

ENTRIES = 100_000


def entry(number: int) -> Entry:
    """Return one of many small files in folders of a thousand."""
    path = f"photographs/holiday-{number // 1000:05d}/IMG_{number:08d}_edited.jpg"
    return Entry(path, EntryKind.FILE, number % 60_000, 0o644, 1_700_000_000_000_000_000 + number)


@pytest.fixture
def _traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("_traced")
def test_a_long_list_costs_little_memory() -> None:
    """C9, X10: past a fixed few MiB an entry costs both sides some forty bytes, names included."""
    before, _ = tracemalloc.get_traced_memory()
    sent = Manifest.of(map(entry, range(ENTRIES)), SpooledPages(1 << 20))
    received = Manifest(SpooledPages(1 << 20))
    for page in sent.pages:
        received.add_page(page)
    names = NameTable(TargetSystem.POSIX)
    for each in received:
        names.claim(each.path, "file")
    chosen = Selection.everything(received.entries)
    assert sum(1 for number in chosen if received.entry(number).size) > ENTRIES // 2
    assert received.root() == sent.root()
    held, peak = tracemalloc.get_traced_memory()
    assert held - before < 6 * (1 << 20) + 40 * ENTRIES
    assert peak - before < 8 * (1 << 20) + 60 * ENTRIES
