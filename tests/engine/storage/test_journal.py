"""The journal: sealed, bound to its place, torn ends dropped, anything false refused."""

from __future__ import annotations

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
    JournalEntry,
    JournalHead,
    JournalWriter,
    LeavesDurable,
    PartOpened,
    journal_key,
    read_journal,
)
from tallow.errors import StorageError
from tallow.wire import limits
from tests.fakes import MemoryState, SeededRng

KEY, OTHER_KEY = bytes(32), bytes([1]) * 32
ID, OTHER_ID = bytes(16), bytes([1]) * 16
PART = ".tallow-0123456789abcdef.part"
ENTRIES: list[JournalEntry] = [
    JournalHead(b"t" * 16, b"r" * 32),
    PartOpened(3, ["a", "b"], PART),
    LeavesDurable(3, 0, b"h" * 64),
    FileNamed(3),
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


def test_every_batch_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that is not on the disk lists nothing."""
    synced: list[int] = []
    monkeypatch.setattr(journal_module, "sync_file", synced.append)
    written(tmp_path, ENTRIES[:1], ENTRIES[1:])
    assert len(synced) == 2


def test_a_short_write_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that takes only part of a write is given the rest."""
    import os

    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: real(descriptor, content[:7]))
    assert list(read_journal(written(tmp_path, ENTRIES), KEY)) == ENTRIES


def test_a_torn_end_is_dropped(tmp_path: Path) -> None:
    """A crash while the last entry was written costs that entry and no other."""
    whole = written(tmp_path, ENTRIES[:3])
    full = written(tmp_path, ENTRIES[:3], ENTRIES[3:])
    for end in range(len(whole), len(full)):
        assert list(read_journal(full[:end], KEY)) == ENTRIES[:3]


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
    swapped = raw[:start] + b"".join([boxes[0], boxes[2], boxes[1], boxes[3]])
    doubled = raw[:start] + b"".join([boxes[0], boxes[1], boxes[1]])
    removed = raw[:start] + b"".join([boxes[0], boxes[2]])
    foreign = written(tmp_path, ENTRIES, journal_id=OTHER_ID)[:start] + b"".join(boxes)
    for false in (swapped, doubled, removed, foreign):
        with pytest.raises(StorageError, match="journal"):
            list(read_journal(false, KEY))


FALSE_ENTRIES = {
    "not msgpack": b"\xc1",
    "unknown": msgspec.msgpack.encode(["other", 1]),
    "negative": msgspec.msgpack.encode(["named", -1]),
    "a huge number": msgspec.msgpack.encode(["named", limits.MANIFEST_ENTRIES_MAX]),
    "a path for a part": msgspec.msgpack.encode(
        ["part", 1, [], "../.tallow-0123456789abcdef.part"]
    ),
    "another name": msgspec.msgpack.encode(["part", 1, [], "precious"]),
    "a name and a line": msgspec.msgpack.encode(["part", 1, [], PART + "\n"]),
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
