"""An offer as a person sees it, and the sink that a yes opens."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tallow.engine import offer as offer_module
from tallow.engine.commands import AcceptOffer, Receive
from tallow.engine.continuing import Planned
from tallow.engine.greeting import Conversation
from tallow.engine.offer import ENTRIES_SHOWN, offer_entry, offer_event, sink_for
from tallow.engine.ports import Ports
from tallow.engine.storage.inbox import Inbox
from tallow.engine.storage.stdio import StdoutSink
from tallow.engine.storage.target import STDOUT, Target, plan_target
from tallow.protocol.manifest import Entry, EntryKind, Manifest
from tallow.protocol.transfer.receiver import OfferReceived
from tests.fakes import InlineWorkers, MemoryState, SeededRng, TestClock
from tests.world.relay import MemoryDialer, MemoryRelay
from tests.world.stranger import file, folder
from tests.world.world import make

STREAM = Entry("log", EntryKind.STREAM, 0, 0o644, 0)


def ports() -> Ports:
    """Return ports that nobody uses."""
    dialer = MemoryDialer(MemoryRelay(), "192.0.2.1")
    return Ports(TestClock(), SeededRng("offer"), InlineWorkers(), dialer, MemoryState())


def target_for(place: Path | str, *entries: Entry) -> Target:
    """Plan an offer."""
    kind = "stream" if entries[0].kind is EntryKind.STREAM else "files"
    return plan_target(Manifest.of(entries), kind, str(place))


def test_every_line_shows_what_would_happen(tmp_path: Path) -> None:
    """Path as offered, target as it would be, kind, size and risks."""
    make(tmp_path, {"old": b""})
    target = target_for(tmp_path, folder("d"), file("d/a\x1bb", 3), file("old", 4))
    lines = [offer_entry(target, number) for number in range(3)]
    assert [(line.kind, line.size) for line in lines] == [("folder", 0), ("file", 3), ("file", 4)]
    assert (lines[1].path, lines[1].target) == ("d/a\x1bb", "d/a_b")
    assert lines[2].flags == ["overwrite"]
    assert offer_entry(target_for(tmp_path, STREAM), 0).kind == "stream"


@pytest.mark.parametrize("count", [1, ENTRIES_SHOWN, ENTRIES_SHOWN + 1])
def test_the_event_holds_the_first_lines(tmp_path: Path, count: int) -> None:
    """However long the list, the event is short; the counts are whole."""
    entries = [file(f"{number}", 2) for number in range(count)]
    target = target_for(tmp_path, *entries)
    # Of a conversation only what is known of the peer is read.
    known = SimpleNamespace(verified=True, fingerprint="ab", peer_name="Alice")
    event = offer_event(
        7,
        OfferReceived(target.manifest, "files", "note", (), False),
        Planned(target),
        cast(Conversation, known),
        Receive(on_conflict="skip"),
    )
    assert len(event.entries) == min(count, ENTRIES_SHOWN)
    assert (event.ticket, event.files, event.total_bytes) == (7, count, 2 * count)
    assert (event.verified, event.fingerprint, event.name) == (True, "ab", "Alice")
    assert (event.note, event.on_conflict, event.output) == ("note", "skip", target.shown)


def test_a_yes_opens_a_folder_or_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files go below the folder; a single one to the pipe behind this program."""
    inbox = sink_for(target_for(tmp_path, file("a")), AcceptOffer(1), ports(), None)
    assert isinstance(inbox, Inbox)
    assert not inbox.abandon(keep=True), "nothing arrived that could be kept"
    monkeypatch.setattr(offer_module, "STDOUT_DESCRIPTOR", 99_999)
    pipe = sink_for(target_for(STDOUT, STREAM), AcceptOffer(1), ports(), None)
    assert isinstance(pipe, StdoutSink)


def test_the_journal_key_is_made_at_need(tmp_path: Path) -> None:
    """A short transfer draws no key and writes no state."""
    outside = ports()
    sink_for(target_for(tmp_path, file("a")), AcceptOffer(1), outside, None).abandon(keep=False)
    assert outside.state.read("journal.key") is None
