"""A disk that really fills up: a small file system of memory, which only root can mount."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runs.programs import Person, relay_running, tree_of

pytestmark = pytest.mark.e2e


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Three megabytes."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root on Linux")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], check=False
    )
    if mounted.returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_fills_up_midway_leaves_nothing(tmp_path: Path, small_disk: Path) -> None:
    """X10: a stream of unknown size meets the end of the disk: 8 here, 7 there, no leftovers."""
    for name in ("alice", "bob", "alice-home", "bob-home"):
        (tmp_path / name).mkdir()
    (tmp_path / "alice/source").write_bytes(bytes(9_000_000))
    with relay_running(tmp_path / "relay") as relay:
        alice = Person(tmp_path / "alice-home", tmp_path / "alice", relay.address)
        bob = Person(tmp_path / "bob-home", tmp_path / "bob", relay.address)
        with (tmp_path / "alice/source").open("rb") as source:
            sending = alice.start("send", "-", stdin=source.fileno())
            received = bob.run(
                "receive", sending.first_line(), "-y", "-o", str(small_disk / "copy")
            )
        sent = sending.end()
    assert received.code == 8, received.err
    assert "The disk is full" in received.err
    assert "try: " in received.err
    assert sent.code == 7, sent.err
    assert tree_of(small_disk) == {}


def test_a_known_size_is_refused_before_the_first_byte(tmp_path: Path, small_disk: Path) -> None:
    """C4: an offer larger than the free space ends before anything is written."""
    for name in ("alice", "bob", "alice-home", "bob-home"):
        (tmp_path / name).mkdir()
    (tmp_path / "alice/big").write_bytes(bytes(9_000_000))
    with relay_running(tmp_path / "relay") as relay:
        alice = Person(tmp_path / "alice-home", tmp_path / "alice", relay.address)
        bob = Person(tmp_path / "bob-home", tmp_path / "bob", relay.address)
        sending = alice.start("send", "big")
        received = bob.run("receive", sending.first_line(), "-y", "-o", str(small_disk))
        sent = sending.end()
    assert received.code == 8, received.err
    assert "not enough free space" in received.err
    assert sent.code == 7
    assert tree_of(small_disk) == {}
