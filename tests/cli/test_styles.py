"""How events are told in each style."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import get_args

import pytest

from tallow.cli.options import Speech
from tallow.cli.render import Output
from tallow.cli.style_choice import style_for
from tallow.cli.styles import Style, Telling
from tallow.engine import events as e
from tests.cli.happenings import (
    ALLOCATED,
    CODE,
    CONNECTED,
    JOINED,
    PLAIN,
    RELAY,
    TICKET,
    TRANSFERRING,
    WAITING,
    done,
    ended,
    offer,
    peer_up,
    progress,
)
from tests.cli.still_console import StillConsole

ONE_OF_EACH: tuple[e.AnyEvent, ...] = (
    e.TransferAdded(TICKET, "receive"),
    CONNECTED,
    e.RelayFallback(TICKET, RELAY, "tcp", "quic", "connection refused"),
    e.RelayLost(TICKET, RELAY, "reset", 2.0),
    e.RelayNotice(TICKET, "crowded"),
    ALLOCATED,
    WAITING,
    e.CodeGuessed(TICKET, 1, 3, can_reopen=True),
    e.CodeDropped(TICKET, 2, 3, dead=False),
    e.CodeClosed(TICKET, "code-guessed", "This code is dead.", ""),
    JOINED,
    e.PeerRefused(TICKET, "peer-version", "Other version.", ""),
    peer_up(),
    e.SameWishMet(TICKET, "receive"),
    e.VerifyStep(TICKET, "confirmed_there"),
    e.SourceSkipped(TICKET, "socket", "no file"),
    e.OfferSent(TICKET, "files", 3, 1, 9),
    offer(*PLAIN),
    e.OfferAnswered(TICKET, True, 3, 9),
    e.TextArrived(TICKET, "hi", "", "bob"),
    TRANSFERRING,
    e.SessionLost(TICKET, "The wire broke.", 0.2, 60.0),
    e.TransferResumed(TICKET, 3, 1, 0),
    e.TransferNotResumed(TICKET, "it is damaged"),
    e.TransferPaused(TICKET, "here", "disk-full", 9),
    e.TransferContinued(TICKET),
    e.SyncRemoved(TICKET, "old/", "it is not empty"),
    e.SyncRound(TICKET, 2, 3, 9, 0, 0.5),
    progress(),
    e.TransferFile(TICKET, "a.txt", "failed", "it changed"),
    e.TransferUnfinished(TICKET, "ab" * 8, "send", ["/a"], "bob", 3, 9, 60.0, expired=False),
    e.CommandFailed(TICKET, "too late"),
    done(),
    ended("peer-gone", 5),
)


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.at = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.at


def told(
    events: Sequence[e.AnyEvent],
    speech: Speech | None = None,
    console: StillConsole | None = None,
    *,
    sending: bool = False,
    qr: bool | None = None,
) -> StillConsole:
    """Return the console after events were told on it."""
    console = console or StillConsole()
    style, _ = style_on(console, speech or Speech(), sending=sending, qr=qr)
    for event in events:
        style.show(event)
    return console


def style_on(
    console: StillConsole, speech: Speech, *, sending: bool = False, qr: bool | None = None
) -> tuple[Style, Clock]:
    """Return a style that tells on a console, and its clock."""
    clock = Clock()
    output = Output(console, no_color=True)
    return style_for(speech, output, Telling(sending, clock, speech.verbose, qr)), clock


def terminal(size: tuple[int, int] = (80, 24)) -> StillConsole:
    """Return a terminal."""
    return StillConsole(
        stdin_tty=True, stdout_tty=True, stderr_tty=True, environment={"TERM": "xterm"}, size=size
    )


def test_the_list_above_is_complete() -> None:
    """These tests show one event of every kind."""
    assert {type(event) for event in ONE_OF_EACH} == set(get_args(e.AnyEvent))


@pytest.mark.parametrize("speech", [Speech(), Speech(quiet=True), Speech(json=True)])
def test_every_event_is_told(speech: Speech) -> None:
    """No style stumbles over any event, sending or receiving, on a terminal or off it."""
    for sending in (True, False):
        for console in (StillConsole(), terminal()):
            told(ONE_OF_EACH, speech, console, sending=sending)


def test_json_is_one_object_a_line() -> None:
    """D8: each event is one line of JSON with version and name, and nothing else is on stdout."""
    console = told(ONE_OF_EACH, Speech(json=True))
    lines = [json.loads(line) for line in console.out.splitlines()]
    assert [line["event"] for line in lines] == [
        type(event).__struct_config__.tag for event in ONE_OF_EACH
    ]
    assert all(line["v"] == 1 and line["ticket"] == TICKET for line in lines)
    assert console.err == ""


def test_json_escapes_what_terminals_act_on() -> None:
    """X05: control characters of a peer are escaped in JSON too."""
    console = told([e.TextArrived(TICKET, "\x1b[2J", "", "")], Speech(json=True))
    assert "\x1b" not in console.out


def test_quiet_says_results_and_failures() -> None:
    """-q prints the code, the text, and files that failed."""
    console = told(ONE_OF_EACH, Speech(quiet=True), sending=True)
    assert console.out == f"{CODE}\nhi"
    assert console.err.splitlines() == [
        "not as listed: old/ (it is not empty)",
        "failed: a.txt (it changed)",
        "warning: too late",
    ]


def test_the_code_of_a_receiver_is_no_result() -> None:
    """Standard output of a receiver is for what arrives; its code goes to the person."""
    for speech in (Speech(), Speech(quiet=True)):
        console = told([ALLOCATED], speech)
        assert console.out == ""
        assert CODE in console.err


def test_a_new_relay_key_is_said() -> None:
    """The first use of a relay's key is always said; a known relay only with -v."""
    assert told([CONNECTED]).err == ""
    assert RELAY in told([CONNECTED], Speech(verbose=1)).err
    first = e.RelayConnected(TICKET, RELAY, "cd" * 32, "tcp", first_use=True)
    assert "first use, its key sha256:cdcd" in told([first]).err


def test_a_weak_code_is_warned_of() -> None:
    """A code that can be guessed is never shown without saying so."""
    weak = e.CodeAllocated(TICKET, "mycode", RELAY, "", 60, 41.0, weak=True)
    assert "warning: the relay's operator" in told([weak], sending=True).err


def test_a_picture_where_it_fits() -> None:
    """C10: the code is drawn on a terminal that is large enough, and only there."""
    assert "█" in told([ALLOCATED], console=terminal(size=(100, 50)), sending=True).err
    assert "█" not in told([ALLOCATED], console=terminal(size=(80, 24)), sending=True).err
    assert "█" not in told([ALLOCATED], console=StillConsole(size=(100, 50)), sending=True).err


def test_a_picture_by_option() -> None:
    """--qr draws it anywhere, --no-qr nowhere."""
    assert "█" in told([ALLOCATED], sending=True, qr=True).err
    large = terminal(size=(100, 50))
    assert "█" not in told([ALLOCATED], console=large, sending=True, qr=False).err


def test_progress_moves_on_a_terminal() -> None:
    """The line is redrawn at most four times a second by events, and by the clock between them."""
    console = terminal()
    style, clock = style_on(console, Speech())
    style.show(TRANSFERRING)
    clock.at = 1.0
    style.show(progress(100_000_000))
    shown = console.err
    style.show(progress(110_000_000))
    assert console.err == shown
    clock.at = 1.25
    style.tick()
    assert "11 %" in console.err.removeprefix(shown)
    clock.at = 9.0
    style.tick()
    assert "stalled 8 s" in console.err


def test_waiting_is_shown_on_a_terminal() -> None:
    """Before bytes flow, the passing line says what is waited for."""
    assert "Waiting for the other side…" in told([WAITING], console=terminal()).err
    assert told([WAITING]).err == ""


def test_no_animation_off_a_terminal() -> None:
    """A log gets no progress, with -v a line every ten seconds."""
    for verbose, lines in ((0, 0), (1, 2)):
        console = StillConsole()
        style, clock = style_on(console, Speech(verbose=verbose))
        style.show(TRANSFERRING)
        style.show(progress())
        for second in range(1, 21):
            clock.at = float(second)
            style.tick()
        assert console.err.count("62 %") == lines
        assert "\r" not in console.err


def test_failed_files_are_listed_and_counted() -> None:
    """The first files that failed are named, the rest counted; -v names all."""
    failed: list[e.AnyEvent] = [
        e.TransferFile(TICKET, f"f{number}", "failed", "gone") for number in range(25)
    ]
    short = told([*failed, done(failed=25)]).err
    assert short.count("failed: f") == 20
    assert "failed: … and 5 more" in short
    assert told([*failed, done(failed=25)], Speech(verbose=1)).err.count("failed: f") == 25


def test_files_that_arrived_are_not_listed() -> None:
    """Only what is different from the offer is named."""
    events: list[e.AnyEvent] = [
        e.TransferFile(TICKET, "a", "done"),
        e.TransferFile(TICKET, "b", "renamed", "b (1)"),
    ]
    assert told(events).err == "renamed: b (b (1))\n"
    assert "done: a" in told(events, Speech(verbose=1)).err


def test_sources_left_out_are_listed_before_the_offer() -> None:
    """What will not be sent is said, with its reason."""
    many: list[e.AnyEvent] = [e.SourceSkipped(TICKET, f"s{n}", "a link") for n in range(22)]
    shown = told([*many, e.OfferSent(TICKET, "files", 1, 0, 3)], sending=True).err
    assert shown.count("left out: s") == 20
    assert "left out: … and 2 more" in shown


def test_a_text_on_a_terminal_has_its_sender() -> None:
    """On a terminal a text stands under who sent it; in a pipe it stands alone."""
    events: list[e.AnyEvent] = [peer_up(), e.TextArrived(TICKET, "hi\n", "note", "bob")]
    on_screen = told(events, console=terminal())
    assert on_screen.out == "hi\n"
    assert 'Text from: calls itself "bob", no identity' in on_screen.err
    assert '"note"' in on_screen.err
    piped = told(events)
    assert (piped.out, piped.err) == ("hi\n", "")


def test_symbols_have_names_and_digits() -> None:
    """What is compared is shown as signs, names and digits."""
    console = StillConsole()
    style, _ = style_on(console, Speech())
    style.symbols(TICKET)
    assert console.err == ""
    style.show(peer_up())
    style.symbols(TICKET)
    assert "  🐸  frog\n" in console.err
    assert "  48213 90717" in console.err


def test_the_sheet_is_shown_to_whoever_is_asked() -> None:
    """Quiet and JSON show the offer only if a person has to answer; people always see it."""
    for speech, unasked in ((Speech(), 1), (Speech(quiet=True), 0), (Speech(json=True), 0)):
        console = StillConsole()
        style, _ = style_on(console, speech)
        style.show(offer(*PLAIN))
        style.sheet(offer(*PLAIN), asked=False)
        assert console.err.count("Offer:") == unasked
        style.sheet(offer(*PLAIN), asked=True)
        assert console.err.count("Offer:") == unasked + 1
        assert "Offer:" not in console.out
