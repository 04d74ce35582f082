"""The three processes of the demo, and what their ends mean.

Before this room: demo.py. It starts this very program with the interpreter that runs it, hands
the code over by environment as a person would by voice, and reads roots out of what is printed.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tallow.cli import exit_codes, units
from tallow.cli.demo_folder import Comparison, Workplace, compare, make_folder
from tallow.cli.options import PREFIX
from tallow.cli.render import Output
from tallow.display import display_text
from tallow.engine.ports import SystemRng
from tallow.errors import InternalError

START_S: Final = 60.0
TRANSFER_S: Final = 3600.0
END_S: Final = 5.0
LISTENING: Final = re.compile(r"listening (\S+) (sha256:[0-9a-f]{64})")
ROOTS: Final = re.compile(r"BLAKE3 roots agree \(([0-9a-f]{32,})\)")
STYLES: Final = {"relay": "blue", "sender": "cyan", "receiver": "magenta"}
NAME_CELLS: Final = 8


class Actor:
    """One process whose lines are shown and remembered."""

    def __init__(self, name: str, process: Process, output: Output) -> None:
        """Read both streams of a process from now on."""
        self.name = name
        self.process = process
        self._output = output
        self._lines: list[str] = []
        self._result: asyncio.Queue[str | None] = asyncio.Queue()
        self._readers = [
            asyncio.create_task(self._read(process.stdout, result=True)),
            asyncio.create_task(self._read(process.stderr, result=False)),
        ]

    async def first_result(self) -> str:
        """Return the first line of standard output; InternalError if there is none in time."""
        try:
            async with asyncio.timeout(START_S):
                line = await self._result.get()
        except TimeoutError:
            line = None
        if line is None:
            raise InternalError(f"The demo's {self.name} did not start.")
        return line

    async def end(self, within_s: float) -> None:
        """Wait for a good end; InternalError for another one."""
        try:
            async with asyncio.timeout(within_s):
                code = await self.process.wait()
                await asyncio.gather(*self._readers)
        except TimeoutError:
            raise InternalError(f"The demo's {self.name} did not end in time.") from None
        if code != exit_codes.DONE:
            raise InternalError(f"The demo's {self.name} ended with exit code {code}.")

    def root(self) -> str:
        """Return the BLAKE3 root that it printed, or ""."""
        found = [match[1] for line in self._lines if (match := ROOTS.search(line))]
        return found[-1] if found else ""

    async def _read(self, stream: asyncio.StreamReader | None, *, result: bool) -> None:
        while stream is not None and (raw := await stream.readline()):
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            self._lines.append(line)
            if result:
                self._result.put_nowait(line)
            name = self._output.paint(STYLES[self.name], f"{self.name:>{NAME_CELLS}} │")
            self._output.tell(f"{name} {display_text(line)}")
        if result:
            self._result.put_nowait(None)


async def run_demo(
    place: Workplace, large_bytes: int, output: Output, now: Callable[[], float]
) -> int:
    """Play the demo and return its exit code."""
    source = make_folder(place.folder("from"), large_bytes, SystemRng().bytes)
    target = place.folder("to")
    environment = _environment(place)
    async with _actor("relay", _relay_arguments(place), environment, output) as relay:
        listening = LISTENING.fullmatch(await relay.first_result())
        if listening is None:
            raise InternalError("The demo's relay did not say where it listens.")
        environment[f"{PREFIX}_RELAY"] = f"{listening[1]}#{listening[2]}"
        began_at = now()
        async with _actor("sender", ["send", "-v", str(source)], environment, output) as sender:
            environment[f"{PREFIX}_CODE"] = await sender.first_result()
            receiving = ["receive", "-v", "--yes", "-o", str(target)]
            async with _actor("receiver", receiving, environment, output) as receiver:
                await receiver.end(TRANSFER_S)
            await sender.end(END_S)
        seconds = now() - began_at
    return _verdict(
        compare(source, target / source.name), sender.root(), receiver.root(), seconds, output
    )


def _verdict(found: Comparison, sent: str, received: str, seconds: float, output: Output) -> int:
    """Say how the trees compare."""
    output.tell("")
    output.tell(f"BLAKE3 root, sender:   {sent or 'none'}")
    output.tell(f"BLAKE3 root, receiver: {received or 'none'}")
    output.tell_all(display_text(line) for line in found.differences[:20])
    if found.differences or not sent or sent != received:
        output.tell("The demo failed: what arrived is not what was sent.", "bold red")
        return InternalError.exit_code
    what = f"{units.counted(found.files, 'file')}, {units.counted(found.folders, 'folder')}"
    speed = units.rate(found.total_bytes / seconds) if seconds > 0 else ""
    output.tell(
        f"The roots agree, and {what}, {units.size(found.total_bytes)} are equal byte by byte;"
        f" {units.elapsed(seconds)} from the first code to the end ({speed})."
    )
    return exit_codes.DONE


def _relay_arguments(place: Workplace) -> list[str]:
    state = place.folder("relay")
    return ["relay", "--listen", "127.0.0.1:0", "--open", "--state", str(state), "--drain", "0s"]


def _environment(place: Workplace) -> dict[str, str]:
    """Return an environment without the person's own options, whose state is temporary."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(f"{PREFIX}_")}
    state = str(place.folder("state"))
    private = dict.fromkeys(("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), state)
    return {**kept, **private, "PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}


@asynccontextmanager
async def _actor(
    name: str, arguments: list[str], environment: dict[str, str], output: Output
) -> AsyncIterator[Actor]:
    """Run this program with arguments; however the block ends, the process ends too."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tallow", *arguments,
        stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=dict(environment), cwd=_program_folder(),
    )  # fmt: skip
    try:
        yield Actor(name, process, output)
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    for stop in (process.terminate, process.kill):
        if process.returncode is not None:
            return
        stop()
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            continue


def _program_folder() -> Path:
    return Path(__file__).resolve().parents[2]
