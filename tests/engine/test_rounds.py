"""What an offer says of a sync; the rounds themselves are played in tests/world/test_watch.py."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs

from tallow.engine.commands import SendFiles
from tallow.engine.rounds import sync_of
from tallow.engine.storage.walk import walk_sources
from tallow.protocol.messages import Sync
from tests.engine.storage.trees import make


def test_what_is_said_of_a_sync(tmp_path: Path) -> None:
    """C12: a copy says nothing; what could not be listed takes the wish to remove away."""
    make(tmp_path, {"d/a": b"1"})
    tree = walk_sources([str(tmp_path / "d")])
    command = SendFiles((str(tmp_path / "d"),), delete=True)
    assert sync_of(command, tree) is None
    assert sync_of(structs.replace(command, mode="sync"), tree) == Sync(delete=True)
    watch = structs.replace(command, mode="watch")
    assert sync_of(watch, tree) == Sync(delete=True, watch=True)
    tree.failed_count = 1
    assert sync_of(watch, tree) == Sync(watch=True)
