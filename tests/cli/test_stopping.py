"""The deadline of a process that was told to stop, and signals while an exchange runs."""

from __future__ import annotations

import asyncio
import os
import signal

from tallow.cli.stopping import GRACE_S, Deadline, Signals
from tests.cli.still_console import Stage


def test_a_deadline_can_be_called_off_and_renewed() -> None:
    """What was never set stays away; what was called off stands again."""
    stage = Stage()
    deadline = Deadline(stage.outside())
    deadline.call_off()
    deadline.renew()
    assert (stage.left, stage.called_off) == ([], 0)
    deadline.set(2.5, 130)
    deadline.call_off()
    deadline.renew()
    assert stage.left == [(2.5, 130), (GRACE_S, 130)]
    assert stage.called_off == 1


async def test_signals_reach_the_loop_and_are_given_back() -> None:
    """A signal is told to the loop by its number; afterwards it does what it did before."""
    before = signal.getsignal(signal.SIGTERM)
    heard: asyncio.Queue[int] = asyncio.Queue()
    with Signals(heard.put_nowait):
        os.kill(os.getpid(), signal.SIGTERM)
        assert await heard.get() == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before
