"""The view: events folded into what there is to see, purely."""

from __future__ import annotations

import pytest

from tallow.engine import events as e
from tallow.engine.view import FAILED_FILES_SHOWN, TransferView, View, fold
from tests.engine.samples import EVERY


def folded(*events: e.AnyEvent) -> TransferView:
    """Return what is seen of transfer 1 after these events."""
    view = View()
    for event in events:
        view = fold(view, event)
    return view.transfers[1]


def test_a_whole_transfer_is_seen() -> None:
    """After one of every event everything that was said is in the view."""
    seen = folded(*EVERY)
    assert (seen.direction, seen.relay, seen.code) == ("send", "relay.test:4433", "7-a-b-c")
    assert (seen.peer_name, seen.fingerprint, seen.digits) == ("Bob", "ab cd", "12345")
    assert seen.emoji == (("⛵", "boat"),)
    assert seen.verify == "needed"
    assert isinstance(seen.offer, e.OfferReceived)
    assert seen.progress is not None
    assert [event.path for event in seen.failed_files] == ["a"]
    assert [event.path for event in seen.skipped_sources] == ["p/link"]
    assert isinstance(seen.result, e.TransferError)
    assert seen.state == "failed"


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (e.TransferDone(1, "send", 1, 5, 0.5, 0, "", ""), "done"),
        (e.TransferError(1, "code", "", "", "", 5), "failed"),
        (e.TransferState(1, "deciding"), "deciding"),
    ],
)
def test_the_state_is_the_last_one(event: e.AnyEvent, state: str) -> None:
    """A final event decides the state."""
    assert folded(e.TransferState(1, "waiting"), event).state == state


def test_folding_changes_nothing_in_place() -> None:
    """The old view is as it was: whoever holds it sees no half-done change."""
    before = fold(View(), e.TransferAdded(1, "receive"))
    after = fold(before, e.TransferState(1, "waiting"))
    assert before.transfers[1].state == "connecting"
    assert after.transfers[1].state == "waiting"
    with pytest.raises(TypeError):
        after.transfers[2] = TransferView(2)  # type: ignore[index]


def test_transfers_do_not_mix() -> None:
    """Each ticket has its own view."""
    view = View()
    for ticket in (1, 2):
        view = fold(view, e.TransferAdded(ticket, "send"))
    view = fold(view, e.TransferState(2, "waiting"))
    assert [view.transfers[ticket].state for ticket in (1, 2)] == ["connecting", "waiting"]


def test_what_changes_nothing_gives_the_same_view() -> None:
    """A front door that compares by identity repaints nothing."""
    view = fold(View(), e.TransferAdded(1, "send"))
    assert fold(view, e.PeerJoined(1)) is view
    assert fold(view, e.TransferFile(1, "a", "renamed", "a (1)")) is view


def test_a_failed_command_is_no_transfer() -> None:
    """A command for an unknown ticket does not make one appear."""
    view = View()
    assert fold(view, e.CommandFailed(4711, "This transfer has ended.")) is view


def test_lists_are_capped() -> None:
    """X17: a transfer of which everything fails does not fill the memory of the screen."""
    failed = [e.TransferFile(1, str(n), "failed") for n in range(3 * FAILED_FILES_SHOWN)]
    skipped = [e.SourceSkipped(1, str(n), "no") for n in range(3 * FAILED_FILES_SHOWN)]
    seen = folded(*failed, *skipped)
    assert len(seen.failed_files) == len(seen.skipped_sources) == FAILED_FILES_SHOWN
    assert seen.failed_files[0].path == "0"


def test_the_code_is_not_in_the_repr() -> None:
    """A4: a view in a log or a traceback does not show the code."""
    assert "7-a-b-c" not in repr(folded(*EVERY))
