"""A journal from beginning to end: what is open, what is named, where to go on."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.engine.storage.folder import open_folder
from tallow.engine.storage.history import JournalState, PartState, fold_journal, places_of
from tallow.engine.storage.journal import (
    FileNamed,
    FolderMade,
    JournalEntry,
    JournalHead,
    JournalWriter,
    LeavesDurable,
    PartOpened,
)
from tallow.errors import StorageError

KEY, ID = bytes(32), b"i" * 16
ONE, TWO = b"1" * 16, b"2" * 16
HEAD = JournalHead(b"t" * 16, b"r" * 32, 1, 9, b"\xff\x01", "rename")
AGAIN = JournalHead(b"t" * 16, b"R" * 32, 2, 3, b"\x07", "skip")
PART, OTHER = ".tallow-0123456789abcdef.part", ".tallow-fedcba9876543210.part"
HASH = b"h" * 32
STORY: list[JournalEntry] = [
    HEAD,
    FolderMade(["d"]),
    PartOpened(3, ["d"], PART, ONE),
    LeavesDurable(3, 0, HASH * 2),
    LeavesDurable(3, 7, HASH),
    PartOpened(4, [], OTHER, TWO),
    LeavesDurable(3, 2, HASH * 3),
    FileNamed(4, TWO, [], "named"),
    AGAIN,
    PartOpened(0, ["d"], PART, ONE),
    LeavesDurable(0, 5, HASH),
]


def written(folder: Path, entries: list[JournalEntry]) -> bytes:
    """Return the bytes of a journal with these entries."""
    held = open_folder(folder)
    held.remove("journal")
    writer = JournalWriter(held.create("journal"), KEY, ID)
    writer.append(entries)
    writer.close()
    held.close()
    return (folder / "journal").read_bytes()


def folded(raw: bytes) -> JournalState | None:
    """Fold these bytes."""
    return fold_journal(io.BytesIO(raw), KEY)


def whole(folder: Path, entries: list[JournalEntry]) -> JournalState:
    """Fold these entries, of which the head is one."""
    state = folded(written(folder, entries))
    assert state is not None
    return state


def test_a_story_is_folded(tmp_path: Path) -> None:
    """Ranges are joined over sessions, whose numbers differ and whose tags do not."""
    raw = written(tmp_path, STORY)
    assert folded(raw) == JournalState(
        AGAIN,
        {ONE: PartState(("d",), PART, ((0, 5), (7, 7)))},
        {TWO: ((), "named")},
        frozenset({(("d",), PART)}),
        frozenset({("d",)}),
        ID,
        len(raw),
        len(STORY),
    )


def test_a_new_head_forgets_numbers(tmp_path: Path) -> None:
    """A leaf of a number that this session has not opened belongs to nobody."""
    state = whole(tmp_path, [*STORY[:9], LeavesDurable(3, 9, HASH)])
    assert state.parts[ONE].ranges == ((0, 4), (7, 7))


def test_a_part_that_was_made_anew_begins_anew(tmp_path: Path) -> None:
    """Leaves belong to a temporary file; the one that was lost is still tidied up."""
    again = PartOpened(3, ["d"], OTHER, ONE)
    state = whole(tmp_path, [*STORY[:5], again, LeavesDurable(3, 9, HASH)])
    assert state.parts == {ONE: PartState(("d",), OTHER, ((9, 9),))}
    assert state.opened == {(("d",), PART), (("d",), OTHER)}


def test_a_part_may_be_listed_after_its_name(tmp_path: Path) -> None:
    """A sync that began before a file was named lists its leaves late; the name stands."""
    late: list[JournalEntry] = [
        HEAD,
        FileNamed(4, TWO, [], "named"),
        PartOpened(4, [], OTHER, TWO),
        LeavesDurable(4, 0, HASH),
    ]
    assert whole(tmp_path, late).named == {TWO: ((), "named")}


FALSE_STORIES: dict[str, list[JournalEntry]] = {
    "no head": STORY[1:3],
    "another transfer": [*STORY[:3], msgspec.structs.replace(AGAIN, transfer_id=b"T" * 16)],
    "a bitmap that does not fit": [msgspec.structs.replace(HEAD, bitmap=b"\xff")],
    "a bitmap with spare bits": [msgspec.structs.replace(HEAD, bitmap=b"\xff\x03")],
}


@pytest.mark.parametrize("story", FALSE_STORIES.values(), ids=FALSE_STORIES)
def test_a_false_story_is_refused(tmp_path: Path, story: list[JournalEntry]) -> None:
    """X15: entries that cannot follow each other are damage, though each of them is sealed."""
    with pytest.raises(StorageError) as caught:
        folded(written(tmp_path, story))
    assert caught.value.why


def test_truncated_at_every_byte(tmp_path: Path) -> None:
    """X15: whatever is cut off, what is left says no more than was written whole before the cut."""
    raw = written(tmp_path, STORY)
    ends = [len(written(tmp_path, STORY[:count])) for count in range(1, len(STORY) + 1)]
    assert len(raw) == ends[-1]
    truth = {end: whole(tmp_path, STORY[: count + 1]) for count, end in enumerate(ends)}
    for cut in range(len(raw)):
        before = [end for end in ends if end <= cut]
        try:
            state = folded(raw[:cut])
        except StorageError:
            assert cut < 5
            continue
        if not before:
            assert state is None
        else:
            assert state is not None
            assert (state.parts, state.named) == (
                truth[before[-1]].parts,
                truth[before[-1]].named,
            )
            assert (state.valid_bytes, state.next_index) == (before[-1], len(before))


def test_edited_at_every_byte(tmp_path: Path) -> None:
    """X15: an edit is refused, or costs what stands behind it; it never adds or changes a leaf."""
    raw = written(tmp_path, STORY)
    truths = [folded(written(tmp_path, STORY[:count])) for count in range(1, len(STORY) + 1)]
    true_parts = [(truth.parts, truth.named) for truth in truths if truth is not None]
    kept = 0
    for at in range(len(raw)):
        for flip in (0x01, 0x80, 0xFF):
            edited = bytearray(raw)
            edited[at] ^= flip
            try:
                state = folded(bytes(edited))
            except StorageError as error:
                assert error.why
                continue
            kept += 1
            assert state is None or (state.parts, state.named) in true_parts[:-1]
    assert kept


def test_what_can_be_read_is_tidied(tmp_path: Path) -> None:
    """Names in front of a damage are authentic; a journal of which nothing opens is not ours."""
    raw = written(tmp_path, STORY)
    first, *_ = (len(written(tmp_path, STORY[:count])) for count in (6, 7))
    damaged = raw[: first + 20] + b"!" + raw[first + 21 :]
    with pytest.raises(StorageError):
        folded(damaged)
    places = frozenset({(("d",), PART), ((), OTHER)})
    assert places_of(io.BytesIO(damaged), KEY) == (places, True)
    assert places_of(io.BytesIO(raw), b"k" * 32) == (frozenset(), False)
    assert places_of(io.BytesIO(b"no journal"), KEY) == (frozenset(), False)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 6)), max_size=20))
def test_ranges_are_just_the_leaves(
    tmp_path_factory: pytest.TempPathFactory, spans: list[tuple[int, int]]
) -> None:
    """In whatever order leaves became durable, ranges are ascending, disjoint and exact."""
    folder = tmp_path_factory.mktemp("journal")
    story: list[JournalEntry] = [HEAD, PartOpened(3, [], PART, ONE)]
    story += [LeavesDurable(3, first, HASH * count) for first, count in spans]
    part = whole(folder, story).parts[ONE]
    wanted = {leaf for first, count in spans for leaf in range(first, first + count)}
    assert {leaf for first, last in part.ranges for leaf in range(first, last + 1)} == wanted
    assert all(last + 1 < following for (_, last), (following, _) in pairwise(part.ranges))
