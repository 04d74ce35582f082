"""A twin of the console: two streams in one log, answers written beforehand, a fixed size.

``Stage`` puts it together with a still engine and runs the real command line on it.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tallow.cli.console import Console
from tallow.cli.main import main
from tallow.cli.outside import Outside
from tallow.engine.commands import SendFiles
from tallow.engine.storage.sources import SourceTree
from tallow.engine.storage.walk import walk_sources
from tallow.engine.wanted import walk_options
from tests.cli.still_engine import Step, StillEngine

Log = list[tuple[str, bytes]]


class _Tape(io.RawIOBase):
    """One stream that writes its name in front of every piece."""

    def __init__(self, name: str, log: Log, *, tty: bool) -> None:
        self._name = name
        self._log = log
        self._tty = tty
        self.broken = False

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def isatty(self) -> bool:
        """Say whether it plays a terminal."""
        return self._tty

    def write(self, piece: object) -> int:
        """Append a piece to the log."""
        if self.broken:
            raise BrokenPipeError
        raw = bytes(piece)  # type: ignore[call-overload]  # whatever buffer the writer hands down
        self._log.append((self._name, raw))
        return len(raw)


class StillConsole(Console):
    """A console without a terminal."""

    def __init__(
        self,
        *,
        stdin_tty: bool = False,
        stdout_tty: bool = False,
        stderr_tty: bool = False,
        chunks: Sequence[bytes | None] = (),
        answers: Sequence[str | None] = (),
        environment: Mapping[str, str] | None = None,
        size: tuple[int, int] = (80, 24),
    ) -> None:
        """Play terminals or pipes; ``chunks`` and ``answers`` are what comes in."""
        self.log: Log = []
        self.out_tape = _Tape("1", self.log, tty=stdout_tty)
        err_tape = _Tape("2", self.log, tty=stderr_tty)
        super().__init__(
            io.TextIOWrapper(io.BytesIO()),
            io.TextIOWrapper(io.BufferedWriter(self.out_tape), "utf-8", newline="\n"),
            io.TextIOWrapper(io.BufferedWriter(err_tape), "utf-8", newline="\n"),
            environment or {},
        )
        self._stdin_is_tty = stdin_tty
        self._chunks = list(chunks)
        self._answers = list(answers)
        self._size = size
        self.never = threading.Event()
        """Set it to end a read for which there was no answer."""
        self.dropped = 0
        self.prompts: list[str] = []
        self.completed: list[str] = []

    @property
    def stdin_tty(self) -> bool:
        """Say whether a person can type here."""
        return self._stdin_is_tty

    def size(self) -> tuple[int, int]:
        """Return the size that was given."""
        return self._size

    def read_some(self, most_bytes: int, wait_s: float | None) -> bytes | None:
        """Return the next chunk; None where nothing comes in time."""
        chunk = self._chunks.pop(0) if self._chunks else b""
        if chunk is None:
            assert wait_s is not None, "a read without a deadline would hang"
            return None
        if len(chunk) > most_bytes:
            self._chunks.insert(0, chunk[most_bytes:])
        return chunk[:most_bytes]

    def read_answer(self) -> str | None:
        """Return the next answer; without one, wait as a terminal does."""
        if self._answers:
            answer = self._answers.pop(0)
            if self.stderr_tty:
                # A terminal shows what is typed, and the end of its line.
                self.log.append(("2", b"" if answer is None else f"{answer}\n".encode()))
            return answer
        self.never.wait()
        return None

    def read_code(self, prompt: str, complete: Callable[[str], list[str]]) -> str | None:
        """Return the next answer and what its beginning completes to."""
        self.prompts.append(prompt)
        self.completed = complete("cro")
        return self._answers.pop(0)

    def drop_typed_ahead(self) -> None:
        """Count it."""
        self.dropped += 1

    def written(self, name: str) -> bytes:
        """Return everything that went to a stream: "1" or "2"."""
        return b"".join(raw for stream, raw in self.log if stream == name)

    @property
    def out(self) -> str:
        """Standard output as text."""
        return self.written("1").decode()

    @property
    def err(self) -> str:
        """Standard error as text."""
        return self.written("2").decode()

    def transcript(self) -> str:
        """Return both streams, each line with the number of its stream in front."""
        lines, last = "", ""
        for stream, raw in self.log:
            for piece in raw.decode().splitlines(keepends=True):
                if not lines or lines.endswith("\n"):
                    lines += f"{stream}| "
                elif last != stream:
                    lines += f"⟨{stream}⟩"
                lines += piece
                last = stream
        return lines


@dataclass(slots=True)
class Stage:
    """The command line on a still engine."""

    console: StillConsole = field(default_factory=StillConsole)
    engine: StillEngine = field(default_factory=StillEngine)
    state: dict[str, bytes] = field(default_factory=dict)
    relay_arguments: list[list[str]] = field(default_factory=list)
    left: list[tuple[float, int]] = field(default_factory=list)
    """When the process would have been ended, and with what."""
    called_off: int = 0
    """How often such an end was called off."""
    clock: float = 0.0
    clipboard: list[str] = field(default_factory=list)
    no_clipboard: str = ""
    """Why nothing can be copied."""
    commands: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Command lines that were run afterwards, with their environment."""
    command_exit: int = 0

    def run(self, *arguments: str, script: Sequence[Step] = ()) -> int:
        """Run the command line with these arguments over a script, and return the exit code."""
        self.engine.script = script
        return main(list(arguments), self.outside())

    def outside(self) -> Outside:
        """Return everything around the command line, none of it real."""
        return Outside(
            console=self.console,
            open_engine=self.engine.open,
            open_state=lambda: DictState(self.state),
            walk_sources=_walk,
            run_relay=self._relay,
            now=self._now,
            leave_after=self._leave_after,
            put_into_clipboard=self._put,
            run_command=self._run_command,
        )

    def _now(self) -> float:
        return self.clock

    def _leave_after(self, seconds: float, exit_code: int) -> Callable[[], None]:
        self.left.append((seconds, exit_code))

        def call_off() -> None:
            self.called_off += 1

        return call_off

    async def _put(self, text: str) -> str:
        if not self.no_clipboard:
            self.clipboard.append(text)
        return self.no_clipboard

    def _run_command(self, command: str, environment: Mapping[str, str]) -> int:
        self.commands.append((command, dict(environment)))
        return self.command_exit

    def _relay(self, arguments: list[str]) -> int:
        self.relay_arguments.append(arguments)
        return 4


class DictState:
    """Private state in a dictionary."""

    def __init__(self, content: dict[str, bytes]) -> None:
        """Work on this dictionary."""
        self._content = content

    def read(self, name: str) -> bytes | None:
        """Return what stands under a name."""
        return self._content.get(name)

    def write(self, name: str, content: bytes, *, durable: bool = True) -> None:
        """Replace it."""
        self._content[name] = content

    def remove(self, name: str) -> None:
        """Forget it."""
        self._content.pop(name, None)

    def names(self, prefix: str) -> list[str]:
        """Return the names that begin so, sorted."""
        return sorted(name for name in self._content if name.startswith(prefix))


def _walk(command: SendFiles) -> SourceTree:
    return walk_sources(command.sources, command.exclude, walk_options(command))


def same_as_transcript(name: str, found: str) -> bool:
    """Compare with tests/cli/transcripts/NAME.txt; print what was found if it differs.

    A change that is meant is written with  TALLOW_TRANSCRIPTS=write  and then read as a diff.
    """
    path = Path(__file__).parent / "transcripts" / f"{name}.txt"
    if os.environ.get("TALLOW_TRANSCRIPTS") == "write":
        path.write_text(found, encoding="utf-8")
    wanted = path.read_text(encoding="utf-8") if path.exists() else ""
    if found != wanted:
        print(f"--- {path.name} should read:\n{found}---")
    return found == wanted
