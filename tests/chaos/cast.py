"""Programs that may be killed at any moment, and whose words can be read while they run.

What a program says goes into files, so that nobody has to read along for it to go on.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.runs.programs import Person, RelayProcess, start_relay

WITHIN_S = 45.0
LOOK_EVERY_S = 0.005


def wait_for(there: Callable[[], bool], wanted: str, within_s: float = WITHIN_S) -> None:
    """Wait until a condition holds; what it is about stands in the error."""
    give_up_at = time.monotonic() + within_s
    while not there():
        if time.monotonic() >= give_up_at:
            raise AssertionError(f"waited {within_s:g} s for {wanted}")
        # Processes tell nobody when they are so far: somebody has to look again.
        time.sleep(LOOK_EVERY_S)


class Actor:
    """One side of the transfer, in one process after the other."""

    def __init__(self, person: Person, logs: Path) -> None:
        self.person = person
        self._logs = logs
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0
        self.story: list[str] = []
        """Every command line and how it ended, to repeat it by hand."""

    def start(self, *words: str) -> None:
        """Start ``tallow`` with these words and --json."""
        assert not self.alive()
        self._number += 1
        self.story.append("tallow " + " ".join(words))
        with self._file("out").open("wb") as out, self._file("err").open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tallow", *words, "--json"],
                cwd=self.person.folder,
                env=self.person.environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def alive(self) -> bool:
        """Tell whether its process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How the last process ended."""
        return None if self._process is None else self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; to a process that is gone it is nothing."""
        assert self._process is not None
        self.story.append(number.name)
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once and wait until it is gone."""
        if self._process is not None:
            if self.alive():
                self.signal(signal.SIGKILL)
            self._process.wait()

    def events(self, name: str) -> list[dict[str, object]]:
        """Return the events of one name that its last process has told so far."""
        lines = self._file("out").read_bytes().split(b"\n")[:-1]
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def said(self) -> str:
        """Return its story and the last words of its last process."""
        ended = f"exit {self.exit_code}"
        words = self._file("err").read_text(errors="replace")[-3000:]
        lines = self._file("out").read_text(errors="replace").splitlines()
        moves = [line for line in lines if '"event":"transfer.progress"' not in line][-14:]
        return "\n".join([*self.story, ended, words, *(line[:300] for line in moves), *lines[-1:]])

    def _file(self, kind: str) -> Path:
        return self._logs / f"{self.person.folder.name}-{self._number}.{kind}"


class Relay:
    """A relay that may be killed; its next process has the same port and key."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self.running: RelayProcess = start_relay(state)
        self.address = self.running.address

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process."""
        self.running.process.send_signal(number)

    def kill(self) -> None:
        """End it at once."""
        self.running.process.kill()
        self.running.process.wait()
        if self.running.process.stdout is not None:
            self.running.process.stdout.close()

    def start_again(self) -> None:
        """Start it where it was."""
        self.running = start_relay(self._state, listen=self.address)
