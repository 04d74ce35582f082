"""What happens after an exchange: a signal at the terminal, and a command of the person's own.

The command line is run as it was typed; nothing that a peer said ever becomes part of it. What is
known of the exchange goes in by environment, names of a peer escaped. Its output goes to standard
error and its exit code is not ours. Documented in docs/cli.md, "When it has ended".
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tallow.cli import exit_codes, sentences, units
from tallow.display import display_text
from tallow.errors import OfferDeclined, PartlyDone

Status = Literal["done", "failed", "declined", "partly", "interrupted"]
BELL: Final = "\x07"
NOT_HANDED_ON: Final = ("TALLOW_CODE", "TALLOW_ON_DONE", "TALLOW_SEND_ON_DONE",
    "TALLOW_RECEIVE_ON_DONE", "TALLOW_RESUME_ON_DONE")  # fmt: skip
"""A spent code, and what would run the command again for every exchange that it starts."""
_WORDS: Final[dict[Status, str]] = {
    "failed": "failed",
    "declined": "declined",
    "partly": "done, but some files failed",
    "interrupted": "interrupted",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """How an exchange ended."""

    sending: bool
    exit_code: int
    files: int = 0
    total_bytes: int = 0
    output: str = ""
    """Where received files went; "" for a sender."""
    peer: str = ""
    """What the other side calls itself, as it came."""

    @property
    def status(self) -> Status:
        """The exit code in a word."""
        match self.exit_code:
            case exit_codes.DONE:
                return "done"
            case PartlyDone.exit_code:
                return "partly"
            case OfferDeclined.exit_code:
                return "declined"
            case exit_codes.INTERRUPTED | exit_codes.TERMINATED:
                return "interrupted"
            case _:
                return "failed"


def environment(ended: Ended, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the command."""
    kept = {name: value for name, value in inherited.items() if name not in NOT_HANDED_ON}
    return kept | {
        "TALLOW_STATUS": ended.status,
        "TALLOW_EXIT": str(ended.exit_code),
        "TALLOW_FILES": str(ended.files),
        "TALLOW_BYTES": str(ended.total_bytes),
        "TALLOW_OUTPUT": ended.output,
        "TALLOW_DIRECTION": "send" if ended.sending else "receive",
        "TALLOW_PEER": display_text(ended.peer, max_width=sentences.NAME_CELLS),
    }


def notice(ended: Ended) -> str:
    """Return one line for a desktop notification, without a word of the other side."""
    verb = "sending" if ended.sending else "receiving"
    if ended.status != "done":
        return f"Tallow: {verb} {_WORDS[ended.status]}"
    what = f"{units.counted(ended.files, 'file')}, " if ended.files else ""
    return f"Tallow: {verb} done, {what}{units.size(ended.total_bytes)}"


def signal_sequence(ended: Ended, term: str) -> str:
    """Return what rings the bell and asks for a notification (OSC 9), where a terminal knows it."""
    return BELL if term in ("", "dumb", "linux") else f"{BELL}\x1b]9;{notice(ended)}{BELL}"


def failure(exit_code: int) -> str:
    """Return the sentence on a command that failed."""
    how = f"exit {exit_code}" if exit_code > 0 else f"signal {-exit_code}"
    return f"warning: the command of --on-done ended with {how}."


def run(command: str, surroundings: Mapping[str, str]) -> int:
    """Run a command line in the shell of the system and return its exit code."""
    sys.stderr.flush()
    child = subprocess.Popen(  # noqa: S602 - the person's own command line, as they typed it
        command,
        shell=True,
        env=dict(surroundings),
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
    )
    try:
        return child.wait()
    except BaseException:  # Ctrl+C too: the command ends with us
        child.terminate()
        raise
