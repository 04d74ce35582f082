"""Records of unfinished transfers: found by what people remember, damaged ones told and skipped."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.engine.storage.records import (
    PREFIX,
    DamagedRecord,
    TransferRecord,
    TransferRecords,
    decode_record,
    encode_record,
)
from tallow.engine.storage.state import FileState
from tallow.errors import StorageError
from tallow.wire import limits
from tests.engine.storage.boxes import KEY, interrupted, journals, large, parts
from tests.fakes import MemoryState

NOW = 1_700_000_000.0
CODE = b"c" * 32


class Calendar:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> float:
        """Return the time."""
        return self.at

    def wall(self) -> float:
        """Return the time."""
        return self.at


def record(number: int = 1, **fields: object) -> TransferRecord:
    """Return a record with these fields."""
    made = TransferRecord(
        id=f"{number:016x}",
        direction="send",
        transfer_id=b"t" * 16,
        transfer_key=b"k" * 32,
        resume_secret=b"r" * 64,
        role="initiator",
        relay="localhost:4433",
        code_tag=CODE,
        peer_name="Ada",
        sources=("/a", "/b"),
        exclude=("*.o",),
        options_json=b"{}",
        manifest_root=b"m" * 32,
        files=3,
        total_bytes=1 << 40,
        done_bytes=5,
        started_at=NOW - 10,
        updated_at=NOW - 5,
    )
    return msgspec.structs.replace(made, **fields)


@pytest.fixture
def state() -> MemoryState:
    """A state folder in memory."""
    return MemoryState()


@pytest.fixture
def records(state: MemoryState) -> TransferRecords:
    """The records in it."""
    return TransferRecords(state, Calendar())


def test_what_was_put_is_found(records: TransferRecords) -> None:
    """A record comes back as it was, the last used first, until it is removed."""
    old, new = record(1, updated_at=NOW - 9), record(2)
    for each in (old, new):
        records.put(each)
    assert records.all() == [new, old]
    changed = msgspec.structs.replace(old, updated_at=NOW, done_bytes=7)
    records.put(changed)
    assert records.all() == [changed, new]
    records.remove(new.id)
    records.remove(new.id)
    assert records.all() == [changed]


def test_paths_need_not_be_text(tmp_path: Path) -> None:
    """A source or folder whose name is no text is found again by the same bytes."""
    records = TransferRecords(FileState(tmp_path), Calendar())
    odd = record(1, sources=("/a\udcff",), exclude=("\udcfe",), output="/o\udcff")
    odd = msgspec.structs.replace(odd, output_name="\udc80")
    records.put(odd)
    assert records.all() == [odd]
    assert records.by_sources(("/a\udcff",), ("\udcfe",)) == [odd]


def test_records_are_private(tmp_path: Path) -> None:
    """X10: they hold secrets, so they are readable by their user alone."""
    TransferRecords(FileState(tmp_path), Calendar()).put(record())
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_transfer_is_found_by_what_people_remember(records: TransferRecords) -> None:
    """Sources with what is left out, the code, the output folder: each in its direction."""
    sent = record(1)
    other = record(2, sources=("/a",), code_tag=b"")
    received = record(3, direction="receive", output="/in", sources=(), exclude=())
    for each in (sent, other, received):
        records.put(each)
    assert records.by_sources(("/a", "/b"), ("*.o",)) == [sent]
    assert records.by_sources(("/a", "/b"), ()) == []
    assert {each.id for each in records.by_code(CODE)} == {sent.id, received.id}
    assert records.by_code(b"") == []
    assert records.by_output("/in") == [received]
    assert records.by_output("") == []


def test_old_records_are_listed_and_not_used(state: MemoryState) -> None:
    """After seven days a transfer is not gone on with, and can still be cleaned up."""
    clock = Calendar()
    records, kept = TransferRecords(state, clock), record(updated_at=NOW)
    records.put(kept)
    clock.at = NOW + limits.RESUME_KEPT_S
    assert not records.expired(kept)
    assert records.by_code(CODE) == [kept]
    clock.at += 1
    assert records.expired(kept)
    assert records.all() == [kept]
    assert records.by_code(CODE) == records.by_sources(kept.sources, kept.exclude) == []
    clock.at = 0.0
    assert not records.expired(kept)


def fields_with(**changed: object) -> bytes:
    """Return a stored record with changed fields."""
    fields = msgspec.msgpack.decode(encode_record(record()))
    return msgspec.msgpack.encode({**fields, **changed})


DAMAGED = {
    "empty": b"",
    "not msgpack": b"\xc1",
    "a list": msgspec.msgpack.encode([1]),
    "no fields": msgspec.msgpack.encode({}),
    "cut": encode_record(record())[:-1],
    "longer": encode_record(record()) + b"x",
    "deep": b"\x91" * 100_000,
    "a text for a path": fields_with(output="text"),
    "a text for paths": fields_with(sources="text"),
    "a number among paths": fields_with(sources=[1]),
    "a short key": fields_with(transfer_key=b"k"),
    "a negative count": fields_with(files=-1),
    "no time": fields_with(updated_at=float("nan")),
    "an endless time": fields_with(updated_at=float("inf")),
    "another direction": fields_with(direction="sideways"),
    "a path for an id": fields_with(id="../../../../etc"),
    "an unknown field": fields_with(more=1),
    "version 0": fields_with(v=0),
    "another record": encode_record(record(9)),
}


@pytest.mark.parametrize("raw", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_record_is_told_and_skipped(
    state: MemoryState, records: TransferRecords, raw: bytes
) -> None:
    """X14: no content of a record crashes, and the others are found in spite of it."""
    good = record(2)
    records.put(good)
    state.write(PREFIX + record().id, raw)
    assert records.all() == [good]
    (damaged,) = records.damaged()
    assert (damaged.id, damaged.is_newer) == (record().id, False)
    assert damaged.why in str(damaged)
    records.remove_damaged()
    assert records.damaged() == []
    assert records.all() == [good]


def test_a_newer_version_keeps_its_record(state: MemoryState, records: TransferRecords) -> None:
    """A record of a version to come is told, not used, and not removed."""
    state.write(PREFIX + record().id, fields_with(v=2, another_field=1))
    (damaged,) = records.damaged()
    assert damaged.is_newer
    assert "newer" in damaged.why
    records.remove_damaged()
    assert records.damaged() == [damaged]
    assert records.all() == []


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_told(raw: bytes) -> None:
    """X14: no bytes crash the reader."""
    assert isinstance(decode_record(record().id, raw), DamagedRecord)


def test_edited_at_every_byte() -> None:
    """X14: a record with a flipped bit is another valid one or a damaged one, never a crash."""
    raw = encode_record(record())
    for at in range(len(raw)):
        for flip in (0x01, 0x80):
            edited = bytearray(raw)
            edited[at] ^= flip
            read = decode_record(record().id, bytes(edited))
            assert isinstance(read, DamagedRecord) or read != record()


def test_other_state_is_no_record(state: MemoryState, records: TransferRecords) -> None:
    """X15: only names of the pattern are read or removed."""
    for name in (f"{PREFIX}short", f"{PREFIX}{'0' * 16}.bak", "journal.key"):
        state.write(name, b"x")
    assert records.all() == []
    assert records.damaged() == []
    records.remove("short")
    records.remove("../journal.key")
    assert len(state.content) == 3


def test_a_record_that_cannot_be_read(tmp_path: Path) -> None:
    """A file that the disk does not give back is a damaged record, not the end of the list."""
    records = TransferRecords(_Broken(FileState(tmp_path)), Calendar())
    records.put(record())
    assert records.all() == []
    assert records.damaged() == [DamagedRecord(record().id, "Input/output error")]


class _Broken:
    """State that can be written and not read."""

    def __init__(self, state: FileState) -> None:
        self.write, self.remove, self.names = state.write, state.remove, state.names

    def read(self, name: str) -> bytes | None:
        """Fail."""
        raise StorageError("broken", why="Input/output error")


def test_cleaning_takes_what_is_left(
    tmp_path: Path, state: MemoryState, records: TransferRecords
) -> None:
    """C3: journal, parts and record go together; other files stay."""
    interrupted(tmp_path, large("big", 4), leaves={0: range(2)})
    (tmp_path / "mine").touch()
    state.write("journal.key", KEY)
    kept = record(direction="receive", output=str(tmp_path), journal=journals(tmp_path)[0].name)
    records.put(kept)
    assert (records.clean(kept).removed, parts(tmp_path)) == (2, [])
    assert records.all() == []
    assert (tmp_path / "mine").exists()


def test_cleaning_without_a_key_says_what_stays(
    tmp_path: Path, state: MemoryState, records: TransferRecords
) -> None:
    """X15: a journal that cannot be authenticated names nothing that would be removed."""
    interrupted(tmp_path, large("big", 4), leaves={0: range(2)})
    kept = record(direction="receive", output=str(tmp_path), journal=journals(tmp_path)[0].name)
    before = parts(tmp_path)
    for key in (None, b"short", b"k" * 32):
        records.put(kept)
        if key is not None:
            state.write("journal.key", key)
        assert records.clean(kept).left == (kept.journal,)
        assert parts(tmp_path) == before
        assert records.all() == []


def test_cleaning_a_sender_touches_no_file(
    tmp_path: Path, state: MemoryState, records: TransferRecords
) -> None:
    """X15: what is sent is the user's own."""
    sent = record(output=str(tmp_path), journal=".tallow-0123456789abcdef.journal")
    records.put(sent)
    assert records.clean(sent).removed == 0
    assert records.all() == []
