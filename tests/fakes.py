"""In-memory twins of the engine's ports: time that jumps, seeded chance, work run in place.

A test that runs on these is the same on every machine and at every load: time moves only when
nothing else can happen, and a wait that has no end fails at once instead of hanging.
The relay and its connections are tests/world/relay.py.
"""

from __future__ import annotations

import asyncio
import functools
import random
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

BEGIN_S = 1_000.0
LONGEST_S = 4 * 3600.0
"""Virtual time in which a test has to end; peers that ping each other would go on for ever."""
WALL_AT_BEGIN = 1_700_040_000.0
"""Noon UTC, far from the change of a day."""


class StoodStill(AssertionError):
    """Nothing can ever happen any more, and the test still waits for something."""


class _JumpingSelector(selectors.SelectSelector):
    """Never waits: where another selector would sleep, the clock is moved instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = BEGIN_S

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            raise StoodStill("somebody waits for what can never happen")
        self.now += timeout
        if self.now > BEGIN_S + LONGEST_S:
            raise StoodStill(f"still not done after {LONGEST_S:.0f} virtual seconds")
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer when nothing is left to do."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return virtual time."""
        return self._jumping.now


def virtual(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test on a loop of virtual time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


class TestClock:
    """The loop's time, and a calendar that a test may set."""

    __test__ = False

    def __init__(self, wall: float = WALL_AT_BEGIN) -> None:
        self._wall_offset_s = wall - BEGIN_S

    def now(self) -> float:
        """Return virtual time."""
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        """Return unix time, which passes as virtual time does."""
        return self.now() + self._wall_offset_s

    def set_wall(self, unix_s: float) -> None:
        """Make it this time now."""
        self._wall_offset_s = unix_s - self.now()


class SeededRng:
    """The same bytes in every run."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def bytes(self, count: int) -> bytes:
        """Return the next bytes."""
        return self._random.randbytes(count)


@dataclass(frozen=True, slots=True)
class Job:
    """Work that was handed in."""

    work: Callable[..., object]
    args: tuple[object, ...]

    @property
    def name(self) -> str:
        """The function's own name."""
        return getattr(self.work, "__name__", type(self.work).__name__)


class InlineWorkers:
    """Runs work in the loop's own thread, one job a turn, in the order handed in.

    ``last_first`` runs the youngest waiting job first, as threads may. ``before`` is called with
    every job on its turn: a test changes the world there. Like a real pool it refuses work after
    ``close`` and cancels what has not begun.
    """

    def __init__(self, *, last_first: bool = False) -> None:
        self.before: Callable[[Job], None] = lambda _: None
        self.takes_s: Callable[[Job], float] = lambda _: 0.0
        self.held: Callable[[Job], bool] = lambda _: False
        self._closed = False
        self._last_first = last_first
        self._waiting: list[_Waiting] = []

    def submit(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]:
        """Run work in a later turn of the loop and return its future."""
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        job = Job(work, args)

        def run() -> None:
            if future.cancelled():
                return
            try:
                self.before(job)
                result = work(*args, **kwargs)
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        takes_s = self.takes_s(job)
        if takes_s:
            loop.call_later(takes_s, run)
        else:
            self._waiting.append(_Waiting(job, run, future.cancel))
            loop.call_soon(self._run_one)
        return future

    async def turn(self) -> None:
        """Let what was handed in be run, and the loop take notice."""
        for _ in range(3):
            await asyncio.sleep(0)

    def release(self) -> None:
        """Run what was held, and hold nothing any more."""
        self.held = lambda _: False
        while self._waiting:
            self._run_one()

    def close(self) -> None:
        """Take no more work and drop what has not begun."""
        self._closed = True
        for waiting in self._waiting:
            waiting.cancel()
        self._waiting.clear()

    def _run_one(self) -> None:
        for waiting in reversed(self._waiting) if self._last_first else self._waiting:
            if not self.held(waiting.job):
                self._waiting.remove(waiting)
                waiting.run()
                return


@dataclass(frozen=True, slots=True)
class _Waiting:
    job: Job
    run: Callable[[], None]
    cancel: Callable[[], object]


class MemoryState:
    """Private state that outlives an engine, as long as the test keeps it."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.on_write: Callable[[str, bytes], None] = lambda _name, _content: None

    def read(self, name: str) -> bytes | None:
        """Return what was written."""
        return self.content.get(name)

    def write(self, name: str, content: bytes, *, durable: bool = True) -> None:
        """Keep it; ``on_write`` may look or raise first."""
        self.on_write(name, content)
        self.content[name] = content

    def remove(self, name: str) -> None:
        """Forget it."""
        self.content.pop(name, None)

    def names(self, prefix: str) -> list[str]:
        """Return what names begin so."""
        return sorted(name for name in self.content if name.startswith(prefix))
