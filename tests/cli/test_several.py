"""Sending to several is told: a line for each receiver, a sum, and questions about each."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tallow.cli.options import Speech
from tallow.cli.render import Output
from tallow.cli.style_choice import style_for
from tallow.cli.styles import Style, Telling
from tallow.engine import events as e
from tallow.engine.commands import ConfirmSas, ReopenCode, SendFiles, SendText
from tests.cli.happenings import CODE, DIGITS, EMOJI, PIN, RELAY, TICKET
from tests.cli.still_console import Stage, StillConsole
from tests.cli.still_engine import Step, Until

BOB, CAROL = TICKET + 1, TICKET + 2
SEND = ("send", "--receivers", "2", "--text", "hi", "--relay", "relay.example")
ROOTS = "ab" * 32


def up(ticket: int, name: str, *, verify: bool = False) -> list[e.AnyEvent]:
    """Return that a receiver came in."""
    return [
        e.TransferAdded(ticket, "send", TICKET),
        e.PeerUp(ticket, name, "", EMOJI, DIGITS, "responder", "00", verify),
    ]


def moving(ticket: int, done: int) -> list[e.AnyEvent]:
    """Return how far a receiver is."""
    return [
        e.TransferState(ticket, "transferring"),
        e.TransferProgress(ticket, "sending", done, 100_000_000, 0, 2, 5e6, 9.0, "a"),
    ]


def done(ticket: int, total_bytes: int = 100_000_000) -> e.TransferDone:
    """Return that a receiver, or everybody, has it."""
    return e.TransferDone(ticket, "send", 2, total_bytes, 20.0, 0, ROOTS, "")


DECLINED = e.TransferError(CAROL, "declined", "The other side said no.", "no room", "", 7)
PARTLY = e.TransferError(TICKET, "partly-done", "1 of 2 receivers have everything.", "", "", 9)
WHOLE: tuple[e.AnyEvent, ...] = (
    e.TransferAdded(TICKET, "send"),
    e.CodeAllocated(TICKET, CODE, RELAY, PIN, 3600, 39.0, weak=False, receivers=2),
    e.TransferState(TICKET, "waiting"),
    *up(BOB, "bob\x1b[2J"),
    *moving(BOB, 40_000_000),
    *up(CAROL, ""),
    e.TransferState(CAROL, "deciding"),
    e.SessionLost(BOB, "The wire broke.", 0.2, 60.0),
    e.TransferFile(BOB, "a", "failed", "it changed"),
    done(BOB),
    DECLINED,
)


class Clock:
    """Time that passes between two looks."""

    def __init__(self) -> None:
        self.now = 10.0

    def __call__(self) -> float:
        """Return it, a second later each time."""
        self.now += 1
        return self.now


def style_on(console: StillConsole, speech: Speech) -> Style:
    """Return the style that tells of several."""
    output = Output(console, no_color=True)
    return style_for(speech, output, Telling(True, Clock(), speech.verbose, False, receivers=2))


def told(events: Sequence[e.AnyEvent], speech: Speech, console: StillConsole) -> StillConsole:
    """Show all events."""
    style = style_on(console, speech)
    for event in events:
        style.show(event)
        style.tick()
    return console


def terminal(size: tuple[int, int] = (80, 24)) -> StillConsole:
    """Return a terminal."""
    return StillConsole(
        stdin_tty=True, stdout_tty=True, stderr_tty=True, environment={"TERM": "xterm"}, size=size
    )


def test_each_receiver_has_lines_of_its_own() -> None:
    """C13: who came, what happened and how it ended, numbered, names escaped (X05)."""
    console = told(WHOLE, Speech(), StillConsole())
    assert console.out == f"{CODE}\n"
    lines = console.err.splitlines()
    assert "It works for 2 receivers, for 1 h." in lines
    assert any(line.startswith('#1 "bob') and "no identity; symbols: 🐸" in line for line in lines)
    assert "\x1b" not in console.err
    ends = [line for line in lines if ": done" in line or ": not done" in line]
    assert len(ends) == 2
    assert ends[0].endswith(": done, 2 files, 100 MB in 20 s.")
    assert ends[1] == "#2: not done: The other side said no. (no room)"
    assert any("Lost the other side" in line and line.startswith("#1") for line in lines)
    assert any("failed: a (it changed)" in line for line in lines)


def test_a_moving_line_for_each_and_the_sum() -> None:
    """C13: on a terminal each receiver has a line, the sum stands below, and all are redrawn."""
    console = terminal()
    told(WHOLE[:10], Speech(), console)
    drawn = console.err.rsplit("\r\x1b[K", 1)[1].split("\n")
    assert len(drawn) == 3
    assert drawn[0].startswith('#1 "bob')
    assert " 40 %" in drawn[0]
    assert drawn[1] == "#2  Waiting for the receiver's answer…"
    assert drawn[2].startswith("2 receivers, 2 under way  40 MB  5.00 MB/s")
    assert all(len(line) < 80 for line in drawn)


def test_passing_lines_are_taken_back_one_by_one() -> None:
    """C13: what stays is written where the first of the moving lines stood."""
    console = terminal()
    output = Output(console, no_color=True)
    output.passing("one\ntwo\nthree")
    output.tell("stays")
    up_and_clear = "\x1b[A\r\x1b[K"
    assert console.err == f"\r\x1b[Kone\ntwo\nthree\r\x1b[K{up_and_clear * 2}stays\n"


def test_many_receivers_fit_a_small_terminal() -> None:
    """C13: those who do not fit are counted, so that nothing scrolls away."""
    console = terminal((60, 8))
    events = [event for number in range(9) for event in up(BOB + number, f"r{number}")]
    told([e.TransferAdded(TICKET, "send"), *events], Speech(), console)
    drawn = console.err.rsplit("\r\x1b[K", 1)[1].split("\n")
    assert len(drawn) == 6
    assert drawn[-2] == "… and 5 more"


def test_quiet_says_the_code_and_what_went_wrong() -> None:
    """C13: -q leaves out what is as it should be."""
    console = told(WHOLE, Speech(quiet=True), StillConsole())
    assert console.out == f"{CODE}\n"
    starts = [line.split(": ")[1] for line in console.err.splitlines()]
    assert starts == ["Lost the other side", "failed", "not done"]


def test_the_end_of_all() -> None:
    """C13: exit 0 with the sum, exit 9 with the three lines of an error."""
    stage = Stage(StillConsole())
    script: list[Step] = [*WHOLE[:-2], done(BOB), done(CAROL), done(TICKET, 200_000_000)]
    assert stage.run(*SEND, script=script) == 0
    assert "Sent 200 MB to 2 receivers in 20 s — BLAKE3 roots agree" in stage.console.err
    stage = Stage(StillConsole())
    assert stage.run(*SEND, script=[*WHOLE, PARTLY]) == 9
    assert "error: 1 of 2 receivers have everything." in stage.console.err


def test_a_receivers_end_is_not_the_end() -> None:
    """C13: an error of one receiver does not end the command, whoever else is there."""
    stage = Stage(StillConsole())
    script: list[Step] = [*WHOLE[:10], DECLINED, done(BOB), PARTLY]
    assert stage.run(*SEND, script=script) == 9


def test_symbols_are_compared_with_each_in_turn() -> None:
    """C13: --verify asks about each receiver, by its name, and answers under its ticket."""
    console = StillConsole(
        stdin_tty=True, stdout_tty=True, stderr_tty=True, answers=("y", "n"),
        environment={"TERM": "xterm", "NO_COLOR": "1"},
    )  # fmt: skip
    stage = Stage(console)
    needed = [e.VerifyStep(ticket, "needed") for ticket in (BOB, CAROL)]
    script: list[Step] = [
        e.TransferAdded(TICKET, "send"),
        *up(BOB, "bob", verify=True),
        *up(CAROL, "carol", verify=True),
        *needed,
        Until(ConfirmSas),
        Until(ConfirmSas),
        done(BOB),
        DECLINED,
        PARTLY,
    ]
    assert stage.run(*SEND, "--verify", script=script) == 9
    confirmed = [item for item in stage.engine.submitted if isinstance(item, ConfirmSas)]
    assert confirmed[0] == ConfirmSas(BOB, equal=True)
    assert 'Compare with "bob", over a call' in console.err


@pytest.mark.parametrize(
    ("words", "receivers", "said"),
    [
        ((), "1", 3),
        ((), "2", 4),
        ((), "0", 4),
        (("--words", "3"), "2", 3),
        (("--words", "6"), "0", 6),
    ],
)
def test_four_words_for_several(words: tuple[str, ...], receivers: str, said: int) -> None:
    """C13, A1: a code that more people hear has more words, unless --words says how many."""
    stage = Stage(StillConsole())
    stage.run("send", "--receivers", receivers, *words, "--text", "hi", "--relay", "r", script=[])
    command = stage.engine.submitted[0]
    assert isinstance(command, SendText | SendFiles)
    assert (command.options.receivers, command.options.words) == (int(receivers), said)


def test_a_wrong_guess_is_asked_about_once() -> None:
    """C13: the question of a reopened code is the whole's, not a receiver's."""
    stage = Stage(StillConsole())
    guessed = e.CodeGuessed(TICKET, 1, 3, can_reopen=True)
    closed = e.CodeClosed(TICKET, "code-guessed", "Somebody joined with a wrong code.", "")
    script: list[Step] = [*WHOLE[:7], guessed, Until(ReopenCode), closed, done(BOB), PARTLY]
    assert stage.run(*SEND, script=script) == 9
    assert stage.engine.submitted[1:] == [ReopenCode(TICKET, reopen=False)]
    assert "Nobody else can come in: Somebody joined" in stage.console.err
