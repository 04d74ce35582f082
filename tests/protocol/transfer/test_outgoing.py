"""One file on its way out: data, holes and what is only hashed, each leaf once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tallow.crypto.tree import leaf_hash, root_hash
from tallow.protocol.manifest import Entry, EntryKind, Manifest, Selection
from tallow.protocol.messages import Stored
from tallow.protocol.ranges import as_ranges
from tallow.protocol.transfer.jobs import HashJob, HoleJob, LeavesJob
from tallow.protocol.transfer.outgoing import Outgoing, hashed_at_once
from tallow.protocol.transfer.plan import SendPlan
from tallow.wire import limits
from tests.protocol.transfer.test_plan import channel

LEAF = 64 * limits.KIB
SIZE = 20 * LEAF + 9
FILE = Entry("f", EntryKind.FILE, SIZE, 0, 0)
leaves = st.sets(st.integers(0, 20))


@given(leaves, st.none() | leaves)
def test_each_leaf_goes_one_way(had: set[int], filled: set[int] | None) -> None:
    """C3, C7: hashed if it is there, else a hole if it has no data, else data; in order."""
    extents = None if filled is None else [(n * LEAF + 3, n * LEAF + 4) for n in sorted(filled)]
    file = Outgoing(0, FILE, tuple(as_ranges(had)), lambda _: extents)
    sent: dict[bool, set[int]] = {True: set(), False: set()}
    order = []
    while not file.all_given:
        hole = file.hole_is_next
        piece = file.next_send(limits.RECORD_LEAVES_MAX_BYTES)
        assert piece is not None
        sent[hole] |= set(range(piece[0], piece[1] + 1))
        order.append(piece[0])
    checked: set[int] = set()
    while (piece := file.next_had()) is not None:
        assert piece[1] - piece[0] < hashed_at_once(LEAF) == 16
        checked |= set(range(piece[0], piece[1] + 1))
    missing = set(range(21)) - had
    data = missing if filled is None else missing & filled
    assert (sent[False], sent[True], checked) == (data, missing - data, had)
    assert order == sorted(order)


def test_extents_may_lie_anyhow() -> None:
    """Touching, unordered, empty, beyond the end: a leaf has data if one of them reaches it."""
    extents = [
        (5 * LEAF, 6 * LEAF + 1),
        (0, 1),
        (9, 9),
        (SIZE - 1, SIZE + 99),
        (SIZE + 5, SIZE + 9),
    ]
    file = Outgoing(0, FILE, (), lambda _: extents)
    runs = []
    while not file.all_given:
        runs.append((file.hole_is_next, file.next_send(limits.RECORD_LEAVES_MAX_BYTES)))
    assert runs == [
        (False, (0, 0)), (True, (1, 4)), (False, (5, 6)), (True, (7, 19)), (False, (20, 20)),
    ]  # fmt: skip


def test_hashes_in_any_order_end_a_file_that_was_there_in_part() -> None:
    """C3: the root needs every leaf; the last one read need not be the last one of the file."""
    hashes = [leaf_hash(bytes([n])) for n in range(21)]
    file = Outgoing(0, FILE, ((3, 5),), None)
    file.add(6, hashes[6:], 0)
    file.add(3, hashes[3:6], 0)
    assert file.ended(last=True) is None
    file.add(0, hashes[:3], 0)
    end = file.ended(last=False)
    assert end is not None
    assert (end.size, end.root) == (SIZE, root_hash(SIZE, LEAF, hashes))


def plan_of(window: int, have: set[int], extents: list[tuple[int, int]] | None) -> SendPlan:
    """Return a plan over the file."""
    ranges = tuple(as_ranges(have))
    return SendPlan(
        Manifest.of([FILE]),
        Selection.everything(1),
        channel(),
        window,
        have={0: ranges} if ranges else {},
        data_ranges=lambda _: extents,
    )


def test_data_flows_before_anything_is_hashed() -> None:
    """C3: what is there is hashed only when nothing can be sent."""
    plan = plan_of(2 * limits.MIB, set(range(3)), None)
    jobs = [plan.next_job() for _ in range(4)]
    assert [type(job) for job in jobs] == [LeavesJob, LeavesJob, HashJob, type(None)]
    hashed = jobs[2]
    assert isinstance(hashed, HashJob)
    assert (hashed.first_leaf, hashed.lengths, hashed.last) == (0, (LEAF,) * 3, False)
    assert plan.have_bytes == plan.stored_bytes == 3 * LEAF


def test_holes_wait_for_reports_and_not_for_credit() -> None:
    """C7, X10: sixteen records of holes are out at most; a report lets the next one go."""
    with_holes = Entry("f", EntryKind.FILE, (1 << 40), 0, 0)
    plan = SendPlan(
        Manifest.of([with_holes]),
        Selection.everything(1),
        channel(),
        2 * limits.MIB,
        data_ranges=lambda _: [],
    )
    jobs = []
    while (job := plan.next_job()) is not None:
        assert isinstance(job, HoleJob)
        jobs.append(job)
    assert len(jobs) == limits.HOLE_RECORDS_MAX
    assert plan._outstanding_bytes == 0
    first = jobs[0]
    assert plan.leaves_sealed(first, [bytes(32)] * len(first.lengths), 0, last=False) is True
    plan.credit(Stored(1, [(0, 0)]))
    assert plan.stored_bytes == first.covers_bytes == 4096 * limits.MIB
    assert isinstance(plan.next_job(), HoleJob)
    assert plan.next_job() is None
