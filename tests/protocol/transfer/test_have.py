"""Have-lists: what a receiver may say, and a sender that is told what cannot be."""

from __future__ import annotations

import pytest

from tallow.errors import LocalProtocolError, RemoteProtocolError
from tallow.protocol.manifest import Entry, EntryKind, Manifest, Selection
from tallow.protocol.messages import Have, HaveFile, decode_control, encode_control
from tallow.protocol.ranges import Ranges, leaves_in
from tallow.protocol.transfer.have import HaveBook, claimed, had_bytes, have_messages
from tallow.wire import limits

KIB, MIB = limits.KIB, limits.MIB


def entry(size: int, kind: EntryKind = EntryKind.FILE) -> Entry:
    """Return an entry."""
    return Entry("f", kind, size, 0, 0)


HUGE = (1 << 60) - limits.GIB
HUGE_LEAVES = HUGE // MIB
FILES = Manifest.of([
    entry(10 * 64 * KIB), entry(5), entry(0, EntryKind.FOLDER), entry(HUGE),
])  # fmt: skip
STREAM = Manifest.of([entry(0, EntryKind.STREAM)])
EVERYTHING = Selection.everything(4)

FALSE: dict[str, list[HaveFile]] = {
    "overlapping": [HaveFile(0, [(0, 3), (3, 5)])],
    "descending": [HaveFile(0, [(4, 5), (0, 1)])],
    "backwards": [HaveFile(0, [(3, 2)])],
    "out of range": [HaveFile(0, [(0, 10)])],
    "far out of range": [HaveFile(0, [(1 << 40, 1 << 40)])],
    "2^40 leaves of ten": [HaveFile(0, [(0, 1 << 40)])],
    "one leaf more than there are": [HaveFile(3, [(0, HUGE_LEAVES)])],
    "a packed file": [HaveFile(1, [(0, 0)])],
    "a folder": [HaveFile(2, [(0, 0)])],
    "no such entry": [HaveFile(4, [(0, 0)])],
    "the last number": [HaveFile(0xFFFFFFFF, [(0, 0)])],
    "twice in a message": [HaveFile(0, [(0, 0)]), HaveFile(0, [(1, 1)])],
}


@pytest.mark.parametrize("files", FALSE.values(), ids=FALSE)
def test_a_false_claim_is_refused(files: list[HaveFile]) -> None:
    """X14: have-lists that overlap, descend, lie outside, repeat or name what has no leaves."""
    with pytest.raises(RemoteProtocolError) as caught:
        HaveBook(FILES, 0).take(Have(1, files))
    assert caught.value.exit_code == 6


def test_an_entry_is_named_once() -> None:
    """X14: in a later message neither."""
    book = HaveBook(FILES, 0)
    book.take(Have(1, [HaveFile(0, [(0, 0)])]))
    with pytest.raises(RemoteProtocolError):
        book.take(Have(1, [HaveFile(0, [(1, 1)])]))


def test_a_claim_about_what_is_not_wanted_is_refused() -> None:
    """X14, X16: whoever has part of a file and does not want it has nothing to say about it."""
    book = HaveBook(FILES, 0)
    book.take(Have(1, [HaveFile(0, [(0, 0)])]))
    assert book.of(EVERYTHING) == {0: ((0, 0),)}
    chosen = Selection.everything(4)
    chosen.discard(0)
    with pytest.raises(RemoteProtocolError):
        book.of(chosen)


def test_a_have_list_of_2_to_the_40_leaves_costs_two_numbers() -> None:
    """X10: all of an exabyte is one range, and nothing is allocated for its leaves."""
    book = HaveBook(FILES, 0)
    book.take(Have(1, [HaveFile(3, [(0, HUGE_LEAVES - 1)])]))
    assert had_bytes(FILES.entry(3), book.of(EVERYTHING)[3]) == HUGE


def test_the_ranges_of_an_offer_are_capped() -> None:
    """X10: 2^17 ranges, over however many messages."""
    many = Manifest.of(entry(MIB) for _ in range(limits.HAVE_RANGES_MAX // 4 + 1))
    book = HaveBook(many, 0)
    four = [(0, 0), (2, 2), (4, 4), (6, 6)]
    for number in range(limits.HAVE_RANGES_MAX // 4):
        book.take(Have(1, [HaveFile(number, four)]))
    with pytest.raises(RemoteProtocolError):
        book.take(Have(1, [HaveFile(limits.HAVE_RANGES_MAX // 4, [(0, 0)])]))


@pytest.mark.parametrize(
    ("ranges", "legal"),
    [
        ([(0, 2)], True),
        ([(0, 0)], True),
        ([(0, 3)], False),
        ([(1, 2)], False),
        ([(0, 0), (2, 2)], False),
        ([(0, (1 << 63) - 1)], False),
    ],
)
def test_of_a_stream_its_beginning_may_be_there(ranges: list[tuple[int, int]], legal: bool) -> None:
    """X14: one range from 0, no longer than what was read before: three leaves here."""
    book = HaveBook(STREAM, 3)
    if legal:
        book.take(Have(1, [HaveFile(0, ranges)]))
    else:
        with pytest.raises(RemoteProtocolError):
            book.take(Have(1, [HaveFile(0, ranges)]))


# --- receiver ---------------------------------------------------------------------------------


def test_only_what_is_chosen_is_said() -> None:
    """C4: of an entry that is not wanted the sender learns nothing."""
    chosen = Selection(4)
    chosen.add(0)
    have: dict[int, Ranges] = {0: ((0, 3),), 3: ((5, 6),)}
    assert claimed(FILES, chosen, have) == {0: ((0, 3),)}
    assert claimed(FILES, EVERYTHING, {0: ()}) == {}
    with pytest.raises(LocalProtocolError):
        claimed(FILES, EVERYTHING, {0: ((0, 10),)})


def test_too_many_ranges_are_cut_to_the_longest() -> None:
    """B1: what is said fits a message; the rest is sent again."""
    ranges: Ranges = tuple((4 * n, 4 * n + n % 2) for n in range(600))
    kept = claimed(FILES, EVERYTHING, {3: ranges})[3]
    assert len(kept) == limits.HELD_RECORDS_MAX
    assert leaves_in(kept) == 2 * limits.HELD_RECORDS_MAX


def test_a_full_have_list_fits_its_messages() -> None:
    """B1: as many ranges as allowed, each message under the cap, all heard as they were said."""
    count = limits.HAVE_RANGES_MAX // 64
    many = Manifest.of(entry(1 << 49) for _ in range(count))
    far = 1 << 28
    have = {n: tuple((far + 2 * k, far + 2 * k) for k in range(65)) for n in range(count)}
    said = claimed(many, Selection.everything(count), have)
    assert sum(map(len, said.values())) == limits.HAVE_RANGES_MAX
    book = HaveBook(many, 0)
    for message in have_messages(1, said):
        heard = decode_control(encode_control(message))
        assert isinstance(heard, Have)
        book.take(heard)
    assert book.of(Selection.everything(count)) == said
