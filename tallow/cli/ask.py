"""Questions while the engine works: a line is read in a thread, so that the loop goes on.

A question can be given up (the peer went away); the thread then still waits for a line and hands
it to the next question, if there is one. What was typed before a question is dropped. Printing
is render.py's.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from tallow.cli.console import Console
from tallow.cli.render import Output

T = TypeVar("T")
ASKED_TIMES: Final = 3
"""Answers that mean nothing; then the safe one is taken."""


class Asker:
    """Puts questions to the person at the terminal, one at a time."""

    def __init__(self, console: Console, output: Output) -> None:
        """Ask on a console."""
        self._console = console
        self._output = output
        self._reading: asyncio.Future[str | None] | None = None

    async def ask(self, prompt: str) -> str | None:
        """Return the line that the person types, None at the end of input."""
        if self._reading is None or self._reading.done():
            self._console.drop_typed_ahead()
        self._output.ask(prompt)
        if self._reading is None or self._reading.done():
            self._reading = self._start()
        answer = await asyncio.shield(self._reading)
        if answer is None:
            self._output.withdraw()  # Nobody pressed Enter, so the line is still the question's.
        else:
            self._output.answered()
        return answer

    async def until_clear(
        self, prompt: str, read: Callable[[str | None], T | None], *, otherwise: T
    ) -> T:
        """Ask again while an answer means nothing; after some tries take the safe one."""
        for _ in range(ASKED_TIMES):
            found = read(await self.ask(prompt))
            if found is not None:
                return found
        return otherwise

    def _start(self) -> asyncio.Future[str | None]:
        loop = asyncio.get_running_loop()
        reading: asyncio.Future[str | None] = loop.create_future()

        def deliver(answer: str | None) -> None:
            if not reading.done():
                reading.set_result(answer)

        def read() -> None:
            answer = self._console.read_answer()
            try:
                loop.call_soon_threadsafe(deliver, answer)
            except RuntimeError:
                pass  # The exchange ended and nobody waits for this line.

        # A daemon, because nothing can take a thread out of a read from a terminal.
        threading.Thread(target=read, name="tallow-answer", daemon=True).start()
        return reading
