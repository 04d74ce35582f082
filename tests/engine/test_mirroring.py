"""What an answer takes of a sync."""

from __future__ import annotations

import os
from pathlib import Path

from tallow.engine.commands import AcceptOffer
from tallow.engine.mirroring import (
    Known,
    Mirroring,
    claimed_here,
    finish,
    leave_out,
    overwritten,
    plan_sync,
    sync_view,
    tops,
)  # fmt: skip
from tallow.engine.storage.target import Target, plan_target
from tallow.engine.storage.walk import walk_sources
from tallow.protocol.manifest import Selection
from tallow.protocol.messages import Sync
from tests.engine.storage.trees import make

YES = AcceptOffer(1, sync=True, delete=True)


def _plan(
    tmp_path: Path, known: Known | None = None, *, delete: bool = True
) -> tuple[Target, Mirroring]:
    tree = walk_sources([str(tmp_path / "here/d")])
    target = plan_target(tree.manifest, "files", str(tmp_path / "there"), look=False)
    return plan_sync(target, Sync(delete=delete), known or Known())


def _made(tmp_path: Path) -> None:
    make(tmp_path / "here", {"d/big": bytes(200_000), "d/same": b"s", "d/new": b"n"})
    make(tmp_path / "there", {"d/big": bytes(100_000), "d/same": b"s", "d/extra": b"x"})
    at = (tmp_path / "here/d/same").stat().st_mtime_ns
    os.utime(tmp_path / "there/d/same", ns=(at, at))


def test_what_a_person_sees(tmp_path: Path) -> None:
    """C12: each file is counted once, and only what a sender wishes gone is extra."""
    _made(tmp_path)
    target, mirroring = _plan(tmp_path)
    view = sync_view(mirroring, target)
    assert (view.new_files, view.changed_files, view.unchanged_files) == (1, 1, 1)
    assert (view.delta_files, view.wanted_bytes, view.extra_shown) == (1, 200_001, ["d/extra"])
    assert tops(target) == {"d"}
    target, mirroring = _plan(tmp_path, delete=False)
    assert sync_view(mirroring, target).extra_files == 0


def test_only_a_yes_to_it_claims_and_replaces(tmp_path: Path) -> None:
    """C12, X01: neither a plain yes nor one without delta tells what is here."""
    _made(tmp_path)
    target, mirroring = _plan(tmp_path)
    selection = Selection.everything(target.manifest.entries)
    assert leave_out(mirroring, selection) == 0
    paths = [target.manifest.entry(number).path for number in selection]
    assert paths == ["d/big", "d/new"]
    assert list(claimed_here(mirroring, YES, target, selection).values()) == [((0, 0),)]
    assert len(overwritten(mirroring, YES)) == 1
    for answer in (AcceptOffer(1), AcceptOffer(1, sync=True, delta=False)):
        assert not claimed_here(mirroring, answer, target, selection)
    assert not overwritten(mirroring, AcceptOffer(1, delete=True))


def test_removing_needs_both_sides(tmp_path: Path) -> None:
    """X04, X17: no answer alone and no wish alone removes anything."""
    _made(tmp_path)
    no_consent = (AcceptOffer(1, sync=True), AcceptOffer(1, delete=True))
    for answer, delete in [*((answer, True) for answer in no_consent), (YES, False)]:
        target, mirroring = _plan(tmp_path, delete=delete)
        finish(mirroring, answer, target)
        assert (tmp_path / "there/d/extra").exists()
    target, mirroring = _plan(tmp_path)
    assert [one.path for one in finish(mirroring, YES, target)] == ["d/extra"]


def test_later_only_what_was_seen_may_go(tmp_path: Path) -> None:
    """C12: what the receiver makes between two offers of a row is not extra."""
    _made(tmp_path)
    known = Known()
    target, mirroring = _plan(tmp_path, known)
    known.note(target, mirroring.mirrored)
    make(tmp_path / "there", {"d/mine": b"m"})
    (tmp_path / "here/d/same").unlink()
    target, mirroring = _plan(tmp_path, known)
    assert sorted(sync_view(mirroring, target).extra_shown) == ["d/extra", "d/same"]
