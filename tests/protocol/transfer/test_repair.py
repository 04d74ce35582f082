"""Questions about leaves that differ, and answers: each once, in order, about what may be asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tallow.crypto.tree import leaf_hash
from tallow.errors import RemoteProtocolError, RootMismatch
from tallow.protocol.bulk import Codec, Leaf, LeavesBody
from tallow.protocol.manifest import Manifest, Selection
from tallow.protocol.messages import Again, AskLeaves, FileEnd, LeafList
from tallow.protocol.ranges import Ranges
from tallow.protocol.transfer.admission import Admission
from tallow.protocol.transfer.jobs import HashJob, LeavesJob
from tallow.protocol.transfer.plan import SendPlan
from tallow.wire import limits
from tests.pair.lane import Item, true_root
from tests.protocol.transfer.test_plan import channel

LEAF = 64 * limits.KIB
ITEM = Item("big", b"".join(bytes([n]) * LEAF for n in range(5)) + b"end")
HASHES = [leaf_hash(bytes([n]) * LEAF) for n in range(5)] + [leaf_hash(b"end")]
FRESH = Item("fresh", bytes(2 * LEAF))
MANIFEST = Manifest.of([ITEM.entry, FRESH.entry])
ALL: Ranges = ((0, 5),)


def refuses(step: Callable[[], object]) -> None:
    """Check that a step is the peer's fault, exit 6."""
    with pytest.raises(RemoteProtocolError) as caught:
        step()
    assert caught.value.exit_code == 6


# --- sender -----------------------------------------------------------------------------------


def answered(count: int = 6) -> SendPlan:
    """Return a plan whose receiver has all of the first file, hashed up to some leaf."""
    chosen = Selection.everything(2)
    plan = SendPlan(MANIFEST, chosen, channel(), limits.WINDOW_BYTES, have={0: ALL})
    while (job := plan.next_job()) is not None:
        if isinstance(job, HashJob) and job.first_leaf + len(job.lengths) <= count:
            plan.leaves_hashed(job, HASHES[job.first_leaf :][: len(job.lengths)])
        elif isinstance(job, LeavesJob):
            plan.leaves_sealed(job, [bytes(32)] * 2, 2 * LEAF, last=job.last)
    return plan


def test_a_list_is_given_once_and_what_is_asked_for_goes_again() -> None:
    """C3: hashes in order, then the leaves that were asked for, cut into records."""
    repairs = (plan := answered()).repairs
    repairs.ask(AskLeaves(1, 0))
    assert repairs.next_list() == LeafList(1, 0, 0, b"".join(HASHES))
    assert repairs.next_list() is None
    repairs.again(Again(1, 0, [(1, 1), (4, 5)]))
    jobs = [plan.next_job(), plan.next_job()]
    again = [job for job in jobs if isinstance(job, LeavesJob)]
    assert [(job.first_leaf, job.lengths, job.last) for job in again] == [
        (1, (LEAF,), False),
        (4, (LEAF, 3), True),
    ]
    assert plan.next_job() is None


def test_long_lists_come_in_pages() -> None:
    """B1: a page holds 4 096 hashes, the last one what is left."""
    item = Item("long", bytes(63 * limits.MIB))
    count = len(item.content) // LEAF
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "LEAF_LIST_HASHES_MAX", 1000)
        manifest, chosen = Manifest.of([item.entry]), Selection.everything(1)
        have: Ranges = ((0, count - 1),)
        plan = SendPlan(manifest, chosen, channel(), limits.WINDOW_BYTES, have={0: have})
        while isinstance(job := plan.next_job(), HashJob):
            plan.leaves_hashed(job, [bytes(32)] * len(job.lengths))
        plan.repairs.ask(AskLeaves(1, 0))
        page = plan.repairs.next_list()
        assert page is not None
        assert len(page.hashes) == 32_000
        refuses(lambda: plan.repairs.again(Again(1, 0, [(0, 0)])))
        page = plan.repairs.next_list()
        assert page is not None
        assert (page.first_leaf, len(page.hashes)) == (1000, 32 * (count - 1000))


@pytest.mark.parametrize("file_no", [1, 2, 0xFFFFFFFF])
def test_what_may_not_be_asked_is_refused(file_no: int) -> None:
    """X14, X16: a file of which the receiver had nothing, or none at all."""
    refuses(lambda: answered().repairs.ask(AskLeaves(1, file_no)))
    refuses(lambda: answered().repairs.again(Again(1, file_no, [(0, 0)])))


def test_a_question_before_the_end_or_twice_is_refused() -> None:
    """X07: a file has its trailer first, and one question."""
    refuses(lambda: answered(count=0).repairs.ask(AskLeaves(1, 0)))
    repairs = answered().repairs
    repairs.ask(AskLeaves(1, 0))
    refuses(lambda: repairs.ask(AskLeaves(1, 0)))


def test_again_without_a_question_is_refused() -> None:
    """X07, X10: neither before the list nor twice: nobody makes a sender send for ever."""
    repairs = answered().repairs
    refuses(lambda: repairs.again(Again(1, 0, [(0, 0)])))
    repairs.ask(AskLeaves(1, 0))
    refuses(lambda: repairs.again(Again(1, 0, [(0, 0)])))
    assert repairs.next_list()
    repairs.again(Again(1, 0, [(0, 0)]))
    refuses(lambda: repairs.again(Again(1, 0, [(0, 0)])))


@pytest.mark.parametrize(
    "ranges", [[(0, 6)], [(6, 6)], [(0, 1 << 40)], [(2, 1)], [(0, 2), (2, 3)], [(3, 3), (0, 0)]]
)
def test_again_for_leaves_that_do_not_exist_is_refused(ranges: list[tuple[int, int]]) -> None:
    """X14: beyond the end, backwards, overlapping or descending."""
    repairs = answered().repairs
    repairs.ask(AskLeaves(1, 0))
    assert repairs.next_list()
    refuses(lambda: repairs.again(Again(1, 0, ranges)))


# --- receiver ---------------------------------------------------------------------------------


def asked(false: int | None = 2) -> Admission:
    """Return a receiver that has the whole file, one leaf of it false, and has asked."""
    chosen = Selection.everything(1)
    admission = Admission(Manifest.of([ITEM.entry]), chosen, limits.WINDOW_BYTES, have={0: ALL})
    assert admission.file_ended(FileEnd(0, len(ITEM.content), true_root(ITEM))) is None
    while (job := admission.next_check()) is not None:
        hashes = HASHES[job.first_leaf :][: len(job.lengths)]
        if false is not None:
            hashes[false] = b""
        admission.leaves_checked(job, hashes)
    assert admission.questions.take_all() == ([AskLeaves(1, 0)] if false is not None else [])
    return admission


def listed(first: int, hashes: list[bytes], file_no: int = 0) -> LeafList:
    """Return a page."""
    return LeafList(1, file_no, first, b"".join(hashes))


def record(first: int, leaves: list[Leaf], *, last: bool = False) -> LeavesBody:
    """Return a record's body."""
    return LeavesBody(0, first, last, tuple(leaves))


THIRD = Leaf(Codec.RAW, LEAF, memoryview(bytes([2]) * LEAF))


def test_what_differs_comes_once_more() -> None:
    """C3: an unreadable leaf is asked for, taken once, and the file is whole."""
    admission = asked()
    admission.leaves_listed(listed(0, HASHES[:4]))
    admission.leaves_listed(listed(4, HASHES[4:]))
    assert admission.questions.take_all() == [Again(1, 0, [(2, 2)])]
    before = admission.stored_bytes
    job = admission.admit(0, record(2, [THIRD]))
    (arrival,) = admission.leaves_stored(job, [HASHES[2]])  # type: ignore[arg-type]
    assert arrival == (0, len(ITEM.content), true_root(ITEM))
    assert admission.stored_bytes == before == len(ITEM.content)
    assert not admission.waiting


@pytest.mark.parametrize(
    "pages",
    [
        [listed(1, HASHES[1:])],
        [listed(0, HASHES[:2]), listed(3, HASHES[3:])],
        [listed(0, HASHES[:2]), listed(0, HASHES[:2])],
        [listed(0, [*HASHES, HASHES[0]])],
        [listed(0, HASHES[:5]), listed(5, HASHES[:2])],
        [listed(0, HASHES), listed(6, HASHES[:1])],
        [listed(0, HASHES), listed(0, HASHES)],
        [listed(0, HASHES, file_no=1)],
        [listed(1 << 62, HASHES)],
    ],
    ids=["late", "gap", "repeat", "long", "long tail", "more", "twice", "other file", "far"],
)
def test_a_list_out_of_order_or_too_long_is_refused(pages: list[LeafList]) -> None:
    """X07, X14: a list begins at 0, has no gap, ends at the last leaf and comes once."""
    admission = asked()

    def hear() -> None:
        for page in pages:
            admission.leaves_listed(page)

    refuses(hear)


def test_a_list_that_nobody_asked_for_is_refused() -> None:
    """X07: neither before a question nor about a file that is whole."""
    refuses(lambda: asked(false=None).leaves_listed(listed(0, HASHES)))
    chosen = Selection.everything(1)
    fresh = Admission(Manifest.of([ITEM.entry]), chosen, limits.WINDOW_BYTES, have={0: ALL})
    refuses(lambda: fresh.leaves_listed(listed(0, HASHES)))


@pytest.mark.parametrize("hashes", [[bytes(32)] * 6, [*HASHES[:5], bytes(32)], HASHES[::-1]])
def test_a_list_of_another_file_is_a_mismatch(hashes: list[bytes]) -> None:
    """X25: it has to belong to the root that was told; nothing is asked for again."""
    admission = asked()
    with pytest.raises(RootMismatch):
        admission.leaves_listed(listed(0, hashes))
    assert not admission.questions


def test_only_what_was_asked_for_comes_again() -> None:
    """X07, X16: no other leaf, not twice, and never as a hole, which would not be written."""
    admission = asked()
    refuses(lambda: admission.admit(0, record(2, [THIRD])))
    admission.leaves_listed(listed(0, HASHES))
    hole = Leaf(Codec.HOLE, LEAF, memoryview(b""))
    refuses(lambda: admission.admit(1, record(1, [THIRD])))
    refuses(lambda: admission.admit(2, record(2, [THIRD, THIRD])))
    refuses(lambda: admission.admit(3, record(2, [hole])))
    admission.admit(4, record(2, [THIRD]))
    refuses(lambda: admission.admit(5, record(2, [THIRD])))


def test_a_second_difference_is_a_mismatch() -> None:
    """C3, X25: a leaf that is wrong again ends the transfer, exit 6."""
    admission = asked()
    admission.leaves_listed(listed(0, HASHES))
    job = admission.admit(0, record(2, [THIRD]))
    with pytest.raises(RootMismatch) as caught:
        admission.leaves_stored(job, [bytes(32)])  # type: ignore[arg-type]
    assert caught.value.exit_code == 6
