"""A disk that others fill in the middle of a transfer: it waits for a person, or ends resumable.

Needs root on Linux for a small file system of its own; skipped with a reason elsewhere.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.cast import Actor, wait_for
from tests.chaos.listing import entries_of, listed, records_of
from tests.chaos.wire import Wire, wire_to
from tests.e2e.panes import Pane, tmux_server
from tests.runs.programs import Person, relay_running, tree_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

DISK_BYTES = 48 << 20
SIZE_BYTES = 24 << 20
HELD_AT_BYTES = 8 << 20
BALLAST = "ballast"
CODE = re.compile(r"^[1-9][0-9]*(-[a-z]+){3}$", re.MULTILINE)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system with a folder in it."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root on Linux")
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)]
    if subprocess.run(words, check=False).returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    (disk / "in").mkdir()
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    """A relay and the sender's way to it."""
    with relay_running(tmp_path / "relay") as relay, wire_to(relay.address, 1e12) as held:
        yield held


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with one large and some small files."""
    folder = tmp_path / "alice" / "box"
    folder.mkdir(parents=True)
    chance = random.Random(9)
    (folder / "large.bin").write_bytes(chance.randbytes(SIZE_BYTES))
    for number in range(20):
        (folder / f"small-{number}").write_bytes(chance.randbytes(2_000))
    return folder


def fill(disk: Path) -> Path:
    """Leave no room on a disk."""
    ballast = disk / BALLAST
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            return ballast


def _fill_midway(wire: Wire, disk: Path) -> Path:
    """Hold the wire in the middle, fill the disk, and let the rest come."""
    wait_for(wire.holds, "the middle of the transfer")
    ballast = fill(disk)
    wire.let_go()
    return ballast


def _code(pane: Pane) -> str:
    found = CODE.search(pane.sees_when(lambda screen: bool(CODE.search(screen)), "a code"))
    assert found
    return found[0]


def test_a_person_frees_space_and_it_goes_on(
    tmp_path: Path, disk: Path, wire: Wire, source: Path
) -> None:
    """C3, X10: on a terminal it waits, says how much is missing, and goes on by itself."""
    homes = [tmp_path / name for name in ("alice-home", "bob-home")]
    for home in homes:
        home.mkdir()
    wire.hold_at(0, HELD_AT_BYTES)
    with tmux_server("tallow-disk") as tmux:
        alice = tmux.pane("alice", source.parent, homes[0], wire.address)
        bob = tmux.pane("bob", disk / "in", homes[1], wire.relay)
        alice.types("tallow send box; echo EXIT $?")
        bob.types(f"tallow receive {_code(alice)} --yes; echo EXIT $?")
        ballast = _fill_midway(wire, disk)
        screen = bob.sees("The disk is full: ", " are missing.")
        assert re.search(r"The disk is full: [0-9.]+ [kM]B are missing\.", screen), screen
        assert not re.search(r"^EXIT", screen, re.MULTILINE)
        assert not (disk / "in/box/large.bin").exists()
        ballast.unlink()
        bob.sees("EXIT 0")
        alice.sees("EXIT 0")
    assert tree_of(disk / "in") == tree_of(source.parent)


def test_without_a_terminal_it_ends_and_can_be_gone_on_with(
    tmp_path: Path, disk: Path, wire: Wire, source: Path
) -> None:
    """C3, X10: exit 8 and 7; after space was freed both resume, and what was listed stays."""
    actors = []
    for name, folder, relay in (
        ("alice", source.parent, wire.address),
        ("bob", disk / "in", wire.relay),
    ):
        home = folder.parent / f"{name}-home"
        home.mkdir()
        actors.append(Actor(Person(home, folder, relay, {"TALLOW_TRANSPORT": "tcp"}), tmp_path))
    sender, receiver = actors
    try:
        wire.hold_at(0, HELD_AT_BYTES)
        sender.start("send", "box")
        wait_for(lambda: bool(sender.events("code.allocated")), "a code")
        receiver.start("receive", str(sender.events("code.allocated")[0]["code"]), "--yes")
        ballast = _fill_midway(wire, disk)
        wait_for(lambda: not sender.alive() and not receiver.alive(), "both ends")
        assert (receiver.exit_code, sender.exit_code) == (8, 7), receiver.said() + sender.said()
        (error,) = receiver.events("transfer.error")
        assert (error["code"], error["resumable"]) == ("disk-full", True)
        assert not (disk / "in/box/large.bin").exists()
        ballast.unlink()
        had = listed(receiver.person, entries_of(source))
        assert had.leaf_bytes
        mark = wire.mark()
        receiver.start("resume")
        sender.start("resume")
        wait_for(lambda: not sender.alive() and not receiver.alive(), "both ends")
        assert (receiver.exit_code, sender.exit_code) == (0, 0), receiver.said() + sender.said()
        assert wire.bytes_since(mark) <= SIZE_BYTES * 1.02 - had.leaf_bytes + 200_000
        assert tree_of(disk / "in") == tree_of(source.parent)
        assert not records_of(sender.person) + records_of(receiver.person)
    finally:
        sender.kill()
        receiver.kill()
