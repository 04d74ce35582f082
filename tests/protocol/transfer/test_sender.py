"""The sending machine against a receiver that answers what was never asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tallow.errors import (
    LocalProtocolError,
    OfferDeclined,
    RemoteProtocolError,
    RootMismatch,
    TimedOut,
)
from tallow.protocol.bulk import BulkKeys, BulkSendChannel, accept_digest
from tallow.protocol.manifest import Manifest, Selection
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
    Stored,
    Text,
    TextShown,
    Trailer,
    TransferMessage,
)
from tallow.protocol.transfer.jobs import HashJob, LeavesJob, PackJob
from tallow.protocol.transfer.sender import Accepted, Delivered, Sender, State
from tallow.wire import limits
from tests.pair.chance import Chance
from tests.pair.lane import Item, folder, make, manifest_of

ITEMS = [Item("a", b"aaaa"), folder("d"), Item("d/b", bytes(70_000)), Item("c", b"cc")]
MANIFEST = manifest_of(ITEMS)
ROOT = MANIFEST.root()
ALL = Selection.everything(MANIFEST.entries).bitmap
TH2 = bytes(64)


class Against:
    """A sender that hears whatever a test says."""

    def __init__(self, manifest: Manifest = MANIFEST) -> None:
        """Offer the manifest, with all its pages."""
        self.keys: list[BulkKeys] = []
        self.machine = Sender(Chance(3), self._open)
        self.said: list[Control] = []
        self.events: list[object] = []
        self.machine.offer(manifest, "note", 100, th2=TH2)
        while self.machine.next_page():
            pass
        self.sort()

    def _open(self, keys: BulkKeys) -> BulkSendChannel:
        self.keys.append(keys)
        return BulkSendChannel(2 * len(self.keys) - 1, "i", keys)

    def hear(self, *messages: TransferMessage) -> Against:
        """Feed messages and keep what comes out."""
        try:
            for message in messages:
                self.machine.receive(message, 100)
        finally:
            self.sort()
        return self

    def sort(self) -> None:
        """Keep events and messages."""
        while (event := self.machine.next_event()) is not None:
            self.events.append(event)
        self.said += self.machine.bytes_to_send()

    def send(self) -> Against:
        """Seal everything that the plan gives out."""
        while (job := self.machine.next_job()) is not None:
            made = make(job, ITEMS)
            if isinstance(job, PackJob):
                self.machine.pack_sealed(made.ended)
            elif isinstance(job, HashJob):
                self.machine.leaves_hashed(job, made.hashes)
            else:
                self.machine.leaves_sealed(job, made.hashes, made.size, last=made.last)
        self.sort()
        return self

    def of(self, kind: type[Control]) -> list[Control]:
        """Return the messages of one type."""
        return [message for message in self.said if isinstance(message, kind)]


def accept(root: bytes = ROOT, bitmap: bytes = ALL, offer: int = 1, no: int = 1) -> Accept:
    """Return an answer."""
    return Accept(offer, no, root, bitmap, limits.WINDOW_BYTES)


def finished() -> Against:
    """Return a sender that waits for the receiver's end."""
    against = Against().hear(accept()).send()
    assert against.machine.state is State.FINISHING
    return against


def roots_of(against: Against) -> bytes:
    """Return the digest that the sender's Finish named."""
    (finish,) = against.of(Finish)
    assert isinstance(finish, Finish)
    return finish.roots


def proofs_of(against: Against) -> list[bytes]:
    """Return the proofs of the offer."""
    (offer,) = against.of(Offer)
    assert isinstance(offer, Offer)
    return offer.proofs


def refuses(step: Callable[[], object]) -> None:
    """Check that a step is the peer's fault, exit 6."""
    with pytest.raises(RemoteProtocolError) as caught:
        step()
    assert caught.value.exit_code == 6


# --- the honest way ---------------------------------------------------------------------------


def test_an_offer_goes_out_in_pages() -> None:
    """C4: counts first, then the pages in order, then the root over them."""
    manifest = manifest_of([Item(f"f{n}", b"x") for n in range(1100)])
    against = Against(manifest)
    assert against.said == [
        Offer(1, "files", 1100, 3, 1100, proofs_of(against), "note"),
        *(Page(1, index, page) for index, page in enumerate(manifest.pages)),
        OfferEnd(1, manifest.root()),
    ]
    assert not against.machine.next_page()


def test_pages_leave_one_by_one() -> None:
    """C9: a list of a million names does not fill the session's memory at once."""
    machine = Sender(Chance(1), lambda keys: BulkSendChannel(1, "i", keys))
    machine.offer(manifest_of([Item(f"f{n}", b"x") for n in range(600)]), "", 0, th2=TH2)
    assert len(machine.bytes_to_send()) == 1
    assert machine.next_page()
    assert [type(message) for message in machine.bytes_to_send()] == [Page]


def test_an_answer_starts_the_transfer_under_fresh_keys() -> None:
    """A3: START carries a fresh TS and id, and the hash of exactly this answer."""
    against = Against().hear(accept())
    (start,) = against.of(Start)
    assert isinstance(start, Start)
    assert start.accept_hash == accept_digest(ROOT, 1, ALL)
    assert (start.channel, start.accept_no) == (1, 1)
    other = Sender(Chance(4), lambda keys: BulkSendChannel(1, "i", keys))
    other.offer(MANIFEST, "", 0, th2=TH2)
    other.receive(accept(), 0)
    again = next(message for message in other.bytes_to_send() if isinstance(message, Start))
    assert (again.ts, again.transfer_id) != (start.ts, start.transfer_id)
    assert isinstance(against.events[0], Accepted)


def test_the_end_is_the_receivers_word_over_the_same_roots() -> None:
    """C1: delivered means durable there, and the roots agree."""
    against = finished()
    ends = [end for trailer in against.of(Trailer) if isinstance(trailer, Trailer)
            for end in trailer.files]  # fmt: skip
    assert sorted(end.file_no for end in ends) == [0, 2, 3]
    against.hear(Stored(1, [(0, 2)]), Complete(1, roots_of(against)))
    assert against.events[-1] == Delivered(roots_of(against), (), 0)
    assert against.machine.state is State.DONE


def test_nothing_accepted_is_an_end_too() -> None:
    """C4: an answer without a single file finishes at once."""
    against = Against().hear(accept(bitmap=b"\2")).send()
    assert not against.of(Trailer)
    against.hear(Complete(1, roots_of(against)))
    assert isinstance(against.events[-1], Delivered)


def test_own_order_is_held() -> None:
    """X07: one offer or one text; jobs only while sending."""
    against = Against()
    with pytest.raises(LocalProtocolError):
        against.machine.offer(MANIFEST, "", 0, th2=TH2)
    with pytest.raises(LocalProtocolError):
        against.machine.offer_text("x", "", 0)
    assert against.machine.next_job() is None
    assert finished().machine.next_job() is None


# --- clock ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["offer", "text"])
def test_an_answer_has_ten_minutes(kind: str) -> None:
    """X13: an offer that nobody answers is given up, exit 5."""
    machine = Sender(Chance(1), lambda keys: BulkSendChannel(1, "i", keys))
    assert machine.next_deadline() is None
    if kind == "offer":
        machine.offer(MANIFEST, "", 100, th2=TH2)
    else:
        machine.offer_text("hi", "", 100)
    assert machine.next_deadline() == 700
    machine.on_deadline(699)
    with pytest.raises(TimedOut) as caught:
        machine.on_deadline(700)
    assert caught.value.exit_code == 5


def test_the_deadline_goes_with_the_answer() -> None:
    """A transfer may take as long as it takes."""
    against = Against().hear(accept())
    assert against.machine.next_deadline() is None
    text = Sender(Chance(1), lambda keys: BulkSendChannel(1, "i", keys))
    text.offer_text("hi", "", 0)
    text.receive(TextShown(), 1)
    assert text.next_deadline() is None
    assert text.state is State.DONE


# --- a receiver that cheats -------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        accept(root=bytes(32)),
        accept(offer=2),
        accept(offer=0),
        accept(bitmap=b""),
        accept(bitmap=b"\x0f\0"),
        accept(bitmap=b"\x1f"),
        accept(bitmap=b"\xff"),
        accept(bitmap=bytes(131072)),
    ],
    ids=["root", "offer 2", "offer 0", "no bitmap", "long", "a fifth file", "extra bits", "huge"],
)
def test_an_answer_to_something_else_is_refused(answer: Accept) -> None:
    """X14, X16: another root, or a bitmap that names what does not exist; nothing is started."""
    against = Against()
    refuses(lambda: against.hear(answer))
    assert against.keys == []
    assert not against.of(Start)


OUT_OF_TURN: dict[str, tuple[str, TransferMessage]] = {
    "stored before the answer": ("offered", Stored(1, [(0, 0)])),
    "complete before the answer": ("offered", Complete(1, bytes(32))),
    "text shown for an offer": ("offered", TextShown()),
    "a second answer": ("sending", accept()),
    "another second answer": ("sending", accept(bitmap=b"\1", no=2)),
    "no after yes": ("sending", Decline(1)),
    "complete before finish": ("sending", Complete(1, bytes(32))),
    "an answer after the end": ("finished", accept()),
    "an offer": ("offered", Offer(1, "files", 1, 1, 1, [bytes(32)])),
    "a page": ("offered", Page(1, 0, b"p")),
    "a start": ("sending", Start(1, 2, bytes(16), 1, bytes(32), bytes(64))),
    "a trailer": ("sending", Trailer(1, [FileEnd(0, 0, b"", "x")])),
    "a finish": ("sending", Finish(1, bytes(32))),
    "a text": ("finished", Text("x")),
}


@pytest.mark.parametrize(("stage", "message"), OUT_OF_TURN.values(), ids=OUT_OF_TURN)
def test_a_message_out_of_turn_is_refused(stage: str, message: TransferMessage) -> None:
    """X07: each message has its state, and a receiver never speaks a sender's words."""
    against = {
        "offered": Against,
        "sending": lambda: Against().hear(accept()),
        "finished": finished,
    }[stage]()
    refuses(lambda: against.hear(message))


def test_no_is_an_error_with_the_reason() -> None:
    """C4: exit 7 here too, and nothing was read."""
    against = Against()
    with pytest.raises(OfferDeclined) as caught:
        against.hear(Decline(1, "too big"))
    assert (caught.value.exit_code, caught.value.why) == (7, "too big")
    assert against.machine.next_job() is None


@pytest.mark.parametrize(
    "ranges", [[(3, 3)], [(0, 1 << 40)], [(1, 0)], [(0, 0), (0, 0)], [(0, 2), (2, 2)]]
)
def test_a_false_report_is_refused(ranges: list[tuple[int, int]]) -> None:
    """X14: unsent, backwards or twice."""
    against = finished()
    refuses(lambda: against.hear(Stored(1, ranges)))


def test_a_report_while_a_record_is_still_being_sealed() -> None:
    """X14, A4: credit for what has not left is refused at once."""
    against = Against().hear(accept(bitmap=b"\4"))
    job = against.machine.next_job()
    assert isinstance(job, LeavesJob)
    refuses(lambda: against.hear(Stored(1, [(0, 0)])))
    made = make(job, ITEMS)
    assert against.machine.leaves_sealed(job, made.hashes, made.size, last=made.last)
    against.hear(Stored(1, [(0, 0)]))
    assert against.machine.stored_bytes == 70_000


@pytest.mark.parametrize("roots", [bytes(32), b"\xff" * 32])
def test_an_end_over_other_roots_is_a_mismatch(roots: bytes) -> None:
    """C1: a receiver that has other content is not believed, exit 6."""
    against = finished()
    with pytest.raises(RootMismatch) as caught:
        against.hear(Complete(1, roots))
    assert caught.value.exit_code == 6
    assert not [event for event in against.events if isinstance(event, Delivered)]


@pytest.mark.parametrize("number", [1, 4, 1000, 0xFFFFFFFF])
def test_failures_of_files_that_it_never_got_are_refused(number: int) -> None:
    """X14, A4: an end may only name files that were sent; no other error is possible."""
    against = finished()
    refuses(
        lambda: against.hear(Complete(1, roots_of(against), [FileEnd(number, 0, b"", "no")], 1))
    )


def test_failures_there_are_told() -> None:
    """C11: with their reasons, beside this side's own."""
    against = finished()
    failed = FileEnd(2, 0, b"", "no room")
    against.hear(Complete(1, roots_of(against), [failed], 2))
    assert against.events[-1] == Delivered(roots_of(against), (failed,), 2)


@pytest.mark.parametrize("count", [0, 4, 0xFFFFFFFF])
def test_failures_are_counted_truly(count: int) -> None:
    """X14: neither fewer than are listed nor more than were sent."""
    against = finished()
    failed = FileEnd(2, 0, b"", "no room")
    refuses(lambda: against.hear(Complete(1, roots_of(against), [failed], count)))
