"""Start the program as a user does, and look at what it says and leaves."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

LIMIT_S = 60.0
ANSWER_S = 30.0


@dataclass
class Person:
    """Somebody at a terminal: a home of their own and a folder to stand in."""

    home: Path
    folder: Path
    relay: str = ""
    extra: dict[str, str] = field(default_factory=dict)
    started: list[Running] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        """Return an environment that knows nothing of this machine's user."""
        kept = {key: os.environ[key] for key in ("PATH", "LANG", "SYSTEMROOT") if key in os.environ}
        return {
            **kept,
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "PYTHONUTF8": "1",
            "PYTHONWARNINGS": "error",
            **({"TALLOW_RELAY": self.relay} if self.relay else {}),
            **self.extra,
        }

    def start(self, *words: str, stdin: int | None = subprocess.DEVNULL) -> Running:
        """Start ``tallow`` with these words."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tallow", *words],
            cwd=self.folder,
            env=self.environment(),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        running = Running(process)
        self.started.append(running)
        return running

    def tidy(self) -> None:
        """End what a failed test left running."""
        for running in self.started:
            process = running.process
            if process.poll() is None:
                process.kill()
                process.communicate()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

    def run(self, *words: str, given: bytes | None = None) -> Ended:
        """Run ``tallow`` to its end."""
        stdin = subprocess.DEVNULL if given is None else subprocess.PIPE
        return self.start(*words, stdin=stdin).end(given)


@dataclass(frozen=True)
class Ended:
    """What a program left behind."""

    code: int
    out: bytes
    err: str

    def events(self) -> list[dict[str, object]]:
        """Return the --json lines of standard output."""
        return [json.loads(line) for line in self.out.splitlines()]


class Running:
    """A started program."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._head = b""

    def first_line(self) -> str:
        """Wait for the first line of standard output: the code."""
        while b"\n" not in self._head:
            self._read_more()
        return self._head.split(b"\n", 1)[0].decode()

    def event(self, name: str) -> dict[str, object]:
        """Wait for the first --json event of a name."""
        while True:
            for line in self._head.split(b"\n")[:-1]:
                event: dict[str, object] = json.loads(line)
                if event["event"] == name:
                    return event
            self._read_more()

    def _read_more(self) -> None:
        out = self.process.stdout
        assert out is not None
        ready = select.select([out], [], [], ANSWER_S)[0]
        chunk = os.read(out.fileno(), 1 << 16) if ready else b""
        if not chunk:
            ended = self.end()
            raise AssertionError(f"nothing more was said; exit {ended.code}\n{ended.err}")
        self._head += chunk

    def end(self, given: bytes | None = None) -> Ended:
        """Wait for the end."""
        try:
            out, err = self.process.communicate(given, timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            raise AssertionError(f"still running after {LIMIT_S} s\n{err.decode()}") from None
        return Ended(self.process.returncode, self._head + out, err.decode())

    def signal(self, number: int = signal.SIGINT) -> None:
        """Send a signal."""
        self.process.send_signal(number)


@dataclass(frozen=True)
class RelayProcess:
    """A relay of one's own."""

    process: subprocess.Popen[bytes]
    address: str
    pin: str

    def stop(self) -> None:
        """End it and wait."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_relay(state: Path, *words: str, listen: str = "127.0.0.1:0") -> RelayProcess:
    """Start a relay and wait until it listens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "relay", "--listen", listen, "--state", str(state), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    line = process.stdout.readline().decode().split()
    assert line and line[0] == "listening", line
    return RelayProcess(process, line[1], line[2])


@contextmanager
def relay_running(state: Path, *words: str, listen: str = "127.0.0.1:0") -> Iterator[RelayProcess]:
    """Hold a relay for the length of a block."""
    relay = start_relay(state, *words, listen=listen)
    try:
        yield relay
    finally:
        relay.stop()
        if relay.process.stdout is not None:
            relay.process.stdout.close()


def tree_of(folder: Path) -> dict[str, bytes | None]:
    """Return every path below a folder with its content; None for folders."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def make_tree(folder: Path, files: dict[str, bytes], folders: Sequence[str] = ()) -> Path:
    """Make files and folders, and return the folder."""
    for name in folders:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
