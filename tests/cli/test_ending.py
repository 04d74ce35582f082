"""What is told after an exchange, and the command that is run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tallow.cli import ending
from tallow.cli.ending import Ended, Status
from tests.house.tree import ROOT


@pytest.mark.parametrize(
    ("exit_code", "status"),
    [
        (0, "done"), (9, "partly"), (7, "declined"), (130, "interrupted"), (143, "interrupted"),
        (1, "failed"), (3, "failed"), (8, "failed"),
    ],
)  # fmt: skip
def test_every_exit_code_has_a_word(exit_code: int, status: Status) -> None:
    """D8: a script may look at one word."""
    assert Ended(sending=True, exit_code=exit_code).status == status


def test_the_environment_carries_no_code_and_no_loop() -> None:
    """X06: a spent code is not handed on, nor what would run the command once more."""
    inherited = {
        "PATH": "/bin", "TALLOW_CODE": "7-a-b-c", "TALLOW_ON_DONE": "x",
        "TALLOW_SEND_ON_DONE": "x", "TALLOW_RECEIVE_ON_DONE": "x", "TALLOW_RELAY": "r:1",
    }  # fmt: skip
    found = ending.environment(Ended(sending=True, exit_code=0, files=2), inherited)
    assert not found.keys() & set(ending.NOT_HANDED_ON)
    assert (found["PATH"], found["TALLOW_RELAY"], found["TALLOW_FILES"]) == ("/bin", "r:1", "2")


def test_a_peers_name_is_one_harmless_line() -> None:
    """X05: a name is escaped before it goes anywhere, whatever is in it."""
    hostile = "a\nTALLOW_EXIT=0\x00\x1b]0;x\x07\u202e\udcff"
    name = ending.environment(Ended(True, 0, peer=hostile), {})["TALLOW_PEER"]
    assert name.isprintable()
    assert name.startswith("a\\x0aTALLOW_EXIT=0\\x00")


def test_a_notification_holds_no_word_of_the_peer() -> None:
    """X05: numbers and our own words alone reach the terminal outside the screen."""
    ended = Ended(False, 9, 3, 5_000, output="/x\x07", peer="\x07bob")
    assert ending.notice(ended) == "Tallow: receiving done, but some files failed"
    done = Ended(True, 0, 1, 5_000)
    assert ending.notice(done) == "Tallow: sending done, 1 file, 5.0 kB"
    assert ending.signal_sequence(done, "xterm") == f"\x07\x1b]9;{ending.notice(done)}\x07"
    assert ending.signal_sequence(done, "linux") == "\x07"


def test_a_failure_is_said() -> None:
    """An exit code and a signal are told apart."""
    assert ending.failure(3).endswith("ended with exit 3.")
    assert ending.failure(-9).endswith("ended with signal 9.")


@pytest.mark.skipif(os.name != "posix", reason="the command is written for sh")
def test_the_command_is_run_as_typed_and_speaks_on_standard_error(tmp_path: Path) -> None:
    """X05: what a peer said is data in the environment; no shell ever reads it."""
    pwned = tmp_path / "pwned"
    hostile = f"$(touch {pwned})`touch {pwned}`;touch {pwned}|'\"&"
    script = (
        "from tallow.cli import ending; import os, sys;"
        "ended = ending.Ended(False, 0, 1, 2, output=sys.argv[1], peer=sys.argv[1]);"
        'sys.exit(ending.run(\'echo "$TALLOW_PEER"; echo "$TALLOW_OUTPUT"; cat; exit 5\','
        " ending.environment(ended, os.environ)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, hostile], cwd=ROOT, capture_output=True, text=True,
        check=False, input="not for the command",
    )  # fmt: skip
    assert (found.returncode, found.stdout) == (5, "")
    shown, output = found.stderr.splitlines()
    assert output == hostile
    assert hostile.startswith(shown.removesuffix("…"))
    assert not pwned.exists()
