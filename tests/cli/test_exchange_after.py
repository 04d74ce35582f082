"""Beside and after an exchange: the clipboard, a command of the person's own, a notification."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import replace

from tallow.cli.main import main
from tallow.engine.commands import AcceptOffer, CancelTransfer
from tests.cli.happenings import ALLOCATED, CODE, JOINED, done, ended, offer, peer_up, progress
from tests.cli.still_console import Stage
from tests.cli.still_engine import Step, Until
from tests.cli.test_exchange import RECEIVE, SEND, at_a_terminal, press


def test_a_code_is_copied_only_if_asked() -> None:
    """C10: the clipboard is left alone, unless --copy says otherwise; then it is said where."""
    stage = Stage()
    assert stage.run(*SEND, script=[ALLOCATED, JOINED, done("send")]) == 0
    assert stage.clipboard == []
    stage = Stage()
    assert stage.run(*SEND, "--copy", script=[ALLOCATED, JOINED, done("send")]) == 0
    assert stage.clipboard == [CODE]
    assert "Code copied." in stage.console.err
    assert stage.console.out == f"{CODE}\n"


def test_a_code_that_cannot_be_copied_harms_nothing() -> None:
    """C10: without a clipboard the transfer goes on; a terminal is asked instead."""
    stage = Stage(no_clipboard="no clipboard program was found")
    assert stage.run(*SEND, "--copy", script=[ALLOCATED, JOINED, done("send")]) == 0
    assert "No clipboard here: no clipboard program was found" in stage.console.err
    stage = at_a_terminal()
    stage.no_clipboard = "no clipboard program was found"
    assert stage.run(*SEND, "--copy", script=[ALLOCATED, JOINED, done("send")]) == 0
    assert "\x1b]52;c;" in stage.console.err
    assert "Asked the terminal" in stage.console.err


def test_a_command_runs_afterwards() -> None:
    """It gets the end by environment and the exit code stays ours."""
    stage = Stage(command_exit=3)
    script: list[Step] = [peer_up("$(reboot)\x1b[2J"), offer(), Until(AcceptOffer), done()]
    assert stage.run(*RECEIVE, "--yes", "--on-done", "notify-send x", script=script) == 0
    ((command, environment),) = stage.commands
    assert command == "notify-send x"
    told = {key: value for key, value in environment.items() if key.startswith("TALLOW_")}
    assert told == {
        "TALLOW_STATUS": "done", "TALLOW_EXIT": "0", "TALLOW_FILES": "3",
        "TALLOW_BYTES": "1200000000", "TALLOW_OUTPUT": "./", "TALLOW_DIRECTION": "receive",
        "TALLOW_PEER": "$(reboot)\\x1b[2J",
    }  # fmt: skip
    assert stage.console.err.endswith("warning: the command of --on-done ended with exit 3.\n")
    assert stage.engine.closed


def test_a_command_runs_after_a_failure_too() -> None:
    """What moved until then is told; with --json the last line stays the last event."""
    stage = Stage()
    script: list[Step] = [progress(), ended("peer-gone", 5)]
    assert stage.run(*SEND, "--on-done", "true", "--json", script=script) == 5
    environment = stage.commands[0][1]
    assert environment["TALLOW_STATUS"] == "failed"
    assert environment["TALLOW_DIRECTION"] == "send"
    assert (environment["TALLOW_FILES"], environment["TALLOW_BYTES"]) == ("1", "620000000")
    assert '"transfer.error"' in stage.console.out.splitlines()[-1]


def test_a_command_has_the_time_it_needs_after_ctrl_c() -> None:
    """The deadline of an interrupted exchange does not end the command, and stands again after."""
    stage = Stage()
    script: list[Step] = [press(signal.SIGINT), Until(CancelTransfer), ended("cancelled", 130)]
    assert stage.run(*SEND, "--on-done", "true", script=script) == 130
    assert stage.commands[0][1]["TALLOW_STATUS"] == "interrupted"
    assert stage.called_off == 1
    assert stage.left == [(2.5, 130), (0.5, 130)]


def test_a_command_that_cannot_start_or_is_stopped() -> None:
    """Whatever becomes of the command, the exit code is the exchange's."""
    for trouble, said in (
        (OSError(2, "No such file"), "did not start: No such file."),
        (ValueError("embedded null byte"), "did not start: it cannot be a command line."),
        (KeyboardInterrupt(), "was interrupted."),
    ):
        stage = Stage()
        outside = replace(stage.outside(), run_command=_raising(trouble))
        stage.engine.script = [done("send")]
        assert main([*SEND, "--on-done", "x"], outside) == 0
        assert said in stage.console.err


def test_a_terminal_is_notified_only_if_asked() -> None:
    """C5: the bell rings once at the end, on a terminal, and not for pipes."""
    script: list[Step] = [peer_up("\x07bob"), done("send")]
    stage = at_a_terminal()
    assert stage.run(*SEND, "--notify", script=script) == 0
    assert stage.console.err.endswith("\x07\x1b]9;Tallow: sending done, 3 files, 1.2 GB\x07")
    for quiet in (at_a_terminal(), Stage()):
        flags = () if quiet.console.stderr_tty else ("--notify",)
        assert quiet.run(*SEND, *flags, script=script) == 0
        assert "\x1b]9" not in quiet.console.err
        assert not quiet.console.err.endswith("\x07")


def _raising(trouble: BaseException) -> Callable[[str, Mapping[str, str]], int]:
    def run(command: str, environment: Mapping[str, str]) -> int:
        raise trouble

    return run
