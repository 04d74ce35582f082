"""What the command line needs of the rest of the program and of the machine, in one value.

Commands find it on click's context; tests put twins in. Everything heavy is imported when it is
first used, so that this module may stand at the top of the program.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tallow.cli.console import Console

if TYPE_CHECKING:
    import click

    from tallow.engine.commands import AnyCommand, SendFiles
    from tallow.engine.engine import OfferEntries
    from tallow.engine.events import AnyEvent, OfferEntry
    from tallow.engine.ports import StateStore
    from tallow.engine.settings import Settings
    from tallow.engine.storage.sources import SourceTree


class EngineDoor(Protocol):
    """The part of the engine that the command line uses."""

    @property
    def crashes(self) -> list[BaseException]:
        """Mistakes of the program's own, for whoever wants to see where they sit."""

    def submit(self, command: AnyCommand) -> int:
        """Take a command and return its ticket, at once."""

    def events(self) -> AsyncIterator[AnyEvent]:
        """Yield what happens."""

    def query(self, question: OfferEntries) -> list[OfferEntry]:
        """Answer what is too big to be an event."""


@dataclass(frozen=True, slots=True)
class Outside:
    """Everything around the command line."""

    console: Console
    open_engine: Callable[[Settings], AbstractAsyncContextManager[EngineDoor]]
    open_state: Callable[[], StateStore]
    walk_sources: Callable[[SendFiles], SourceTree]
    run_relay: Callable[[list[str]], int]
    now: Callable[[], float]
    """Monotonic seconds."""
    leave_after: Callable[[float, int], Callable[[], None]]
    """End the process with an exit code after some seconds, whatever still runs.

    Returns what calls it off.
    """
    put_into_clipboard: Callable[[str], Awaitable[str]]
    """Return why it failed, or ""."""
    run_command: Callable[[str, Mapping[str, str]], int]
    """Run a command line of the person's own in an environment; return its exit code."""

    @classmethod
    def system(cls) -> Outside:
        """Return the real engine, relay, disk and clock."""
        return cls(
            Console.system(),
            _open_engine,
            _open_state,
            _walk_sources,
            _run_relay,
            _now,
            _leave_after,
            _put_into_clipboard,
            _run_command,
        )

    @classmethod
    def of(cls, ctx: click.Context) -> Outside:
        """Return what the caller of the program put around it, or the real thing."""
        return ctx.find_object(cls) or cls.system()

    def wants_traceback(self, verbose: int) -> bool:
        """Return whether a bug shall show where it sits: -vv or TALLOW_DEBUG."""
        return verbose > 1 or bool(self.console.environment.get("TALLOW_DEBUG"))


def _open_engine(settings: Settings) -> AbstractAsyncContextManager[EngineDoor]:
    from tallow.crypto.secret import harden_process
    from tallow.engine.engine import Engine
    from tallow.engine.system import system_ports

    harden_process()
    return Engine.open(settings, system_ports(transport=settings.transport))


def _open_state() -> StateStore:
    from tallow.engine.system import system_ports

    return system_ports().state


def _walk_sources(command: SendFiles) -> SourceTree:
    from tallow.engine.storage.walk import walk_sources
    from tallow.engine.wanted import walk_options

    return walk_sources(command.sources, command.exclude, walk_options(command))


def _run_relay(arguments: list[str]) -> int:
    from relay.__main__ import main

    return main(arguments)


def _now() -> float:
    from tallow.engine.ports import SystemClock

    return SystemClock().now()


async def _put_into_clipboard(text: str) -> str:
    from tallow.cli.clipboard import put_here

    return await put_here(text)


def _run_command(command: str, environment: Mapping[str, str]) -> int:
    from tallow.cli.ending import run

    return run(command, environment)


def _leave_after(seconds: float, exit_code: int) -> Callable[[], None]:
    def leave() -> None:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                pass  # Its reader left, or it is closed.
        os._exit(exit_code)

    if seconds <= 0:
        leave()
    # A thread, because a loop or an interpreter that waits for another thread fires no timer.
    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()
    return timer.cancel
