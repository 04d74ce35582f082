"""Round trips from the joiner's TCP connect until both sides have confirmed, in the network lab.

    sudo python -m bench.handshake [--runs 5]

Two real programs and a real relay, each in a namespace of its own; the delay lies on the
clients' links. The start is the joiner's SYN, less the time it needs to the relay; the end is the
waiting side's ``peer.up``, which it says after the third flight and the joiner's first record.
Round trips are counted by packets too, so that a slow machine does not look like a slow
protocol: three and a half are four flights of the joiner (SYN, ClientHello, hello with M1, M3).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.lab import SYN, Capture, NoLab, Segment, load_lab

PORT = 4433
ROUND_TRIPS_MAX = 4.0
HANDSHAKE_MAX_S = 0.5
PATH_RTT_S = 0.1
"""The round trip between the sides for which HANDSHAKE_MAX_S is promised."""
NEARLY = 0.95
"""How much of a round trip is one: delays jitter by a millisecond."""
PLACES = {
    "the joiner 100 ms from the relay, the other side beside it": (0.0, 0.1),
    "both sides 50 ms from the relay, 100 ms from each other": (0.05, 0.05),
    "both sides 100 ms from the relay, 200 ms from each other": (0.1, 0.1),
}
"""Round trip to the relay of the waiting side and of the joiner, in seconds."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """One handshake, by the clock and by packets."""

    took_s: float
    joiner_flights: int

    @property
    def round_trips(self) -> float:
        """What the flights cost: each but the last waits for an answer, the last one arrives."""
        return self.joiner_flights - 0.5


class Meeting:
    """A relay and a waiting sender in a lab whose links have these round trips."""

    def __init__(self, lab: Any, root: Path, waiting_rtt_s: float, joiner_rtt_s: float) -> None:
        """Shape the links and start the relay."""
        self._lab, self._root, self._joiner_rtt_s = lab, root, joiner_rtt_s
        for host, round_trip_s in (("alice", waiting_rtt_s), ("bob", joiner_rtt_s)):
            if round_trip_s:
                lab.shape(host, delay=f"{round_trip_s * 500:.0f}ms")
            else:
                lab.unshape(host)
        (root / "note.txt").write_text("hello")
        self._relay = self._start("relay", ["-m", "relay", "--listen", f"0.0.0.0:{PORT}"]
                                  + ["--state", str(root / "state-relay"), "--open"])  # fmt: skip
        _line_of(self._relay)

    def _start(self, host: str, words: list[str]) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "HOME": str(self._root),
            "XDG_STATE_HOME": str(self._root / f"state-{host}"),
            "TALLOW_RELAY": f"{self._lab.ip('relay')}:{PORT}",
        }
        process: subprocess.Popen[bytes] = self._lab.popen(
            host,
            [sys.executable, *words],
            cwd=self._root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return process

    def handshake(self, number: int) -> Handshake:
        """Let a sender wait, a receiver come, and measure their handshake."""
        target = self._root / f"target-{number}"
        target.mkdir()
        tallow = ["-m", "tallow"]
        capture = Capture(self._lab, "relay")
        alice = self._start("alice", [*tallow, "send", "note.txt", "--json"])
        bob: subprocess.Popen[bytes] | None = None
        try:
            code = _event(alice, b'"code.allocated"').split(b'"code":"')[1].split(b'"')[0].decode()
            bob = self._start("bob", [*tallow, "receive", code, "-y", "-q", "-o", str(target)])
            _event(alice, b'"peer.up"')
            confirmed_at = time.time()
            bob.communicate(timeout=30)
            alice.communicate(timeout=30)
            return self._judge(capture.segments(), confirmed_at)
        finally:
            capture.close()
            for process in (alice, bob):
                if process is not None and process.poll() is None:
                    process.kill()
                    process.communicate()

    def _judge(self, segments: list[Segment], confirmed_at: float) -> Handshake:
        joiner = self._lab.ip("bob")
        own = [one for one in segments if joiner in (one.source[0], one.target[0]) and one.speaks]
        began = next(one.at for one in own if one.flags & SYN and one.source[0] == joiner)
        began_at = began - self._joiner_rtt_s / 2
        spoken = ((one.at, one.source[0] == joiner) for one in own if one.at <= confirmed_at)
        return Handshake(confirmed_at - began_at, count_flights(spoken, self._joiner_rtt_s))

    def end(self) -> None:
        """End the relay."""
        self._relay.kill()
        self._relay.communicate()


def count_flights(spoken: Iterable[tuple[float, bool]], round_trip_s: float) -> int:
    """Return how often the joiner said something that an answer to its last words could cause.

    ``spoken`` are instants at the relay's host and whether the joiner spoke. What leaves the
    joiner sooner than a round trip after an answer left the relay cannot depend on that answer.
    """
    flights, answered_at = 0, float("-inf")
    for at, is_joiners in spoken:
        if is_joiners and (not flights or at >= answered_at + NEARLY * round_trip_s):
            flights += 1
            answered_at = float("inf")
        elif not is_joiners:
            answered_at = min(answered_at, at)
    return flights


def _line_of(process: subprocess.Popen[bytes]) -> bytes:
    if process.stdout is None:
        raise RuntimeError("standard output is not a pipe")
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("a program ended before its time")
    return line


def _event(process: subprocess.Popen[bytes], name: bytes) -> bytes:
    while name not in (line := _line_of(process)):
        pass
    return line


def measure(lab: Any, waiting_rtt_s: float, joiner_rtt_s: float, runs: int) -> list[Handshake]:
    """Return some handshakes; the first one, which pins keys, does not count."""
    with tempfile.TemporaryDirectory() as name:
        meeting = Meeting(lab, Path(name), waiting_rtt_s, joiner_rtt_s)
        try:
            return [meeting.handshake(number) for number in range(runs + 1)][1:]
        finally:
            meeting.end()


def main() -> int:
    """Measure and print Markdown; exit 1 if a limit is not held, 0 with a reason without a lab."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    try:
        netlab = load_lab()
    except NoLab as reason:
        sys.stdout.write(f"skipped: {reason}\n")
        return 0
    rows = [
        "| where | median ms | worst ms | in round trips between the sides | counted by packets |",
        "|---|---|---|---|---|",
    ]
    good = True
    with netlab.up("nat", lab=f"hs{os.getpid()}", alice="none", bob="none", stun=False) as lab:
        for where, (waiting_rtt_s, joiner_rtt_s) in PLACES.items():
            found = measure(lab, waiting_rtt_s, joiner_rtt_s, runs)
            median = statistics.median(one.took_s for one in found)
            path_s = waiting_rtt_s + joiner_rtt_s
            counted = min(one.round_trips for one in found)
            good &= counted <= ROUND_TRIPS_MAX
            good &= path_s > PATH_RTT_S or median < HANDSHAKE_MAX_S
            rows.append(
                f"| {where} | {median * 1e3:.0f} | {max(one.took_s for one in found) * 1e3:.0f} |"
                f" {median / path_s:.2f} | {counted} |"
            )
    sys.stdout.write("\n".join([*rows, ""]))
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
