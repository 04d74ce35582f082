"""What was written and is still to be said."""

from __future__ import annotations

import pytest

from tallow.protocol.bulk import Codec, Leaf
from tallow.protocol.messages import Stored
from tallow.protocol.ranges import as_ranges
from tallow.protocol.transfer.jobs import StoreLeaves
from tallow.protocol.transfer.report import STORED_EVERY_BYTES, STORED_EVERY_S, StoredReport
from tallow.wire import limits

HOLE = Leaf(Codec.HOLE, limits.MIB, memoryview(b""))
MEBIBYTE = Leaf(Codec.ZSTD, limits.MIB, memoryview(b"z"))


def test_a_report_is_due_after_a_moment_or_an_eighth_of_the_window() -> None:
    """C9: credit comes back before the sender starves."""
    report = StoredReport()
    wanted = STORED_EVERY_BYTES // limits.MIB
    hurries = [report.note(StoreLeaves(n, 0, n, 0, (MEBIBYTE,)), 5 + n) for n in range(wanted)]
    assert hurries == [False] * (wanted - 1) + [True]
    assert report.due_at == 5 + STORED_EVERY_S
    assert report.messages(1) == [Stored(1, [(0, wanted - 1)])]


def test_records_with_holes_hurry_too() -> None:
    """C7: they cost no credit and are counted all the same."""
    report = StoredReport()
    jobs = [StoreLeaves(n, 0, n, 0, (HOLE,)) for n in range(limits.HOLE_RECORDS_MAX // 2)]
    assert [report.note(job, 0) for job in jobs] == [False] * (len(jobs) - 1) + [True]
    assert (report.credit_bytes, report.hole_records) == (0, len(jobs))


@pytest.mark.parametrize(
    ("numbers", "ranges"),
    [
        ([], []),
        ([3], [(3, 3)]),
        ([3, 1, 2], [(1, 3)]),
        ([5, 0, 1, 7, 6, 9], [(0, 1), (5, 7), (9, 9)]),
    ],
)
def test_numbers_are_reported_as_ranges(numbers: list[int], ranges: list[tuple[int, int]]) -> None:
    """First and last included, in order, as few as possible."""
    assert as_ranges(numbers) == ranges
