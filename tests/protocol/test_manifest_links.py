"""Links in a list: a target and no content, and nothing else has a target."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from msgspec import structs

from tallow.errors import RemoteProtocolError
from tallow.protocol.manifest import Entry, EntryKind, Manifest, decode_page, has_leaves
from tallow.wire import limits


def test_a_link_says_its_target() -> None:
    """C7: the target is part of the page and so of the root, and a link has no content."""
    entries = [
        Entry("t", EntryKind.FOLDER, 0, 0o755, 0),
        Entry("t/l", EntryKind.LINK, 0, 0o777, 0, "a"),
    ]
    manifest = Manifest.of([*entries, Entry("t/a", EntryKind.FILE, 1, 0o644, 0)])
    assert list(manifest)[1].target == "a"
    assert (manifest.files, manifest.folders, manifest.links) == (1, 1, 1)
    assert [has_leaves(entry) for entry in manifest] == [False, False, True]
    other = Manifest.of(
        [
            entries[0],
            structs.replace(entries[1], target="b"),
            Entry("t/a", EntryKind.FILE, 1, 0o644, 0),
        ]
    )
    assert manifest.root() != other.root()


@pytest.mark.parametrize(
    "entry",
    [
        ["l", 3, 0, 0o777, 0],
        ["l", 3, 0, 0o777, 0, ""],
        ["l", 3, 1, 0o777, 0, "x"],
        ["l", 3, 0, 0o777, 0, "x" * (limits.PATH_MAX_BYTES + 1)],
        ["l", 3, 0, 0o777, 0, b"x"],
        ["l", 3, 0, 0o777, 0, "x", 0],
        ["f", 0, 1, 0o644, 0, "x"],
        ["d", 1, 0, 0o755, 0, "x"],
        ["s", 2, 0, 0o644, 0, "x"],
        ["l", 4, 0, 0o777, 0, "x"],
    ],
)
def test_a_false_link_is_refused(entry: list[Any]) -> None:
    """X14: a link has a target and no size, and nothing else has a target."""
    with pytest.raises(RemoteProtocolError):
        decode_page(msgpack.packb([entry]))
