"""How long people wait before anything shows: ``--help``, ``--version``, the first line of a send.

    python -m bench.startup [--runs 9]

Each command alternates with ``python -c "import click"``, the floor of every program that uses
click; ratios of medians are what may be quoted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.own_relay import UNLIMITED, OwnRelay

LIMIT = 2.2
"""``tallow --help`` against ``import click``."""
FLOOR = [sys.executable, "-c", "import click"]


def tallow_words() -> list[str]:
    """Return how this environment starts the program: its script, or the module."""
    script = Path(sys.executable).with_name("tallow")
    return [str(script)] if script.exists() else [sys.executable, "-m", "tallow"]


def run_s(words: list[str]) -> float:
    """Run a command to its end and return its wall time."""
    began = time.perf_counter()
    # No timeout: with one, subprocess polls at 63.5 ms and hides everything that is shorter.
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def first_line_s(words: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Start a command, wait for its first line on standard output, end it."""
    began = time.perf_counter()
    with subprocess.Popen(
        words,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        if process.stdout is None:
            raise RuntimeError("standard output is not a pipe")
        line = process.stdout.readline()
        took = time.perf_counter() - began
        process.terminate()
    if not line.strip():
        raise RuntimeError(f"{words} said nothing")
    return took


def alternating(commands: dict[str, list[str]], runs: int) -> dict[str, list[float]]:
    """Run all commands in turn, after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(runs + 1):
        for name, words in commands.items():
            took = run_s(words)
            if number:
                times[name].append(took)
    return times


def send_times(runs: int) -> list[float]:
    """Return the times from the start of ``tallow send FILE`` to its code."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "note.txt").write_text("hello")
        relay = OwnRelay(root, UNLIMITED)
        environment = {
            **os.environ,
            "HOME": name,
            "XDG_STATE_HOME": str(root / "state"),
            "TALLOW_RELAY": relay.address,
        }
        words = [*tallow_words(), "send", "note.txt", "-q"]
        try:
            return [first_line_s(words, root, environment) for _ in range(runs + 1)][1:]
        finally:
            relay.stop()


def main() -> int:
    """Measure and print Markdown; exit 1 if the limit is not held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    tallow = tallow_words()
    times = alternating(
        {
            'python -c "import click"': FLOOR,
            "tallow --help": [*tallow, "--help"],
            "tallow --version": [*tallow, "--version"],
        },
        runs,
    )
    floor, helping, _ = medians = [statistics.median(taken) for taken in times.values()]
    rows = ["| command | median ms | least ms | against import click |", "|---|---|---|---|"]
    for (name, taken), median in zip(times.items(), medians, strict=True):
        rows.append(
            f"| `{name}` | {median * 1e3:.0f} | {min(taken) * 1e3:.0f} | {median / floor:.2f} × |"
        )
    sends = send_times(runs)
    median = statistics.median(sends)
    rows.append(
        f"| `tallow send FILE`, to the code | {median * 1e3:.0f} | {min(sends) * 1e3:.0f} |"
        f" {median / floor:.2f} × |"
    )
    ratio = helping / floor
    rows += ["", f"`tallow --help`: {ratio:.2f} × `import click` (limit {LIMIT})", ""]
    sys.stdout.write("\n".join(rows))
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    raise SystemExit(main())
