"""Paths between two transfer machines.

``PlainPath`` carries messages and bodies as they are, in any order that keeps control messages in
theirs. ``SealedPath`` carries them through two sessions and a byte stream that is cut anywhere.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from typing import Protocol

from tallow.protocol.bulk import BulkKeys, BulkSendChannel, Reserved
from tallow.protocol.chain import ChainLimits
from tallow.protocol.messages import (
    Control,
    TransferMessage,
    Verified,
    decode_control,
    encode_control,
)
from tallow.wire.frames import LinkReader, LinkType, encode_link, encode_record
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
        taken = False
        while self._messages or self._mixed:
            # At least one: a path that stands still lets time pass, as if something were lost.
            if taken and self._random.random() < 0.2:
                return
            taken = True
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
