"""A relay of one's own for a measurement: a real process, a new key, figures as asked.

Before: every measurement that needs a relay whose memory and CPU are looked at.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.processes import Service

UNLIMITED = {
    "rooms": 4096,
    "rooms_per_address": 4096,
    "links": 16384,
    "links_per_address": 16384,
    "connects_per_minute": 0,
    "creates_per_minute": 0,
    "joins_per_minute": 0,
}
"""For measurements in which one address plays everybody."""


class OwnRelay(Service):
    """A relay process on a free port of 127.0.0.1."""

    def __init__(self, root: Path, figures: Mapping[str, int] | None = None) -> None:
        """Start it with these keys of ``[relay]`` and wait until it listens."""
        config = root / "relay.toml"
        lines = [f"{key} = {value}" for key, value in (figures or {}).items()]
        config.write_text("\n".join(["[relay]", *lines, ""]))
        process = subprocess.Popen(
            [sys.executable, "-m", "relay", "--listen", "127.0.0.1:0"]
            + ["--config", str(config), "--state", str(root / "relay-state")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        super().__init__(process)
        if process.stdout is None:
            raise RuntimeError("the relay has no standard output")
        self.address = process.stdout.readline().split()[1].decode()
        self.port = int(self.address.rpartition(":")[2])

    def stop(self) -> None:
        """End it at once: a second signal skips the drain."""
        self.process.terminate()
        try:
            self.process.wait(1)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
