"""Whole transfers between two machines: every size that matters, every way to choose and fail."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.crypto.tree import roots_digest
from tallow.errors import OfferDeclined
from tallow.protocol.manifest import Manifest, Selection
from tallow.protocol.transfer.sender import State
from tallow.wire import limits
from tests.pair.lane import UNREADABLE, Item, folder, stream, true_root
from tests.pair.paths import Path, PlainPath, SealedPath
from tests.pair.transfer import Transfer, done

KIB, MIB = limits.KIB, limits.MIB
LEAF = limits.STREAM_LEAF_BYTES
SIZES = [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 17]


def content(size: int, seed: int = 0) -> bytes:
    """Return bytes that follow from a seed."""
    return random.Random(size * 31 + seed).randbytes(size)


def file(path: str, size: int, fails_at: int | None = None) -> Item:
    """Return a file of some size."""
    return Item(path, content(size, len(path)), fails_at=fails_at)


def path_of(kind: str) -> Path:
    """Return a path by its name."""
    if kind == "sealed":
        return SealedPath()
    return PlainPath(seed=5 if kind == "mixed" else None)


PATHS = pytest.mark.parametrize("kind", ["plain", "mixed", "sealed"])


def all_equal(transfer: Transfer, items: list[Item]) -> None:
    """Check that every file is there byte for byte, and that both sides agree on the roots."""
    assert done(transfer)
    files = [item for item in items if item.entry.kind != 1]
    assert transfer.files == {item.path: item.content for item in files}
    roots = [(no, true_root(item)) for no, item in enumerate(items) if item in files]
    assert transfer.delivered is not None
    assert transfer.delivered.roots == transfer.receiver.roots_digest == roots_digest(roots)
    assert transfer.delivered.failed == ()
    total = sum(len(item.content) for item in files)
    assert transfer.sender.stored_bytes == transfer.receiver.stored_bytes == total
    assert transfer.sender.ended_files == len(files)


# --- sizes ------------------------------------------------------------------------------------


@PATHS
@pytest.mark.parametrize("size", SIZES)
def test_a_file_of_any_size_arrives(size: int, kind: str) -> None:
    """C1: byte-identical, root verified, on a path that keeps order, mixes it, or seals."""
    items = [file("one", size)]
    all_equal(Transfer(items, path_of(kind)).run(), items)


@PATHS
def test_a_folder_of_everything_arrives(kind: str) -> None:
    """C1: packs, large files, folders and empty ones under one offer."""
    items = [folder("d"), *(file(f"d/{n}-{size}", size) for n, size in enumerate(SIZES))]
    items += [folder("d/empty"), *(file(f"d/small{n}", n % 700) for n in range(300))]
    transfer = Transfer(items, path_of(kind)).run()
    all_equal(transfer, items)
    assert transfer.offer is not None
    assert (transfer.offer.kind, transfer.offer.note) == ("files", "a note")


@PATHS
def test_more_small_files_than_fit_a_trailer(kind: str) -> None:
    """C9: 2 500 files of a few bytes go in packs and come back one by one."""
    items = [file(f"f{n}", n % 3) for n in range(2500)]
    all_equal(Transfer(items, path_of(kind)).run(), items)


def test_leaves_grow_with_the_file() -> None:
    """C9: from 64 MiB on a leaf has 256 KiB; the transfer keeps to the window all the same."""
    items = [Item("big", bytes(64 * MIB + 5))]
    transfer = Transfer(items, window_bytes=4 * MIB).run()
    all_equal(transfer, items)
    assert transfer.most_on_the_way <= 4 * MIB


@PATHS
@pytest.mark.parametrize(
    "size", [0, 1, LEAF - 1, LEAF, LEAF + 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB]
)
def test_a_stream_of_any_length_arrives(size: int, kind: str) -> None:
    """C2: empty, odd, or an exact number of leaves or records: the end is known and its size."""
    items = [stream(content(size))]
    transfer = Transfer(items, path_of(kind)).run()
    all_equal(transfer, items)
    assert transfer.offer is not None
    assert transfer.offer.kind == "stream"
    assert transfer.ready[0].size == size


def test_a_short_text_is_shown_without_asking() -> None:
    """C2: the receiver prints it and says so; nothing else is sent."""
    for path in (PlainPath(), SealedPath()):
        transfer = Transfer([], path).say("héllo\n")
        assert done(transfer)
        assert [(text.text, text.note) for text in transfer.texts] == [("héllo\n", "a note")]
        assert transfer.delivered is not None


# --- choosing ---------------------------------------------------------------------------------


@PATHS
@pytest.mark.parametrize("wanted", [set(), {0}, {1, 4}, {2}, {3}, {0, 2, 4}, {1, 2, 3}])
def test_only_what_was_chosen_is_sent(wanted: set[int], kind: str) -> None:
    """C4, X16: entries that were not accepted cost not one byte on the way."""
    items = [file("a", 10), file("b", MIB + 3), folder("d"), file("c", 70 * KIB), file("e", 0)]

    def choose(manifest: Manifest) -> Selection:
        chosen = Selection(manifest.entries)
        for number in wanted:
            chosen.add(number)
        return chosen

    transfer = Transfer(items, path_of(kind), choose=choose).run()
    assert done(transfer)
    assert transfer.files == {items[no].path: items[no].content for no in wanted - {2}}
    assert transfer.accepted is not None
    assert set(transfer.accepted) == wanted
    total = sum(len(items[no].content) for no in wanted)
    assert transfer.sender.stored_bytes == transfer.receiver.stored_bytes == total


def test_a_declined_offer_sends_nothing() -> None:
    """C4: no is exit 7 at the sender with the reason, and no byte was ever read."""
    transfer = Transfer([file("a", MIB)], choose=lambda _: None)
    with pytest.raises(OfferDeclined) as caught:
        transfer.run()
    assert caught.value.exit_code == 7
    assert caught.value.why == "not today"
    assert transfer.sender.state is State.DONE
    assert transfer.sender.next_job() is None
    assert transfer.shelf.files == {}


# --- what cannot be read or named -------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "sealed"])
@pytest.mark.parametrize("fails_at", [0, MIB, 2 * MIB, 3 * MIB - 1])
def test_a_file_that_cannot_be_read_does_not_stop_the_rest(kind: str, fails_at: int) -> None:
    """C11: it fails at its first, middle or last record; both sides name it, the rest arrives."""
    items = [file("a", 5), file("bad", 3 * MIB, fails_at), file("c", 2 * MIB), file("d", 6)]
    transfer = Transfer(items, path_of(kind)).run()
    assert done(transfer)
    assert transfer.files == {item.path: item.content for item in items if item.path != "bad"}
    assert transfer.failed == {1: UNREADABLE}
    assert transfer.delivered is not None
    assert [(end.file_no, end.failed) for end in transfer.delivered.failed] == [(1, UNREADABLE)]
    assert [end.file_no for end in transfer.sender.own_failures] == [1]


@PATHS
@pytest.mark.parametrize("bad", [{0}, {1, 2}, {0, 1, 2, 3}])
def test_a_pack_may_fail_in_part(kind: str, bad: set[int]) -> None:
    """C11: unreadable small files fail one by one inside their pack."""
    items = [file(f"f{n}", 100 + n, 0 if n in bad else None) for n in range(4)]
    transfer = Transfer(items, path_of(kind)).run()
    assert done(transfer)
    assert transfer.failed == dict.fromkeys(bad, UNREADABLE)
    good = [item for n, item in enumerate(items) if n not in bad]
    assert transfer.files == {item.path: item.content for item in good}
    total = sum(len(item.content) for item in good)
    assert transfer.sender.stored_bytes == transfer.receiver.stored_bytes == total


@pytest.mark.parametrize("fails_at", [0, 2 * MIB])
def test_a_stream_may_break(fails_at: int) -> None:
    """C2: a pipe that breaks is a failed file, not a short one with a good root."""
    items = [Item("stdin", content(3 * MIB), stream(b"").kind, fails_at)]
    transfer = Transfer(items).run()
    assert done(transfer)
    assert transfer.files == {}
    assert transfer.failed == {0: UNREADABLE}


@PATHS
def test_everything_may_fail(kind: str) -> None:
    """C11: when no file can be read the transfer still ends, with all of them named."""
    items = [file("a", 5, 0), file("b", MIB, 0), file("c", 70 * KIB, 0)]
    transfer = Transfer(items, path_of(kind)).run()
    assert done(transfer)
    assert set(transfer.failed) == {0, 1, 2}
    assert transfer.files == {}


@PATHS
def test_the_sender_learns_what_got_no_name(kind: str) -> None:
    """C11: a file that arrived whole and could not be named is reported back with its reason."""
    items = [file("a", 5), file("b", MIB), file("c", 6)]
    transfer = Transfer(items, path_of(kind), unnameable=frozenset({1})).run()
    assert done(transfer)
    assert sorted(transfer.files) == ["a", "c"]
    assert transfer.delivered is not None
    assert [(end.file_no, end.failed) for end in transfer.delivered.failed] == [
        (1, "no room for its name")
    ]
    assert transfer.receiver.failures == {1: "no room for its name"}


# --- window -----------------------------------------------------------------------------------


@PATHS
@pytest.mark.parametrize("window", [2 * MIB, 2 * MIB + 1, 5 * MIB])
def test_the_window_is_kept_and_never_starves(kind: str, window: int) -> None:
    """C9: unreported bytes stay inside the receiver's window, and the smallest one still ends."""
    items = [file("a", 9 * MIB + 1), *(file(f"f{n}", 60 * KIB) for n in range(60))]
    transfer = Transfer(items, path_of(kind), window_bytes=window).run()
    all_equal(transfer, items)
    assert 0 < transfer.most_on_the_way <= window


# --- anything ---------------------------------------------------------------------------------

sizes = st.sampled_from([0, 1, 2, 1000, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 200_000, MIB + 1])


@settings(max_examples=60)
@given(
    st.lists(st.tuples(sizes, st.booleans(), st.booleans()), min_size=1, max_size=12),
    st.integers(0, 2**32),
    st.integers(1, 4),
    st.sampled_from([2 * MIB, 4 * MIB]),
)
def test_any_offer_over_a_path_that_mixes_records(
    shapes: list[tuple[int, bool, bool]], seed: int, depth: int, window: int
) -> None:
    """C1, C11: any sizes, choices and unreadable small files: exactly the readable chosen ones."""
    items = [
        # A large file that fails late may be overtaken by its own trailer; see the receiver.
        file(f"f{n}", size, 0 if fails and size < 64 * KIB else None)
        for n, (size, _, fails) in enumerate(shapes)
    ]
    wanted = {n for n, (_, chosen, _) in enumerate(shapes) if chosen}

    def choose(manifest: Manifest) -> Selection:
        chosen = Selection(manifest.entries)
        for number in wanted:
            chosen.add(number)
        return chosen

    transfer = Transfer(items, PlainPath(seed), choose=choose, depth=depth, window_bytes=window)
    transfer.run()
    assert done(transfer)
    good = {n for n in wanted if items[n].fails_at is None}
    assert transfer.files == {items[n].path: items[n].content for n in good}
    assert set(transfer.failed) == wanted - good
    assert transfer.most_on_the_way <= window
