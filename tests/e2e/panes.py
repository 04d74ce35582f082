"""A tmux server of one's own: type as a person does, read what a person sees."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SEES_WITHIN_S = 30.0
LOOK_EVERY_S = 0.05


class Pane:
    """One shell in one window."""

    def __init__(self, server: Tmux, name: str) -> None:
        self._server = server
        self._name = name

    def types(self, text: str) -> None:
        """Type a line and press Enter."""
        self._server.call("send-keys", "-t", self._name, "-l", text)
        self._server.call("send-keys", "-t", self._name, "Enter")

    def presses(self, key: str) -> None:
        """Press one key by its tmux name."""
        self._server.call("send-keys", "-t", self._name, key)

    def screen(self) -> str:
        """Return what stands on the screen and above it."""
        return self._server.call("capture-pane", "-p", "-J", "-S", "-2000", "-t", self._name)

    def sees(self, *parts: str) -> str:
        """Wait until all parts are on the screen, and return it."""
        return self.sees_when(lambda screen: all(part in screen for part in parts), repr(parts))

    def sees_when(self, there: Callable[[str], bool], wanted: str) -> str:
        """Wait until a condition on the screen holds."""
        give_up_at = time.monotonic() + SEES_WITHIN_S
        while time.monotonic() < give_up_at:
            screen = self.screen()
            if there(screen):
                return screen
            # A person looks again; tmux has no event for "this text is on the screen".
            time.sleep(LOOK_EVERY_S)
        raise AssertionError(f"never saw {wanted} on\n{self.screen()}")


class Tmux:
    """A private tmux server."""

    def __init__(self, socket: str) -> None:
        self._socket = socket

    def call(self, *words: str) -> str:
        """Run a tmux command."""
        done = subprocess.run(
            ["tmux", "-L", self._socket, "-f", "/dev/null", *words],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def pane(self, name: str, folder: Path, home: Path, relay: str) -> Pane:
        """Open a window with a shell in which ``tallow`` is this project's."""
        self.call("new-session", "-d", "-s", name, "-x", "110", "-y", "45", "-c", str(folder))
        pane = Pane(self, name)
        settings = {
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "TALLOW_RELAY": relay,
            "PS1": "$ ",
            "LC_ALL": "C.UTF-8",
        }
        exports = " ".join(f"{key}={shlex.quote(value)}" for key, value in settings.items())
        pane.types("exec bash --norc --noprofile")
        pane.types(
            f'export {exports}; tallow() {{ {shlex.quote(sys.executable)} -m tallow "$@"; }}'
        )
        pane.types("clear; echo ready")
        pane.sees_when(lambda screen: "\nready" in screen or screen.startswith("ready"), "ready")
        return pane


@contextmanager
def tmux_server(socket: str) -> Iterator[Tmux]:
    """Hold a tmux server, or skip with a reason."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    server = Tmux(f"{socket}-{os.getpid()}")
    try:
        yield server
    finally:
        subprocess.run(
            ["tmux", "-L", f"{socket}-{os.getpid()}", "kill-server"],
            capture_output=True,
            check=False,
        )
