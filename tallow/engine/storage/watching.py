"""Waiting for something to change below some folders: told by the system, or asked every so often.

What changed is not said: whoever waits lists everything again, so that a file that was written
in the same moment as its folder is not missed. Changes that come together are told once.
Before: rounds.py. It never reads a file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from tallow.errors import MissingExtra

DEBOUNCE_MS = 500
"""So long a row of changes may go on before it is told."""


class Watch(Protocol):
    """Tells that something changed."""

    async def changed(self) -> None:
        """Wait until something changed since this was asked last."""

    async def close(self) -> None:
        """Look no more."""


def check_watch(poll_s: float) -> None:
    """Raise MissingExtra if watching needs what is not installed."""
    if not poll_s and not _is_installed():
        raise MissingExtra(
            "Watching a folder needs the package watchfiles.",
            hint="Install it:  pip install 'tallow[watch]' , or look every so often:  --poll 5s",
        )


def _is_installed() -> bool:
    try:
        import watchfiles  # an extra: it may be missing, or its native library may not load
    except ImportError:
        return False
    return bool(watchfiles)


def open_watch(paths: Sequence[str], poll_s: float) -> Watch:
    """Watch folders and files; with ``poll_s`` it only says every so often that it is time."""
    check_watch(poll_s)
    return PolledWatch(poll_s) if poll_s else NoticedWatch(paths)


class PolledWatch:
    """Says after each interval that something may have changed."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s

    async def changed(self) -> None:
        """Wait for the length of the interval."""
        await asyncio.sleep(self._interval_s)

    async def close(self) -> None:
        """Nothing is held."""


class NoticedWatch:
    """The system's own notices."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._stop = asyncio.Event()
        self._noticed = asyncio.Event()
        self._task = asyncio.create_task(self._listen(tuple(paths)))

    async def changed(self) -> None:
        """Wait for a notice; an OSError that ended the listening is raised."""
        waiting = asyncio.create_task(self._noticed.wait())
        try:
            await asyncio.wait([waiting, self._task], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._task.done():
            self._task.result()
        self._noticed.clear()

    async def close(self) -> None:
        """Stop listening and wait for the thread."""
        self._stop.set()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _listen(self, paths: tuple[str, ...]) -> None:
        from watchfiles import awatch  # an extra; and it loads a native library

        notices = awatch(
            *paths,
            watch_filter=None,
            debounce=DEBOUNCE_MS,
            stop_event=self._stop,
            ignore_permission_denied=True,
        )
        async for _ in notices:
            self._noticed.set()
