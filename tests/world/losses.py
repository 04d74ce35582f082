"""Transfers that lose their path or a side on the way, and what both sides have afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tallow.engine import events as e
from tallow.engine.commands import Receive
from tallow.wire.frames import LinkType
from tests.fakes import SeededRng
from tests.world.relay import Meddle, Sent
from tests.world.world import Person, World, a_world, make, tree

BIG = SeededRng("resume").bytes(24 << 20)
MANY: dict[str, bytes | None] = {
    f"in/many/{number:03}.bin": SeededRng(str(number)).bytes(2_000 + number * 700)
    for number in range(200)
}
Tree = dict[str, bytes | None]


@asynccontextmanager
async def a_linked_world(folder: Path) -> AsyncIterator[World]:
    """Make a world where everything goes over the links, so that a test can count and cut it."""
    async with a_world(folder) as world:
        world.lanes = "tls"
        yield world


def cut_after(data_bytes: int, *more_bytes: int) -> Meddle:
    """Cut whoever has sent when so many bytes of DATA have passed in all; once for each number."""
    sent_bytes = 0
    at = [data_bytes, *more_bytes]

    def meddle(sent: Sent) -> list[bytes] | None:
        nonlocal sent_bytes
        sent_bytes += len(sent.body) if sent.kind is LinkType.DATA else 0
        if at and sent_bytes >= at[0]:
            del at[0]
            sent.connection.cut()
            return []
        return None

    return meddle


def cut_once(number: int, side: int, begun: Callable[[], bool]) -> Meddle:
    """Cut a side at its nth DATA frame after something has begun; 0 is the side that dials first.

    Sides are told apart by the order of the first two connections.
    """
    seen, done = 0, False

    def meddle(sent: Sent) -> list[bytes] | None:
        nonlocal seen, done
        if done or sent.kind is not LinkType.DATA or sent.connection.number != side or not begun():
            return None
        seen += 1
        if seen <= number:
            return None
        done = True
        sent.connection.cut()
        return []

    return meddle


def data_bytes(world: World, since: int = 0) -> int:
    """Return how many bytes of DATA clients sent, from one frame of all on."""
    heard = world.relay.heard[since:]
    return sum(len(sent.body) for sent in heard if sent.kind is LinkType.DATA)


def offer_much(alice: Person) -> tuple[Path, Tree]:
    """Make a large file and many small ones; return their folder and what is in it."""
    make(alice.folder, {**MANY, "in/big": BIG})
    return alice.folder / "in", tree(alice.folder / "in")


def total_of(content: Tree) -> int:
    """Return how many bytes all files have."""
    return sum(len(body) for body in content.values() if body is not None)


def parts_of(folder: Path, kind: str = "part") -> list[Path]:
    """Return what waits below a folder to be gone on with."""
    return sorted(folder.rglob(f".tallow-*.{kind}"))


@dataclass(slots=True)
class Halted:
    """A transfer of which one process is gone while the other still looks for it."""

    world: World
    alice: Person
    bob: Person
    code: str
    source: Path
    content: Tree
    sending: int
    getting: int

    @property
    def inbox(self) -> Path:
        """Bob's folder."""
        return self.bob.folder / "in"

    async def restart(self, name: str) -> Person:
        """Start the process of a side again, with its state."""
        old = self.alice if name == "alice" else self.bob
        again = await self.world.person(name, state=old.state, seed=f"{name} again")
        again.clock.set_wall(old.clock.wall())
        return again

    def receive(self, bob: Person, code: str) -> int:
        """Receive into the same folder under a code."""
        return bob.submit(Receive(code, output=str(self.inbox)))

    def check_whole(self) -> None:
        """Everything is there, byte for byte, and nothing else."""
        assert tree(self.inbox / "in") == self.content
        assert [path.name for path in self.inbox.iterdir()] == ["in"]


async def halted(
    world: World, victim: str, *, after_bytes: int = 12 << 20, answer: str = "rename"
) -> Halted:
    """Send until so many bytes have passed; then one side vanishes with its process."""
    alice, bob = await world.person("alice"), await world.person("bob")
    bob.says_yes(answer)
    source, content = offer_much(alice)
    world.relay.meddling.append(cut_after(after_bytes))
    sending, getting = await world.send(alice, bob, source)
    code = await alice.code(sending)
    # A process that dies says nothing any more.
    gone = alice if victim == "alice" else bob
    await gone.hears(e.SessionLost)
    await gone.leave()
    world.left_midway = True
    return Halted(world, alice, bob, code, source, content, sending, getting)


async def both_gone(world: World, *, after_bytes: int = 12 << 20, answer: str = "rename") -> Halted:
    """Send until so many bytes have passed; then both processes end."""
    halt = await halted(world, "alice", after_bytes=after_bytes, answer=answer)
    halt.bob.cancel(halt.getting)
    assert (await halt.bob.fails(halt.getting)).resumable
    await halt.bob.leave()
    return halt
