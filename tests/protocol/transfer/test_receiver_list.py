"""The list of an offer against a sender that announces one thing and lists another."""

from __future__ import annotations

import pytest

from tallow.protocol.manifest import EntryKind, Manifest
from tallow.protocol.messages import (
    Accept,
    Complete,
    Decline,
    FileEnd,
    Offer,
    OfferEnd,
    Page,
    Stored,
    Text,
    TextShown,
    Trailer,
    TransferMessage,
)
from tallow.protocol.transfer.receiver import OfferReceived
from tests.pair.lane import Item
from tests.protocol.transfer.test_receiver import (
    END,
    FINISH,
    ITEMS,
    MANIFEST,
    OFFER,
    PAGE,
    PROOFS,
    ROOT,
    START,
    Against,
    refuses,
)


def test_an_honest_list_is_shown_whole() -> None:
    """C4: nothing is shown before the last page; then all of it is, with its root."""
    against = Against().hear(OFFER, PAGE)
    assert against.events == []
    (event,) = against.hear(END).events
    assert isinstance(event, OfferReceived)
    assert list(event.manifest) == [item.entry for item in ITEMS]
    assert event.manifest.root() == ROOT


def offer(**changes: object) -> Offer:
    """Return the offer with something changed."""
    fields: dict[str, object] = {
        "offer": 1,
        "kind": "files",
        "entries": MANIFEST.entries,
        "pages": 1,
        "total_bytes": MANIFEST.total_bytes,
        "proofs": PROOFS,
    }
    return Offer(**{**fields, **changes})  # type: ignore[arg-type]


STREAMS = Manifest.of([Item("s", kind=EntryKind.STREAM).entry] * 2)
ONE_STREAM = Manifest.of([Item("s", kind=EntryKind.STREAM).entry])
MIXED = Manifest.of([ITEMS[0].entry, *ONE_STREAM])


def listing(manifest: Manifest, kind: str) -> list[TransferMessage]:
    """Return an offer of another manifest under a kind of its own."""
    counts = {"entries": manifest.entries, "total_bytes": manifest.total_bytes}
    return [
        offer(kind=kind, **counts),
        Page(1, 0, manifest.pages[0]),
        OfferEnd(1, manifest.root()),
    ]


LIES: dict[str, list[TransferMessage]] = {
    "a page of another offer": [OFFER, Page(2, 0, PAGE.page)],
    "pages out of order": [offer(pages=2), Page(1, 1, PAGE.page)],
    "a page twice": [offer(pages=2, entries=8), PAGE, PAGE],
    "a page too many": [offer(entries=8), PAGE, Page(1, 1, PAGE.page)],
    "a page too few": [offer(pages=2), PAGE, END],
    "no page at all": [OFFER, END],
    "more entries than announced": [offer(entries=3), PAGE],
    "fewer entries than announced": [offer(entries=5), PAGE, END],
    "more bytes than announced": [offer(total_bytes=1), PAGE, END],
    "fewer bytes than announced": [offer(total_bytes=1 << 40), PAGE, END],
    "the root of other pages": [OFFER, PAGE, OfferEnd(1, bytes(32))],
    "the end of another offer": [OFFER, PAGE, OfferEnd(2, ROOT)],
    "a page that is none": [OFFER, Page(1, 0, b"\xc1")],
    "a stream among files": listing(MIXED, "files"),
    "files in a stream offer": listing(MIXED, "stream"),
    "a file in a stream offer": listing(MANIFEST, "stream"),
    "a stream in a files offer": listing(ONE_STREAM, "files"),
    "two streams": listing(STREAMS, "stream"),
    "a page before the offer": [PAGE],
    "an end before the offer": [END],
    "two offers": [OFFER, OFFER],
    "an offer after the list": [OFFER, PAGE, END, OFFER],
    "a page after the list": [OFFER, PAGE, END, Page(1, 1, PAGE.page)],
    "a second end": [OFFER, PAGE, END, END],
    "a start before the answer": [OFFER, PAGE, END, START],
    "a trailer before the answer": [OFFER, PAGE, END, Trailer(1, [FileEnd(0, 0, b"", "x")])],
    "a finish before the answer": [OFFER, PAGE, END, FINISH],
    "a text after an offer": [OFFER, Text("psst")],
    "an offer after a text": [Text("psst"), OFFER],
    "two texts": [Text("one"), Text("two")],
    "a start alone": [START],
    "an accept": [Accept(1, 1, ROOT, b"\x0f", 1 << 22)],
    "a stored": [Stored(1, [(0, 0)])],
    "a complete": [Complete(1, bytes(32))],
    "a decline": [Decline(1)],
    "a text shown": [TextShown()],
}


@pytest.mark.parametrize("messages", LIES.values(), ids=LIES)
def test_a_list_that_lies_is_refused(messages: list[TransferMessage]) -> None:
    """X04, X07, X16: what is shown is exactly what was announced and rooted, in order."""
    against = Against()
    refuses(lambda: against.hear(*messages))
    shown = [event for event in against.events if isinstance(event, OfferReceived)]
    assert len(shown) <= (END in messages[:-1])


def test_a_stream_is_offered_alone() -> None:
    """C2: one entry of kind stream under an offer of that kind."""
    against = Against().hear(*listing(ONE_STREAM, "stream"))
    assert isinstance(against.events[0], OfferReceived)
