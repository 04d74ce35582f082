"""One exchange: what is answered, how it ends, what signals do."""

from __future__ import annotations

import os
import signal

import pytest

from tallow import errors
from tallow.cli import exchange
from tallow.cli.exit_codes import error_kinds
from tallow.engine import events as e
from tallow.engine.commands import (
    AcceptOffer,
    CancelTransfer,
    ConfirmSas,
    DeclineOffer,
    ReopenCode,
)
from tests.cli.happenings import (
    ALLOCATED,
    JOINED,
    NEEDED,
    PLAIN,
    TICKET,
    done,
    ended,
    entry,
    offer,
    peer_up,
)
from tests.cli.still_console import Stage, StillConsole
from tests.cli.still_engine import Call, Once, Step, StillEngine, Until

RECEIVE = ("receive", "7-mine", "--relay", "relay.example")
SEND = ("send", "--text", "hi", "--relay", "relay.example")


def at_a_terminal(*answers: str | None) -> Stage:
    """Return a stage with a person who types these answers."""
    console = StillConsole(
        stdin_tty=True, stdout_tty=True, stderr_tty=True, answers=answers,
        environment={"TERM": "xterm", "NO_COLOR": "1"},
    )  # fmt: skip
    return Stage(console)


def answers_of(stage: Stage) -> list[object]:
    """Return the commands after the first."""
    return list(stage.engine.submitted[1:])


def press(number: signal.Signals) -> Call:
    """Return a step at which a signal reaches this process."""
    return Call(lambda: os.kill(os.getpid(), number))


# --- offers -----------------------------------------------------------------------------------


def test_enter_accepts_a_plain_offer() -> None:
    """Enter is yes for an offer without warnings."""
    stage = at_a_terminal("")
    assert stage.run(*RECEIVE, script=[peer_up(), offer(), Until(AcceptOffer), done()]) == 0
    assert answers_of(stage) == [AcceptOffer(TICKET, "rename")]


def test_no_declines() -> None:
    """n leaves everything untouched and ends with exit 7."""
    stage = at_a_terminal("n")
    script: list[Step] = [peer_up(), offer(), Until(DeclineOffer), ended("declined", 7)]
    assert stage.run(*RECEIVE, script=script) == 7
    assert answers_of(stage) == [DeclineOffer(TICKET)]


def test_enter_declines_a_strangers_program() -> None:
    """Enter is no where an unverified sender's offer holds a warning."""
    stage = at_a_terminal("")
    script: list[Step] = [
        offer(*PLAIN, flags=("executable",)), Until(DeclineOffer), ended("declined", 7),
    ]  # fmt: skip
    assert stage.run(*RECEIVE, script=script) == 7
    assert "[y/N/s]" in stage.console.err


def test_the_end_of_input_declines() -> None:
    """Ctrl+D at the question is no."""
    stage = at_a_terminal(None)
    assert stage.run(*RECEIVE, script=[offer(), Until(DeclineOffer), ended("declined", 7)]) == 7


def test_nonsense_is_asked_again_then_no() -> None:
    """Three answers that are neither yes nor no are a no."""
    stage = at_a_terminal("what", "how", "why")
    assert stage.run(*RECEIVE, script=[offer(), Until(DeclineOffer), ended("declined", 7)]) == 7
    assert stage.console.err.count("Receive this file") == 3


@pytest.mark.parametrize(
    ("answer", "command"),
    [
        ("s", AcceptOffer(TICKET, conflicts=((1, "skip"),))),
        ("o", AcceptOffer(TICKET, conflicts=((1, "overwrite"),))),
        ("r", AcceptOffer(TICKET, conflicts=((1, "rename"),))),
        ("", DeclineOffer(TICKET)),
    ],
)
def test_taken_names_are_asked_about(answer: str, command: AcceptOffer | DeclineOffer) -> None:
    """C4: a name that exists is a question of its own, whose Enter stops."""
    stage = at_a_terminal("y", answer)
    last = done() if isinstance(command, AcceptOffer) else ended("declined", 7)
    taken = offer(entry(0, "new", 1), entry(1, "old", 1, flags=("overwrite",)), conflicts=1)
    stage.run(*RECEIVE, script=[taken, Until(type(command)), last])
    assert answers_of(stage) == [command]


def test_a_part_is_taken() -> None:
    """C4: what was chosen goes to the engine as runs of numbers, while events go on."""
    stage = at_a_terminal("s", "3", "", "y")
    script: list[Step] = [offer(*PLAIN), Until(AcceptOffer), done()]
    assert stage.run(*RECEIVE, script=script) == 0
    assert answers_of(stage) == [AcceptOffer(TICKET, selection=((0, 1), (3, 3)))]


def test_a_peer_that_leaves_ends_the_choice() -> None:
    """A list is no reason to sit in front of a connection that is gone."""
    stage = at_a_terminal("s")
    seen = Once(lambda: "Take or leave" in stage.console.err)
    assert stage.run(*RECEIVE, script=[offer(*PLAIN), seen, ended("peer-gone", 5)]) == 5
    stage.console.never.set()
    assert answers_of(stage) == []


def test_an_option_answers_for_taken_names() -> None:
    """--on-conflict is not asked about again."""
    stage = at_a_terminal("y")
    script: list[Step] = [offer(conflicts=2), Until(AcceptOffer), done()]
    stage.run(*RECEIVE, "--on-conflict", "skip", script=script)
    assert answers_of(stage) == [AcceptOffer(TICKET, "skip")]


def test_a_peer_that_leaves_ends_the_question() -> None:
    """While a person thinks, the exchange goes on: a peer that is gone is said at once."""
    stage = at_a_terminal()
    assert stage.run(*RECEIVE, script=[offer(), JOINED, ended("peer-gone", 5)]) == 5
    stage.console.never.set()
    assert answers_of(stage) == []
    assert stage.console.err.endswith(
        "[Y/n] \nerror: It ended.\n  why: for a reason\n  try: Do something.\n"
    )


# --- symbols and codes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "equal"), [("y", True), ("", False), ("n", False), (None, False)]
)
def test_symbols_are_compared_by_a_person(answer: str | None, equal: bool) -> None:
    """Only a clear yes confirms the symbols, and they are asked about once."""
    stage = at_a_terminal(answer)
    last = done() if equal else ended("not-verified", 3)
    script: list[Step] = [peer_up(verify=True), NEEDED, Until(ConfirmSas), last]
    assert stage.run(*SEND, "--verify", script=script) == (0 if equal else 3)
    assert answers_of(stage) == [ConfirmSas(TICKET, equal)]
    assert "🐸  frog" in stage.console.err


def test_an_offer_waits_for_the_comparison() -> None:
    """Two questions are put one after the other."""
    stage = at_a_terminal("y", "y")
    script: list[Step] = [peer_up(verify=True), offer(), Until(AcceptOffer), done()]
    assert stage.run(*RECEIVE, script=script) == 0
    assert answers_of(stage) == [ConfirmSas(TICKET, True), AcceptOffer(TICKET, "rename")]


def test_nobody_there_to_compare() -> None:
    """If the other side wants to compare and nobody can, the answer is no and says why."""
    stage = Stage()
    script: list[Step] = [peer_up(verify=True), Until(ConfirmSas), ended("not-verified", 3)]
    assert stage.run(*SEND, script=script) == 2
    assert answers_of(stage) == [ConfirmSas(TICKET, False)]
    assert "no terminal to ask on" in stage.console.err


@pytest.mark.parametrize(("answer", "reopen"), [("y", True), ("", False)])
def test_a_guessed_code_may_be_kept(answer: str, reopen: bool) -> None:
    """Keeping a code alive after a wrong guess takes an explicit yes."""
    stage = at_a_terminal(answer)
    script: list[Step] = [
        ALLOCATED, e.CodeGuessed(TICKET, 1, 3, can_reopen=True), Until(ReopenCode),
        done("send") if reopen else ended("code-guessed", 3),
    ]  # fmt: skip
    assert stage.run(*SEND, script=script) == (0 if reopen else 3)
    assert answers_of(stage) == [ReopenCode(TICKET, reopen)]


def test_a_guessed_code_dies_unattended() -> None:
    """Without a person a guessed code dies."""
    stage = Stage()
    guessed = e.CodeGuessed(TICKET, 1, 3, can_reopen=True)
    script: list[Step] = [guessed, Until(ReopenCode), ended("code-guessed", 3)]
    assert stage.run(*SEND, script=script) == 3
    assert answers_of(stage) == [ReopenCode(TICKET, False)]


# --- how it ends ------------------------------------------------------------------------------

LEAVES = {code: kind for code, kind in error_kinds().items() if not kind.__subclasses__()}


@pytest.mark.parametrize("code", sorted(LEAVES))
def test_every_error_has_its_exit_code_and_lines(code: str) -> None:
    """D8: each error of the engine ends with its exit code and three lines on standard error."""
    stage = Stage()
    exit_code = LEAVES[code].exit_code
    assert stage.run(*SEND, script=[ended(code, exit_code, "It ended.")]) == exit_code
    assert stage.console.err == "error: It ended.\n  why: for a reason\n  try: Do something.\n"
    assert stage.console.out == ""
    assert stage.engine.closed


def test_some_files_failed() -> None:
    """A transfer of which some files failed ends with exit 9."""
    stage = Stage()
    assert stage.run(*SEND, script=[done("send", failed=1)]) == errors.PartlyDone.exit_code
    assert "error: Some files could not be transferred" in stage.console.err


def test_an_engine_that_falls_silent() -> None:
    """An engine that ends without an answer is a bug and says so."""
    stage = Stage()
    assert stage.run(*SEND, script=[JOINED]) == 1
    assert "stopped without saying how" in stage.console.err


def test_strangers_tickets_are_not_ours() -> None:
    """Events of another exchange are not shown."""
    stage = Stage()
    other = e.CodeAllocated(TICKET + 1, "9-other", "r:1", "", 60, 28.0, weak=False)
    assert stage.run(*SEND, script=[other, done("send")]) == 0
    assert "9-other" not in stage.console.out


def test_a_bug_in_the_engine_shows_its_place_only_if_asked() -> None:
    """A4: -vv shows where the engine failed, never what it held."""
    for loud in (False, True):
        stage = Stage(engine=StillEngine())
        try:
            raise ValueError("a secret")
        except ValueError as crash:
            stage.engine.crashes.append(crash)
        flags = ("-vv",) if loud else ()
        assert stage.run(*SEND, *flags, script=[ended("internal", 1)]) == 1
        assert ("builtins.ValueError" in stage.console.err) is loud
        assert "a secret" not in stage.console.err


# --- signals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "said", "exit_code"),
    [(signal.SIGINT, "user", 130), (signal.SIGTERM, "terminated", 143)],
)
def test_a_signal_cancels(number: signal.Signals, said: str, exit_code: int) -> None:
    """The first signal tells the engine, which has two seconds, and the exit code says which."""
    stage = Stage()
    script: list[Step] = [ALLOCATED, press(number), Until(CancelTransfer), ended("cancelled", 130)]
    assert stage.run(*SEND, script=script) == exit_code
    assert answers_of(stage) == [CancelTransfer(TICKET, said)]  # type: ignore[arg-type]
    assert stage.left == [(2.5, exit_code)]
    assert "try: Start again for a new code." in stage.console.err


def test_the_second_signal_leaves_at_once() -> None:
    """Ctrl+C twice does not wait for anybody."""
    stage = Stage()
    script: list[Step] = [
        press(signal.SIGINT), Until(CancelTransfer), press(signal.SIGINT), JOINED, JOINED,
        ended("cancelled", 130),
    ]  # fmt: skip
    assert stage.run(*SEND, script=script) == 130
    assert stage.left == [(2.5, 130), (0, 130)]


def test_an_engine_that_does_not_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the two seconds are over the person is told, and the process leaves."""
    monkeypatch.setattr(exchange, "CANCEL_S", 0.0)
    stage = Stage()
    script: list[Step] = [
        press(signal.SIGINT), Until(CancelTransfer), Once(lambda: len(stage.left) > 1),
        ended("cancelled", 130),
    ]  # fmt: skip
    assert stage.run(*SEND, script=script) == 130
    assert stage.left == [(0.5, 130), (0, 130)]
    assert stage.console.err.startswith("error: Interrupted.\n  try: Start again")


def test_a_signal_ends_the_question() -> None:
    """Ctrl+C while a question is open takes the question back; nothing answers it later."""
    stage = at_a_terminal()
    script: list[Step] = [
        offer(), JOINED, JOINED, press(signal.SIGINT), Until(CancelTransfer),
        ended("interrupted", 130),
    ]  # fmt: skip
    assert stage.run(*RECEIVE, script=script) == 130
    stage.console.never.set()
    assert answers_of(stage) == [CancelTransfer(TICKET)]


def test_signals_are_given_back() -> None:
    """After an exchange signals do what they did before."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    Stage().run(*SEND, script=[done("send")])
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
