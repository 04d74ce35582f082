"""Records on their way out: jobs to the lane while there is credit, sealed ones to the connection.

In the order in which jobs were given, at the rate that a person set; a file that cannot be read
fails alone. Before: sending.py drives it. After: lane.py and the connection.
It never decides which leaves go when: the machine does.
"""

from __future__ import annotations

from collections.abc import Iterable

from tallow.engine import events as e
from tallow.engine.commands import SendOptions
from tallow.engine.compression import Compressor
from tallow.engine.context import ExchangeContext
from tallow.engine.greeting import Conversation
from tallow.engine.lane import Sealed, SealLane
from tallow.engine.lanes import Lanes
from tallow.engine.ports import Lane
from tallow.engine.settings import LanesChoice
from tallow.engine.source import Source
from tallow.engine.storage.outbox import Outbox, ReadFailed
from tallow.engine.throttle import Throttle
from tallow.protocol.transfer.jobs import HashJob, HoleJob, LeavesJob, PackJob, StreamJob
from tallow.protocol.transfer.sender import Sender
from tallow.wire import limits

BURST_S = 0.25
BURST_MIN_BYTES = 64 * limits.KIB
REMEMBERED_RECORDS = 4096
LANES_FROM_BYTES = 4 * limits.MIB
"""Less than this is over before a lane stands."""
FAR_S = 0.03
VERY_FAR_S = 0.08


def lanes_wanted(mode: LanesChoice, total_bytes: int, rtt_s: float | None) -> int:
    """Return how many lanes to ask for: one is enough where the way is short."""
    if mode == "tls" or (mode == "auto" and total_bytes < LANES_FROM_BYTES):
        return 0
    if rtt_s is None or rtt_s < FAR_S:
        return 1
    return 4 if rtt_s < VERY_FAR_S else 8


def new_throttle(rate_bps: int, now: float) -> Throttle | None:
    """Return what holds a sender, or several together, to a rate; None for 0."""
    return Throttle(rate_bps, _burst_bytes(rate_bps), now) if rate_bps else None


def _burst_bytes(rate_bps: int) -> int:
    return max(BURST_MIN_BYTES, int(rate_bps * BURST_S))


class Outflow:
    """What is read, sealed and written of one offer."""

    def __init__(
        self,
        context: ExchangeContext,
        conversation: Conversation,
        sender: Sender,
        source: Source,
        options: SendOptions,
    ) -> None:
        self._context = context
        self._link = conversation.link
        self._session = conversation.session
        self._clock = context.ports.clock
        self._sender = sender
        self._source = source
        self._compressor = Compressor(enabled=options.compress)
        ring = conversation.link.ring
        self._lane = SealLane(context.ports.workers, source.reader, ring, self._compressor)
        rate_bps = options.throttle_bps
        burst_bytes = _burst_bytes(rate_bps)
        self._throttle = context.throttle or new_throttle(rate_bps, self._clock.now())
        most = limits.RECORD_LEAVES_MAX_BYTES
        # A slow rate changes records, never leaves.
        self._record_bytes = min(most, burst_bytes // 2) if rate_bps else most
        self._ready: Sealed | None = None
        self._failed: set[int] = set()
        self._by_lane: dict[int, Lane] = {}
        self._reports = 0
        self._silent_since: float | None = None
        self._turn_at = 0.0
        """When a record that waits for its turn may go; 0 if none waits."""
        self.path = ""
        """The file that was last at work."""

    async def stop(self) -> None:
        """Wait for what runs; its results are dropped."""
        await self._lane.stop()

    @property
    def wake_at(self) -> float:
        """When something is to be done although nothing happens; 0 for never."""
        since = self._silent_since
        times = [self._turn_at, 0.0 if since is None else since + limits.LANE_SILENT_S]
        return min((at for at in times if at), default=0.0)

    def move(self) -> bool:
        """Send pages, write sealed records, start jobs; False if there was nothing to do."""
        connection, moved = self._link.connection, False
        while not connection.congested and not self._session.congested:
            if not self._sender.next_page():
                break
            self._link.flush()
            moved = True
        self._give_up_silent_lanes()
        self._ask_about_lost()
        while self._has_room and (sealed := self._next_sealed()) is not None:
            self._write(sealed)
            self._lane.give_back(sealed)
            self._compressor.observe(wire_stalled=not self._has_room)
            moved = True
        while (
            self._lane.has_room and (job := self._sender.next_job(self._record_bytes)) is not None
        ):
            self._lane.start(job)
            moved = True
        return moved

    def _next_sealed(self) -> Sealed | None:
        """Return the next record that may be written now."""
        if self._ready is None:
            self._ready = self._lane.next_sealed()
        ready = self._ready
        if ready is None:
            return None
        if self._throttle is not None and ready.frame:
            now = self._clock.now()
            wait_s = self._throttle.take(len(ready.frame), now)
            if wait_s:
                self._turn_at = now + wait_s
                return None
        self._ready, self._turn_at = None, 0.0
        return ready

    @property
    def _lanes(self) -> Lanes | None:
        """The lanes that this offer may use: a pipe cannot be read twice, so it never does."""
        return None if self._source.manifest.streams else self._link.lanes

    @property
    def _has_room(self) -> bool:
        """Whether a record may be written now, on a lane or on the link."""
        lanes = self._lanes
        if lanes is not None and lanes.standing:
            return lanes.have_room
        return not self._link.connection.congested

    def _send(self, frame: memoryview, number: int) -> None:
        """Write a sealed record: to a lane with room if there are lanes, else to the link."""
        lanes = self._lanes
        lane = lanes.send(frame[limits.LINK_HEADER_BYTES :]) if lanes is not None else None
        if lane is None:
            self._link.connection.send(frame)
            return
        self._by_lane[number] = lane
        if len(self._by_lane) > REMEMBERED_RECORDS:
            still = self._on_the_way(self._by_lane)
            self._by_lane = {number: self._by_lane[number] for number in still}

    def _on_the_way(self, numbers: Iterable[int]) -> list[int]:
        plan = self._sender.plan
        return plan.on_the_way(numbers) if plan is not None else []

    def _give_up_silent_lanes(self) -> None:
        """Notice that what goes over lanes is swallowed: for long nothing at all was reported.

        Nobody else would: the lane takes bytes, and the link is alive.
        """
        plan, lanes = self._sender.plan, self._lanes
        waits = plan is not None and plan.oldest_outstanding in self._by_lane
        if plan is None or lanes is None or not waits or self._sender.paused:
            self._silent_since = None
            return
        now = self._clock.now()
        if self._silent_since is None or plan.reports != self._reports:
            self._silent_since, self._reports = now, plan.reports
        elif now >= self._silent_since + limits.LANE_SILENT_S:
            self._silent_since = None
            lanes.give_up()

    def _ask_about_lost(self) -> None:
        """Ask what became of the records that were on a lane when it died."""
        lanes, plan = self._lanes, self._sender.plan
        while lanes is not None and plan is not None and (dead := lanes.the_dead()):
            # Counting a loss may end the lanes that are left: they are the next dead.
            for lane in dead:
                numbers = [number for number, on in self._by_lane.items() if on is lane]
                for number in numbers:
                    del self._by_lane[number]
                still = plan.on_the_way(numbers)
                if still:
                    lanes.count_loss()
                    self._session.ask_missed(plan.channel, still, self._clock.now())

    def _write(self, sealed: Sealed) -> None:
        match sealed.job:
            case PackJob() as job:
                if not sealed.frame:
                    self._sender.nothing_sealed(job)
                self._sender.pack_sealed(sealed.ended)
                if sealed.frame:
                    self._send(sealed.frame, job.reserved.header.number)
                self.path = self._source.manifest.entry(job.files[-1][0]).path
                for end in sealed.ended:
                    self.file_failed(end.file_no, end.failed)
            case HashJob() as job:
                self._write_hashed(sealed, job)
            case LeavesJob() | StreamJob() | HoleJob() as job:
                self._write_leaves(sealed, job)
        # Trailers that these records caused must follow them, never overtake them.
        self._link.flush()

    def _write_leaves(self, sealed: Sealed, job: LeavesJob | StreamJob | HoleJob) -> None:
        self.path = self._source.manifest.entry(job.file_no).path
        if self._gave_up(sealed, job):
            return
        if isinstance(job, StreamJob):
            self._source.stream_hashes.extend(sealed.hashes)
        goes = self._sender.leaves_sealed(job, sealed.hashes, sealed.size, last=sealed.last)
        if goes and sealed.frame:
            self._send(sealed.frame, job.reserved.header.number)
        elif goes:
            self._sender.nothing_sealed(job)
        else:
            self._let_go(job.file_no)

    def _write_hashed(self, sealed: Sealed, job: HashJob) -> None:
        if not self._gave_up(sealed, job):
            self._sender.leaves_hashed(job, sealed.hashes)

    def _gave_up(self, sealed: Sealed, job: LeavesJob | StreamJob | HoleJob | HashJob) -> bool:
        failed = sealed.failed or self._listed_still(sealed, job)
        if failed:
            self._sender.read_failed(job, failed)
            self.file_failed(job.file_no, failed)
            self._let_go(job.file_no)
        return bool(failed)

    def _listed_still(self, sealed: Sealed, job: LeavesJob | StreamJob | HoleJob | HashJob) -> str:
        reader = self._source.reader
        if not sealed.last or not isinstance(reader, Outbox):
            return ""
        try:
            reader.finish(job.file_no)
        except ReadFailed as failure:
            return str(failure)
        return ""

    def _let_go(self, file_no: int) -> None:
        """Close a file that failed: jobs of it that were under way may have opened it again."""
        if isinstance(self._source.reader, Outbox):
            self._source.reader.release(file_no)

    @property
    def failed(self) -> frozenset[int]:
        """Files that failed on either side, as far as they were named."""
        return frozenset(self._failed)

    def file_failed(self, file_no: int, reason: str) -> None:
        """Say that a file failed, once."""
        if reason and file_no not in self._failed:
            self._failed.add(file_no)
            path = self._source.manifest.entry(file_no).path
            self._context.emit(e.TransferFile(self._context.ticket, path, "failed", reason))
