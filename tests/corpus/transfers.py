"""Faults in the dialogue of a transfer: each message lost, doubled, swapped, reflected, altered.

The peers are authenticated here: what is damaged is what one of them says, as a broken or hostile
program would. Ends name who noticed and the error; "PeerGone" after silence is the session's.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from functools import cache

import msgspec

from tallow.crypto.errors import CryptoError
from tallow.errors import OfferDeclined, RecordLost, RemoteProtocolError, TallowError
from tallow.protocol.bulk import BulkKeys, BulkRecvChannel, BulkSendChannel, Reserved
from tallow.protocol.messages import Control, FileEnd
from tallow.wire.errors import WireError
from tallow.wire.frames import RecordHeader
from tests.corpus.cases import MASKS, Case, Ends, flipped
from tests.pair.lane import Item, folder
from tests.pair.paths import Arriving, PlainPath, over_the_wire
from tests.pair.transfer import Transfer, done

_chance = random.Random(11)
ITEMS = [Item("a", b"small"), folder("d"), Item("d/b", _chance.randbytes(70_000)), Item("c", b"")]
FROM_SENDER = ("Offer", "Page", "OfferEnd", "Start", "Trailer", "Finish")
FROM_RECEIVER = ("Accept", "Decline", "Stored", "Complete")
_WHOLE = ("drop", "double", "swap with next", "reflect")
_HEAD_BYTES = 34
"""Header, entries and content of the pack; of the leaves the header and half of the entries."""


def cases() -> Iterator[Case]:
    """List every fault of a transfer and of a text."""
    for what in (*FROM_SENDER, *FROM_RECEIVER, "Text", "TextShown"):
        yield from (Case(what, fault) for fault in _WHOLE)
        for field, value in _fields(what).items():
            yield from (Case(f"{what}.{field}", fault) for fault in _changes(value))
    for record in ("bulk 0", "bulk 1"):
        whole = ("drop", "double", "say twice", "swap with next", "zeros")
        yield from (Case(record, fault) for fault in whole)
        yield from (Case(record, "flip low bit", at) for at in range(_HEAD_BYTES))
        yield from (Case(record, "cut to", at) for at in range(_HEAD_BYTES))


def end(case: Case) -> Ends:
    """Play a fault; deadlines fire until somebody ends it."""
    transfer = _Faulty(case)
    who, error = "nobody", "done"
    try:
        transfer.say("hello") if case.what.startswith("Text") else transfer.run()
        if not done(transfer):
            deadline = transfer.sender.next_deadline()
            # Nobody speaks and nobody waits: the session gives a silent peer up after a minute.
            who, error = "session", "PeerGone"
            if deadline is not None:
                transfer.sender.on_deadline(deadline)
    except TallowError as raised:
        who, error = transfer.noticed_by(raised), type(raised).__name__
    except WireError:
        # A session calls it RemoteProtocolError.
        who, error = "decoder", "WireError"
    true = {item.path: item.content for item in ITEMS if item.entry.kind != 1}
    assert transfer.files.items() <= true.items()
    assert {text.text for text in transfer.texts} <= {"hello", "\x01hello"}
    return {"noticed by": who, "error": error, "files": str(len(transfer.files))}


class _Faulty(Transfer):
    """A transfer over a path with one fault, that knows who is at work."""

    def __init__(self, case: Case) -> None:
        self.busy = "sender"
        items = [] if case.what.startswith("Text") else ITEMS
        self._faulty_path = _FaultyPath(case)
        choose = (lambda _: None) if case.what.startswith("Decline") else None
        super().__init__(items, self._faulty_path, choose=choose)

    def noticed_by(self, error: TallowError) -> str:
        """Return who raised an error."""
        if self._faulty_path.spoiled:
            return "session"
        # The one deadline that the twin runs for us is the receiver's.
        return "receiver" if isinstance(error, RecordLost) else self.busy

    def _receive(self, arriving: Arriving) -> None:
        self.busy = "receiver"
        super()._receive(arriving)
        self.busy = "sender"

    def _receiver_events(self) -> bool:
        self.busy = "receiver"
        moved = super()._receiver_events()
        self.busy = "sender"
        return moved


class _FaultyPath(PlainPath):
    """A path that damages the first message of a kind, or a bulk body before it is sealed."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.spoiled = False
        self._case = case
        self._struck = False
        self._held: list[Callable[[], None]] = []
        self._records = 0
        self._send: BulkSendChannel | None = None
        self._recv: BulkRecvChannel | None = None
        self._headers: dict[int, RecordHeader] = {}

    def open_send(self, keys: BulkKeys) -> BulkSendChannel:
        self._send = super().open_send(keys)
        return self._send

    def open_recv(self, channel: int, keys: BulkKeys) -> None:
        # What a session does: the initiator's channels are odd, and an unknown one is spoiled.
        if channel % 2 == 0:
            raise RemoteProtocolError
        self._recv = BulkRecvChannel(channel, "i", keys)

    def at_receiver(self) -> Iterator[Arriving]:
        for arriving in super().at_receiver():
            if not isinstance(arriving, tuple):
                yield arriving
                continue
            body = self._opened(*arriving)
            if body is not None:
                yield arriving[0], body

    def _opened(self, number: int, sealed: bytes) -> bytes | None:
        header = self._headers[number]
        try:
            if self._recv is None or self._recv.channel != header.channel:
                raise CryptoError
            body = self._recv.open(header, memoryview(bytearray(sealed)))
        except CryptoError:
            self.spoiled = True
            raise RemoteProtocolError from None
        return None if body is None else bytes(body)

    def to_receiver(self, message: Control) -> None:
        self._pass(message, super().to_receiver, super().to_sender)

    def to_sender(self, message: Control) -> None:
        self._pass(message, super().to_sender, super().to_receiver)

    def bulk(self, reserved: Reserved, body: bytes) -> None:
        name, self._records = f"bulk {self._records}", self._records + 1
        if name != self._case.what:
            self._seal(reserved, body)
            self._let_go()
            return
        at = self._case.at or 0
        match self._case.fault:
            case "drop":
                pass
            case "double":
                self._seal(reserved, body)
                self._mixed.append(self._mixed[-1])
            case "say twice":
                assert self._send is not None
                self._seal(reserved, body)
                self._seal(self._send.reserve(), body)
            case "swap with next":
                self._struck = True
                self._held.append(lambda: self._seal(reserved, body))
            case "zeros":
                self._seal(reserved, bytes(len(body)))
            case "cut to":
                self._seal(reserved, body[:at])
            case fault:
                self._seal(reserved, flipped(body, at, MASKS[fault]))

    def _seal(self, reserved: Reserved, body: bytes) -> None:
        number = reserved.header.number
        self._headers[number] = reserved.header
        self._mixed.append((number, reserved.key.seal(number, reserved.ad, body)))

    def _pass(
        self, message: Control, on: Callable[[Control], None], back: Callable[[Control], None]
    ) -> None:
        what, _, field = self._case.what.partition(".")
        if type(message).__name__ != what or self._struck:
            on(message)
            self._let_go()
            return
        self._struck = True
        if field:
            on(_altered(message, field, self._case.fault))
        elif self._case.fault == "double":
            on(message)
            on(message)
        elif self._case.fault == "reflect":
            back(message)
        elif self._case.fault == "swap with next":
            self._held.append(lambda: on(message))

    def _let_go(self) -> None:
        if self._struck and self._held:
            self._held.pop()()


# --- fields -----------------------------------------------------------------------------------


def _altered(message: Control, field: str, fault: str) -> Control:
    name, _, inner = field.partition(".")
    value = getattr(message, name)
    if inner:
        first: FileEnd = value[0]
        changed = msgspec.structs.replace(first, **{inner: _CHANGES[fault](getattr(first, inner))})
        return msgspec.structs.replace(message, **{name: [changed, *value[1:]]})
    return msgspec.structs.replace(message, **{name: _CHANGES[fault](value)})


_CHANGES: dict[str, Callable[..., object]] = {
    "one more": lambda value: value + 1,
    "zero": lambda _: 0,
    "bit": lambda value: flipped(value, len(value) - 1, 1),
    "another word": lambda value: "\x01" + value,
    "the other kind": lambda _: "stream",
    "twice": lambda value: value * 2,
    "an unknown one": lambda _: [(4_000, 4_001)],
    "backwards": lambda _: [(1, 0)],
}


def _changes(value: object) -> list[str]:
    if value == "files":
        return ["the other kind"]
    if isinstance(value, bool | None):
        return []
    if isinstance(value, int):
        return ["one more", "zero"] if value else ["one more"]
    if isinstance(value, bytes):
        return ["bit"] if value else []
    if isinstance(value, str):
        return ["another word"]
    if isinstance(value, list) and value:
        return ["twice"] + (
            [] if isinstance(value[0], FileEnd) else ["an unknown one", "backwards"]
        )
    return []


@cache
def _dialogue() -> dict[str, Control]:
    """Return the first message of each kind in an honest transfer and an honest text."""
    heard: dict[str, Control] = {}

    class Listening(PlainPath):
        def to_receiver(self, message: Control) -> None:
            heard.setdefault(type(message).__name__, message)
            super().to_receiver(message)

        def to_sender(self, message: Control) -> None:
            heard.setdefault(type(message).__name__, message)
            super().to_sender(message)

    Transfer(ITEMS, Listening()).run()
    Transfer([], Listening()).say("hello")
    with contextlib.suppress(OfferDeclined):
        Transfer(ITEMS, Listening(), choose=lambda _: None).run()
    return heard


def _fields(what: str) -> dict[str, object]:
    message = _dialogue()[what]
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    files = fields.get("files")
    if files:
        first: FileEnd = files[0]
        fields |= {f"files.{name}": getattr(first, name) for name in first.__struct_fields__}
    return {name: value for name, value in fields.items() if _is_legal(message, name, value)}


def _is_legal(message: Control, name: str, value: object) -> bool:
    """Leave out fields without a change that means anything."""
    return bool(_changes(value)) and over_the_wire(message) == message and name != "window_bytes"
