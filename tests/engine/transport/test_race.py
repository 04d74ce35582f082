"""Ways that race: order, head start, failures, and what becomes of the losers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from tallow.engine.transport.race import NothingStands, Race
from tests.fakes import virtual


class Blocked(Exception):
    """This way is blocked."""


class Broken(Exception):
    """Nothing may be tried after this."""


class Ways:
    """Ways that take their time, and a record of what happened on them."""

    def __init__(self) -> None:
        """Nothing happened."""
        self.begun: list[tuple[str, float]] = []
        self.cancelled: list[str] = []
        self.discarded: list[str] = []

    def way(
        self, name: str, takes_s: float, fails: Exception | None = None
    ) -> Callable[[], Awaitable[str]]:
        """Return a way that stands, or fails, after some time."""

        async def walk() -> str:
            self.begun.append((name, asyncio.get_running_loop().time() - self.start))
            try:
                await asyncio.sleep(takes_s)
            except asyncio.CancelledError:
                self.cancelled.append(name)
                raise
            if fails is not None:
                raise fails
            return name

        return walk

    async def race(self, ways: Sequence[Callable[[], Awaitable[str]]]) -> tuple[int, str]:
        """Run a race with a head start of one second."""
        self.start = asyncio.get_running_loop().time()
        self.last = Race(ways, head_start_s=1.0, failure=Blocked, discard=self.discarded.append)
        return await self.last.run()


@virtual
async def test_the_first_way_wins_alone() -> None:
    """A way that stands soon is the only one that is tried."""
    ways = Ways()
    assert await ways.race([ways.way("tcp", 0.9), ways.way("quic", 0)]) == (0, "tcp")
    assert ways.begun == [("tcp", 0.0)]


@virtual
async def test_the_next_begins_after_the_head_start() -> None:
    """A silent way does not hold the other up for more than its head start."""
    ways = Ways()
    assert await ways.race([ways.way("tcp", 60), ways.way("quic", 0.2)]) == (1, "quic")
    assert ways.begun == [("tcp", 0.0), ("quic", 1.0)]
    assert ways.cancelled == ["tcp"]


@virtual
async def test_a_slow_way_may_still_win() -> None:
    """What was tried first goes on beside the other."""
    ways = Ways()
    assert await ways.race([ways.way("tcp", 1.5), ways.way("quic", 3)]) == (0, "tcp")
    assert ways.cancelled == ["quic"]


@virtual
async def test_the_next_begins_at_once_after_a_failure() -> None:
    """A refused way gives its head start away."""
    ways = Ways()
    refused = Blocked("refused")
    assert await ways.race([ways.way("tcp", 0.1, refused), ways.way("quic", 0)]) == (1, "quic")
    assert ways.begun == [("tcp", 0.0), ("quic", pytest.approx(0.1))]
    assert ways.last.failures == {0: refused}


@virtual
async def test_all_failures_are_kept() -> None:
    """When nothing stands, the reason of each way can be told."""
    ways = Ways()
    first, second = Blocked("first"), Blocked("second")
    with pytest.raises(NothingStands):
        await ways.race([ways.way("tcp", 5, first), ways.way("quic", 2, second)])
    assert ways.last.failures == {0: first, 1: second}


@virtual
async def test_another_error_ends_the_race() -> None:
    """A false key on one way is not made good by trying another."""
    ways = Ways()
    with pytest.raises(Broken):
        await ways.race([ways.way("tcp", 5), ways.way("quic", 1, Broken())])
    assert ways.cancelled == ["tcp"]


@virtual
async def test_what_stands_beside_the_winner_is_discarded() -> None:
    """Two ways that stand in one moment leave one connection."""
    ways = Ways()
    assert await ways.race([ways.way("tcp", 2), ways.way("quic", 1)]) == (0, "tcp")
    assert ways.discarded == ["quic"]


@virtual
async def test_who_gives_up_calls_every_way_off() -> None:
    """A cancelled race leaves nothing running."""
    ways = Ways()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3):
            await ways.race([ways.way("tcp", 60), ways.way("quic", 60)])
    assert sorted(ways.cancelled) == ["quic", "tcp"]


@virtual
async def test_no_ways_lead_nowhere() -> None:
    """A race without ways ends at once."""
    with pytest.raises(NothingStands):
        await Ways().race([])
