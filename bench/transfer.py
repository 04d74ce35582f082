"""One big file, 10 000 small files, one text: this program against its peers, in one run.

    python -m bench.transfer [--size 1GB] [--files 10000] [--runs 5] [--only sync]

Programs take turns (A B A B …), so that a machine whose speed drifts drifts for all of them; the
medians and the ratios between medians are what may be quoted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.contestants import Contestant, Run, Scp, contestants
from bench.syncs import make_small, sync_rows

UNITS = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "MiB": 2**20, "GiB": 2**30}


def size_of(text: str) -> int:
    """Read 200MB, 1GB, 2GiB."""
    for unit, factor in UNITS.items():
        if text.endswith(unit):
            return int(float(text.removesuffix(unit)) * factor)
    return int(text)


def make_big(folder: Path, size: int) -> Path:
    """Make one file of random bytes."""
    path = folder / "big.bin"
    with path.open("wb") as file:
        left = size
        while left:
            piece = min(left, 1 << 24)
            file.write(os.urandom(piece))
            left -= piece
    return path


def paired(
    programs: list[Contestant], runs: int, once: Callable[[Contestant], Run]
) -> dict[str, list[Run]]:
    """Run everything in turn, after one warm-up round that does not count."""
    results: dict[str, list[Run]] = {program.name: [] for program in programs}
    for number in range(runs + 1):
        for program in programs:
            run = once(program)
            if number:
                results[program.name].append(run)
    return results


def into_empty(root: Path, once: Callable[[Path], Run]) -> Run:
    """Give a run an empty target folder and take it away afterwards."""
    target = root / "target"
    target.mkdir()
    try:
        return once(target)
    finally:
        shutil.rmtree(target)


def table(title: str, results: dict[str, list[Run]], size: int | None) -> list[str]:
    """Return the rows of one measurement."""
    rows = [
        f"### {title}",
        "",
        "| program | wall s | GB/s | CPU s | CPU-s/GB | sender MB | receiver MB |",
    ]
    rows.append("|---|---|---|---|---|---|---|")
    medians: dict[str, tuple[float, float]] = {}
    for name, runs in results.items():
        wall = statistics.median(run.wall_s for run in runs)
        cpu = statistics.median(run.used.cpu_s for run in runs)
        medians[name] = (wall, cpu)
        speed = f"{size / wall / 1e9:.3f}" if size else "–"
        per_gb = f"{cpu / size * 1e9:.2f}" if size else "–"
        sender = max(run.sender_mb for run in runs)
        receiver = max(run.receiver_mb for run in runs)
        rows.append(
            f"| {name} | {wall:.2f} | {speed} | {cpu:.2f} | {per_gb} |"
            f" {sender:.0f} | {receiver:.0f} |"
        )
    ours = medians["tallow"]
    rows.append("")
    for name, (wall, cpu) in medians.items():
        if name != "tallow":
            rows.append(
                f"- tallow against {name}: {wall / ours[0]:.2f} × its speed"
                f" at {ours[1] / cpu:.2f} × its CPU"
            )
    return [*rows, ""]


def main() -> int:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=size_of, default=10**9)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=("big", "small", "text", "sync"))
    parser.add_argument("--folder", type=Path, default=None, help="where the files lie")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        root = Path(name)
        programs = contestants(root)
        try:
            for line in measure(root, programs, options):
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
        finally:
            for program in programs:
                program.stop()
    return 0


def measure(root: Path, programs: list[Contestant], options: argparse.Namespace) -> list[str]:
    """Return the lines of every measurement that was asked for."""
    lines: list[str] = []
    wanted = [options.only] if options.only else ["big", "small", "text", "sync"]
    if "big" in wanted:
        big = make_big(root, options.size)
        runs = paired(
            programs, options.runs, lambda p: into_empty(root, lambda t: p.transfer(big, t))
        )
        lines += table(f"One file of {options.size / 1e9:.2f} GB", runs, options.size)
    if "small" in wanted:
        small = make_small(root, options.files)
        runs = paired(
            programs, options.runs, lambda p: into_empty(root, lambda t: p.transfer(small, t))
        )
        lines += table(f"{options.files} files of 0.2 to 8 kB", runs, None)
    if "text" in wanted:
        talkers = [program for program in programs if not isinstance(program, Scp)]
        runs = paired(
            talkers, options.runs, lambda p: into_empty(root, lambda t: p.text("hello", t))
        )
        lines += table("One text, from start to exit of both", runs, None)
    if "sync" in wanted:
        lines += sync_rows(root, programs, options.files, options.runs)
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
