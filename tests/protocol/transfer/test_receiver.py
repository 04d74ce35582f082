"""The receiving machine against a sender that lies about lists, starts, ends and its own order."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tallow.errors import (
    IntegrityError,
    LocalProtocolError,
    RemoteProtocolError,
    RootMismatch,
)
from tallow.protocol.bulk import BulkKeys, accept_digest
from tallow.protocol.manifest import Selection
from tallow.protocol.messages import (
    Accept,
    Complete,
    Control,
    Decline,
    FileEnd,
    Finish,
    Offer,
    OfferEnd,
    Page,
    Start,
    Text,
    TextShown,
    Trailer,
    TransferMessage,
)
from tallow.protocol.transfer.receiver import (
    AllArrived,
    FileFailed,
    FileReady,
    Receiver,
    Started,
    State,
    TextReceived,
)
from tallow.protocol.transfer.roots import RootTable
from tallow.wire import limits
from tests.pair.lane import Item, Shelf, folder, leaves_body, manifest_of, pack_body, true_root

ITEMS = [Item("a", b"aaaa"), folder("d"), Item("d/b", bytes(70_000)), Item("c", b"cc")]
MANIFEST = manifest_of(ITEMS)
ROOT = MANIFEST.root()
PROOFS = [bytes([n]) * 32 for n in range(8)]
OFFER = Offer(1, "files", MANIFEST.entries, len(MANIFEST.pages), MANIFEST.total_bytes, PROOFS)
PAGE = Page(1, 0, MANIFEST.pages[0])
END = OfferEnd(1, ROOT)
EVERYTHING = Selection.everything(MANIFEST.entries)
ACCEPT_HASH = accept_digest(ROOT, 1, EVERYTHING.bitmap)
START = Start(1, 7, b"t" * 16, 1, b"s" * 32, ACCEPT_HASH)


class Against:
    """A receiver that hears whatever a test says."""

    def __init__(self) -> None:
        """Begin before the offer."""
        self.channels: list[int] = []
        self.machine = Receiver(self._open)
        self.shelf = Shelf()
        self.events: list[object] = []
        self.said: list[Control] = []
        self._number = 0

    def _open(self, channel: int, keys: BulkKeys) -> None:
        assert keys is not None
        self.channels.append(channel)

    def hear(self, *messages: TransferMessage, now: float = 0) -> Against:
        """Feed messages and keep what comes out, whether or not one is refused."""
        try:
            for message in messages:
                self.machine.receive(message, now)
        finally:
            self.sort()
        return self

    def sort(self) -> None:
        """Keep events and messages."""
        while (event := self.machine.next_event()) is not None:
            self.events.append(event)
        self.said += self.machine.bytes_to_send()

    def offered(self) -> Against:
        """Hear the whole honest list."""
        return self.hear(OFFER, PAGE, END)

    def started(self, chosen: Selection | None = None) -> Against:
        """Accept, and hear an honest START."""
        chosen = chosen or EVERYTHING
        self.offered().machine.accept(chosen)
        digest = accept_digest(ROOT, 1, chosen.bitmap)
        return self.hear(Start(1, 7, b"t" * 16, 1, b"s" * 32, digest))

    def bulk(self, body: bytes, now: float = 0) -> None:
        """Feed a bulk body and write what was admitted."""
        job = self.machine.admit(self._number, memoryview(body))
        self._number += 1
        self.machine.stored(job, self.shelf.store(job), now)
        self.sort()

    def everything(self, now: float = 0) -> Against:
        """Feed all data and all trailers, up to Finish."""
        self.bulk(pack_body([(0, b"aaaa"), (3, b"cc")]), now)
        big = ITEMS[2].content
        self.bulk(leaves_body(2, 0, [big[:65536], big[65536:]], last=True), now)
        ends = [FileEnd(no, len(ITEMS[no].content), true_root(ITEMS[no])) for no in (0, 2, 3)]
        return self.hear(Trailer(1, ends), now=now)


def digest(*numbers: int) -> bytes:
    """Return the digest over these files' roots."""
    table = RootTable(len(ITEMS))
    for number in numbers:
        table.set(number, true_root(ITEMS[number]))
    return table.digest()


FINISH = Finish(1, digest(0, 2, 3))


def refuses(step: Callable[[], object], kind: type[IntegrityError] = RemoteProtocolError) -> None:
    """Check that a step ends in this error, exit 6."""
    with pytest.raises(IntegrityError) as caught:
        step()
    assert type(caught.value) is kind
    assert caught.value.exit_code == 6


# --- the answer -------------------------------------------------------------------------------


def test_yes_names_exactly_the_list_that_was_shown() -> None:
    """C4: root, bitmap and window go back, and data is asked for once."""
    against = Against().offered()
    chosen = Selection(4)
    chosen.add(2)
    against.machine.accept(chosen, 4 << 20)
    against.sort()
    assert against.said == [Accept(1, 1, ROOT, b"\4", 4 << 20)]
    with pytest.raises(LocalProtocolError):
        against.machine.accept(chosen)
    with pytest.raises(LocalProtocolError):
        against.machine.decline()


def test_no_is_final() -> None:
    """C4: a declined offer takes neither data nor a second answer."""
    against = Against().offered()
    against.machine.decline("r" * 500)
    against.sort()
    assert against.said == [Decline(1, "r" * limits.REASON_MAX_CHARS)]
    assert against.machine.state is State.DONE
    refuses(lambda: against.hear(START))
    refuses(lambda: against.bulk(pack_body([(0, b"aaaa")])))
    with pytest.raises(LocalProtocolError):
        against.machine.accept(EVERYTHING)


def test_a_text_is_shown_and_acknowledged() -> None:
    """C2: printed without asking; the sender is told."""
    against = Against().hear(Text("hi", "note"))
    assert against.events == [TextReceived("hi", "note")]
    against.machine.text_shown()
    against.sort()
    assert against.said == [TextShown()]
    assert against.machine.state is State.DONE


# --- START ------------------------------------------------------------------------------------


def test_a_true_start_opens_the_channel() -> None:
    """C1: transfer id and manifest are told to whoever keeps the journal."""
    against = Against().started()
    assert against.channels == [7]
    assert against.events[-1] == Started(b"t" * 16, ROOT)


@pytest.mark.parametrize(
    "start",
    [
        Start(2, 7, b"t" * 16, 1, b"s" * 32, ACCEPT_HASH),
        Start(1, 7, b"t" * 16, 2, b"s" * 32, ACCEPT_HASH),
        Start(1, 7, b"t" * 16, 0, b"s" * 32, ACCEPT_HASH),
        Start(1, 7, b"t" * 16, 1, b"s" * 32, bytes(64)),
        Start(1, 7, b"t" * 16, 1, b"s" * 32, accept_digest(ROOT, 1, b"\7")),
        Start(1, 7, b"t" * 16, 1, b"s" * 32, accept_digest(bytes(32), 1, EVERYTHING.bitmap)),
        Start(1, 7, b"t" * 16, 1, b"s" * 32, accept_digest(ROOT, 2, EVERYTHING.bitmap)),
    ],
    ids=["offer", "accept number", "accept number 0", "hash", "bitmap", "root", "hash's number"],
)
def test_a_start_of_something_else_is_refused(start: Start) -> None:
    """C4, X16: only what was accepted can be started."""
    against = Against().offered()
    against.machine.accept(EVERYTHING)
    refuses(lambda: against.hear(start))
    assert against.channels == []


def test_a_second_start_is_refused() -> None:
    """A3: one accept gives one start; keys never repeat under another channel."""
    against = Against().started()
    refuses(lambda: against.hear(START))
    assert against.channels == [7]


# --- data -------------------------------------------------------------------------------------


def test_data_before_the_answer_is_refused() -> None:
    """X04: zero bytes before yes, whatever arrives."""
    against = Against().offered()
    refuses(lambda: against.bulk(pack_body([(0, b"aaaa")])))
    assert against.shelf.files == {}


@pytest.mark.parametrize(
    "body", [b"", bytes(16), pack_body([(0, b"aaaa")])[:-1], pack_body([(0, b"aaaa")]) + b"\1"]
)
def test_a_malformed_body_is_refused(body: bytes) -> None:
    """X14: bytes that opened and make no sense are the sender's fault."""
    refuses(lambda: Against().started().bulk(body))


def test_a_transfer_ends_when_everything_is_durable() -> None:
    """C1: ready one by one, all arrived once, complete only after the shell said durable."""
    against = Against().started().everything()
    ready = [event for event in against.events if isinstance(event, FileReady)]
    assert sorted(event.file_no for event in ready) == [0, 2, 3]
    assert all(event.root == true_root(ITEMS[event.file_no]) for event in ready)
    against.hear(FINISH)
    for number in (0, 2):
        against.machine.file_named(number)
    against.sort()
    assert AllArrived() not in against.events
    against.machine.file_named(3)
    against.sort()
    assert against.events.count(AllArrived()) == 1
    assert not [each for each in against.said if isinstance(each, Complete)]
    against.machine.durable()
    against.sort()
    assert against.said[-1] == Complete(1, digest(0, 2, 3))
    assert against.machine.state is State.DONE
    with pytest.raises(LocalProtocolError):
        against.machine.durable()


def test_nothing_is_complete_before_finish() -> None:
    """C1: this side cannot call itself done while the sender may still send."""
    with pytest.raises(LocalProtocolError):
        Against().started().everything().machine.durable()


def test_a_false_root_is_a_mismatch() -> None:
    """C1, X25: named so, exit 6, and no file is ready."""
    against = Against().started()
    against.bulk(pack_body([(0, b"aaaa")]))
    end = FileEnd(0, 4, true_root(Item("x", b"aaab")))
    refuses(lambda: against.hear(Trailer(1, [end])), RootMismatch)
    assert not [event for event in against.events if isinstance(event, FileReady)]


HOSTILE_ENDS: dict[str, list[FileEnd]] = {
    "an unknown file": [FileEnd(99, 0, bytes(32))],
    "a folder": [FileEnd(1, 0, bytes(32))],
    "a failed folder": [FileEnd(1, 0, b"", "no")],
    "another size": [FileEnd(0, 5, true_root(ITEMS[0]))],
    "no root": [FileEnd(0, 4, b"")],
    "twice": [FileEnd(0, 4, true_root(ITEMS[0]))] * 2,
    "after it failed": [FileEnd(0, 4, b"", "no"), FileEnd(0, 4, true_root(ITEMS[0]))],
    "failed twice": [FileEnd(0, 4, b"", "no")] * 2,
}


@pytest.mark.parametrize("ends", HOSTILE_ENDS.values(), ids=HOSTILE_ENDS)
def test_a_hostile_trailer_is_refused(ends: list[FileEnd]) -> None:
    """X07, X16: a trailer speaks once of each accepted file, with the announced size."""
    refuses(lambda: Against().started().hear(Trailer(1, ends)))


def test_a_file_that_the_sender_could_not_read_is_told() -> None:
    """C11: with the entry, so that what is here of it can go."""
    against = Against().started().hear(Trailer(1, [FileEnd(2, 0, b"", "it went away")]))
    assert against.events[-1] == FileFailed(2, ITEMS[2].entry, "it went away")
    assert against.machine.failures == {2: "it went away"}


# --- Finish -----------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [0, 2, 3])
def test_finish_before_every_trailer_is_refused(missing: int) -> None:
    """X25: "done" with a file left out is no end."""
    against = Against().started()
    ends = [
        FileEnd(no, len(ITEMS[no].content), true_root(ITEMS[no])) for no in (0, 2, 3)
        if no != missing
    ]  # fmt: skip
    against.hear(Trailer(1, ends))
    refuses(lambda: against.hear(FINISH))


@pytest.mark.parametrize("roots", [bytes(32), digest(0, 2), digest(0, 2, 1, 3), digest()])
def test_finish_over_other_roots_is_refused(roots: bytes) -> None:
    """C1: both sides must have seen the same files with the same content."""
    against = Against().started().everything()
    for number in (0, 2, 3):
        against.machine.file_named(number)
    refuses(lambda: against.hear(Finish(1, roots)))
    assert AllArrived() not in against.events


def test_nothing_comes_after_finish_but_data_on_its_way() -> None:
    """X07: no trailer and no second Finish; records that were announced still arrive."""
    against = Against().started()
    ends = [FileEnd(no, len(ITEMS[no].content), true_root(ITEMS[no])) for no in (0, 2, 3)]
    against.hear(Trailer(1, ends), FINISH)
    for message in (FINISH, Trailer(1, ends[:1]), START, Text("late")):
        refuses(lambda message=message: against.hear(message))  # type: ignore[misc]
    against.bulk(pack_body([(3, b"cc"), (0, b"aaaa")]))
    big = ITEMS[2].content
    against.bulk(leaves_body(2, 1, [big[65536:]], last=True))
    against.bulk(leaves_body(2, 0, [big[:65536]], last=False))
    for number in (0, 2, 3):
        against.machine.file_named(number)
    against.sort()
    assert AllArrived() in against.events
