"""Syncs and watches with real processes: what arrives, what is asked, how they end."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.runs.programs import Ended, Person, make_tree, tree_of

pytestmark = pytest.mark.wire
BIG = bytes(range(256)) * 8192


def _sync(alice: Person, bob: Person, *words: str) -> tuple[Ended, Ended]:
    sending = alice.start("sync", "d", "--delete")
    received = bob.run("receive", sending.first_line(), "--json", *words)
    return sending.end(), received


def test_a_sync_twice(alice: Person, bob: Person) -> None:
    """C12: the second time nothing travels, extra files go if that was agreed to, JSON says all."""
    make_tree(alice.folder, {"d/big": BIG, "d/small": b"s"})
    sent, received = _sync(alice, bob, "--yes", "--sync")
    assert (sent.code, received.code) == (0, 0), sent.err + received.err
    make_tree(bob.folder, {"d/extra": b"x"})
    (alice.folder / "d/big").write_bytes(BIG + b"more")
    sent, received = _sync(alice, bob, "--yes", "--sync", "--delete")
    assert (sent.code, received.code) == (0, 0), sent.err + received.err
    assert tree_of(bob.folder) == tree_of(alice.folder)
    by_name = {str(event["event"]): event for event in received.events()}
    view = by_name["offer.received"]["sync"]
    assert isinstance(view, dict)
    assert (view["new_files"], view["changed_files"], view["unchanged_files"]) == (0, 1, 1)
    assert by_name["sync.removed"]["path"] == "d/extra"
    assert by_name["transfer.done"]["removed"] == 1
    sent, _ = _sync(alice, bob, "--yes", "--sync")
    assert "Nothing to transfer: 2 files unchanged." in sent.err


def test_yes_alone_replaces_nothing(alice: Person, bob: Person) -> None:
    """X01: a sender cannot turn a plain yes into one that overwrites or removes."""
    make_tree(alice.folder, {"d/a": b"theirs, longer"})
    make_tree(bob.folder, {"d/a": b"mine", "d/b": b"mine too"})
    sent, received = _sync(alice, bob, "--yes")
    assert (sent.code, received.code) == (0, 0)
    assert "--sync takes it as a sync" in received.err
    there = tree_of(bob.folder)
    assert there["d/a"] == b"mine" and there["d/b"] == b"mine too"


def test_without_a_terminal_and_a_yes(alice: Person, bob: Person) -> None:
    """C6: exit 2 before anything is joined; --sync and --delete are no yes by themselves."""
    received = bob.run("receive", "1-abandon-ability-able", "--sync", "--delete")
    assert received.code == 2
    assert alice.run("sync", "nothing-here", "--json").code == 8


def test_a_dry_run_connects_to_nothing(alice: Person) -> None:
    """C12: --dry-run lists what would be offered, without a relay."""
    make_tree(alice.folder, {"d/a": b"1", "d/b.log": b"2"})
    alice.relay = ""
    ended = alice.run("sync", "d", "--dry-run", "--exclude", "*.log")
    assert ended.code == 0
    assert "d/a" in ended.out.decode() and "b.log" not in ended.out.decode()


def test_watching_needs_its_extra(alice: Person, tmp_path: Path) -> None:
    """Exit 2 with the line that installs it, and the way without."""
    make_tree(alice.folder, {"d/a": b"1"})
    blocker = tmp_path / "blocker"
    blocker.mkdir()
    (blocker / "sitecustomize.py").write_text("import sys\nsys.modules['watchfiles'] = None\n")
    alice.extra["PYTHONPATH"] = str(blocker)
    ended = alice.run("watch", "d")
    assert ended.code == 2
    assert "pip install 'tallow[watch]'" in ended.err and "--poll" in ended.err


@pytest.mark.parametrize("how", [("--poll", "1s"), ()], ids=["polled", "noticed"])
def test_a_watch_until_it_is_interrupted(alice: Person, bob: Person, how: tuple[str, ...]) -> None:
    """C12: a file in a new folder follows, then a removal; Ctrl+C is 130 here and 0 there."""
    if not how:
        pytest.importorskip("watchfiles", reason="pip install 'tallow[watch]'")
    make_tree(alice.folder, {"d/a": b"1"})
    watching = alice.start("watch", "d", "--delete", *how)
    getting = bob.start("receive", watching.first_line(), "--yes", "--sync", "--delete", "--json")
    getting.event("sync.round")
    make_tree(alice.folder, {"d/new/deep/file": b"2"})
    _until(lambda: (bob.folder / "d/new/deep/file").exists())
    os.unlink(alice.folder / "d/a")
    _until(lambda: not (bob.folder / "d/a").exists())
    time.sleep(0.5)
    watching.signal()
    assert watching.end().code == 130
    ended = getting.end()
    assert ended.code == 0, ended.err
    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert lines[-1]["event"] == "transfer.done"
    assert tree_of(bob.folder) == tree_of(alice.folder)


def _until(is_so: object) -> None:
    assert callable(is_so)
    give_up_at = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
