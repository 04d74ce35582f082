"""A relay under load: memory with 100 and 1 000 joined rooms, and a transfer during a flood.

    python -m bench.relay_load [--only rooms|flood] [--size 500MB] [--pairs 3]

Rooms: two TLS clients each, all of them played by this process; the relay's resident memory at
rest, while every room sends, and while nobody reads what is sent. Flood: 300 connections a second
from 1 000 addresses for ten seconds while a real transfer runs, against a control run in which
the same attacker hits a discard port, so that the attacker's own cost cancels out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from bench.crowd import Crowd
from bench.flood import raise_file_limit
from bench.own_relay import UNLIMITED, OwnRelay
from bench.processes import Program, Service
from bench.transfer import make_big, size_of

LIMITS_MB = {100: 50, 1000: 200}
KEEPS = 0.80
"""Share of its rate that a transfer must keep."""
SENDING_S = 5.0
FLOOD_S = 10.0
FLOOD_AHEAD_S = 1.0


# --- rooms ------------------------------------------------------------------------------------


def rooms_table(counts: list[int]) -> tuple[list[str], bool]:
    """Fill one fresh relay per count and return its rows, and whether the limits hold."""
    rows = [
        "| rooms | clients | empty MB | at rest MB | all sending MB | nobody reads MB | limit MB |",
        "|---|---|---|---|---|---|---|",
    ]
    held = True
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            relay = OwnRelay(Path(name), UNLIMITED)
            crowd = Crowd(relay.port)
            try:
                empty = relay.memory_mb()
                crowd.fill(count)
                time.sleep(1)  # let the relay settle: its memory is read at rest
                rest = relay.memory_mb()
                sending = _while_sending(relay, crowd, read=True)
                stalled = _while_sending(relay, crowd, read=False)
            finally:
                crowd.leave()
                relay.stop()
        limit = LIMITS_MB.get(count)
        held &= limit is None or max(sending, stalled) <= limit
        rows.append(
            f"| {count} | {2 * count} | {empty:.0f} | {rest:.0f} | {sending:.0f} |"
            f" {stalled:.0f} | {limit or '–'} |"
        )
    return rows, held


def _while_sending(relay: OwnRelay, crowd: Crowd, *, read: bool) -> float:
    """Return the largest resident memory seen while all rooms send."""
    seen: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            seen.append(relay.memory_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        crowd.send(SENDING_S, read=read)
    finally:
        over.set()
        watcher.join()
    return max(seen)


# --- flood ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Flooded:
    """One transfer during one flood."""

    rate: float
    """Bytes a second, by the receiver's own clock from yes to done."""
    outlasted: bool
    """Whether the flood went on until the transfer was done."""
    opened: int
    failed: int


class DiscardPort(Service):
    """What the control run's attacker hits."""

    def __init__(self) -> None:
        """Start it and learn its port."""
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.flood", "--discard"], stdout=subprocess.PIPE
        )
        super().__init__(process)
        if process.stdout is None:
            raise RuntimeError("the discard port has no standard output")
        self.port = int(process.stdout.readline())

    def stop(self) -> None:
        """End it."""
        super().stop()
        if self.process.stdout is not None:
            self.process.stdout.close()


def flooded(relay: OwnRelay, port: int, big: Path, root: Path, *, hello: bool) -> Flooded:
    """Send a file through the relay while a port is flooded."""
    words = [sys.executable, "-m", "bench.flood", "--port", str(port), "--seconds", str(FLOOD_S)]
    attacker = subprocess.Popen([*words, *(["--hello"] if hello else [])], stdout=subprocess.PIPE)
    try:
        time.sleep(FLOOD_AHEAD_S)  # the flood is under way when the transfer begins
        seconds = _transfer_s(relay, big, root)
        outlasted = attacker.poll() is None
        said, _ = attacker.communicate()
    finally:
        if attacker.poll() is None:
            attacker.kill()
            attacker.wait()
    opened, _, failed, _ = said.split()
    return Flooded(big.stat().st_size / seconds, outlasted, int(opened), int(failed))


def _transfer_s(relay: OwnRelay, big: Path, root: Path) -> float:
    target = root / "target"
    target.mkdir()
    tallow = [sys.executable, "-m", "tallow"]
    environment = {
        **os.environ,
        "HOME": str(root),
        "XDG_STATE_HOME": str(root / "state"),
        "TALLOW_RELAY": relay.address,
    }
    sender = Program(
        [*tallow, "send", big.name, "-q"],
        folder=big.parent,
        environment=environment,
        stdout=subprocess.PIPE,
    )
    receiver = subprocess.run(
        [*tallow, "receive", sender.line(), "-y", "--json"],
        cwd=target,
        env=environment,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    sender.ended()
    shutil.rmtree(target)
    for line in receiver.stdout.splitlines():
        event = json.loads(line)
        if event["event"] == "transfer.done":
            return float(event["seconds"])
    raise RuntimeError("the receiver never said that it was done")


def flood_rows(
    size: int, pairs: int, folder: Path | None, *, hello: bool
) -> tuple[list[str], bool]:
    """Run pairs of flood and control in turn; return rows, and whether the rate is kept."""
    kept: list[float] = []
    rows = [
        "| pair | control MB/s | flooded MB/s | kept | connections | refused by the system |",
        "|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory(dir=folder) as name:
        root = Path(name)
        big = make_big(root, size)
        relay, control = OwnRelay(root), DiscardPort()
        try:
            _transfer_s(relay, big, root)
            before = relay.memory_mb()
            for number in range(pairs):
                order = [control.port, relay.port] if number % 2 else [relay.port, control.port]
                runs = {port: flooded(relay, port, big, root, hello=hello) for port in order}
                calm, hit = runs[control.port], runs[relay.port]
                kept.append(hit.rate / calm.rate)
                note = "" if calm.outlasted and hit.outlasted else " (the flood ended first)"
                rows.append(
                    f"| {number + 1} | {calm.rate / 1e6:.0f} | {hit.rate / 1e6:.0f} |"
                    f" {kept[-1]:.0%}{note} | {hit.opened} | {hit.failed} |"
                )
            time.sleep(2)  # what the flood left behind is read after it has ended
            after, peak = relay.memory_mb(), relay.memory_mb("VmHWM")
        finally:
            control.stop()
            relay.stop()
    median = statistics.median(kept)
    rows += [
        "",
        f"Kept: {median:.0%} (limit {KEEPS:.0%}).",
        f"Relay memory: {before:.0f} MB before, {peak:.0f} MB at most, {after:.0f} MB after.",
    ]
    return rows, median >= KEEPS


def main() -> int:
    """Measure and print Markdown; exit 1 if a limit is not held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("rooms", "flood", "hello"))
    parser.add_argument("--rooms", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--size", type=size_of, default=500 * 10**6)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="where the files lie")
    options = parser.parse_args()
    raise_file_limit(16384)
    good = True
    for wanted in [options.only] if options.only else ["rooms", "flood", "hello"]:
        if wanted == "rooms":
            title = "Joined rooms"
            rows, held = rooms_table(options.rooms)
        else:
            hello = wanted == "hello"
            title = "A transfer during 300 connections a second from 1 000 addresses"
            title += ", each beginning TLS" if hello else ""
            rows, held = flood_rows(options.size, options.pairs, options.folder, hello=hello)
            # Only plain connections are promised; the handshakes show what a signature costs.
            held |= hello
        good &= held
        sys.stdout.write("\n".join([f"### {title}", "", *rows, "", ""]))
        sys.stdout.flush()
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
