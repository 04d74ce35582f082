"""The journal: sealed, bound to its place, torn ends dropped, anything false refused."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.crypto.sealing import seal_box
from tallow.engine.storage import journal as journal_module
from tallow.engine.storage.folder import open_folder
from tallow.engine.storage.journal import (
    KEY_NAME,
    FileNamed,
    FolderMade,
    JournalEntry,
    JournalHead,
    JournalWriter,
    LeavesDurable,
    PartOpened,
    entries_of,
    entry_tag,
    journal_key,
    lock_journal,
    read_journal,
)
from tallow.errors import StorageError
from tallow.protocol.manifest import Entry, EntryKind
from tallow.wire import limits
from tests.fakes import MemoryState, SeededRng

KEY, OTHER_KEY = bytes(32), bytes([1]) * 32
ID, OTHER_ID = bytes(16), bytes([1]) * 16
PART = ".tallow-0123456789abcdef.part"
TAG = b"T" * 16
HEAD = JournalHead(b"t" * 16, b"r" * 32, 1, 9, b"\xff\x01", "rename")
ENTRIES: list[JournalEntry] = [
    HEAD,
    FolderMade(["a", "b"]),
    PartOpened(3, ["a", "b"], PART, TAG),
    LeavesDurable(3, 0, b"h" * 64),
    FileNamed(3, TAG, ["a", "b"], "c (1)"),
]


def written(folder: Path, *batches: list[JournalEntry], journal_id: bytes = ID) -> bytes:
    """Return the bytes of a journal to which these batches were appended."""
    held = open_folder(folder)
    held.remove("journal")
    writer = JournalWriter(held.create("journal"), KEY, journal_id)
    for batch in batches:
        writer.append(batch)
    writer.close()
    held.close()
    return (folder / "journal").read_bytes()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Entries come back in order, however they were grouped."""
    assert list(read_journal(written(tmp_path, ENTRIES), KEY)) == ENTRIES
    assert list(read_journal(written(tmp_path, ENTRIES[:1], ENTRIES[1:]), KEY)) == ENTRIES


def test_a_sync_is_of_the_journal_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that is not on the disk lists nothing: whoever appends can bring it there."""
    synced: list[int] = []
    monkeypatch.setattr(journal_module, "sync_file", synced.append)
    descriptor = os.open(tmp_path / "journal", os.O_RDWR | os.O_CREAT)
    writer = JournalWriter(descriptor, KEY, bytes(16))
    writer.append(ENTRIES)
    assert synced == []
    writer.sync()
    assert synced == [descriptor]
    writer.close()


def test_a_short_write_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that takes only part of a write is given the rest."""
    real = os.pwrite

    def short(descriptor: int, content: memoryview, offset: int) -> int:
        return real(descriptor, content[:7], offset)

    monkeypatch.setattr(os, "pwrite", short)
    assert list(read_journal(written(tmp_path, ENTRIES), KEY)) == ENTRIES


def test_a_torn_end_is_dropped(tmp_path: Path) -> None:
    """A crash while the last entry was written costs that entry and no other."""
    full = written(tmp_path, ENTRIES[:4], ENTRIES[4:])
    *_, (_, last), (_, end) = entries_of(io.BytesIO(full), KEY)
    assert end == len(full)
    for cut in range(last, end):
        assert list(read_journal(full[:cut], KEY)) == ENTRIES[:4]


def test_no_name_or_hash_stands_in_clear(tmp_path: Path) -> None:
    """A journal beside the target tells a reader of the folder nothing."""
    raw = written(tmp_path, ENTRIES)
    for secret in (b"part", b"h" * 8, b"t" * 8, b"r" * 8):
        assert secret not in raw


@pytest.mark.parametrize("key", [OTHER_KEY])
def test_a_foreign_journal_is_refused(tmp_path: Path, key: bytes) -> None:
    """X15: a file that a peer sent cannot pass for a journal of this user."""
    raw = written(tmp_path, ENTRIES)
    with pytest.raises(StorageError):
        list(read_journal(raw, key))


def test_entries_cannot_be_moved(tmp_path: Path) -> None:
    """Each entry opens only in its place of its own journal."""
    raw = written(tmp_path, ENTRIES)
    start = len(journal_module.MAGIC) + journal_module.ID_BYTES
    boxes, at = [], start
    while at < len(raw):
        length = int.from_bytes(raw[at : at + 4], "big")
        boxes.append(raw[at : at + 4 + length])
        at += 4 + length
    swapped = raw[:start] + b"".join([boxes[0], boxes[2], boxes[1], *boxes[3:]])
    doubled = raw[:start] + b"".join([boxes[0], boxes[1], boxes[1]])
    removed = raw[:start] + b"".join([boxes[0], boxes[2]])
    foreign = written(tmp_path, ENTRIES, journal_id=OTHER_ID)[:start] + b"".join(boxes)
    for false in (swapped, doubled, removed, foreign):
        with pytest.raises(StorageError, match="journal"):
            list(read_journal(false, KEY))


FALSE_ENTRIES = {
    "not msgpack": b"\xc1",
    "unknown": msgspec.msgpack.encode(["other", 1]),
    "negative": msgspec.msgpack.encode(["named", -1, TAG, [], "a"]),
    "a huge number": msgspec.msgpack.encode(["named", limits.MANIFEST_ENTRIES_MAX, TAG, [], "a"]),
    "a path for a part": msgspec.msgpack.encode(
        ["part", 1, [], "../.tallow-0123456789abcdef.part", TAG]
    ),
    "another name": msgspec.msgpack.encode(["part", 1, [], "precious", TAG]),
    "a name and a line": msgspec.msgpack.encode(["part", 1, [], PART + "\n", TAG]),
    "a journal for a part": msgspec.msgpack.encode(
        ["part", 1, [], ".tallow-0123456789abcdef.journal", TAG]
    ),
    "a folder above": msgspec.msgpack.encode(["part", 1, [".."], PART, TAG]),
    "this folder": msgspec.msgpack.encode(["part", 1, ["."], PART, TAG]),
    "no folder": msgspec.msgpack.encode(["part", 1, [""], PART, TAG]),
    "a path for a folder": msgspec.msgpack.encode(["part", 1, ["a/b"], PART, TAG]),
    "an absolute folder": msgspec.msgpack.encode(["part", 1, ["/etc"], PART, TAG]),
    "a NUL": msgspec.msgpack.encode(["part", 1, ["a\0b"], PART, TAG]),
    "a final path": msgspec.msgpack.encode(["named", 1, TAG, [], "../a"]),
    "a final folder above": msgspec.msgpack.encode(["named", 1, TAG, [], ".."]),
    "a folder made above": msgspec.msgpack.encode(["folder", ["a", ".."]]),
    "a short tag": msgspec.msgpack.encode(["part", 1, [], PART, TAG[1:]]),
    "depth": b"\x91" * 5000,
}


@pytest.mark.parametrize("plain", FALSE_ENTRIES.values(), ids=FALSE_ENTRIES)
def test_even_a_sealed_entry_is_checked(tmp_path: Path, plain: bytes) -> None:
    """X10, X15: what a journal names can only ever be a temporary file of ours."""
    raw = written(tmp_path, ENTRIES[:1])
    box = seal_box(KEY, journal_module._context(ID, 1), plain)
    with pytest.raises(StorageError):
        list(read_journal(raw + len(box).to_bytes(4, "big") + box, KEY))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """X14: no bytes crash the reader."""
    for content in (raw, journal_module.MAGIC + raw, journal_module.MAGIC + ID + raw):
        try:
            assert list(read_journal(content, KEY)) == []
        except StorageError as error:
            assert error.why


def test_a_huge_entry_is_refused_before_it_is_read() -> None:
    """X14: a length beyond the cap is refused without waiting for that many bytes."""
    raw = journal_module.MAGIC + ID + b"\xff" * 4
    with pytest.raises(StorageError) as caught:
        list(read_journal(raw, KEY))
    assert "too long" in caught.value.why


def test_the_key_is_made_once() -> None:
    """A user has one journal key, from the port of randomness, kept in the state folder."""
    state = MemoryState()
    key = journal_key(state, SeededRng("key"))
    assert key == SeededRng("key").bytes(32)
    assert state.content == {KEY_NAME: key}
    assert journal_key(state, SeededRng("another")) == key


def test_a_damaged_key_is_said() -> None:
    """A key of another length is an error that says what to do, not a new key."""
    state = MemoryState()
    state.write(KEY_NAME, b"short")
    with pytest.raises(StorageError) as caught:
        journal_key(state, SeededRng("key"))
    assert KEY_NAME in caught.value.hint
    assert state.content[KEY_NAME] == b"short"


@pytest.mark.parametrize("zeros", [1, 3, 4, 100, 5000])
@pytest.mark.parametrize("kept", [0, 1, 4, 5, 30])
def test_blocks_that_were_never_written_are_a_torn_end(
    tmp_path: Path, zeros: int, kept: int
) -> None:
    """After a power cut a file may have its new length and zeros where its last bytes should be."""
    full = written(tmp_path, ENTRIES[:4], ENTRIES[4:])
    *_, (_, last), _ = entries_of(io.BytesIO(full), KEY)
    assert list(read_journal(full[: last + kept] + bytes(zeros), KEY)) == ENTRIES[:4]
    torn = full[: last + kept] + bytes(len(full) - last - kept + zeros)
    assert list(read_journal(torn, KEY)) == ENTRIES[:4]


def test_zeros_in_the_middle_are_no_torn_end(tmp_path: Path) -> None:
    """X15: an entry that was blanked out in front of others is damage."""
    full = bytearray(written(tmp_path, ENTRIES))
    ends = [end for _, end in entries_of(io.BytesIO(full), KEY)]
    full[ends[1] + 4 : ends[2]] = bytes(ends[2] - ends[1] - 4)
    with pytest.raises(StorageError):
        list(read_journal(bytes(full), KEY))


def test_a_newer_version_is_said(tmp_path: Path) -> None:
    """A journal of a version to come is refused as such, whatever follows its mark."""
    raw = bytearray(written(tmp_path, ENTRIES))
    raw[4] = 2
    with pytest.raises(StorageError) as caught:
        list(read_journal(bytes(raw), KEY))
    assert "another version" in caught.value.why


@pytest.mark.parametrize("fails_at", [0, 1, 40, 100])
def test_a_write_that_failed_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    """C3: a disk that is full in the middle of an entry leaves nothing between good entries."""
    held, real = open_folder(tmp_path), os.pwrite
    writer = JournalWriter(held.create("journal"), KEY, ID)
    writer.append(ENTRIES[:2])

    def full(descriptor: int, content: memoryview, offset: int) -> int:
        real(descriptor, content[:fails_at], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(os, "pwrite", full)
        writer.append(ENTRIES[2:])
    assert list(read_journal((tmp_path / "journal").read_bytes(), KEY)) == ENTRIES[:2]
    writer.append(ENTRIES[4:])
    writer.close()
    held.close()
    assert list(read_journal((tmp_path / "journal").read_bytes(), KEY)) == [
        *ENTRIES[:2],
        *ENTRIES[4:],
    ]


@pytest.mark.parametrize("torn", [b"", b"\0", b"torn end" * 99])
def test_a_journal_is_gone_on_with(tmp_path: Path, torn: bytes) -> None:
    """A later session cuts off a torn end and adds entries that open in their place."""
    raw = written(tmp_path, ENTRIES)
    (tmp_path / "journal").write_bytes(raw + torn)
    held = open_folder(tmp_path)
    writer = JournalWriter(
        held.open_own("journal"), KEY, ID, valid_bytes=len(raw), next_index=len(ENTRIES)
    )
    writer.append(ENTRIES)
    writer.close()
    held.close()
    assert list(read_journal((tmp_path / "journal").read_bytes(), KEY)) == ENTRIES * 2


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """Two receivers that are given the same journal do not write into each other's entries."""
    written(tmp_path, ENTRIES)
    held = open_folder(tmp_path)
    first, second = held.open_own("journal"), held.open_own("journal")
    assert lock_journal(first)
    assert not lock_journal(second)
    os.close(first)
    assert lock_journal(second)
    os.close(second)
    held.close()


def test_a_tag_is_of_what_makes_a_file_another_one() -> None:
    """A path, kind, size or time that differs is another file; mode bits are not."""
    entry = Entry("a/b", EntryKind.FILE, 5, 0o644, 7)
    others = [
        Entry("a/c", EntryKind.FILE, 5, 0o644, 7),
        Entry("a/b", EntryKind.FOLDER, 5, 0o644, 7),
        Entry("a/b", EntryKind.FILE, 6, 0o644, 7),
        Entry("a/b", EntryKind.FILE, 5, 0o644, 8),
    ]
    assert len({entry_tag(each) for each in (entry, *others)}) == 5
    assert entry_tag(Entry("a/b", EntryKind.FILE, 5, 0o755, 7)) == entry_tag(entry)
    assert len(entry_tag(entry)) == 16
