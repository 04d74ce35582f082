"""The receiver's book of leaves against a sender that sends what nobody asked for."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from functools import partial

import pytest

from tallow.crypto.tree import leaf_hash
from tallow.errors import RemoteProtocolError, RootMismatch
from tallow.protocol.bulk import Codec, Leaf, LeavesBody, PackBody
from tallow.protocol.manifest import Entry, EntryKind, Manifest, Selection
from tallow.protocol.messages import FileEnd
from tallow.protocol.transfer.admission import Admission, Arrival
from tallow.protocol.transfer.jobs import StoreJob, StoreLeaves
from tallow.wire import limits
from tests.pair.lane import Item, folder, stream, true_root

KIB, MIB = limits.KIB, limits.MIB
LEAF = 64 * KIB
WINDOW = 2 * MIB
HOLES_AHEAD = limits.HOLE_RECORDS_MAX * limits.RECORD_ENTRIES_MAX

ITEMS = [
    Item("big", bytes(range(256)) * 512 + b"tail"),
    Item("small", b"small"),
    Item("empty", b""),
    folder("d"),
    Item("refused", b"x" * 100),
    Item("refused big", bytes(3 * LEAF)),
]
BIG, SMALL, EMPTY, FOLDER, REFUSED, REFUSED_BIG = range(6)


def raw(content: bytes) -> Leaf:
    """Return a leaf that travels as it is."""
    return Leaf(Codec.RAW, len(content), memoryview(content))


class Book:
    """An admission with the records of a sender numbered as they come."""

    def __init__(self, items: list[Item] | None = None, window: int = WINDOW) -> None:
        """Accept every entry whose name does not begin with "refused"."""
        self.items = ITEMS if items is None else items
        manifest = Manifest.of(item.entry for item in self.items)
        chosen = Selection(manifest.entries)
        for number, item in enumerate(self.items):
            if not item.path.startswith("refused"):
                chosen.add(number)
        self.admission = Admission(manifest, chosen, window)
        self._number = 0

    def leaves(self, file_no: int, first: int, *contents: bytes, last: bool = False) -> StoreLeaves:
        """Offer a LEAVES record."""
        body = LeavesBody(file_no, first, last, tuple(raw(each) for each in contents))
        job = self._admit(body)
        assert isinstance(job, StoreLeaves)
        return job

    def pack(self, *files: tuple[int, bytes]) -> StoreJob:
        """Offer a PACK record."""
        block = memoryview(b"".join(each for _, each in files))
        listed = tuple((no, len(each)) for no, each in files)
        return self._admit(PackBody(Codec.RAW, block, listed))

    def write(self, job: StoreJob) -> list[Arrival]:
        """Say that a record is written."""
        if isinstance(job, StoreLeaves):
            hashes = [leaf_hash(leaf.stored) for leaf in job.leaves]
            return self.admission.leaves_stored(job, hashes)
        hashes, at = [], 0
        for _, length in job.files:
            hashes.append(leaf_hash(job.stored[at : at + length]))
            at += length
        return self.admission.pack_stored(job, hashes)

    def end(self, file_no: int, **changes: object) -> Arrival | None:
        """Send a file's true trailer, or one with something changed."""
        item = self.items[file_no]
        made = {"size": len(item.content), "root": true_root(item), "failed": ""} | changes
        end = FileEnd(file_no, made["size"], made["root"], made["failed"])  # type: ignore[arg-type]
        return self.admission.file_ended(end)

    def piece(self, file_no: int, leaf: int) -> bytes:
        """Return a leaf of an item."""
        return self.items[file_no].content[leaf * LEAF : (leaf + 1) * LEAF]

    def _admit(self, body: LeavesBody | PackBody) -> StoreJob:
        self._number += 1
        return self.admission.admit(self._number, body)


def refuses(step: Callable[[], object], says: str = "not asked for") -> None:
    """Check that a step is the peer's fault, exit 6."""
    with pytest.raises(RemoteProtocolError, match=says) as caught:
        step()
    assert caught.value.exit_code == 6


# --- what was asked for -----------------------------------------------------------------------


def test_a_file_is_whole_when_leaves_and_root_are_here() -> None:
    """C1: in whatever order they come, and once."""
    for order in ("leaves first", "trailer first", "between"):
        book = Book()
        arrivals: list[Arrival | None] = []
        if order == "trailer first":
            arrivals.append(book.end(BIG))
        arrivals += book.write(book.leaves(BIG, 2, b"tail", last=True))
        if order == "between":
            arrivals.append(book.end(BIG))
        arrivals += book.write(book.leaves(BIG, 0, book.piece(BIG, 0), book.piece(BIG, 1)))
        if order == "leaves first":
            arrivals.append(book.end(BIG))
        whole = (BIG, len(ITEMS[BIG].content), true_root(ITEMS[BIG]))
        assert [arrival for arrival in arrivals if arrival] == [whole]


def test_small_and_empty_files_are_whole_in_one_piece() -> None:
    """C1: a packed file needs its pack even if it is empty."""
    book = Book()
    assert book.end(EMPTY) is None
    assert book.end(SMALL) is None
    arrivals = book.write(book.pack((EMPTY, b""), (SMALL, b"small")))
    assert [arrival[0] for arrival in arrivals] == [EMPTY, SMALL]
    assert not book.admission.waiting


def test_all_is_named_when_every_chosen_file_has_its_end() -> None:
    """C1: folders have none, what was not chosen needs none, a failure is an end too."""
    book = Book()
    for number in (BIG, SMALL):
        book.end(number)
        assert not book.admission.all_named()
    book.end(EMPTY, root=b"", failed="gone")
    assert book.admission.all_named()
    assert book.admission.waiting


# --- what was not -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [FOLDER, REFUSED, REFUSED_BIG, 6, 1000, 0xFFFFFFFF])
def test_entries_that_were_not_accepted_are_refused(number: int) -> None:
    """X16, X04: not chosen, a folder, or no entry at all: as leaf, in a pack and in a trailer."""
    book = Book()
    refuses(lambda: book.leaves(number, 0, bytes(LEAF)))
    refuses(lambda: book.pack((number, b"x" * 100)))
    refuses(lambda: book.pack((SMALL, b"small"), (number, b"")))
    refuses(lambda: book.admission.file_ended(FileEnd(number, 0, bytes(32))))
    refuses(lambda: book.admission.file_ended(FileEnd(number, 0, b"", "failed")))


def test_a_small_file_comes_packed_and_a_large_one_does_not() -> None:
    """X16: each file has one legal form."""
    refuses(lambda: Book().leaves(SMALL, 0, b"small", last=True))
    refuses(lambda: Book().pack((BIG, ITEMS[BIG].content[:LEAF])))


@pytest.mark.parametrize(
    ("first", "lengths", "last"),
    [
        (0, [LEAF - 1], False),
        (0, [LEAF + 1], False),
        (0, [0], False),
        (0, [LEAF, LEAF - 1], False),
        (0, [LEAF - 1, LEAF], False),
        (2, [3], True),
        (2, [5], True),
        (2, [0], True),
        (2, [LEAF], True),
        (1, [LEAF, 4], False),
        (2, [4], False),
        (0, [LEAF], True),
        (0, [LEAF, LEAF], True),
        (3, [4], True),
        (2, [4, 4], True),
        (0, [LEAF, LEAF, 4, 1], True),
        (1 << 40, [LEAF], False),
        ((1 << 64) - 1, [LEAF], False),
        ((1 << 64) - 1, [4], True),
    ],
)
def test_a_leaf_has_one_legal_place_and_length(first: int, lengths: list[int], last: bool) -> None:
    """X14, X16: short or long, beyond the end, or with the end marked where it is not."""
    book = Book()
    refuses(lambda: book.leaves(BIG, first, *(bytes(length) for length in lengths), last=last))


@pytest.mark.parametrize("content", [b"", b"smal", b"small!", bytes(LEAF)])
def test_a_packed_file_has_its_announced_size(content: bytes) -> None:
    """X16: another length than the manifest's is refused before anything is written."""
    refuses(lambda: Book().pack((SMALL, content)))


def test_nothing_comes_twice() -> None:
    """X07: not while it is being written, not after, not in part, not inside one record."""
    book = Book()
    refuses(lambda: book.pack((SMALL, b"small"), (SMALL, b"small")), "twice")
    book = Book()
    job = book.leaves(BIG, 0, book.piece(BIG, 0))
    refuses(lambda: book.leaves(BIG, 0, book.piece(BIG, 0)), "twice")
    book.write(job)
    refuses(lambda: book.leaves(BIG, 0, book.piece(BIG, 0), book.piece(BIG, 1)), "twice")
    book.write(book.pack((SMALL, b"small")))
    refuses(lambda: book.pack((SMALL, b"small")), "twice")


def test_nothing_comes_after_the_end() -> None:
    """X07: a file that is whole takes no data, and none a second end."""
    book = Book()
    book.write(book.pack((SMALL, b"small")))
    assert book.end(SMALL)
    refuses(lambda: book.pack((SMALL, b"small")))
    refuses(lambda: book.end(SMALL))
    book.end(BIG, root=b"", failed="gone")
    refuses(lambda: book.end(BIG))


def test_a_file_has_one_trailer() -> None:
    """X07: a second one is refused while data is still on its way."""
    book = Book()
    book.end(BIG)
    refuses(lambda: book.end(BIG), "twice")


def test_the_window_holds() -> None:
    """X10: more unreported bytes than the window are refused; reporting makes room again."""
    book = Book([Item("a", bytes(5 * MIB))])
    first = [book.leaves(0, 16 * n, *[bytes(LEAF)] * 16) for n in range(2)]
    refuses(lambda: book.leaves(0, 32, bytes(LEAF)), "credit")
    book = Book([Item("a", bytes(5 * MIB))])
    first = [book.leaves(0, 16 * n, *[bytes(LEAF)] * 16) for n in range(2)]
    book.write(first[0])
    refuses(lambda: book.leaves(0, 32, bytes(LEAF)), "credit")
    book = Book([Item("a", bytes(5 * MIB))])
    book.write(book.leaves(0, 0, *[bytes(LEAF)] * 16))
    book.admission.credited(MIB)
    for n in (1, 2):
        book.leaves(0, 16 * n, *[bytes(LEAF)] * 16)


# --- sizes and roots --------------------------------------------------------------------------


@pytest.mark.parametrize("file_no", [BIG, SMALL, EMPTY])
def test_a_trailer_keeps_the_announced_size(file_no: int) -> None:
    """X16: the size that was shown to the person is the size that arrives."""
    for size in (len(ITEMS[file_no].content) + 1, max(0, len(ITEMS[file_no].content) - 1), 1 << 60):
        if size != len(ITEMS[file_no].content):
            refuses(partial(Book().end, file_no, size=size), "size")


@pytest.mark.parametrize("root", [b"", bytes(31)])
def test_a_trailer_without_a_root_is_refused(root: bytes) -> None:
    """X20: a file that did not fail has a root of 32 bytes."""
    refuses(lambda: Book().end(BIG, root=root), "without a root")


@pytest.mark.parametrize("first", ["data", "trailer"])
def test_a_root_that_does_not_match_ends_the_session(first: str) -> None:
    """C1, X25: the receiver's own hashes decide; no file is ever whole under a false root."""
    for number, changed in ((SMALL, b"smale"), (EMPTY, b""), (BIG, b"")):
        book = Book()
        false_root = bytes(32) if not changed else true_root(Item("x", changed))
        with pytest.raises(RootMismatch) as caught:
            if first == "trailer":
                book.end(number, root=false_root)
            if number == BIG:
                book.write(book.leaves(BIG, 0, *(book.piece(BIG, n) for n in range(3)), last=True))
            else:
                book.write(book.pack((number, ITEMS[number].content)))
            if first == "data":
                book.end(number, root=false_root)
        assert caught.value.exit_code == 6


def test_leaves_in_another_order_are_another_file() -> None:
    """X25: two swapped leaves do not match the root."""
    book = Book([Item("a", b"1" * LEAF + b"2" * LEAF)])
    book.write(book.leaves(0, 0, b"2" * LEAF, b"1" * LEAF, last=True))
    with pytest.raises(RootMismatch):
        book.end(0)


# --- streams ----------------------------------------------------------------------------------

STREAM_LEAF = limits.STREAM_LEAF_BYTES
ONE_AND_A_BIT = stream(b"s" * STREAM_LEAF + b"end")


def test_a_stream_ends_by_its_mark_or_by_its_trailer() -> None:
    """C2: the last record may say so, or the trailer gives the size."""
    for last in (True, False):
        item = ONE_AND_A_BIT if last else stream(b"s" * STREAM_LEAF)
        book = Book([item])
        contents = [item.content[:STREAM_LEAF], item.content[STREAM_LEAF:]]
        book.write(book.leaves(0, 0, *(each for each in contents if each), last=last))
        arrival = book.end(0)
        assert arrival is not None
        assert arrival[1] == len(item.content)


@pytest.mark.parametrize(
    ("first", "lengths", "last", "says"),
    [
        (0, [STREAM_LEAF - 1], False, "short piece"),
        (0, [3, STREAM_LEAF], True, "short piece"),
        (0, [0], True, "short piece"),
        (0, [0], False, "short piece"),
        (0, [STREAM_LEAF + 1], False, "short piece"),
        (0, [STREAM_LEAF + 1], True, "after the end"),
        (9, [STREAM_LEAF], False, "not asked for"),
        (1 << 42, [STREAM_LEAF], False, "not asked for"),
        ((1 << 64) - 1, [3], True, "not asked for"),
    ],
)
def test_pieces_of_a_stream_are_whole(
    first: int, lengths: list[int], last: bool, says: str
) -> None:
    """X14: only the last piece may be short, none is empty, none is far ahead."""
    book = Book([ONE_AND_A_BIT])
    refuses(lambda: book.leaves(0, first, *(bytes(n) for n in lengths), last=last), says)


def test_nothing_comes_after_the_end_of_a_stream() -> None:
    """X07: neither behind its mark nor behind its trailer's size."""
    book = Book([ONE_AND_A_BIT])
    book.leaves(0, 1, b"end", last=True)
    refuses(lambda: book.leaves(0, 2, bytes(STREAM_LEAF)))
    refuses(lambda: book.leaves(0, 1, b"end", last=True), "twice")
    book = Book([ONE_AND_A_BIT])
    book.leaves(0, 1, bytes(STREAM_LEAF))
    refuses(lambda: book.leaves(0, 0, b"end", last=True), "after the end")
    book = Book([ONE_AND_A_BIT])
    book.end(0)
    refuses(lambda: book.leaves(0, 2, bytes(STREAM_LEAF)))
    refuses(lambda: book.leaves(0, 1, b"longer", last=True))


@pytest.mark.parametrize("size", [0, 3, STREAM_LEAF - 1, STREAM_LEAF, STREAM_LEAF + 4, 1 << 60])
def test_a_stream_has_one_size(size: int) -> None:
    """X25: a trailer that contradicts the mark of the end is refused."""
    book = Book([ONE_AND_A_BIT])
    book.leaves(0, 1, b"end", last=True)
    refuses(lambda: book.end(0, size=size), "size of a stream")


@pytest.mark.parametrize("size", [0, 1, STREAM_LEAF - 1])
def test_a_trailer_does_not_shorten_what_is_here(size: int) -> None:
    """X25: a whole leaf arrived, so a smaller size with its matching root is a false one."""
    book = Book([stream(b"s" * STREAM_LEAF)])
    book.write(book.leaves(0, 0, b"s" * STREAM_LEAF))
    refuses(lambda: book.end(0, size=size), "size of a stream")


@pytest.mark.parametrize("kind", ["file", "stream", "stream with trailer"])
def test_a_leaf_far_ahead_costs_no_memory(kind: str) -> None:
    """X10, X14, A4: one leaf at the end of an exabyte is refused, nothing is allocated for it."""
    entry = Entry("a", EntryKind.FILE, 1 << 60, 0, 0)
    if kind != "file":
        entry = Entry("a", EntryKind.STREAM, 0, 0, 0)
    manifest = Manifest.of([entry])
    admission = Admission(manifest, Selection.everything(1), limits.WINDOW_BYTES)
    if kind == "stream with trailer":
        admission.file_ended(FileEnd(0, 1 << 60, bytes(32)))
    leaf = MIB if kind == "file" else STREAM_LEAF
    content = (raw(bytes(leaf)),)
    tracemalloc.start()
    try:
        ahead = limits.WINDOW_BYTES // leaf + (HOLES_AHEAD if kind == "file" else 0)
        for first in ((1 << 60) // leaf - 1, 1 << 30, ahead + 1):
            last = first == (1 << 60) // leaf - 1
            with pytest.raises(RemoteProtocolError):
                admission.admit(0, LeavesBody(0, first, last, content))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < MIB


def test_the_farthest_leaf_that_a_window_allows_is_taken() -> None:
    """Everything before it may be on the way at once, so it may overtake all of that."""
    entry = Entry("a", EntryKind.FILE, 1 << 60, 0, 0)
    far = WINDOW // MIB + HOLES_AHEAD
    for first, fits in ((far, True), (far + 1, False)):
        admission = Admission(Manifest.of([entry]), Selection.everything(1), WINDOW)
        body = LeavesBody(0, first, False, (raw(bytes(MIB)),))
        if fits:
            admission.admit(0, body)
        else:
            refuses(partial(admission.admit, 0, body))
    book = Book([stream(b"")])
    book.leaves(0, WINDOW // STREAM_LEAF, bytes(STREAM_LEAF))
    refuses(lambda: book.leaves(0, WINDOW // STREAM_LEAF + 1, bytes(STREAM_LEAF)))
