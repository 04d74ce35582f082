"""Fidelity with real processes: what is kept is kept, and one line tells what is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.runs.programs import Person, make_tree

pytestmark = pytest.mark.wire
TIME_NS = 1_000_000_000_123_456_789


def _source(alice: Person) -> Path:
    make_tree(alice.folder, {"dir/a/file": b"1"}, folders=["dir/nothing here"])
    (alice.folder / "dir/a/near").symlink_to("file")
    (alice.folder / "dir/out").symlink_to("/etc/hostname")
    with (alice.folder / "dir/sparse").open("wb") as file:
        file.truncate(8_000_000)
        file.seek(4_000_000)
        file.write(b"in the middle")
    (alice.folder / "dir/run").write_bytes(b"#!")
    (alice.folder / "dir/run").chmod(0o6755)
    os.utime(alice.folder / "dir/nothing here", ns=(TIME_NS, TIME_NS))
    return alice.folder / "dir"


@pytest.mark.parametrize(
    ("symlinks", "line"),
    [
        ("keep", "Not kept: 1 symbolic link, mode bits of 1 entry."),
        ("skip", "Not kept: 2 symbolic links, mode bits of 1 entry."),
        ("follow", "Not kept: mode bits of 1 entry."),
    ],
)
def test_a_folder_with_everything(alice: Person, bob: Person, symlinks: str, line: str) -> None:
    """C7: two shells, each policy about links; empty folders, holes, modes and times."""
    source = _source(alice)
    sending = alice.start("send", "dir", "--symlinks", symlinks, "--xattrs")
    received = bob.run("receive", sending.first_line(), "--yes")
    sent = sending.end()
    assert (received.code, sent.code) == (0, 0), received.err + sent.err
    there = bob.folder / "dir"
    assert received.err.splitlines()[-1] == sent.err.splitlines()[-1] == line
    assert (there / "nothing here").stat().st_mtime_ns == TIME_NS
    assert (there / "sparse").read_bytes() == (source / "sparse").read_bytes()
    assert (there / "run").stat().st_mode & 0o7777 == 0o755
    assert (there / "a/near").is_symlink() == (symlinks == "keep")
    assert (there / "a/near").exists() == (symlinks != "skip")
    assert os.path.lexists(there / "out") == (symlinks == "follow")


def test_the_last_event_tells_the_same(alice: Person, bob: Person) -> None:
    """C7: --json gives the counts as fields, on both sides."""
    _source(alice)
    sending = alice.start("send", "dir", "--symlinks", "keep", "--json")
    code = str(sending.event("code.allocated")["code"])
    received = bob.run("receive", code, "--yes", "--json")
    finals = [received.events()[-1], sending.end().events()[-1]]
    counts = {"links": 1, "names": 0, "modes": 1, "times": 0, "xattrs": 0, "holes": 0}
    assert [final["not_kept"] for final in finals] == [counts, counts]
