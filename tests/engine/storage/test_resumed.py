"""What of an earlier session is still here: by tags, by what the disk says, never by trust."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tallow.engine.storage import resumed as resumed_module
from tallow.engine.storage.folder import open_folder
from tallow.engine.storage.journal import lock_journal
from tallow.engine.storage.resumed import find_resumed
from tallow.errors import StorageError
from tallow.protocol.manifest import Entry, EntryKind
from tallow.wire import limits
from tests.engine.storage.boxes import (
    KEY,
    LEAF,
    STREAM,
    content_of,
    found,
    head_for,
    inbox_for,
    interrupted,
    journals,
    large,
    leaf_job,
    leaves,
    look,
    pack,
    parts,
    target_for,
)
from tests.world.stranger import file

BIG, OTHER = large("d/big", 6), large("other", 4)
LEFT = {0: range(3), 1: range(4)}
STREAM_LEAF = limits.STREAM_LEAF_BYTES


def part_of(place: Path, entry: Entry) -> Path:
    """Return the part beside an entry's target."""
    (part,) = (place / entry.path).parent.glob(".tallow-*.part")
    return part


def test_a_session_is_found(tmp_path: Path) -> None:
    """C3: leaves by number of the new list, and everything that was agreed on."""
    interrupted(tmp_path, BIG, OTHER, leaves=LEFT)
    resumed = found(tmp_path, BIG, OTHER)
    head = head_for(target_for(tmp_path, BIG, OTHER).manifest)
    assert resumed.have == {0: ((0, 2),), 1: ((0, 3),)}
    assert (resumed.named, resumed.changed) == (frozenset(), 0)
    assert (resumed.accept_no, resumed.bitmap, resumed.policy) == (1, head.bitmap, "rename")
    assert resumed.same_manifest
    assert resumed.transfer_id == head.transfer_id


def test_files_keep_their_leaves_in_another_list(tmp_path: Path) -> None:
    """C3: a new list may number files differently, and leave some out: tags carry over."""
    interrupted(tmp_path, BIG, OTHER, leaves=LEFT)
    resumed = found(tmp_path, file("first", 1), BIG)
    assert resumed.have == {1: ((0, 2),)}
    assert not resumed.same_manifest
    assert resumed.changed == 1


@pytest.mark.parametrize(
    "changed",
    [large("d/big", 7), large("d/big", 6, mtime_ns=8), large("d/bigger", 6)],
    ids=["size", "time", "path"],
)
def test_a_changed_source_has_no_leaves(tmp_path: Path, changed: Entry) -> None:
    """C3: a file that is listed differently begins anew, and that is counted."""
    interrupted(tmp_path, BIG, OTHER, leaves=LEFT)
    resumed = found(tmp_path, changed, OTHER)
    assert resumed.have == {1: ((0, 3),)}
    assert resumed.changed == 1


@pytest.mark.parametrize("kind", ["vanished", "link", "folder", "pipe", "second name", "moved"])
def test_a_part_that_is_not_ours_any_more(tmp_path: Path, kind: str) -> None:
    """X10, X17: what stands in a part's place is not looked into; its leaves are lost."""
    interrupted(tmp_path, BIG, OTHER, leaves=LEFT)
    part = part_of(tmp_path, BIG)
    part.rename(tmp_path / "elsewhere")
    match kind:
        case "link":
            part.symlink_to(tmp_path / "elsewhere")
        case "folder":
            part.mkdir()
        case "pipe":
            os.mkfifo(part)
        case "second name":
            part.hardlink_to(tmp_path / "elsewhere")
        case "moved":
            part.parent.rename(tmp_path / "e")
            (tmp_path / "d").symlink_to(tmp_path / "e")
            (tmp_path / "elsewhere").rename(tmp_path / "e" / part.name)
    resumed = found(tmp_path, BIG, OTHER)
    assert resumed.have == {1: ((0, 3),)}
    assert resumed.changed == 0


@pytest.mark.parametrize(
    ("size", "ranges"),
    [(0, ()), (1, ()), (LEAF, ((0, 0),)), (3 * LEAF - 1, ((0, 1),)), (3 * LEAF, ((0, 2),))],
)
def test_a_part_that_was_shortened(
    tmp_path: Path, size: int, ranges: tuple[tuple[int, int], ...]
) -> None:
    """Leaves that are not there whole are lost."""
    interrupted(tmp_path, BIG, leaves={0: range(3)})
    os.truncate(part_of(tmp_path, BIG), size)
    assert found(tmp_path, BIG).have == ({0: ranges} if ranges else {})


def test_a_short_last_leaf_is_whole_at_the_files_end(tmp_path: Path) -> None:
    """The final leaf of a file may be short; one byte less, and it is lost."""
    odd = Entry("odd", EntryKind.FILE, LEAF + 5, 0o644, 7)
    box = inbox_for(tmp_path, odd)
    box.store_leaves(leaves(0, 0, content_of(0), b"short", leaf=LEAF))
    assert box.abandon(keep=True)
    assert found(tmp_path, odd).have == {0: ((0, 1),)}
    os.truncate(parts(tmp_path)[1], LEAF + 4)
    assert found(tmp_path, odd).have == {0: ((0, 0),)}


def test_a_stream_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    """C3: leaves from the first one without a gap, and only whole ones."""
    box = inbox_for(tmp_path, STREAM)
    for number in (0, 1, 3):
        plain = bytes([number]) * STREAM_LEAF
        box.store_leaves(leaves(0, number, plain, leaf=STREAM_LEAF))
    assert box.abandon(keep=True)
    assert found(tmp_path, STREAM).have == {0: ((0, 1),)}
    os.truncate(part_of(tmp_path, STREAM), 2 * STREAM_LEAF - 1)
    assert found(tmp_path, STREAM).have == {0: ((0, 0),)}


def test_a_stream_without_its_beginning(tmp_path: Path) -> None:
    """What came later is of no use without what came first."""
    box = inbox_for(tmp_path, STREAM)
    box.store_leaves(leaves(0, 1, bytes(STREAM_LEAF), leaf=STREAM_LEAF))
    assert box.abandon(keep=True)
    assert found(tmp_path, STREAM).have == {}


def finished(place: Path) -> tuple[Entry, Entry]:
    """Leave a session behind that finished one small file and not the large one."""
    small = Entry("small", EntryKind.FILE, 2, 0o644, 9_123_456_789)
    box = inbox_for(place, small, BIG)
    box.store_pack(pack((0, b"ok")))
    box.give_name(0)
    box.store_leaves(leaf_job(1, 0))
    assert box.abandon(keep=True)
    return small, BIG


def test_a_finished_file_is_known(tmp_path: Path) -> None:
    """C3: a file that has its name is not sent again."""
    entries = finished(tmp_path)
    resumed = found(tmp_path, *entries)
    assert resumed.named == {0}
    assert resumed.have == {1: ((0, 0),)}
    assert resumed.changed == 0


def test_a_finished_file_under_another_name_is_known(tmp_path: Path) -> None:
    """C4: the journal says which name a file got when its own was taken."""
    (tmp_path / "small").write_bytes(b"mine")
    entries = finished(tmp_path)
    assert (tmp_path / "small (1)").exists()
    assert found(tmp_path, *entries).named == {0}
    (tmp_path / "small (1)").unlink()
    assert found(tmp_path, *entries).named == frozenset()


@pytest.mark.parametrize("kind", ["gone", "longer", "touched", "link", "folder"])
def test_a_finished_file_that_changed_is_sent_again(tmp_path: Path, kind: str) -> None:
    """X15: what does not stand there as listed is not what was received."""
    entries = finished(tmp_path)
    place = tmp_path / "small"
    match kind:
        case "longer":
            place.write_bytes(b"more")
            os.utime(place, ns=(9_123_456_789, 9_123_456_789))
        case "touched":
            os.utime(place, ns=(9_123_456_788, 9_123_456_788))
        case "link":
            place.rename(tmp_path / "moved")
            place.symlink_to(tmp_path / "moved")
        case "gone" | "folder":
            place.unlink()
            if kind == "folder":
                place.mkdir()
    assert found(tmp_path, *entries).named == frozenset()


@pytest.mark.parametrize(
    ("kept_ns", "same"),
    [
        (9_123_456_789, True),
        (9_123_456_700, True),
        (9_120_000_000, True),
        (9_000_000_000, True),
        (8_000_000_000, True),
        (10_000_000_000, True),
        (9_123_456_788, False),
        (9_100_000_001, False),
        (7_000_000_000, False),
        (12_000_000_000, False),
    ],
)
def test_times_are_compared_as_finely_as_they_are_kept(
    tmp_path: Path, kept_ns: int, same: bool
) -> None:
    """C7: a file system that keeps times in larger steps does not make finished files new."""
    entries = finished(tmp_path)
    os.utime(tmp_path / "small", ns=(kept_ns, kept_ns))
    assert found(tmp_path, *entries).named == ({0} if same else frozenset())


def test_a_small_file_is_whole_or_new(tmp_path: Path) -> None:
    """Files that travel packed have no leaves to claim, even if their part is there."""
    small = file("small", 5)
    box = inbox_for(tmp_path, small, BIG)
    box.store_pack(pack((0, b"small")))
    box.store_leaves(leaf_job(1, 0))
    box.make_durable()
    # The process is killed: nothing is tidied up.
    box._pages.close()
    assert len(parts(tmp_path)) == 3
    assert found(tmp_path, small, BIG).have == {1: ((0, 0),)}


def test_no_more_is_claimed_than_may_be_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X17: what goes beyond the caps of the message is received again instead."""
    entry = large("big", 40)
    interrupted(tmp_path, entry, OTHER, leaves={0: range(0, 40, 2), 1: range(2)})
    monkeypatch.setattr(limits, "HELD_RECORDS_MAX", 3)
    assert len(found(tmp_path, entry, OTHER).have[0]) == 3
    monkeypatch.setattr(limits, "HAVE_RANGES_MAX", 2)
    assert found(tmp_path, entry, OTHER).have == {1: ((0, 1),)}


def test_a_journal_that_is_gone(tmp_path: Path) -> None:
    """A journal that somebody removed, or that never was, is no error: all is sent again."""
    target = target_for(tmp_path, BIG)
    for name in ("", ".tallow-0123456789abcdef.journal"):
        assert find_resumed(tmp_path, name, KEY, target.manifest, target) is None


def test_an_empty_beginning_is_nothing(tmp_path: Path) -> None:
    """A session that was killed while it wrote its head has nothing to offer."""
    interrupted(tmp_path, BIG, leaves={0: range(1)})
    (journal,) = journals(tmp_path)
    os.truncate(journal, 30)
    assert look(tmp_path, BIG) is None


def test_another_transfer_is_refused(tmp_path: Path) -> None:
    """X15: a journal of this user under the name of another one is not mistaken for it."""
    interrupted(tmp_path, BIG, leaves={0: range(1)})
    with pytest.raises(StorageError) as caught:
        look(tmp_path, BIG, transfer_id=b"T" * 16)
    assert "another transfer" in caught.value.why
    assert look(tmp_path, BIG, transfer_id=None) is not None


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "foreign", "newer", "damaged"])
def test_what_stands_in_a_journals_place_is_refused(tmp_path: Path, kind: str) -> None:
    """X10, X15: an attacker's file under our journal's name yields no have-list."""
    interrupted(tmp_path, BIG, leaves={0: range(1)})
    (journal,) = journals(tmp_path)
    raw = bytearray(journal.read_bytes())
    journal.unlink()
    match kind:
        case "link":
            (tmp_path / "elsewhere").write_bytes(raw)
            journal.symlink_to(tmp_path / "elsewhere")
        case "folder":
            journal.mkdir()
        case "pipe":
            os.mkfifo(journal)
        case "foreign":
            journal.write_bytes(b"TLWJ\x01" + bytes(4000))
        case "newer":
            raw[4] = 2
            journal.write_bytes(raw)
        case "damaged":
            raw[60] ^= 1
            journal.write_bytes(raw)
    if kind == "foreign":
        # Nothing but zeros: a file system that lost what was written looks just like this.
        assert look(tmp_path, BIG) is None
        journal.write_bytes(b"TLWJ\x01" + b"x" * 4000)
    with pytest.raises(StorageError) as caught:
        look(tmp_path, BIG)
    assert caught.value.why
    assert caught.value.hint


@pytest.mark.parametrize("name", ["precious", "../precious", ".tallow-0123456789abcdef.part"])
def test_no_other_name_is_opened(tmp_path: Path, name: str) -> None:
    """X15: a damaged record cannot point at any other file."""
    target = target_for(tmp_path, BIG)
    with pytest.raises(StorageError):
        find_resumed(tmp_path, name, KEY, target.manifest, target)


def test_another_users_journal_is_refused(tmp_path: Path) -> None:
    """X15: a journal that was sealed under another key is none."""
    interrupted(tmp_path, BIG, leaves={0: range(1)})
    target = target_for(tmp_path, BIG)
    with pytest.raises(StorageError):
        find_resumed(tmp_path, journals(tmp_path)[0].name, b"k" * 32, target.manifest, target)


def test_what_is_in_use_is_refused(tmp_path: Path) -> None:
    """Two processes that are given the same code do not go on with one transfer both."""
    interrupted(tmp_path, BIG, leaves={0: range(1)})
    held = open_folder(tmp_path)
    descriptor = held.open_own(journals(tmp_path)[0].name)
    assert lock_journal(descriptor)
    with pytest.raises(StorageError, match="Another Tallow"):
        look(tmp_path, BIG)
    os.close(descriptor)
    held.close()


def test_looking_changes_nothing(tmp_path: Path) -> None:
    """A person may still say no: nothing is made, removed or cut."""
    interrupted(tmp_path, BIG, OTHER, leaves=LEFT)
    before = {path: path.lstat() for path in tmp_path.rglob("*")}
    found(tmp_path, large("new/folder/big", 9), OTHER)
    assert {path: path.lstat() for path in tmp_path.rglob("*")} == before


def test_a_disk_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk is an error of ours."""
    interrupted(tmp_path, BIG, leaves={0: range(1)})

    def broken(_file: object, _key: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(resumed_module, "fold_journal", broken)
    with pytest.raises(StorageError) as caught:
        look(tmp_path, BIG)
    assert caught.value.why == "Input/output error"
