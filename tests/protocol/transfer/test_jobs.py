"""Jobs say how many file bytes they carry, because credit is counted in those."""

from __future__ import annotations

from tallow.protocol.bulk import BulkKeys, BulkSendChannel, Codec, Leaf
from tallow.protocol.transfer.jobs import (
    HoleJob,
    LeavesJob,
    PackJob,
    StoreLeaves,
    StorePack,
    StreamJob,
)
from tallow.wire import limits

RESERVED = BulkSendChannel(
    1, "i", BulkKeys(bytes(32), bytes(32), bytes(16), 1, bytes(64))
).reserve()


def test_seal_jobs_count_what_they_will_carry() -> None:
    """Leaves and packs exactly, a stream the most that it may turn out to be, a hole nothing."""
    hole = HoleJob(RESERVED, 0, 0, (5, 5, 3), last=True)
    assert (hole.plain_bytes, hole.covers_bytes) == (0, 13)
    assert LeavesJob(RESERVED, 0, 0, 0, (5, 5, 3), last=True).plain_bytes == 13
    assert PackJob(RESERVED, ((0, 0), (1, 7), (2, 9))).plain_bytes == 16
    assert StreamJob(RESERVED, 0, 0, 4).plain_bytes == 4 * limits.STREAM_LEAF_BYTES


def test_store_jobs_count_what_arrived() -> None:
    """Bytes in hand, not bytes announced."""
    nothing = memoryview(b"")
    leaves = (Leaf(Codec.RAW, 3, memoryview(b"abc")), Leaf(Codec.ZSTD, 9, memoryview(b"d")))
    stored = StoreLeaves(0, 1, 0, 0, (*leaves, Leaf(Codec.HOLE, 70, nothing)))
    assert (stored.plain_bytes, stored.covers_bytes, stored.has_holes) == (12, 82, True)
    assert not StoreLeaves(0, 1, 0, 0, leaves).has_holes
    assert StorePack(0, Codec.ZSTD, nothing, ((1, 0), (2, 2))).plain_bytes == 2


def test_a_job_does_not_print_its_key() -> None:
    """A4: a job in a log shows no key material."""
    assert "RecordKey(…)" in repr(LeavesJob(RESERVED, 0, 0, 0, (1,), last=True))
