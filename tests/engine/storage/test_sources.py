"""Where an entry of a list lives on this disk: below its source, or below a link in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.engine.storage.sources import SourceRoot, SourceTree
from tallow.errors import SourceUnreadable
from tallow.protocol.manifest import Entry, EntryKind, Manifest

HOME, AWAY = SourceRoot(Path("/home/p"), 1, 2), SourceRoot(Path("/away"), 1, 3)
TREE = SourceTree(Manifest(), {}, branches={"p": HOME, "p/a/l": AWAY})


@pytest.mark.parametrize(
    ("path", "root", "below"),
    [
        ("p", HOME, ()),
        ("p/a/x", HOME, ("a", "x")),
        ("p/a/l", AWAY, ()),
        ("p/a/l/deep/x", AWAY, ("deep", "x")),
        ("p/a/later", HOME, ("a", "later")),
    ],
)
def test_the_nearest_root_counts(path: str, root: SourceRoot, below: tuple[str, ...]) -> None:
    """C7, X13: below a link that was followed, the way begins where the link led."""
    assert TREE.branch(path) == (root, below)
    entry = Entry(path, EntryKind.FILE, 0, 0o644, 0)
    assert TREE.local_path(entry) == root.path.joinpath(*below)


def test_what_is_below_no_source_is_not_found() -> None:
    """C7: a path that was never listed has no place."""
    with pytest.raises(SourceUnreadable):
        TREE.branch("other/x")
