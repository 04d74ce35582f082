"""An inbox that goes on with an earlier one's work, and one that is interrupted."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

from tallow.crypto.tree import leaf_hash
from tallow.engine.storage.inbox import Inbox
from tallow.engine.storage.journal import JournalHead, read_journal
from tallow.engine.storage.sink import Named
from tallow.errors import StorageError
from tallow.protocol.manifest import Entry, EntryKind, Selection
from tallow.protocol.transfer.jobs import CheckLeaves
from tallow.wire import limits
from tests.engine.storage.boxes import (
    KEY,
    LEAF,
    STREAM,
    check_job,
    content_of,
    found,
    inbox_for,
    interrupted,
    journals,
    large,
    leaf_job,
    leaves,
    pack,
    parts,
    target_for,
)
from tests.fakes import SeededRng
from tests.world.stranger import file
from tests.world.world import tree

BIG = large("d/big", 4)
WHOLE = b"".join(map(content_of, range(4)))
STREAM_LEAF = limits.STREAM_LEAF_BYTES


def part_below(place: Path) -> Path:
    """Return the one part in a tree."""
    (part,) = place.rglob(".tallow-*.part")
    return part


def test_an_interrupted_session_is_gone_on_with(tmp_path: Path) -> None:
    """C3: what was stored is hashed again, the rest is added, and nothing else is left."""
    interrupted(tmp_path, BIG, leaves={0: range(2)})
    box = inbox_for(tmp_path, BIG, seed="two", resumed=found(tmp_path, BIG))
    hashes = box.check_leaves(check_job(0, 0, 2))
    assert hashes == [leaf_hash(content_of(number)) for number in (0, 1)]
    for number in (2, 3):
        box.store_leaves(leaf_job(0, number))
    assert len(parts(tmp_path)) == 2
    assert box.give_name(0) == Named("done", "d/big")
    box.finish()
    assert tree(tmp_path) == {"d": None, "d/big": WHOLE}
    assert (tmp_path / "d/big").stat().st_mtime_ns == BIG.mtime_ns


def test_a_session_may_be_interrupted_again_and_again(tmp_path: Path) -> None:
    """C3: one journal, one part, however many sessions; each adds what it brought."""
    interrupted(tmp_path, BIG, leaves={0: range(1)})
    names = parts(tmp_path)
    for number in (1, 2, 3):
        resumed = found(tmp_path, BIG)
        assert resumed.have == {0: ((0, number - 1),)}
        assert resumed.accept_no == number
        box = inbox_for(tmp_path, BIG, seed=f"{number}", resumed=resumed)
        assert box.journal_name == journals(tmp_path)[0].name
        box.store_leaves(leaf_job(0, number))
        assert box.abandon(keep=True)
        assert parts(tmp_path) == names
    assert found(tmp_path, BIG).have == {0: ((0, 3),)}
    assert part_below(tmp_path).read_bytes() == WHOLE


def test_leaves_are_kept_under_another_lists_numbers(tmp_path: Path) -> None:
    """C3: what is added in a session that numbers files differently still belongs to its file."""
    interrupted(tmp_path, BIG, leaves={0: range(1)})
    entries = (file("first", 1), large("other", 2), BIG)
    box = inbox_for(tmp_path, *entries, seed="two", resumed=found(tmp_path, *entries))
    box.store_leaves(leaf_job(2, 3))
    box.store_leaves(leaf_job(1, 1))
    assert box.abandon(keep=True)
    assert found(tmp_path, large("other", 2), BIG).have == {0: ((1, 1),), 1: ((0, 0), (3, 3))}


def test_nothing_listed_is_nothing_kept(tmp_path: Path) -> None:
    """A session that stored nothing whole leaves nothing behind, and says so."""
    box = inbox_for(tmp_path, BIG, file("small", 2))
    assert not box.abandon(keep=True)
    box = inbox_for(tmp_path, BIG, file("small", 2))
    box.store_pack(pack((1, b"ok")))
    assert not box.abandon(keep=True)
    assert tree(tmp_path) == {"d": None} or tree(tmp_path) == {}


def test_small_files_that_are_not_named_are_not_kept(tmp_path: Path) -> None:
    """A small file is whole or new: its temporary file does not stay when others do."""
    box = inbox_for(tmp_path, BIG, file("small", 2))
    box.store_pack(pack((1, b"ok")))
    box.store_leaves(leaf_job(0, 0))
    assert box.abandon(keep=True)
    assert len(parts(tmp_path)) == 2


def test_named_files_alone_are_worth_keeping(tmp_path: Path) -> None:
    """C3: thousands of small files that have arrived need not be sent again."""
    entries = [file(f"{number}", 2) for number in range(3)]
    box = inbox_for(tmp_path, *entries)
    box.store_pack(pack((0, b"ok"), (1, b"ok")))
    for file_no in (0, 1):
        box.give_name(file_no)
    assert box.abandon(keep=True)
    (journal,) = parts(tmp_path)
    assert found(tmp_path, *entries).named == {0, 1}
    chosen = Selection(3)
    chosen.add(2)
    box = inbox_for(tmp_path, *entries, resumed=found(tmp_path, *entries), chosen=chosen)
    box.store_pack(pack((2, b"ok")))
    box.give_name(2)
    box.finish()
    assert tree(tmp_path) == {"0": b"ok", "1": b"ok", "2": b"ok"}
    assert not journal.exists()


def test_a_session_that_never_began_leaves_the_other_as_it_was(tmp_path: Path) -> None:
    """C3: a peer that is gone before it started costs nothing of what is there."""
    interrupted(tmp_path, BIG, leaves={0: range(2)})
    before = tree(tmp_path)
    target = target_for(tmp_path, BIG)
    resumed = found(tmp_path, BIG)
    for prepared in (False, True):
        box = Inbox(target, "rename", SeededRng("x").bytes, lambda: KEY, resumed=resumed)
        if prepared:
            box.prepare(Selection.everything(1))
            assert box.abandon(keep=True)
        else:
            box.abandon(keep=False)
        assert tree(tmp_path) == before


def test_giving_up_removes_what_was_taken_over(tmp_path: Path) -> None:
    """X15: a transfer that is cancelled leaves nothing, whichever session made it."""
    interrupted(tmp_path, BIG, leaves={0: range(2)})
    box = inbox_for(tmp_path, BIG, resumed=found(tmp_path, BIG))
    assert not box.abandon(keep=False)
    assert tree(tmp_path) == {"d": None}


def test_parts_of_no_use_any_more_go(tmp_path: Path) -> None:
    """C3, X15: a changed file's part is removed when the new offer is accepted, others' are not."""
    interrupted(tmp_path, BIG, large("other", 2), leaves={0: range(2), 1: range(1)})
    (tmp_path / "d/.tallow-0123456789abcdef.part").touch()
    entries = (large("d/big", 5), large("other", 2))
    box = inbox_for(tmp_path, *entries, seed="two", resumed=found(tmp_path, *entries))
    assert [path.name for path in (tmp_path / "d").iterdir()] == [".tallow-0123456789abcdef.part"]
    box.store_leaves(leaf_job(1, 1))
    box.give_name(1)
    box.abandon(keep=False)


@pytest.mark.parametrize("kind", ["vanished", "link", "folder", "second name"])
def test_a_part_that_changes_after_it_was_claimed(tmp_path: Path, kind: str) -> None:
    """X10, X17: between claim and acceptance a part is swapped: its leaves differ, no more."""
    interrupted(tmp_path, BIG, leaves={0: range(2)})
    resumed = found(tmp_path, BIG)
    part = part_below(tmp_path)
    (tmp_path / "precious").write_bytes(b"precious" * LEAF)
    part.unlink()
    match kind:
        case "link":
            part.symlink_to(tmp_path / "precious")
        case "folder":
            part.mkdir()
        case "second name":
            part.hardlink_to(tmp_path / "precious")
    box = inbox_for(tmp_path, BIG, seed="two", resumed=resumed)
    assert box.check_leaves(check_job(0, 0, 2)) == [b"", b""]
    for number in range(4):
        box.store_leaves(leaf_job(0, number))
    assert box.give_name(0).status == "done"
    box.finish()
    assert (tmp_path / "d/big").read_bytes() == WHOLE
    assert (tmp_path / "precious").read_bytes() == b"precious" * LEAF


def test_what_a_journal_says_is_hashed_again(tmp_path: Path) -> None:
    """X15: content that changed on the disk is found, leaf by leaf, and can be stored again."""
    interrupted(tmp_path, BIG, leaves={0: range(4)})
    with part_below(tmp_path).open("r+b") as part:
        part.seek(LEAF + 5)
        part.write(b"rot")
    box = inbox_for(tmp_path, BIG, seed="two", resumed=found(tmp_path, BIG))
    hashes = box.check_leaves(check_job(0, 0, 4))
    same = [seen == leaf_hash(content_of(number)) for number, seen in enumerate(hashes)]
    assert same == [True, False, True, True]
    box.store_leaves(leaf_job(0, 1))
    box.give_name(0)
    box.finish()
    assert (tmp_path / "d/big").read_bytes() == WHOLE


def test_a_part_swapped_while_it_is_written_gets_no_name(tmp_path: Path) -> None:
    """X17: what is given the final name is what was hashed, or nothing is."""
    box = inbox_for(tmp_path, BIG)
    for number in range(4):
        box.store_leaves(leaf_job(0, number))
    part = part_below(tmp_path)
    part.rename(tmp_path / "moved")
    part.symlink_to(tmp_path / "moved")
    with pytest.raises(StorageError, match="replaced"):
        box.give_name(0)
    assert not (tmp_path / "d/big").exists()
    box.abandon(keep=False)


def test_bytes_behind_the_end_do_not_get_into_the_file(tmp_path: Path) -> None:
    """X15: a part that somebody made longer is cut to the listed size before it has its name."""
    interrupted(tmp_path, BIG, leaves={0: range(4)})
    with part_below(tmp_path).open("ab") as part:
        part.write(b"more")
    box = inbox_for(tmp_path, BIG, resumed=found(tmp_path, BIG))
    box.give_name(0)
    box.finish()
    assert (tmp_path / "d/big").read_bytes() == WHOLE


def test_a_stream_is_cut_where_it_goes_on(tmp_path: Path) -> None:
    """C3: bytes that were not listed are not in the stream, even if it ends before them."""
    box = inbox_for(tmp_path, STREAM)
    box.store_leaves(leaves(0, 0, b"a" * STREAM_LEAF, leaf=STREAM_LEAF))
    assert box.abandon(keep=True)
    with part_below(tmp_path).open("ab") as part:
        part.write(b"never synced" * 99)
    box = inbox_for(tmp_path, STREAM, resumed=found(tmp_path, STREAM))
    assert box.check_leaves(CheckLeaves(0, 0, 0, (STREAM_LEAF,))) == [leaf_hash(b"a" * STREAM_LEAF)]
    box.store_leaves(leaves(0, 1, b"end", leaf=STREAM_LEAF))
    box.give_name(0)
    box.finish()
    assert (tmp_path / "log").read_bytes() == b"a" * STREAM_LEAF + b"end"


# --- what is kept of a file -------------------------------------------------------------------


def test_folders_of_an_earlier_session_get_their_times(tmp_path: Path) -> None:
    """C7: a folder that an earlier session made has its listed bits and time in the end."""
    folder = Entry("d", EntryKind.FOLDER, 0, 0o750, 5_000_000_000)
    (tmp_path / "mine").mkdir(mode=0o700)
    os.utime(tmp_path / "mine", ns=(9, 9))
    entries = (folder, Entry("mine", EntryKind.FOLDER, 0, 0o777, 5), BIG)
    interrupted(tmp_path, *entries, leaves={2: range(2)})
    box = inbox_for(tmp_path, *entries, resumed=found(tmp_path, *entries))
    for number in (2, 3):
        box.store_leaves(leaf_job(2, number))
    box.give_name(2)
    box.finish()
    assert (tmp_path / "d").stat().st_mtime_ns == 5_000_000_000
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o750
    assert (tmp_path / "mine").stat().st_mtime_ns == 9
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o700


@pytest.mark.parametrize("bits", [0o4000, 0o2000, 0o1000, 0o7000])
def test_no_dangerous_bits_after_a_resume(tmp_path: Path, bits: int) -> None:
    """X16: bits that a stranger gave to a part do not survive, and ours never has them."""
    interrupted(tmp_path, BIG, leaves={0: range(4)})
    part_below(tmp_path).chmod(0o600 | bits)
    box = inbox_for(tmp_path, BIG, resumed=found(tmp_path, BIG))
    box.give_name(0)
    box.finish()
    assert stat.S_IMODE((tmp_path / "d/big").stat().st_mode) == 0o644


def test_an_offer_cannot_name_a_part_or_a_journal(tmp_path: Path) -> None:
    """X04, X11, X15: a file called like one of ours gets another name, whatever its case."""
    names = [
        ".tallow-0123456789abcdef.part",
        ".tallow-0123456789abcdef.journal",
        ".TALLOW-0123456789ABCDEF.part",
        "d/.tallow-0123456789abcdef.part",
    ]
    box = inbox_for(tmp_path, *(file(name, 2) for name in names))
    box.store_pack(pack(*((number, b"ok") for number in range(len(names)))))
    given = [box.give_name(number).name for number in range(len(names))]
    box.finish()
    assert given == [re.sub(r"(\.tallow-[^/]*)", r"_\1", name, flags=re.I) for name in names]
    assert not parts(tmp_path)


def test_escapes_do_not_reach_the_disk(tmp_path: Path) -> None:
    """X05: a name is made harmless before anything has it, temporary or final."""
    box = inbox_for(tmp_path, file("a\x1b[2J\u202eb", 2))
    box.store_pack(pack((0, b"ok")))
    assert box.give_name(0).name == "a_[2J_b"
    box.finish()
    assert tree(tmp_path) == {"a_[2J_b": b"ok"}


def test_an_archive_is_stored_as_it_came(tmp_path: Path) -> None:
    """X01: nothing is ever unpacked on a peer's word."""
    box = inbox_for(tmp_path, file("a.zip", 4))
    box.store_pack(pack((0, b"PK\x03\x04")))
    box.give_name(0)
    box.finish()
    assert tree(tmp_path) == {"a.zip": b"PK\x03\x04"}


def test_two_receivers_into_one_folder(tmp_path: Path) -> None:
    """X15: each has parts and a journal of its own, and neither takes the other's final name."""
    boxes = [inbox_for(tmp_path, BIG, seed=seed) for seed in ("one", "two")]
    for box in boxes:
        box.store_leaves(leaf_job(0, 0))
        box.make_durable()
    assert len(parts(tmp_path)) == 4
    assert len({box.journal_name for box in boxes}) == 2
    for box in boxes:
        for number in (1, 2, 3):
            box.store_leaves(leaf_job(0, number))
    assert [box.give_name(0).name for box in boxes] == ["d/big", "d/big (1)"]
    for box in boxes:
        box.finish()
    assert tree(tmp_path) == {"d": None, "d/big": WHOLE, "d/big (1)": WHOLE}


def test_a_transfer_is_gone_on_with_once(tmp_path: Path) -> None:
    """X15: a second receiver of the same transfer is told, and takes nothing away."""
    interrupted(tmp_path, BIG, leaves={0: range(2)})
    resumed = found(tmp_path, BIG)
    first = inbox_for(tmp_path, BIG, resumed=resumed)
    target = target_for(tmp_path, BIG)
    second = Inbox(target, "rename", SeededRng("2").bytes, lambda: KEY, resumed=resumed)
    with pytest.raises(StorageError, match="Another Tallow"):
        second.prepare(Selection.everything(1))
    assert not second.abandon(keep=False)
    assert len(parts(tmp_path)) == 2
    assert first.abandon(keep=True)


def test_each_session_writes_what_it_accepted(tmp_path: Path) -> None:
    """C3: a journal tells what the last session said yes to, under which number and list."""
    interrupted(tmp_path, BIG, leaves={0: range(1)})
    entries = (file("first", 1), BIG)
    box = inbox_for(tmp_path, *entries, seed="two", resumed=found(tmp_path, *entries))
    box.store_leaves(leaf_job(1, 1))
    assert box.abandon(keep=True)
    raw = journals(tmp_path)[0].read_bytes()
    heads = [entry for entry in read_journal(raw, KEY) if isinstance(entry, JournalHead)]
    roots = [target_for(tmp_path, *listed).manifest.root() for listed in ((BIG,), entries)]
    assert [(head.accept_no, head.manifest_root) for head in heads] == list(
        zip((1, 2), roots, strict=True)
    )
