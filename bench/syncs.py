"""An unchanged tree once more: this program against itself with one empty file, and rsync.

The first row is what a session costs by itself; the difference to the second is what looking at
the tree costs. rsync runs over ssh to a private sshd on loopback, if both are on PATH.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from bench.contestants import Contestant, Run, Scp, Tallow
from bench.processes import Program


def make_small(folder: Path, count: int) -> Path:
    """Make files of 0.2 to 8 kB in folders of 100."""
    tree = folder / "small"
    for number in range(count):
        path = tree / f"{number // 100:03}" / f"{number:05}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(200 + number * 7919 % 7800))
    return tree


def sync_rows(root: Path, programs: list[Contestant], files: int, runs: int) -> list[str]:
    """Return the rows about syncs."""
    ours = next(program for program in programs if isinstance(program, Tallow))
    sshd = next((program for program in programs if isinstance(program, Scp)), None)
    place = root / "sync"
    source, target, empty = place / "from", place / "to", place / "empty"
    for folder in (source, target, place / "empty-to"):
        folder.mkdir(parents=True)
    empty.write_bytes(b"")
    tree = make_small(source, files)
    ours.sync(tree, target)
    rows: dict[str, Callable[[], Run]] = {
        "tallow send, one empty file": lambda: ours.transfer(empty, place / "empty-to"),
        f"tallow sync, {files} unchanged files": lambda: ours.sync(tree, target),
    }
    if sshd is not None and shutil.which("rsync"):
        rows[f"rsync -a -e ssh, {files} unchanged files"] = lambda: _rsync(sshd, tree, target)
    taken: dict[str, list[Run]] = {name: [] for name in rows}
    for number in range(runs + 1):
        for name, once in rows.items():
            run = once()
            if number:
                taken[name].append(run)
    return _table(taken)


def _table(taken: dict[str, list[Run]]) -> list[str]:
    lines = [
        "### An unchanged tree",
        "",
        "| program | wall s | against the first |",
        "|---|---|---|",
    ]
    first = 0.0
    for name, runs in taken.items():
        wall = statistics.median(run.wall_s for run in runs)
        first = first or wall
        lines.append(f"| {name} | {wall:.2f} | {wall / first:.2f} × |")
    return [*lines, ""]


def _rsync(server: Scp, source: Path, target: Path) -> Run:
    began = time.monotonic()
    client = Program(
        ["rsync", "-a", "-e", server.remote_shell(), str(source), f"127.0.0.1:{target}/"],
        folder=server.root,
        environment=os.environ,
    )
    used = client.ended()
    return Run(time.monotonic() - began, used, used.peak_mb, 0.0)
