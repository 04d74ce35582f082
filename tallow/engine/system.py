"""The real ports, put together: system clock, randomness, threads, sockets, state folder."""

from __future__ import annotations

from pathlib import Path

from tallow.engine.paths import state_folder
from tallow.engine.ports import Ports, SystemClock, SystemRng, ThreadWorkers
from tallow.engine.settings import TransportChoice
from tallow.engine.storage.state import FileState
from tallow.engine.transport.dialer import SystemDialer


def system_ports(state_dir: Path | None = None, transport: TransportChoice = "auto") -> Ports:
    """Return the ports of a real run; nothing is opened or read yet."""
    state = FileState(state_dir or state_folder())
    return Ports(
        clock=SystemClock(),
        rng=SystemRng(),
        workers=ThreadWorkers(),
        dialer=SystemDialer(state, transport),
        state=state,
    )
