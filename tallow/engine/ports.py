"""What the engine needs of the outside world, as ports; the real clock, randomness and threads.

Every port has an in-memory twin in the tests, so that two peers and a relay run a whole transfer
deterministically. Clock and randomness are read here and nowhere else in tallow (what a
cryptographic library draws itself excepted). It never opens a socket or a file.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, Protocol, TypeVar

from tallow.protocol.address import RelayAddress
from tallow.protocol.lane_proof import LaneJoin
from tallow.wire.frames import LinkFrame

P = ParamSpec("P")
R = TypeVar("R")


class Clock(Protocol):
    """Time in seconds."""

    def now(self) -> float:
        """Return monotonic time, the same scale as the event loop's."""

    def wall(self) -> float:
        """Return unix time."""


class Rng(Protocol):
    """Randomness fit for keys."""

    def bytes(self, count: int) -> bytes:
        """Return this many random bytes."""


class Workers(Protocol):
    """Threads for what would hold up the loop."""

    def submit(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]:
        """Run work beside the loop and return its future."""

    def close(self) -> None:
        """Start no more work."""


@dataclass(frozen=True, slots=True)
class Detour:
    """One transport did not connect, and another one stands instead."""

    tried: str
    used: str
    why: str


class Connection(Protocol):
    """A stream of link frames to a relay, over whatever carries it."""

    on_change: Callable[[], None]
    """Called when frames arrived, when there is room to write again, and on loss."""

    @property
    def relay_key_hash(self) -> bytes:
        """SHA-256 of the relay's public key, 32 bytes."""

    @property
    def first_use(self) -> bool:
        """True if the relay's key was not known before and is now pinned."""

    @property
    def transport_name(self) -> str:
        """What carries the frames, in a word."""

    @property
    def detour(self) -> Detour | None:
        """What was tried in vain before this connection stood, or None."""

    @property
    def waiting(self) -> bool:
        """True while frames that arrived are not taken yet."""

    @property
    def congested(self) -> bool:
        """True while so much waits to be written that bulk must pause."""

    @property
    def lost(self) -> str | None:
        """Why the connection is gone, or None while it stands."""

    @property
    def torn(self) -> bool:
        """True if the connection ended inside a frame."""

    def take(self) -> LinkFrame | None:
        """Return the next frame that arrived, or None."""

    def recycle(self, body: memoryview) -> None:
        """Give a frame's buffer back once nothing looks into it."""

    def send(self, frame: bytes | memoryview) -> None:
        """Write a frame; its memory may be reused as soon as this returns."""

    def close(self) -> None:
        """Begin to end it: what still arrives is dropped, what was written leaves."""

    async def closed(self) -> None:
        """Wait until it is gone; the relay closes first, or is cut off after a moment."""


class Lane(Protocol):
    """A proven connection for sealed bulk records beside the link; it may die at any moment."""

    on_change: Callable[[], None]
    """Called when a record arrived, when there is room to write again, and on loss."""

    @property
    def congested(self) -> bool:
        """True while a record waits to be written: give the next one to another lane."""

    @property
    def lost(self) -> str | None:
        """Why the lane is gone, once every record that came before was taken."""

    def take(self) -> memoryview | None:
        """Return the next peer frame, always BULK and whole, or None."""

    def recycle(self, frame: memoryview) -> None:
        """Give a frame's buffer back once nothing looks into it."""

    def send(self, frame: memoryview) -> None:
        """Write a peer frame; its memory may be reused as soon as this returns."""

    def close(self) -> None:
        """End the lane at once; what was not sent is lost."""


class Dialer(Protocol):
    """The one place where names are resolved and connections are made."""

    async def dial_lane(self, address: RelayAddress, token: bytes, join: LaneJoin) -> Lane:
        """Connect a lane through a relay and prove it: a TallowError if it does not stand."""

    async def dial(self, address: RelayAddress) -> Connection:
        """Connect to a relay: RelayUnreachable, RelayKeyChanged or TimedOut."""


class StateStore(Protocol):
    """Small private state that outlives the process: attempt counters, records of transfers."""

    def read(self, name: str) -> bytes | None:
        """Return what was written under a name, or None."""

    def write(self, name: str, content: bytes, *, durable: bool = True) -> None:
        """Replace what stands under a name before returning; ``durable``: on the disk too."""

    def remove(self, name: str) -> None:
        """Forget a name."""

    def names(self, prefix: str) -> list[str]:
        """Return the names that begin so, sorted."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything outside, in one place."""

    clock: Clock
    rng: Rng
    workers: Workers
    dialer: Dialer
    state: StateStore


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        """Return monotonic time."""
        return time.monotonic()

    def wall(self) -> float:
        """Return unix time."""
        return time.time()


class SystemRng:
    """The operating system's randomness."""

    def bytes(self, count: int) -> bytes:
        """Return this many random bytes."""
        return os.urandom(count)


class ThreadWorkers:
    """A small pool of threads, named so that a stack dump is readable."""

    def __init__(self, threads: int = 4) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="tallow-lane")

    def submit(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]:
        """Run work in a thread and return its future."""
        loop = asyncio.get_running_loop()
        return asyncio.wrap_future(self._pool.submit(work, *args, **kwargs), loop=loop)

    def close(self) -> None:
        """Start no more work; what runs is left to end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
