"""Networks that drop UDP or TCP without a word: the lab's, because it takes root to build one.

The lab is found by TALLOW_LAB or beside the repository (bench/lab.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.lab import NoLab, load_lab
from tests.runs.programs import Ended, Person, Running, make_tree, tree_of

pytestmark = pytest.mark.e2e

WITHIN_S = 2.0
TRIES = 3
PORT = 4433


class LabPerson(Person):
    """Somebody at a host of the lab."""

    lab: Any
    host: str

    def start(self, *words: str, stdin: int | None = subprocess.DEVNULL) -> Running:
        """Start ``tallow`` there."""
        process = self.lab.popen(
            self.host,
            [sys.executable, "-m", "tallow", *words],
            cwd=self.folder,
            env=self.environment(),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        running = Running(process)
        self.started.append(running)
        return running


def netlab_or_skip() -> Any:
    """Return the lab's module."""
    try:
        return load_lab()
    except NoLab as reason:
        pytest.skip(str(reason))


@pytest.fixture
def nat() -> Iterator[Any]:
    """Alice and Bob behind ordinary NATs."""
    netlab = netlab_or_skip()
    with netlab.up(
        "nat", lab=f"tr{os.getpid()}", alice="port-restricted", bob="port-restricted", stun=False
    ) as lab:
        yield lab


@pytest.fixture
def no_udp() -> Iterator[Any]:
    """Alice behind a router that drops all UDP."""
    netlab = netlab_or_skip()
    with netlab.up("udp-blocked", lab=f"tu{os.getpid()}", stun=False) as lab:
        yield lab


@pytest.fixture
def people(tmp_path: Path) -> Iterator[list[LabPerson]]:
    """Alice and Bob, to be put at their hosts."""
    found = []
    for name in ("alice", "bob"):
        home, folder = tmp_path / f"{name}-home", tmp_path / name
        home.mkdir()
        folder.mkdir()
        person = LabPerson(home, folder)
        person.host = name
        found.append(person)
    yield found
    for person in found:
        person.tidy()


@pytest.fixture
def relay_state(tmp_path: Path) -> Path:
    """Where the lab's relay keeps its key."""
    return tmp_path / "relay"


def settle_in(lab: Any, people: list[LabPerson], state: Path) -> None:
    """Start the relay on its host and tell everybody its address."""
    place = f"{lab.ip('relay')}:{PORT}"
    process = lab.popen(
        "relay",
        [sys.executable, "-m", "relay", "--listen", place, "--state", str(state), "--open"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    assert process.stdout.readline().startswith(b"listening ")
    # The lab ends the process with its namespace.
    process.stdout.close()
    for person in people:
        person.lab, person.relay = lab, place


def detour_took_s(person: LabPerson, *words: str) -> float:
    """Return how long a command looked for a way: from its first event to that of the detour."""
    best = float("inf")
    for _ in range(TRIES):
        running = person.start("send", "--text", "x", "--json", *words)
        running.event("transfer.added")
        begun = time.monotonic()
        running.event("relay.fallback")
        best = min(best, time.monotonic() - begun)
        running.signal()
        running.end()
    return best


def transferred(alice: LabPerson, bob: LabPerson, *sending: str) -> list[Ended]:
    """Send a file from one to the other and return what both said."""
    make_tree(alice.folder, {"file": os.urandom(500_000)})
    sender = alice.start("send", "file", *sending)
    received = bob.run("receive", sender.first_line(), "--yes")
    sent = sender.end()
    assert (received.code, sent.code) == (0, 0), received.err + sent.err
    assert tree_of(bob.folder) == tree_of(alice.folder)
    return [sent, received]


def detours(ended: Ended) -> list[str]:
    """Return the lines that speak of another transport."""
    return [line for line in ended.err.splitlines() if "going on over" in line]


def test_quic_with_udp_blocked_goes_on_over_tcp(
    no_udp: Any, people: list[LabPerson], relay_state: Path
) -> None:
    """B2: with every datagram dropped forced QUIC stands over TCP within two seconds, one line."""
    alice, bob = people
    settle_in(no_udp, people, relay_state)
    sent, received = transferred(alice, bob, "--transport", "quic")
    (line,) = detours(sent)
    assert line.startswith(f"QUIC to {alice.relay} did not connect")
    assert line.endswith("going on over TCP.")
    assert detours(received) == []
    assert detour_took_s(alice, "--transport", "quic") <= WITHIN_S


def test_auto_with_tcp_blocked_goes_on_over_quic(
    nat: Any, people: list[LabPerson], relay_state: Path
) -> None:
    """B2: with the relay's TCP port dropped auto stands over QUIC within two seconds, one line."""
    alice, bob = people
    settle_in(nat, people, relay_state)
    nat.block("alice", tcp_ports=[PORT])
    sent, received = transferred(alice, bob)
    (line,) = detours(sent)
    assert line.startswith(f"TCP to {alice.relay} did not connect")
    assert line.endswith("going on over QUIC.")
    assert detours(received) == []
    assert detour_took_s(alice) <= WITHIN_S


def test_a_rejected_tcp_port_costs_no_waiting(
    nat: Any, people: list[LabPerson], relay_state: Path
) -> None:
    """B2: where a firewall answers that TCP is not wanted, QUIC is tried at once."""
    alice, bob = people
    settle_in(nat, people, relay_state)
    nat.block("alice", tcp_ports=[PORT], reject=True)
    sent, _ = transferred(alice, bob)
    assert len(detours(sent)) == 1
    assert "no answer" not in detours(sent)[0]
