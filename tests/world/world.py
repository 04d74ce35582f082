"""A small world: people with engines, one relay, folders, and what must hold when it ends.

Every world, whatever happened in it, ends without a temporary file of Tallow's unless somebody was
told that it can be gone on with, without an open descriptor more than before, without a mistake of
our own, and with every connection closed.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from tallow.crypto.secret import SecretBytes
from tallow.engine import events as e
from tallow.engine.commands import (
    AcceptOffer,
    AnyCommand,
    CancelTransfer,
    Receive,
    SendFiles,
    SendOptions,
)
from tallow.engine.engine import Engine
from tallow.engine.ports import Ports
from tallow.engine.settings import LanesChoice, Settings
from tallow.protocol.address import RelayAddress
from tallow.protocol.identity import Identity
from tests.fakes import InlineWorkers, MemoryState, SeededRng, TestClock
from tests.world.relay import ADDRESS, MemoryDialer, MemoryRelay

E = TypeVar("E", bound=e.Event)
Final = e.TransferDone | e.TransferError


class Person:
    """One engine, everything it said, and answers given for its person."""

    def __init__(self, name: str, world: World, state: MemoryState, seed: str) -> None:
        self.name = name
        self.folder = world.folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.clock = TestClock(world.wall)
        self.state = state
        self.workers = InlineWorkers()
        self.rng = SeededRng(seed)
        self.dialer = MemoryDialer(world.relay, f"192.0.2.{len(world.people) + 1}")
        self.events: list[e.AnyEvent] = []
        self._by_kind: dict[type[e.Event], list[e.AnyEvent]] = defaultdict(list)
        self._engine: Engine | None = None
        self._habits: list[Callable[[e.AnyEvent], AnyCommand | None]] = []
        self._news = asyncio.Condition()
        self.stack = AsyncExitStack()

    @property
    def engine(self) -> Engine:
        """The running engine."""
        assert self._engine is not None
        return self._engine

    def ports(self) -> Ports:
        """Return this person's ports."""
        return Ports(self.clock, self.rng, self.workers, self.dialer, self.state)

    async def listen(self, engine: Engine) -> None:
        """Note every event and answer by habit, until the engine ends."""
        self._engine = engine
        async for event in engine.events():
            self.events.append(event)
            self._by_kind[type(event)].append(event)
            for habit in self._habits:
                command = habit(event)
                if command is not None:
                    engine.submit(command)
            async with self._news:
                self._news.notify_all()

    def submit(self, command: AnyCommand) -> int:
        """Submit a command."""
        return self.engine.submit(command)

    def whenever(self, kind: type[E], answer: Callable[[E], AnyCommand | None]) -> None:
        """Answer every event of a kind with a command."""

        def habit(event: e.AnyEvent) -> AnyCommand | None:
            return answer(event) if isinstance(event, kind) else None

        self._habits.append(habit)

    def says_yes(self, on_conflict: str = "rename") -> None:
        """Accept every offer."""
        self.whenever(
            e.OfferReceived,
            lambda event: AcceptOffer(event.ticket, on_conflict),  # type: ignore[arg-type]
        )

    def says_nothing(self) -> None:
        """Answer nothing by habit any more."""
        self._habits.clear()

    async def hears(self, kind: type[E], ticket: int | None = None, nth: int = 0) -> E:
        """Return the nth event of a kind, waiting for it."""
        async with self._news:
            while True:
                heard = self.all(kind, ticket)
                if len(heard) > nth:
                    return heard[nth]
                ended = [event for event in self.all(e.TransferError) if event.ticket == ticket]
                assert not ended, ended
                await self._news.wait()

    def all(self, kind: type[E], ticket: int | None = None) -> list[E]:
        """Return every event of a kind so far."""
        heard = self._by_kind[kind]
        return [
            event for event in heard if isinstance(event, kind) and ticket in (None, event.ticket)
        ]

    async def state_is(self, state: str, ticket: int | None = None, nth: int = 0) -> None:
        """Wait until an exchange enters a state for the nth time."""
        async with self._news:
            while True:
                heard = [item for item in self.all(e.TransferState, ticket) if item.state == state]
                if len(heard) > nth:
                    return
                await self._news.wait()

    def is_waiting(self, ticket: int) -> bool:
        """Tell whether the last thing an exchange did was to wait for somebody."""
        states = self.all(e.TransferState, ticket)
        return bool(states) and states[-1].state == "waiting"

    async def final(self, ticket: int) -> Final:
        """Return the last event of an exchange."""
        async with self._news:
            while True:
                done, failed = self.all(e.TransferDone, ticket), self.all(e.TransferError, ticket)
                if done or failed:
                    return done[0] if done else failed[0]
                await self._news.wait()

    async def done(self, ticket: int) -> e.TransferDone:
        """Return how a transfer was done; an error fails the test."""
        final = await self.final(ticket)
        assert isinstance(final, e.TransferDone), final
        return final

    async def fails(self, ticket: int) -> e.TransferError:
        """Return the error of an exchange; success fails the test."""
        final = await self.final(ticket)
        assert isinstance(final, e.TransferError), final
        return final

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(seconds)

    async def leave(self) -> None:
        """Close the engine, whatever runs in it."""
        await self.stack.aclose()

    def cancel(self, ticket: int) -> None:
        """Press Ctrl+C."""
        self.submit(CancelTransfer(ticket))

    async def code(self, ticket: int) -> str:
        """Return the code that an exchange shows."""
        return (await self.hears(e.CodeAllocated, ticket)).code


class World:
    """Everybody, the relay between them, and their disks."""

    def __init__(self, folder: Path, relay: MemoryRelay | None, wall: float | None) -> None:
        self.folder = folder
        self.relay = relay or MemoryRelay()
        self.wall = wall if wall is not None else TestClock().wall()
        self.people: list[Person] = []
        self.lanes: LanesChoice = "auto"
        """What everybody who is started from now on thinks of lanes."""
        self.left_midway = False
        """True if a test closes an engine that could go on later."""
        self._stack = AsyncExitStack()

    async def person(
        self,
        name: str,
        *,
        state: MemoryState | None = None,
        identity: Identity | None = None,
        relay_password: str | None = None,
        relay: RelayAddress | None = ADDRESS,
        seed: str = "",
        last_first: bool = False,
    ) -> Person:
        """Start an engine for somebody."""
        person = Person(name, self, state or MemoryState(), seed or name)
        person.workers = InlineWorkers(last_first=last_first)
        password = SecretBytes(bytearray(relay_password.encode())) if relay_password else None
        settings = Settings(
            relay=relay, relay_password=password, identity=identity, lanes=self.lanes
        )
        await self._stack.enter_async_context(person.stack)
        engine = await person.stack.enter_async_context(Engine.open(settings, person.ports()))
        listening = asyncio.create_task(person.listen(engine))
        await asyncio.sleep(0)
        person.stack.callback(listening.cancel)
        self.people.append(person)
        return person

    async def pair(self) -> tuple[Person, Person]:
        """Start Alice, who sends, and Bob, who accepts every offer."""
        alice, bob = await self.person("alice"), await self.person("bob")
        bob.says_yes()
        return alice, bob

    async def send(
        self, alice: Person, bob: Person, *sources: Path, options: SendOptions | None = None
    ) -> tuple[int, int]:
        """Send sources by a fresh code into the folder ``in`` of Bob's; return both tickets."""
        sending = alice.submit(
            SendFiles(tuple(map(str, sources)), options=options or SendOptions())
        )
        inbox = bob.folder / "in"
        inbox.mkdir(exist_ok=True)
        receiving = bob.submit(Receive(await alice.code(sending), output=str(inbox)))
        return sending, receiving

    async def close(self) -> None:
        """End every engine."""
        await self._stack.aclose()


@asynccontextmanager
async def a_world(
    folder: Path, *, relay: MemoryRelay | None = None, wall: float | None = None
) -> AsyncIterator[World]:
    """Make a world and check, when it ends, what must hold of every world."""
    descriptors = _descriptors()
    world = World(folder, relay, wall)
    try:
        yield world
    finally:
        await world.close()
    _check_what_is_left(world)
    assert _descriptors() <= descriptors, "a descriptor was left open"


def _check_what_is_left(world: World) -> None:
    for person in world.people:
        for crash in person.engine.crashes:
            raise crash
    ended = [person.all(e.TransferError) for person in world.people]
    if not any(error.resumable for errors in ended for error in errors) and not world.left_midway:
        left = list(world.folder.rglob(".tallow-*"))
        assert not left, f"temporary files stayed: {left}"
    open_still = [wire.number for wire in world.relay.connections if not wire.is_closed]
    assert not open_still, f"connections were not closed: {open_still}"
    ends = [end for pair in world.relay.lanes.standing for end in pair]
    assert all(end.is_closed for end in ends), "a lane was left standing"


def _descriptors() -> set[str]:
    if not Path("/proc/self/fd").is_dir():
        return set()
    return {f"{name} {_points_to(name)}" for name in os.listdir("/proc/self/fd")}


def _points_to(name: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{name}")
    except OSError:
        # The descriptor that listed the folder.
        return ""


def tree(folder: Path) -> dict[str, bytes | None]:
    """Return everything under a folder: bytes of files, None for folders."""
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def finished(folder: Path) -> dict[str, bytes | None]:
    """Return everything under a folder but what waits to be gone on with."""
    return {name: body for name, body in tree(folder).items() if "/.tallow-" not in f"/{name}"}


def make(folder: Path, content: Mapping[str, bytes | None]) -> Path:
    """Make files and folders and return the folder."""
    for name, body in content.items():
        path = folder / name
        if body is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
    return folder
