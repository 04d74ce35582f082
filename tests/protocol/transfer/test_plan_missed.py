"""Records that were lost with a lane: given out again, hashed once, and never without a reason."""

from __future__ import annotations

import pytest

from tallow.crypto.tree import root_hash
from tallow.errors import RemoteProtocolError, SourceUnreadable
from tallow.protocol.manifest import Entry, EntryKind, Manifest, Selection
from tallow.protocol.messages import FileEnd, Stored
from tallow.protocol.missed import RecordsMissed
from tallow.protocol.transfer.jobs import HoleJob, LeavesJob, PackJob, SealJob, StreamJob
from tallow.protocol.transfer.plan import SendPlan
from tallow.wire import limits
from tests.protocol.transfer.test_plan import (
    HASH,
    KIB,
    MIB,
    STREAM,
    channel,
    jobs_of,
    number_of,
    plan_for,
    plan_of,
    seal,
)


def missed(plan: SendPlan, *jobs: SealJob) -> None:
    """Say that these records never arrived."""
    plan.missed(RecordsMissed(plan.channel, tuple(number_of(job) for job in jobs)))


def test_a_lost_record_goes_again_first_and_under_a_new_number() -> None:
    """A3, X25: the same leaves, another number, before anything new, and the window holds."""
    plan = plan_of(9 * MIB, window=3 * MIB)
    first, second, third = jobs_of(plan)
    seal(plan, first, second, third)
    missed(plan, second)
    (again,) = jobs_of(plan)
    assert isinstance(again, LeavesJob)
    assert isinstance(second, LeavesJob)
    assert (again.first_leaf, again.lengths) == (second.first_leaf, second.lengths)
    assert number_of(again) == 3
    assert plan.next_job() is None
    seal(plan, again)
    plan.credit(Stored(1, [(0, 0), (2, 3)]))
    assert plan.stored_bytes == 3 * MIB


def test_a_lost_record_is_hashed_once() -> None:
    """C1: the root of a file is that of its leaves, however often its records were lost."""
    plan = plan_of(2 * MIB)
    first, second = jobs_of(plan)
    seal(plan, first)
    missed(plan, first)
    assert isinstance(second, LeavesJob)
    end = plan.leaves_sealed(second, [HASH] * 16, MIB, last=True)
    assert end == FileEnd(0, 2 * MIB, root_hash(2 * MIB, 64 * KIB, [HASH] * 32))
    (again,) = jobs_of(plan)
    assert isinstance(again, LeavesJob)
    assert plan.leaves_sealed(again, [HASH] * 16, MIB, last=again.last) is True
    missed(plan, again)
    (once_more,) = jobs_of(plan)
    seal(plan, once_more)
    plan.credit(Stored(1, [(number_of(second), number_of(second))]))
    plan.credit(Stored(1, [(number_of(once_more), number_of(once_more))]))
    assert (plan.stored_bytes, plan._outstanding_bytes) == (2 * MIB, 0)


def test_a_file_that_changed_before_it_went_again_is_noticed() -> None:
    """C11: a leaf or a small file with another hash than before is never sent as if it were it."""
    plan = plan_of(MIB, 100)
    leaves, pack = jobs_of(plan)
    seal(plan, leaves, pack)
    missed(plan, leaves, pack)
    again, packed = jobs_of(plan)
    assert isinstance(again, LeavesJob)
    with pytest.raises(SourceUnreadable):
        plan.leaves_sealed(again, [HASH] * 15 + [bytes(32)], MIB, last=True)
    with pytest.raises(SourceUnreadable):
        plan.pack_sealed([FileEnd(1, 100, bytes(32))])
    assert isinstance(packed, PackJob)


def test_a_lost_pack_goes_again_without_the_files_that_failed() -> None:
    """C11: what failed was told; the others come once more, and are told of no second time."""
    plan = plan_of(100, 200, 300)
    (pack,) = jobs_of(plan)
    plan.pack_sealed([FileEnd(0, 0, b"", "gone"), FileEnd(1, 200, HASH), FileEnd(2, 300, HASH)])
    missed(plan, pack)
    (again,) = jobs_of(plan)
    assert isinstance(again, PackJob)
    assert again.files == ((1, 200), (2, 300))
    assert plan._outstanding_bytes == 500
    assert plan.pack_sealed([FileEnd(1, 200, HASH), FileEnd(2, 300, HASH)]) == []
    plan.credit(Stored(1, [(number_of(again), number_of(again))]))
    assert (plan.stored_bytes, plan._outstanding_bytes) == (500, 0)


def test_a_small_file_that_is_gone_when_it_should_go_again_ends_it() -> None:
    """C11: its root was told, so it cannot fail alone any more."""
    plan = plan_of(100)
    (pack,) = jobs_of(plan)
    seal(plan, pack)
    missed(plan, pack)
    jobs_of(plan)
    with pytest.raises(SourceUnreadable):
        plan.pack_sealed([FileEnd(0, 0, b"", "gone")])


def test_a_file_that_fails_when_it_goes_again_fails_alone_while_it_can() -> None:
    """C11: before its end was told it fails as any other; after it, the transfer ends."""
    plan = plan_of(3 * MIB, MIB, window=2 * MIB)
    first, second = jobs_of(plan)
    seal(plan, first, second)
    missed(plan, first, second)
    again, other = jobs_of(plan)
    assert isinstance(again, LeavesJob)
    assert isinstance(other, LeavesJob)
    assert plan.read_failed(again) is True
    assert plan.read_failed(other) is False
    (last,) = jobs_of(plan)
    assert isinstance(last, LeavesJob)
    assert last.file_no == 1
    seal(plan, last)
    missed(plan, last)
    (once_more,) = jobs_of(plan)
    assert isinstance(once_more, LeavesJob)
    with pytest.raises(SourceUnreadable):
        plan.read_failed(once_more)


def test_lost_records_of_a_file_that_failed_are_let_go() -> None:
    """C11: nobody reads for a file that was given up, not even those that wait for their turn."""
    plan = plan_of(3 * MIB, window=3 * MIB)
    first, second, third = jobs_of(plan)
    assert isinstance(third, LeavesJob)
    seal(plan, first, second)
    missed(plan, first)
    resent = plan.next_job()
    assert isinstance(resent, LeavesJob)
    assert plan.read_failed(third) is True
    assert plan.leaves_sealed(resent, [HASH] * 16, MIB, last=False) is False
    missed(plan, second)
    assert plan.next_job() is None
    assert (plan.exhausted, plan._outstanding_bytes) == (True, 0)


def test_lost_holes_go_again_within_their_number() -> None:
    """C9, X10: a receiver never sees more unreported holes than it allows."""
    size = 2 * limits.HOLE_RECORDS_MAX * limits.RECORD_ENTRIES_MAX * MIB
    manifest = Manifest.of([Entry("f", EntryKind.FILE, size, 0, 0)])
    everything = Selection.everything(1)
    plan = SendPlan(manifest, everything, channel(), 4 * MIB, data_ranges=lambda _: ())
    jobs = jobs_of(plan)
    assert len(jobs) == limits.HOLE_RECORDS_MAX
    for job in jobs:
        assert isinstance(job, HoleJob)
        plan.leaves_sealed(job, [HASH] * len(job.lengths), 0, last=job.last)
    missed(plan, *jobs[3:6])
    again = jobs_of(plan)
    assert [job.first_leaf for job in again if isinstance(job, HoleJob)] == [
        job.first_leaf for job in jobs[3:6] if isinstance(job, HoleJob)
    ]


@pytest.mark.parametrize("numbers", [(5,), (1,), (0, 0), (1 << 62,)])
def test_what_is_not_on_its_way_cannot_be_missed(numbers: tuple[int, ...]) -> None:
    """X14, X25: never sent, still being sealed, twice, or reported as stored before."""
    plan = plan_of(3 * MIB, window=3 * MIB)
    jobs = jobs_of(plan)
    seal(plan, jobs[0])
    before = plan._outstanding_bytes
    with pytest.raises(RemoteProtocolError):
        plan.missed(RecordsMissed(plan.channel, numbers))
    assert plan._outstanding_bytes == before - (MIB if numbers == (0, 0) else 0)
    with pytest.raises(RemoteProtocolError):
        plan.missed(RecordsMissed(plan.channel + 2, (0,)))


def test_a_stream_is_never_missed() -> None:
    """X14, C2: a pipe cannot be read twice, and its records never go over lanes."""
    plan = plan_for(STREAM)
    job = plan.next_job()
    assert isinstance(job, StreamJob)
    plan.leaves_sealed(job, [HASH], 5, last=False)
    with pytest.raises(RemoteProtocolError):
        missed(plan, job)


def test_what_is_on_its_way_is_written_and_not_reported() -> None:
    """X25: neither what is still being sealed nor what is stored is asked about."""
    plan = plan_of(3 * MIB)
    first, second, third = jobs_of(plan)
    seal(plan, first, second)
    plan.credit(Stored(1, [(0, 0)]))
    assert plan.on_the_way([0, 1, 2, 77]) == [1]
    assert plan.reports == 1
    seal(plan, third)
