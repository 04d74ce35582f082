"""A full disk: what waits, what is tried again and when, and how patience ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from tallow.engine import events as e
from tallow.engine.full_disk import LOOK_EVERY_S, FullDisk
from tallow.engine.lane import StoredRecord, StoreLane
from tallow.errors import DiskFull
from tallow.protocol.bulk import Codec
from tallow.protocol.transfer.jobs import SinkJob, StorePack
from tallow.protocol.transfer.receiver import Receiver
from tests.engine.kept import context_for
from tests.fakes import virtual

JOBS = [StorePack(number, Codec.RAW, memoryview(b""), ((number, 0),)) for number in range(9)]


@dataclass
class _Pausing:
    """The receiver's two verbs."""

    said: list[str] = field(default_factory=list)

    def pause(self, reason: str, now: float) -> None:
        self.said.append(f"pause {reason}")

    def resume_receiving(self, now: float) -> None:
        self.said.append("continue")


@dataclass
class _Lane:
    """A lane with room for so many jobs."""

    room: int = 2
    started: list[SinkJob] = field(default_factory=list)

    @property
    def has_room(self) -> bool:
        return self.room > 0

    def start(self, job: SinkJob, buffer: memoryview | None) -> None:
        assert self.room > 0
        self.room -= 1
        self.started.append(job)

    def taken(self) -> list[SinkJob]:
        """Return what was started since, as if all of it had ended."""
        started, self.started = self.started, []
        self.room += len(started)
        return started


class _World:
    """A full disk, and what is said about it."""

    def __init__(self, folder: Path | None, wait_s: float) -> None:
        self.context, self.told = context_for("full")
        self.receiver, self.lane = _Pausing(), _Lane()
        self.full = FullDisk(self.context, cast(Receiver, self.receiver), folder, wait_s)

    def refuse(self, *jobs: SinkJob, missing: int = 10**18) -> None:
        for job in jobs:
            failed = StoredRecord(job, [], None, DiskFull())
            self.full.refused(failed, missing)

    def try_again(self) -> list[SinkJob]:
        self.full.try_again(cast(StoreLane, self.lane))
        return self.lane.taken()


@pytest.mark.parametrize("wait_s", [0.0, -1.0])
@virtual
async def test_without_patience_a_full_disk_ends_it(tmp_path: Path, wait_s: float) -> None:
    """What nobody wants to wait for is an error at once."""
    world = _World(tmp_path, wait_s)
    with pytest.raises(DiskFull):
        world.refuse(JOBS[0])
    assert not world.receiver.said


@virtual
async def test_a_pipe_is_never_waited_for() -> None:
    """Standard output has no space that could be freed."""
    world = _World(None, 600)
    with pytest.raises(DiskFull):
        world.refuse(JOBS[0])


@virtual
async def test_it_is_said_once_with_what_is_missing(tmp_path: Path) -> None:
    """C11: both sides learn of it once, however many records found no room."""
    world = _World(tmp_path, 600)
    assert (world.full.holds, world.full.wake_at) == (False, 0)
    world.refuse(*JOBS[:3])
    assert world.full.holds
    assert world.full.wake_at == world.context.ports.clock.now() + LOOK_EVERY_S
    (paused,) = world.told
    assert isinstance(paused, e.TransferPaused)
    assert (paused.by, paused.reason) == ("here", "disk-full")
    assert 0 < paused.missing_bytes <= 10**18
    assert world.receiver.said == ["pause disk-full"]


@virtual
async def test_one_record_looks_and_the_others_follow(tmp_path: Path) -> None:
    """A disk is asked once a second by one record; when it fits, all that waited goes after it."""
    world = _World(tmp_path, 600)
    world.refuse(JOBS[0], JOBS[1])
    world.full.hold(JOBS[2], None)
    assert world.try_again() == []
    for _ in range(3):
        await asyncio.sleep(LOOK_EVERY_S)
        (tried,) = world.try_again()
        world.refuse(tried)
        assert world.try_again() == []
    await asyncio.sleep(LOOK_EVERY_S)
    done = world.try_again()
    assert len(done) == 1
    world.full.stored()
    while more := world.try_again():
        assert len(more) <= 2
        done += more
        for _ in more:
            world.full.stored()
    assert sorted(job.number for job in done if isinstance(job, StorePack)) == [0, 1, 2]
    assert not world.full.holds
    assert world.receiver.said == ["pause disk-full", "continue"]
    assert isinstance(world.told[-1], e.TransferContinued)
    assert len(world.told) == 2


@virtual
async def test_a_disk_that_fills_again_while_they_follow(tmp_path: Path) -> None:
    """Room for some is not room for all: what finds none waits again, and nothing is lost."""
    world = _World(tmp_path, 600)
    world.refuse(*JOBS[:5])
    stored: list[SinkJob] = []
    for _ in range(100):
        if not world.full.holds:
            break
        for job in world.try_again():
            if len(stored) % 2 and job not in stored[-1:] and world.full.wake_at % 2 < 1:
                world.refuse(job)
            else:
                stored.append(job)
                world.full.stored()
        await asyncio.sleep(LOOK_EVERY_S * 0.7)
    assert not world.full.holds
    assert sorted(job.number for job in stored if isinstance(job, StorePack)) == [0, 1, 2, 3, 4]


@virtual
async def test_patience_ends(tmp_path: Path) -> None:
    """After the time that was given it is the error that it was."""
    world = _World(tmp_path, 5.0)
    world.refuse(JOBS[0])
    tried = 0
    with pytest.raises(DiskFull):
        for _ in range(50):
            await asyncio.sleep(LOOK_EVERY_S)
            jobs = world.try_again()
            tried += len(jobs)
            world.refuse(*jobs)
    assert tried == 4
