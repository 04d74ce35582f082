"""Large things: a large file, a sparse one, very many small ones, several pairs over one relay.

    python -m bench.sizes [--only file sparse entries pairs] [--file-gib 10] [--sparse-gib 1024]
                          [--entries 1000000] [--pairs 5] [--pair-mib 256] [--folder FOLDER]

Whole programs and a real relay of their own. What counts besides the time is memory: it is looked
at all the while and must not grow with what is sent. A row says the peak of each side, and how
much higher the second half of the run was than the first (a flat run: about nothing).
Nothing is kept: the folder needs room for everything twice, but for holes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.own_relay import UNLIMITED, OwnRelay
from bench.processes import Program, Service

GIB = 1 << 30
PIECE_BYTES = 16 << 20
SPARSE_PIECES = 64
SAMPLE_BYTES = 4096
LOOK_EVERY_S = 0.25
RSS_MAX_MB = 120.0
ENTRIES_PER_FOLDER = 1000


@dataclass
class Side:
    """One program under observation."""

    program: Program
    seen_mb: list[float] = field(default_factory=list)
    peak_mb: float = 0.0
    cpu_s: float = 0.0

    def __post_init__(self) -> None:
        self._books = Service(self.program.process)

    def look(self) -> bool:
        """Note what it holds now; False once it has ended."""
        try:
            # A program that has ended and was not waited for has no memory, but its times.
            held_mb = self._books.memory_mb()
            if held_mb:
                self.seen_mb.append(held_mb)
                self.peak_mb = max(self.peak_mb, self._books.memory_mb("VmHWM"))
            return bool(held_mb)
        except OSError:
            return False

    def end(self) -> None:
        """Wait for its end; RuntimeError with its words if it failed."""
        used = self.program.ended()
        self.cpu_s = used.cpu_s

    @property
    def growth_mb(self) -> float:
        """How much more the second half of the run held than the first, without the start."""
        settled = self.seen_mb[len(self.seen_mb) // 10 :]
        half = len(settled) // 2
        return max(settled[half:], default=0.0) - max(settled[:half], default=0.0)


@dataclass
class Pair:
    """A sender and a receiver with homes of their own."""

    root: Path
    relay: str

    def start(self, source: Path) -> list[Side]:
        """Start both and return them."""
        target = self.root / "target"
        target.mkdir(parents=True)
        sender = self._program("sender", ["send", str(source), "-q"], self.root)
        code = sender.line()
        receiver = self._program("receiver", ["receive", code, "--yes", "-q"], target)
        return [Side(sender), Side(receiver)]

    def _program(self, who: str, words: list[str], folder: Path) -> Program:
        home = self.root / f"{who}-home"
        home.mkdir()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "TALLOW_RELAY": self.relay,
            "TALLOW_TRANSPORT": "tcp",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        }
        line = [sys.executable, "-m", "tallow", *words]
        return Program(line, folder=folder, environment=environment, stdout=-1)


def measured(name: str, root: Path, sources: list[Path]) -> None:
    """Send each source over one relay at the same time and print a row."""
    place = root / name
    place.mkdir()
    relay = OwnRelay(place, UNLIMITED)
    try:
        pairs = [Pair(place / f"pair-{number}", relay.address) for number in range(len(sources))]
        began = time.monotonic()
        sides = [
            side for pair, source in zip(pairs, sources, strict=True) for side in pair.start(source)
        ]
        running = list(sides)
        while running:
            running = [side for side in running if side.look()]
            time.sleep(LOOK_EVERY_S)
        wall_s = time.monotonic() - began
        for side in sides:
            side.end()
        relay_mb, relay_cpu_s = relay.memory_mb("VmHWM"), relay.cpu_s()
    finally:
        relay.stop()
    for pair, source in zip(pairs, sources, strict=True):
        arrived, sent = _weight(pair.root / "target" / source.name), _weight(source)
        if arrived != sent:
            raise RuntimeError(f"{name}: sent {sent}, arrived {arrived}")
    _row(name, wall_s, sides, relay_mb, relay_cpu_s)


def _weight(path: Path) -> tuple[int, int, str]:
    """Return how many files are there, how long they are together, and a digest of samples."""
    if not path.is_file():
        files = [entry for entry in path.rglob("*") if entry.is_file()]
        return len(files), sum(entry.stat().st_size for entry in files), ""
    size_bytes, samples = path.stat().st_size, hashlib.sha256()
    with path.open("rb") as file:
        for number in range(SPARSE_PIECES):
            file.seek(size_bytes * number // SPARSE_PIECES)
            samples.update(file.read(SAMPLE_BYTES))
    return 1, size_bytes, samples.hexdigest()


def _row(name: str, wall_s: float, sides: list[Side], relay_mb: float, relay_cpu_s: float) -> None:
    senders, receivers = sides[::2], sides[1::2]
    row = f"{name:<8} {wall_s:8.1f} s"
    for who, some in (("send", senders), ("receive", receivers)):
        peak = max(side.peak_mb for side in some)
        growth = max(side.growth_mb for side in some)
        cpu_s = sum(side.cpu_s for side in some)
        mark = "" if peak <= RSS_MAX_MB else " (!)"
        row += f"   {who} {peak:5.0f} MB{mark} {growth:+5.1f}, {cpu_s:6.1f} CPU-s"
    print(f"{row}   relay {relay_mb:4.0f} MB, {relay_cpu_s:.1f} CPU-s", flush=True)


# --- what is sent -----------------------------------------------------------------------------


def large_file(path: Path, size_bytes: int) -> Path:
    """Make a file that nothing compresses."""
    with path.open("wb") as file:
        for start in range(0, size_bytes, PIECE_BYTES):
            file.write(os.urandom(min(PIECE_BYTES, size_bytes - start)))
    return path


def sparse_file(path: Path, size_bytes: int) -> Path:
    """Make a file of holes with a little noise here and there."""
    with path.open("wb") as file:
        for number in range(SPARSE_PIECES):
            file.seek(size_bytes * number // SPARSE_PIECES)
            file.write(os.urandom(SAMPLE_BYTES))
        file.truncate(size_bytes)
    return path


def many_files(folder: Path, entries: int) -> Path:
    """Make many files of a few bytes each."""
    for number in range(entries):
        above = folder / f"{number // ENTRIES_PER_FOLDER:04}"
        if number % ENTRIES_PER_FOLDER == 0:
            above.mkdir(parents=True)
        (above / f"{number:07}").write_bytes(b"%d" % number)
    return folder


def _runs(args: argparse.Namespace, root: Path) -> Iterator[tuple[str, Callable[[], list[Path]]]]:
    yield "file", lambda: [large_file(root / "large", int(args.file_gib * GIB))]
    yield "sparse", lambda: [sparse_file(root / "sparse", int(args.sparse_gib * GIB))]
    yield "entries", lambda: [many_files(root / "many", args.entries)]
    yield (
        "pairs",
        lambda: [large_file(root / f"p{no}", args.pair_mib << 20) for no in range(args.pairs)],
    )


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    names = ["file", "sparse", "entries", "pairs"]
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--file-gib", type=float, default=10)
    parser.add_argument("--sparse-gib", type=float, default=1024)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--pair-mib", type=int, default=256)
    parser.add_argument("--folder", type=Path, default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as made:
        for name, make in _runs(args, Path(made)):
            free_bytes = shutil.disk_usage(made).free
            if name not in args.only:
                continue
            if name == "sparse" and free_bytes < args.sparse_gib * GIB:
                # An offer is held against the free space by its length, holes or not.
                print("sparse    needs a file system with as much free space: --folder", flush=True)
            else:
                # Each has the disk to itself.
                with tempfile.TemporaryDirectory(dir=made) as place:
                    measured(name, Path(place), make())


if __name__ == "__main__":
    main()
