"""A sender and a receiver with a lane on each side, over a path that a test chooses.

``PlainPath`` carries messages and bodies as they are, in any order that keeps control messages in
theirs. ``SealedPath`` carries them through two sessions and a byte stream that is cut anywhere.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from tallow.protocol.bulk import BulkKeys, BulkSendChannel, Reserved
from tallow.protocol.chain import ChainLimits
from tallow.protocol.manifest import Manifest, Selection
from tallow.protocol.messages import (
    Control,
    TransferMessage,
    Verified,
    decode_control,
    encode_control,
)
from tallow.protocol.transfer.jobs import PackJob
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
from tallow.wire import limits
from tallow.wire.frames import LinkReader, LinkType, encode_link, encode_record
from tests.pair.chance import Chance
from tests.pair.lane import Item, Made, Shelf, make, manifest_of
from tests.pair.sessions import Side, Two

Arriving = TransferMessage | Verified | tuple[int, bytes]
"""A message, or a bulk record's number and body."""


class Path(Protocol):
    """What two transfer machines need between them."""

    def open_send(self, keys: BulkKeys) -> BulkSendChannel:
        """Open a bulk channel at the sender."""

    def open_recv(self, channel: int, keys: BulkKeys) -> None:
        """Accept it at the receiver."""

    def to_receiver(self, message: Control) -> None:
        """Send a control message of the sender."""

    def to_sender(self, message: Control) -> None:
        """Send a control message of the receiver."""

    def bulk(self, reserved: Reserved, body: bytes) -> None:
        """Send a bulk record."""

    def at_receiver(self) -> Iterator[Arriving]:
        """Yield what arrives at the receiver now."""

    def at_sender(self) -> Iterator[Arriving]:
        """Yield what arrives at the sender now."""


def over_the_wire(message: Control) -> TransferMessage:
    """Return a message as the other side decodes it."""
    again = decode_control(encode_control(message))
    assert again == message
    return again  # type: ignore[return-value]  # the transfer machines send these only


class PlainPath:
    """No cipher; bulk records overtake messages and each other as a seed decides."""

    def __init__(self, seed: int | None = None) -> None:
        """Keep every order, or mix bulk records by a seed."""
        self._random = None if seed is None else random.Random(seed)
        self._messages: deque[TransferMessage] = deque()
        self._mixed: deque[Arriving] = deque()
        self._answers: deque[TransferMessage] = deque()
        self.channels: list[int] = []

    def open_send(self, keys: BulkKeys) -> BulkSendChannel:
        """Open channel 1."""
        return BulkSendChannel(1, "i", keys)

    def open_recv(self, channel: int, keys: BulkKeys) -> None:
        """Note the channel."""
        self.channels.append(channel)

    def to_receiver(self, message: Control) -> None:
        """Queue a message."""
        (self._mixed if self._random is None else self._messages).append(over_the_wire(message))

    def to_sender(self, message: Control) -> None:
        """Queue an answer."""
        self._answers.append(over_the_wire(message))

    def bulk(self, reserved: Reserved, body: bytes) -> None:
        """Queue a record under its number."""
        self._mixed.append((reserved.header.number, body))

    def at_receiver(self) -> Iterator[Arriving]:
        """Yield everything in order, or a random part of it out of order."""
        if self._random is None:
            while self._mixed:
                yield self._mixed.popleft()
            return
        while self._messages or self._mixed:
            if self._random.random() < 0.2:
                return
            if self._messages and (not self._mixed or self._random.random() < 0.5):
                yield self._messages.popleft()
            else:
                self._mixed.rotate(self._random.randrange(len(self._mixed)))
                yield self._mixed.popleft()

    def at_sender(self) -> Iterator[Arriving]:
        """Yield the answers."""
        while self._answers:
            yield self._answers.popleft()


class SealedPath:
    """Two sessions with tiny epochs over two byte streams that are split anywhere."""

    def __init__(self, seed: int = 1) -> None:
        """Greet both ways."""
        self._random = random.Random(seed)
        self._two = Two(limit=ChainLimits(records=3)).greet()
        self._readers = {"i": LinkReader(), "r": LinkReader()}

    def open_send(self, keys: BulkKeys) -> BulkSendChannel:
        """Open a bulk channel of the initiator's session."""
        return self._two.i.session.open_bulk_send(keys)

    def open_recv(self, channel: int, keys: BulkKeys) -> None:
        """Accept it in the responder's."""
        self._two.r.session.open_bulk_recv(channel, keys)

    def to_receiver(self, message: Control) -> None:
        """Seal a message of the initiator."""
        self._two.i.say(message)

    def to_sender(self, message: Control) -> None:
        """Seal a message of the responder."""
        self._two.r.say(message)

    def bulk(self, reserved: Reserved, body: bytes) -> None:
        """Seal a record under the number that was reserved for it."""
        sealed = reserved.key.seal(reserved.header.number, reserved.ad, body)
        self._two.i.ready.append(encode_record(reserved.header, sealed))

    def at_receiver(self) -> Iterator[Arriving]:
        """Yield what opens at the responder."""
        return self._arrive("i", "r")

    def at_sender(self) -> Iterator[Arriving]:
        """Yield what opens at the initiator."""
        return self._arrive("r", "i")

    def _arrive(self, source: str, target: str) -> Iterator[Arriving]:
        sides = {"i": self._two.i, "r": self._two.r}
        sent, heard = sides[source], sides[target]
        frames, sent.ready = sent.take(), []
        raw = b"".join(encode_link(LinkType.DATA, frame) for frame in frames)
        at = 0
        while at < len(raw):
            count = self._random.choice([1, 3, 20, 1000, 60_000, 500_000])
            for _, body in self._readers[target].feed(raw[at : at + count]):
                heard.receive(bytes(body))
                self._readers[target].recycle(body)
                # START opens the channel of the record behind it, so nothing is fed ahead.
                yield from self._taken(heard)
            at += count
        assert heard.spoiled == 0, "a connection was spoiled"

    def _taken(self, side: Side) -> list[Arriving]:
        taken: list[Arriving] = [*side.got, *((number, body) for _, number, body in side.bulk)]
        side.got, side.bulk = [], []
        return taken


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
    ) -> None:
        """``choose`` answers the offer, None declines; ``unnameable`` files get no final name."""
        self.items = items
        self.path: Path = path or PlainPath()
        self.manifest = manifest_of(items) if items else Manifest()
        self.sender = Sender(Chance(7), self.path.open_send)
        self.receiver = Receiver(self.path.open_recv)
        self.shelf = Shelf()
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
        self.sender.offer(self.manifest, "a note", self.now)
        return self.pump()

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
        moved |= self._receiver_events()
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
        return moved

    def _send(self) -> bool:
        moved = self._flush()
        if self.sender.state is SenderState.OFFERED:
            moved |= self.sender.next_page()
        while len(self._sealing) < self._depth and (job := self.sender.next_job()) is not None:
            self._sealing.append(make(job, self.items))
            moved = True
        if self._sealing:
            moved = True
            self._sealed(self._sealing.popleft())
        return moved | self._flush()

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
        else:
            goes = self.sender.leaves_sealed(job, made.hashes, made.size, last=made.last)
            if goes and made.body:
                self._put(made)
            elif goes:
                self.sender.nothing_sealed(job)

    def _put(self, made: Made) -> None:
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
        hashes = self.shelf.store(job)
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
                case Started():
                    pass
        return moved

    def _answer(self, offer: OfferReceived) -> None:
        chosen = self._choose(offer.manifest)
        if chosen is None:
            self.receiver.decline("not today")
        else:
            self.receiver.accept(chosen, self._window_bytes)

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
