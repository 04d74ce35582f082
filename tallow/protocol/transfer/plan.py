"""Which leaves go when: the sender's plan over an accepted selection, under the window.

Files go in manifest order; small ones are gathered into packs, large ones are cut into records of
up to 1 MiB of consecutive leaves. A number is reserved for each job before any thread works on
it; whatever never leaves gives its credit back. Leaves that the receiver has are hashed while
nothing can be sent. Before: sender.py. After: engine/lane.py.
It never reads a file. Spec: docs/protocol.md §8.3, §8.4, §8.7.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tallow.errors import RemoteProtocolError, SourceUnreadable
from tallow.protocol.bulk import BulkSendChannel
from tallow.protocol.manifest import Manifest, Selection, has_leaves, travels_packed
from tallow.protocol.messages import FileEnd, Stored
from tallow.protocol.missed import RecordsMissed
from tallow.protocol.ranges import NOTHING, Range, Ranges
from tallow.protocol.transfer.have import had_bytes
from tallow.protocol.transfer.jobs import (
    HashJob,
    HoleJob,
    LeavesJob,
    PackJob,
    SealJob,
    SendJob,
    StreamJob,
)
from tallow.protocol.transfer.outgoing import DataRanges, Outgoing
from tallow.protocol.transfer.repair import Repairs
from tallow.wire import limits


@dataclass(slots=True)
class _OnTheWay:
    """A record that was given out and is not yet reported as stored."""

    credit_bytes: int
    covers_bytes: int
    """What it adds to the progress: holes count, what goes once more does not."""
    hole: bool = False
    repeats: bool = False
    sealed: bool = False
    resent: bool = False
    """True if it takes the place of a record that was lost with a lane."""
    hashes: Sequence[bytes] = ()
    """What was read for it: what goes once more must be the same."""
    job: SealJob | None = None


class SendPlan:
    """Gives out seal and hash jobs while there is credit, and learns how they ended."""

    def __init__(
        self,
        manifest: Manifest,
        selection: Selection,
        channel: BulkSendChannel,
        window_bytes: int,
        *,
        have: Mapping[int, Ranges] = NOTHING,
        data_ranges: DataRanges | None = None,
        stream_hashes: Sequence[bytes] = (),
    ) -> None:
        """Plan a selection; ``stream_hashes`` are of the leaves of a stream that it has."""
        self._manifest = manifest
        self._numbers = iter(selection)
        self._channel = channel
        self._window_bytes = window_bytes
        self._have = have
        self._data_ranges = data_ranges
        self._stream_hashes = stream_hashes
        self._outstanding: dict[int, _OnTheWay] = {}
        self._outstanding_bytes = 0
        self._holes_out = 0
        self._peeked: int | None = None
        self._current: Outgoing | None = None
        self._open: dict[int, Outgoing] = {}
        self._to_hash: deque[Outgoing] = deque()
        self._packs: dict[int, int] = {}
        self._stream_out = False
        self._lost: deque[_OnTheWay] = deque()
        self._dropped: set[int] = set()
        self._record_bytes = limits.RECORD_LEAVES_MAX_BYTES
        self.reports = 0
        """How often the receiver reported records as stored."""
        self.repairs = Repairs()
        self.exhausted = False
        self.given_out = 0
        self.have_bytes = sum(had_bytes(manifest.entry(no), had) for no, had in have.items())
        self.stored_bytes = self.have_bytes

    @property
    def channel(self) -> int:
        """The bulk channel."""
        return self._channel.channel

    @property
    def oldest_outstanding(self) -> int | None:
        """The record that has waited longest to be stored, or None."""
        return next(iter(self._outstanding), None)

    # --- what is given out --------------------------------------------------------------------

    def next_job(self, record_bytes: int = limits.RECORD_LEAVES_MAX_BYTES) -> SendJob | None:
        """Return the next job, or None without credit or when everything is given out.

        ``record_bytes`` is the most that a record shall carry, though never less than a leaf.
        """
        self._record_bytes = record_bytes
        return self._next_send() or self._next_hash()

    def _next_send(self) -> SealJob | None:
        if self._outstanding_bytes + limits.RECORD_LEAVES_MAX_BYTES > self._window_bytes:
            return None
        while self._lost:
            lost = self._resend(self._lost.popleft())
            if lost is not None:
                return lost
        again = self.repairs.next_piece()
        if again is not None:
            file, piece = again
            job = self._leaves_job(file, piece)
            self._register(job, _OnTheWay(job.plain_bytes, 0, repeats=True))
            return job
        # The next leaf of a stream is known only when the last one was read.
        while not self.exhausted and not self._stream_out and not self._holes_wait():
            sent = self._next_of(self._current) if self._current else self._next_file()
            if sent is not None:
                covers = sent.covers_bytes if isinstance(sent, HoleJob) else sent.plain_bytes
                hole = isinstance(sent, HoleJob)
                self._register(sent, _OnTheWay(sent.plain_bytes, covers, hole=hole))
                return sent
        return None

    def _holes_wait(self) -> bool:
        full = self._holes_out == limits.HOLE_RECORDS_MAX
        return full and self._current is not None and self._current.hole_is_next

    def _resend(self, lost: _OnTheWay) -> SealJob | None:
        """Give a lost record out once more, under a number of its own; None if it is moot."""
        old = lost.job
        if old is None or (not isinstance(old, PackJob) and old.file_no in self._dropped):
            return None
        job = replace(old, reserved=self._channel.reserve())
        if isinstance(job, PackJob):
            self._packs[job.files[0][0]] = job.reserved.header.number
        way = replace(lost, sealed=False, resent=True)
        self._register(job, way)
        return job

    def _register(self, job: SealJob, way: _OnTheWay) -> None:
        way.job = job
        self._outstanding[job.reserved.header.number] = way
        self._outstanding_bytes += way.credit_bytes
        self._holes_out += way.hole

    def _next_file(self) -> SealJob | None:
        packed: list[tuple[int, int]] = []
        packed_bytes = 0
        while (number := self._peek()) is not None:
            entry = self._manifest.entry(number)
            if not has_leaves(entry):
                self._peeked = None
                continue
            full = packed and packed_bytes + entry.size > self._record_bytes
            if not travels_packed(entry) or full or len(packed) == limits.ROOTS_PER_TRAILER:
                break
            self._peeked = None
            packed.append((number, entry.size))
            packed_bytes += entry.size
        if packed:
            self.given_out += len(packed)
            reserved = self._channel.reserve()
            self._packs[packed[0][0]] = reserved.header.number
            return PackJob(reserved, tuple(packed))
        if number is None:
            self.exhausted = True
            return None
        self._peeked = None
        self._begin(number)
        return None

    def _begin(self, number: int) -> None:
        had = self._have.get(number, ())
        file = Outgoing(number, self._manifest.entry(number), had, self._data_ranges)
        if file.streams:
            file.read_before(self._stream_hashes[: file.next_leaf])
        self._current = self._open[number] = file
        if file.hashes is not None:
            self._to_hash.append(file)
        self.given_out += 1

    def _peek(self) -> int | None:
        if self._peeked is None:
            self._peeked = next(self._numbers, None)
        return self._peeked

    def _next_of(self, file: Outgoing) -> SealJob | None:
        if file.streams:
            self._stream_out = True
            most = max(1, self._record_bytes // file.leaf)
            return StreamJob(self._channel.reserve(), file.number, file.next_leaf, most)
        hole = file.hole_is_next
        piece = file.next_send(self._record_bytes)
        if file.all_given:
            self._current = None
        if piece is None:
            return None
        if not hole:
            return self._leaves_job(file, piece)
        first, last = piece
        ends = last == file.count - 1
        lengths = file.lengths(first, last)
        return HoleJob(self._channel.reserve(), file.number, first, lengths, ends)

    def _leaves_job(self, file: Outgoing, piece: Range) -> LeavesJob:
        first, last = piece
        return LeavesJob(
            self._channel.reserve(),
            file.number,
            first,
            first * file.leaf,
            file.lengths(first, last),
            last == file.count - 1,
        )

    def _next_hash(self) -> HashJob | None:
        while self._to_hash:
            file = self._to_hash[0]
            piece = file.next_had() if file.number in self._open else None
            if piece is not None:
                first, last = piece
                lengths = file.lengths(first, last)
                ends = last == file.count - 1
                return HashJob(file.number, first, first * file.leaf, lengths, ends)
            self._to_hash.popleft()
        return None

    # --- what came of them --------------------------------------------------------------------

    def leaves_sealed(
        self, job: LeavesJob | StreamJob | HoleJob, hashes: list[bytes], size: int, *, last: bool
    ) -> FileEnd | bool:
        """Take a sealed record: how its file ended, True if it goes on, False if it had failed.

        Raises SourceUnreadable if leaves that go once more are not what they were.
        """
        way = self._outstanding[job.reserved.header.number]
        if way.resent:
            return self._sealed_again(job, way, hashes)
        way.hashes = tuple(hashes)
        if way.repeats and isinstance(job, LeavesJob):
            self.repairs.sealed(job, hashes)
            way.sealed = True
            return True
        file = self._open.get(job.file_no)
        if file is None:
            self.uncount(job)
            return False
        way.sealed = True
        covers = job.covers_bytes if isinstance(job, HoleJob) else size
        if isinstance(job, StreamJob):
            self._outstanding_bytes += size - way.credit_bytes
            way.credit_bytes = way.covers_bytes = size
            self._stream_out = False
            file.next_leaf += len(hashes)
            if last:
                self._current = None
        file.add(job.first_leaf, hashes, covers)
        return self._if_ended(file, last=last) or True

    def _sealed_again(self, job: SealJob, way: _OnTheWay, hashes: Sequence[bytes]) -> bool:
        """Check what took the place of a lost record: it was hashed and counted before."""
        if not isinstance(job, PackJob) and job.file_no in self._dropped:
            self.uncount(job)
            return False
        if tuple(hashes) != way.hashes:
            raise SourceUnreadable("A file changed while it was being sent.")
        way.sealed = True
        return True

    def leaves_hashed(self, job: HashJob, hashes: list[bytes]) -> FileEnd | None:
        """Take the hashes of leaves that the receiver has: how the file ended, if it did."""
        file = self._open.get(job.file_no)
        if file is None:
            return None
        file.add(job.first_leaf, hashes, 0)
        return self._if_ended(file, last=False)

    def _if_ended(self, file: Outgoing, *, last: bool) -> FileEnd | None:
        end = file.ended(last=last)
        if end is not None:
            del self._open[file.number]
            if file.hashes is not None:
                self.repairs.keep(file)
        return end

    def pack_sealed(self, ended: list[FileEnd]) -> list[FileEnd]:
        """Give back the credit of files that a sealed pack turned out not to hold.

        Return what is to be told of: nothing for a pack that goes once more.
        """
        way = self._outstanding.get(self._packs.pop(ended[0].file_no))
        if way is not None and way.resent and way.job is not None:
            if any(end.failed for end in ended):
                raise SourceUnreadable("A file could not be read once more.")
            self._sealed_again(way.job, way, [end.root for end in ended])
            return []
        if way is not None:
            held = tuple((end.file_no, end.size) for end in ended if not end.failed)
            if isinstance(way.job, PackJob):
                way.job = replace(way.job, files=held)
            lost = sum(self._manifest.entry(end.file_no).size for end in ended if end.failed)
            way.credit_bytes -= lost
            way.covers_bytes -= lost
            way.sealed = True
            way.hashes = tuple(end.root for end in ended if not end.failed)
            self._outstanding_bytes -= lost
        return ended

    def read_failed(self, job: LeavesJob | StreamJob | HoleJob | HashJob) -> bool:
        """Drop a file that cannot be read; False if it was dropped before.

        Raises SourceUnreadable if its end was told already and it was to go once more.
        """
        if not isinstance(job, HashJob):
            way = self._outstanding.get(job.reserved.header.number)
            self.uncount(job)
            told = job.file_no not in self._open and job.file_no not in self._dropped
            if way is not None and (way.repeats or (way.resent and told)):
                raise SourceUnreadable("A file could not be read once more.")
        file = self._open.pop(job.file_no, None)
        if file is None:
            return False
        self._dropped.add(job.file_no)
        if self._current is file:
            self._current = None
        if isinstance(job, StreamJob):
            self._stream_out = False
        return True

    def on_the_way(self, numbers: Iterable[int]) -> list[int]:
        """Return which of these records were written and are not reported as stored."""
        ways = ((number, self._outstanding.get(number)) for number in numbers)
        return [number for number, way in ways if way is not None and way.sealed]

    def missed(self, lost: RecordsMissed) -> None:
        """Give records that never arrived out again; refuses what is not on its way."""
        if lost.channel != self.channel:
            raise RemoteProtocolError("The other side misses records of an offer that is over.")
        for number in lost.numbers:
            way = self._outstanding.get(number)
            if way is None or not way.sealed or isinstance(way.job, StreamJob):
                raise RemoteProtocolError("The other side misses a record that it has reported.")
            self._forget(number)
            self._lost.append(way)

    def uncount(self, job: SealJob) -> None:
        """Give back the credit of a number that will never be sent."""
        self._forget(job.reserved.header.number)

    def _forget(self, number: int) -> _OnTheWay | None:
        way = self._outstanding.pop(number, None)
        if way is not None:
            self._outstanding_bytes -= way.credit_bytes
            self._holes_out -= way.hole
        return way

    def credit(self, stored: Stored) -> None:
        """Take the receiver's word that records are written; refuses what was never sent.

        What is still being sealed was never sent: its size may change, or it may fail.
        """
        self.reports += 1
        for first, last in stored.ranges:
            if last < first or last >= self._channel.reserved:
                raise RemoteProtocolError("The other side reports records that were never sent.")
            for number in range(first, last + 1):
                way = self._outstanding.get(number)
                if way is None:
                    raise RemoteProtocolError("The other side reports a record twice.")
                if not way.sealed:
                    raise RemoteProtocolError(
                        "The other side reports records that were never sent."
                    )
                self._forget(number)
                self.stored_bytes += way.covers_bytes
