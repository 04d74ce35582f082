"""Which leaves go when: cut into records, gathered into packs, held to the window."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.crypto.tree import leaf_hash, root_hash
from tallow.errors import RemoteProtocolError
from tallow.protocol.bulk import BulkKeys, BulkSendChannel
from tallow.protocol.manifest import Entry, EntryKind, Manifest, Selection
from tallow.protocol.messages import FileEnd, Stored
from tallow.protocol.transfer.jobs import (
    HashJob,
    LeavesJob,
    PackJob,
    SealJob,
    StreamJob,
)
from tallow.protocol.transfer.plan import SendPlan
from tallow.wire import limits

KIB, MIB = limits.KIB, limits.MIB
HASH = leaf_hash(b"leaf")


def plan_of(*sizes: int | None, window: int = 32 * MIB, skip: set[int] | None = None) -> SendPlan:
    """Return a plan over files of these sizes; None stands for a folder."""
    manifest = Manifest.of(
        Entry(f"f{n}", EntryKind.FOLDER if size is None else EntryKind.FILE, size or 0, 0, 0)
        for n, size in enumerate(sizes)
    )
    return plan_for(manifest, window, skip)


def plan_for(manifest: Manifest, window: int = 32 * MIB, skip: set[int] | None = None) -> SendPlan:
    """Return a plan over a manifest, some entries not chosen."""
    chosen = Selection.everything(manifest.entries)
    for number in skip or set():
        chosen.discard(number)
    return SendPlan(manifest, chosen, channel(), window)


def channel() -> BulkSendChannel:
    """Return a bulk channel of no session."""
    return BulkSendChannel(1, "i", BulkKeys(bytes(32), bytes(32), bytes(16), 1, bytes(64)))


STREAM = Manifest.of([Entry("s", EntryKind.STREAM, 0, 0, 0)])


def jobs_of(plan: SendPlan) -> list[SealJob]:
    """Return all jobs that are given out without any credit coming back."""
    jobs: list[SealJob] = []
    while (job := plan.next_job()) is not None:
        assert not isinstance(job, HashJob)
        jobs.append(job)
    return jobs


def seal(plan: SendPlan, *jobs: SealJob) -> None:
    """Say that jobs are sealed, so that the receiver may report them."""
    for job in jobs:
        if isinstance(job, PackJob):
            plan.pack_sealed([FileEnd(no, size, HASH) for no, size in job.files])
        elif isinstance(job, LeavesJob):
            plan.leaves_sealed(job, [HASH] * len(job.lengths), job.plain_bytes, last=job.last)


def number_of(job: SealJob) -> int:
    """Return the number reserved for a job."""
    return job.reserved.header.number


# --- what is given out ------------------------------------------------------------------------


def test_a_large_file_is_cut_into_records_of_whole_leaves() -> None:
    """C1: up to 1 MiB a record, only the last leaf short, only the last record marked."""
    jobs = jobs_of(plan_of(2 * MIB + 5))
    assert [type(job) for job in jobs] == [LeavesJob] * 3
    leaves = [job for job in jobs if isinstance(job, LeavesJob)]
    assert [(job.first_leaf, job.offset, len(job.lengths), job.last) for job in leaves] == [
        (0, 0, 16, False),
        (16, MIB, 16, False),
        (32, 2 * MIB, 1, True),
    ]
    assert leaves[-1].lengths == (5,)
    assert {length for job in leaves[:-1] for length in job.lengths} == {64 * KIB}


@pytest.mark.parametrize(
    ("size", "leaf", "first_lengths"),
    [
        (64 * KIB, 64 * KIB, (64 * KIB,)),
        (64 * MIB, 256 * KIB, (256 * KIB,) * 4),
        (1 << 30, MIB, (MIB,)),
    ],
)
def test_leaves_follow_the_file_size(size: int, leaf: int, first_lengths: tuple[int]) -> None:
    """The leaf size is that of the manifest rules; records stay at 1 MiB."""
    job = plan_of(size).next_job()
    assert isinstance(job, LeavesJob)
    assert job.lengths == first_lengths
    assert job.lengths[0] == leaf


def test_small_files_are_gathered() -> None:
    """C9: packs hold up to 1 MiB and up to a trailer's worth of files, in manifest order."""
    plan = plan_of(*[60 * KIB] * 20)
    packs = jobs_of(plan)
    assert all(isinstance(job, PackJob) for job in packs)
    assert [job.plain_bytes <= MIB for job in packs] == [True, True]
    files = [no for job in packs if isinstance(job, PackJob) for no, _ in job.files]
    assert files == list(range(20))
    many = jobs_of(plan_of(*[0] * (limits.ROOTS_PER_TRAILER + 1)))
    assert [len(job.files) for job in many if isinstance(job, PackJob)] == [1024, 1]


def test_files_go_in_manifest_order_without_what_was_not_chosen() -> None:
    """C4, X16: folders and entries outside the selection give no job."""
    plan = plan_of(5, None, 6, MIB, 7, 8, skip={0, 4})
    jobs = jobs_of(plan)
    assert [job.files if isinstance(job, PackJob) else job.file_no for job in jobs
            if not isinstance(job, StreamJob)] == [((2, 6),), 3, ((5, 8),)]  # fmt: skip
    assert plan.exhausted
    assert plan.given_out == 3


def test_nothing_chosen_is_soon_done() -> None:
    """C4: folders alone, or nothing at all, exhaust the plan without a job."""
    for plan in (plan_of(None, None), plan_of(5, skip={0})):
        assert plan.next_job() is None
        assert plan.exhausted
        assert plan.given_out == 0


def test_every_job_has_a_number_of_its_own() -> None:
    """A3: numbers count up from zero, one reserved for each job before any thread seals."""
    jobs = jobs_of(plan_of(3 * MIB, 5, 2 * MIB))
    assert [number_of(job) for job in jobs] == list(range(6))


# --- streams ----------------------------------------------------------------------------------


def test_a_stream_has_one_record_out_at_a_time() -> None:
    """C2: the next leaf is known only when the last one was read."""
    plan = plan_for(STREAM)
    job = plan.next_job()
    assert isinstance(job, StreamJob)
    assert plan.next_job() is None
    assert plan.leaves_sealed(job, [HASH] * 4, MIB, last=False) is True
    again = plan.next_job()
    assert isinstance(again, StreamJob)
    assert (again.first_leaf, number_of(again)) == (4, 1)
    ended = plan.leaves_sealed(again, [HASH], 7, last=True)
    assert ended == FileEnd(0, MIB + 7, root_hash(MIB + 7, 256 * KIB, [HASH] * 5))
    assert plan.next_job() is None
    assert plan.exhausted


def test_an_empty_stream_ends_with_the_root_of_nothing() -> None:
    """C2: no record, size 0, and its root."""
    plan = plan_for(STREAM)
    job = plan.next_job()
    assert isinstance(job, StreamJob)
    assert plan.leaves_sealed(job, [], 0, last=True) == FileEnd(0, 0, root_hash(0, 256 * KIB, []))


# --- the window -------------------------------------------------------------------------------


def test_no_job_without_credit() -> None:
    """C9: jobs stop where one more full record could pass the window, and go on with credit."""
    plan = plan_of(10 * MIB, window=3 * MIB)
    jobs = jobs_of(plan)
    assert sum(job.plain_bytes for job in jobs) == 3 * MIB
    seal(plan, *jobs)
    plan.credit(Stored(1, [(0, 0)]))
    more = jobs_of(plan)
    assert [number_of(job) for job in more] == [3]
    seal(plan, *more)
    plan.credit(Stored(1, [(1, 2), (3, 3)]))
    assert len(jobs_of(plan)) == 3
    assert plan.stored_bytes == 4 * MIB


def test_a_stream_takes_credit_for_what_it_read() -> None:
    """C9: a slow pipe of small pieces does not use up the window with empty promises."""
    plan = plan_for(STREAM, window=2 * MIB)
    for _ in range(5):
        job = plan.next_job()
        assert isinstance(job, StreamJob)
        plan.leaves_sealed(job, [HASH], 256 * KIB, last=False)
    assert plan._outstanding_bytes == 5 * 256 * KIB
    assert plan.next_job() is None


def test_unsent_numbers_give_their_credit_back() -> None:
    """C11: a job that never left, or a pack that shrank, does not shrink the window for ever."""
    plan = plan_of(3 * MIB, *[1000] * 4, window=2 * MIB)
    first, second = jobs_of(plan)
    plan.uncount(first)
    plan.uncount(second)
    assert plan._outstanding_bytes == 0
    third, pack = jobs_of(plan)
    plan.uncount(third)
    assert isinstance(pack, PackJob)
    files = [no for no, _ in pack.files]
    plan.pack_sealed([FileEnd(no, 0, b"", "gone" if no == files[0] else "") for no in files])
    assert plan._outstanding_bytes == 3000
    plan.credit(Stored(1, [(number_of(pack), number_of(pack))]))
    assert (plan.stored_bytes, plan._outstanding_bytes) == (3000, 0)


# --- a receiver that cheats -------------------------------------------------------------------


@pytest.mark.parametrize(
    "ranges",
    [
        [(1, 0)],
        [(0, 3)],
        [(3, 3)],
        [(0, (1 << 63) - 1)],
        [((1 << 63) - 1, (1 << 63) - 1)],
        [(0, 0), (0, 0)],
        [(0, 1), (1, 2)],
    ],
)
def test_a_false_report_is_refused(ranges: list[tuple[int, int]]) -> None:
    """X14: numbers never sent, sent once and reported twice, or ranges that run backwards."""
    plan = plan_of(3 * MIB)
    seal(plan, *jobs_of(plan))
    with pytest.raises(RemoteProtocolError) as caught:
        plan.credit(Stored(1, ranges))
    assert caught.value.exit_code == 6


def test_a_report_repeated_later_is_refused() -> None:
    """X14: credit for one record is given once."""
    plan = plan_of(3 * MIB)
    seal(plan, *jobs_of(plan))
    plan.credit(Stored(1, [(0, 1)]))
    with pytest.raises(RemoteProtocolError):
        plan.credit(Stored(1, [(1, 2)]))


@pytest.mark.parametrize("size", [MIB, 100])
def test_a_report_of_a_record_still_being_sealed_is_refused(size: int) -> None:
    """X14, A4: whoever reports what has not left yet is refused, and nothing is counted."""
    plan = plan_of(size)
    (job,) = jobs_of(plan)
    with pytest.raises(RemoteProtocolError):
        plan.credit(Stored(1, [(0, 0)]))
    assert plan.stored_bytes == 0
    seal(plan, job)
    plan.credit(Stored(1, [(0, 0)]))
    assert plan.stored_bytes == size


def test_a_pack_that_failed_is_not_counted() -> None:
    """X14: a report of a pack while it is read, all of whose files then fail, adds no byte."""
    plan = plan_of(100, 200)
    (job,) = jobs_of(plan)
    with pytest.raises(RemoteProtocolError):
        plan.credit(Stored(1, [(0, 0)]))
    plan.uncount(job)
    plan.pack_sealed([FileEnd(0, 0, b"", "gone"), FileEnd(1, 0, b"", "gone")])
    assert (plan.stored_bytes, plan._outstanding_bytes) == (0, 0)


# --- failures ---------------------------------------------------------------------------------


def test_a_file_that_fails_gives_no_more_jobs() -> None:
    """C11: its other records are dropped as they come back, the next file goes on."""
    plan = plan_of(4 * MIB, 2 * MIB, window=2 * MIB)
    first, second = jobs_of(plan)
    assert isinstance(first, LeavesJob)
    assert isinstance(second, LeavesJob)
    assert plan.read_failed(first) is True
    assert plan.leaves_sealed(second, [HASH] * 16, MIB, last=False) is False
    assert plan.read_failed(second) is False
    assert plan._outstanding_bytes == 0
    assert [job.file_no for job in jobs_of(plan) if isinstance(job, LeavesJob)] == [1, 1]


@settings(max_examples=50)
@given(
    st.lists(
        st.sampled_from([None, 0, 1, 5000, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 3 * MIB]),
        min_size=1,
        max_size=30,
    ),
    st.data(),
)
def test_every_chosen_byte_is_given_out_once(sizes: list[int | None], data: st.DataObject) -> None:
    """C1: over any files, choice and pace of credit, jobs cover each chosen file exactly."""
    skip = data.draw(st.sets(st.integers(0, len(sizes) - 1)))
    plan = plan_of(*sizes, window=2 * MIB, skip=skip)
    covered = {n: 0 for n, size in enumerate(sizes) if size is not None and n not in skip}
    waiting: list[SealJob] = []
    while not plan.exhausted or waiting:
        job = plan.next_job()
        assert plan._outstanding_bytes <= 2 * MIB
        if job is None:
            if not waiting:
                break
            number = number_of(waiting.pop(data.draw(st.integers(0, len(waiting) - 1))))
            plan.credit(Stored(1, [(number, number)]))
            continue
        assert not isinstance(job, HashJob)
        waiting.append(job)
        seal(plan, job)
        if isinstance(job, LeavesJob):
            assert job.offset == covered[job.file_no]
            covered[job.file_no] += job.plain_bytes
            assert job.last == (covered[job.file_no] == sizes[job.file_no])
        elif isinstance(job, PackJob):
            for no, size in job.files:
                assert covered[no] == 0
                covered[no] = size
    assert covered == {n: sizes[n] for n in covered}
    assert plan.given_out == len(covered)


def test_links_and_folders_give_no_jobs() -> None:
    """C7: what has no content is passed over, and an offer of links alone ends at once."""
    link = Entry("t/l", EntryKind.LINK, 0, 0o777, 0, "x")
    plan = plan_for(Manifest.of([Entry("t", EntryKind.FOLDER, 0, 0o755, 0), link]))
    assert plan.next_job() is None
    assert plan.exhausted
    assert plan.given_out == 0
