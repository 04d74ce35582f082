"""The real ports: clocks that go forward, chance that is long enough, threads that end."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tallow.engine.ports import SystemClock, SystemRng, ThreadWorkers
from tallow.engine.system import system_ports
from tallow.engine.transport.dialer import SystemDialer


async def test_work_runs_in_a_named_thread() -> None:
    """Work is done beside the loop, in a thread that a stack dump names."""
    workers = ThreadWorkers(1)
    name = await workers.submit(lambda: threading.current_thread().name)
    assert name.startswith("tallow-lane")
    assert await workers.submit(pow, 2, 5, mod=7) == pow(2, 5, 7)
    workers.close()


async def test_a_mistake_comes_back() -> None:
    """What work raises is raised where its result is wanted."""
    workers = ThreadWorkers(1)
    with pytest.raises(ZeroDivisionError):
        await workers.submit(lambda: 1 // 0)
    workers.close()


async def test_closing_drops_what_has_not_begun() -> None:
    """Nothing new starts after the end; what runs is left to end."""
    workers = ThreadWorkers(1)
    go, begun = threading.Event(), threading.Event()

    def slow() -> bool:
        begun.set()
        return go.wait(10)

    running, waiting = workers.submit(slow), workers.submit(go.is_set)
    assert begun.wait(10)
    workers.close()
    go.set()
    assert await running is True
    assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], BaseException)
    with pytest.raises(RuntimeError):
        workers.submit(go.is_set)


async def test_the_clock_is_the_loops() -> None:
    """Deadlines in machines and timers of the loop are on one scale."""
    clock = SystemClock()
    assert abs(clock.now() - asyncio.get_running_loop().time()) < 5
    assert abs(clock.wall() - time.time()) < 5


def test_randomness_has_the_length_asked_for() -> None:
    """Two draws are as long as wanted and differ."""
    rng = SystemRng()
    assert len(rng.bytes(32)) == 32
    assert rng.bytes(32) != rng.bytes(32)


def test_the_real_ports_open_nothing(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Putting the ports together touches neither disk nor network."""
    monkeypatch.setenv("XDG_STATE_HOME", f"{tmp_path}/state")
    ports = system_ports()
    assert isinstance(ports.dialer, SystemDialer)
    assert ports.state.read("attempts.json") is None
    ports.state.write("x", b"1")
    assert ports.state.read("x") == b"1"
    ports.workers.close()
