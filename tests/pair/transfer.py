"""A sender and a receiver with a lane on each side, over a path that a test chooses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tallow.crypto.secret import SecretBytes
from tallow.protocol.manifest import Manifest, Selection
from tallow.protocol.messages import (
    Verified,
)
from tallow.protocol.missed import RecordsMissed
from tallow.protocol.ranges import Ranges
from tallow.protocol.transfer.jobs import HashJob, PackJob, SendJob
from tallow.protocol.transfer.offering import KnownTransfer
from tallow.protocol.transfer.pace import PeerContinued, PeerPaused
from tallow.protocol.transfer.receiver import (
    AllArrived,
    FileFailed,
    FileReady,
    OfferReceived,
    Receiver,
    Started,
    TextReceived,
)
from tallow.protocol.transfer.receiver import State as ReceiverState
from tallow.protocol.transfer.sender import Accepted, Delivered, Sender
from tallow.protocol.transfer.sender import State as SenderState
from tallow.protocol.transfer_proof import proves, transfer_proof
from tallow.wire import limits
from tests.pair.chance import Chance
from tests.pair.lane import Item, Made, Shelf, make, manifest_of
from tests.pair.paths import Arriving, Path, PlainPath

TH2 = bytes(range(64))
KNOWN = KnownTransfer(b"an old transfer!", SecretBytes(b"k" * 32))
"""What both sides kept of an earlier session."""


@dataclass(frozen=True)
class Here:
    """What a receiver has of an earlier transfer, and what it says of it."""

    files: dict[int, bytes]
    have: dict[int, Ranges]
    stream_hashes: tuple[bytes, ...] = ()


class Transfer:
    """One offer or text from a sender's items to a receiver's shelf."""

    def __init__(
        self,
        items: list[Item],
        path: Path | None = None,
        *,
        choose: Callable[[Manifest], Selection | None] | None = None,
        window_bytes: int = limits.WINDOW_BYTES,
        unnameable: frozenset[int] = frozenset(),
        depth: int = 3,
        here: Here | None = None,
        data_ranges: Callable[[int], list[tuple[int, int]]] | None = None,
    ) -> None:
        """``choose`` answers the offer, None declines; ``unnameable`` files get no final name.

        ``here`` is what the receiver has of an earlier transfer.
        """
        self.items = items
        self.path: Path = path or PlainPath()
        self.manifest = manifest_of(items) if items else Manifest()
        self.sender = Sender(Chance(7), self.path.open_send, data_ranges)
        self.receiver = Receiver(self.path.open_recv)
        self.shelf = Shelf()
        self.here = here
        if here is not None:
            self.shelf.files = {no: bytearray(content) for no, content in here.files.items()}
        self.paces: list[PeerPaused | PeerContinued] = []
        self.ready: dict[int, FileReady] = {}
        self.failed: dict[int, str] = {}
        self.accepted: Selection | None = None
        self.delivered: Delivered | None = None
        self.offer: OfferReceived | None = None
        self.texts: list[TextReceived] = []
        self.now = 50.0
        self._choose = choose or (lambda manifest: Selection.everything(manifest.entries))
        self._window_bytes = window_bytes
        self._unnameable = unnameable
        self._depth = depth
        self._sealing: deque[Made] = deque()
        self.most_on_the_way = 0
        self._on_the_way: dict[int, int] = {}

    def run(self) -> Transfer:
        """Offer the items and pump until the sender knows that all is durable."""
        self.offer_items()
        return self.pump()

    def offer_items(self) -> None:
        """Offer the items, as an earlier transfer if the receiver has some of it."""
        self.sender.offer(
            self.manifest,
            "a note",
            self.now,
            th2=TH2,
            known=[KNOWN] if self.here else [],
            stream_hashes=self.here.stream_hashes if self.here else (),
        )

    def say(self, text: str) -> Transfer:
        """Send a text instead."""
        self.sender.offer_text(text, "a note", self.now)
        return self.pump()

    def pump(self) -> Transfer:
        """Turn both sides until nothing moves; time passes only when nothing else does."""
        idle = 0
        while self.delivered is None and idle < 50:
            if self._turn():
                idle = 0
                continue
            idle += 1
            deadline = self.receiver.next_deadline()
            if deadline is not None:
                self.now = max(self.now, deadline)
                self.receiver.on_deadline(self.now)
        return self

    @property
    def files(self) -> dict[str, bytes]:
        """What has its final name at the receiver, by path."""
        named = {no: ready for no, ready in self.ready.items() if no not in self._unnameable}
        return {
            ready.entry.path: bytes(self.shelf.files.get(no, b""))
            for no, ready in sorted(named.items())
        }

    # --- one turn -----------------------------------------------------------------------------

    def _turn(self) -> bool:
        moved = self._send()
        for arriving in self.path.at_receiver():
            moved = True
            self._receive(arriving)
            self._receiver_events()
        moved |= self._receiver_events() | self._check()
        for message in self.receiver.bytes_to_send():
            moved = True
            self.path.to_sender(message)
        for arriving in self.path.at_sender():
            moved = True
            assert not isinstance(arriving, tuple | Verified)
            self.sender.receive(arriving, self.now)
        while (event := self.sender.next_event()) is not None:
            moved = True
            match event:
                case Accepted():
                    self.accepted = event.selection
                case Delivered():
                    self.delivered = event
                case PeerPaused() | PeerContinued():
                    self.paces.append(event)
        return moved

    def _check(self) -> bool:
        job = self.receiver.next_check()
        if job is None:
            return False
        self.receiver.checked(job, self.shelf.check(job), self.now)
        return True

    def _send(self) -> bool:
        moved = self._flush()
        moved |= self.sender.next_page()
        while len(self._sealing) < self._depth and (job := self._next_job()) is not None:
            self._sealing.append(make(job, self.items))
            moved = True
        if self._sealing:
            moved = True
            self._sealed(self._sealing.popleft())
        return moved | self._flush()

    def _next_job(self) -> SendJob | None:
        # Read at every call: a test may make records smaller.
        return self.sender.next_job(limits.RECORD_LEAVES_MAX_BYTES)

    def _flush(self) -> bool:
        messages = self.sender.bytes_to_send()
        for message in messages:
            self.path.to_receiver(message)
        return bool(messages)

    def _sealed(self, made: Made) -> None:
        job = made.job
        if isinstance(job, PackJob):
            if made.body:
                self._put(made)
            else:
                self.sender.nothing_sealed(job)
            self.sender.pack_sealed(made.ended)
        elif made.failed:
            self.sender.read_failed(job, made.failed)
        elif isinstance(job, HashJob):
            self.sender.leaves_hashed(job, made.hashes)
        else:
            goes = self.sender.leaves_sealed(job, made.hashes, made.size, last=made.last)
            if goes and made.body:
                self._put(made)
            elif goes:
                self.sender.nothing_sealed(job)

    def lost(self, lost: RecordsMissed) -> None:
        """Let records go again that the path lost."""
        for number in lost.numbers:
            self._on_the_way.pop(number)
        self.sender.missed(lost)

    def _put(self, made: Made) -> None:
        assert not isinstance(made.job, HashJob)
        self.path.bulk(made.job.reserved, made.body)
        self._on_the_way[made.job.reserved.header.number] = made.size
        self.most_on_the_way = max(self.most_on_the_way, sum(self._on_the_way.values()))

    def _receive(self, arriving: Arriving) -> None:
        if not isinstance(arriving, tuple):
            assert not isinstance(arriving, Verified)
            self.receiver.receive(arriving, self.now)
            return
        number, body = arriving
        job = self.receiver.admit(number, memoryview(body))
        hashes = [] if self.receiver.is_moot(job) else self.shelf.store(job)
        self._on_the_way.pop(number, None)
        self.receiver.stored(job, hashes, self.now)

    def _receiver_events(self) -> bool:
        moved = False
        while (event := self.receiver.next_event()) is not None:
            moved = True
            match event:
                case OfferReceived():
                    self.offer = event
                    self._answer(event)
                case TextReceived():
                    self.texts.append(event)
                    self.receiver.text_shown()
                case FileReady():
                    self._name(event)
                case FileFailed():
                    self.failed[event.file_no] = event.reason
                case AllArrived():
                    self.receiver.durable()
                case PeerPaused() | PeerContinued():
                    self.paces.append(event)
                case Started():
                    pass
        return moved

    def _answer(self, offer: OfferReceived) -> None:
        chosen = self._choose(offer.manifest)
        if chosen is None:
            self.receiver.decline("not today")
        elif self.here is None:
            self.receiver.accept(chosen, self._window_bytes)
        else:
            assert any(proves(KNOWN.key, TH2, "sender", proof) for proof in offer.proofs)
            self.receiver.resume(transfer_proof(KNOWN.key, TH2, "receiver"))
            self.receiver.accept(chosen, self._window_bytes, have=self.here.have, accept_no=2)

    def _name(self, event: FileReady) -> None:
        assert event.file_no not in self.ready, "a file was ready twice"
        self.ready[event.file_no] = event
        if event.file_no in self._unnameable:
            self.receiver.file_failed_here(event.file_no, "no room for its name")
        else:
            self.receiver.file_named(event.file_no)


def done(transfer: Transfer) -> bool:
    """Return whether both machines reached their end."""
    return (transfer.sender.state, transfer.receiver.state) == (
        SenderState.DONE,
        ReceiverState.DONE,
    )
