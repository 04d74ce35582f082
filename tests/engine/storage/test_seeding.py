"""A copy to begin with: which leaves it may hold, and that the original is never written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tallow.engine.storage import seeding
from tallow.engine.storage.seeding import copy_content, leaves_here
from tests.engine.storage.boxes import LEAF, large

FILE = large("f", 3)


@pytest.mark.parametrize(
    ("here_bytes", "ranges"),
    [
        (0, ()),
        (LEAF - 1, ()),
        (LEAF, ((0, 0),)),
        (3 * LEAF - 1, ((0, 1),)),
        (3 * LEAF, ((0, 2),)),
        (9 * LEAF, ((0, 2),)),
    ],
)
def test_only_whole_leaves_are_claimed(
    here_bytes: int, ranges: tuple[tuple[int, int], ...]
) -> None:
    """C12: a file that grew or shrank claims the leaves that both sizes have."""
    assert leaves_here(FILE, here_bytes) == ranges


@pytest.mark.parametrize("helped", [True, False])
@pytest.mark.parametrize("length", [0, 5, 3_000_000, 9_000_000])
def test_a_copy_is_as_long_as_both(
    tmp_path: Path, length: int, helped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C12: with the system's help and without, the first bytes are copied and no more."""
    if not helped:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
        monkeypatch.setattr(seeding, "_share_blocks", lambda *_: False)
    content = os.urandom(4_000_000)
    (tmp_path / "source").write_bytes(content)
    with (tmp_path / "source").open("rb") as source, (tmp_path / "part").open("xb+") as part:
        copy_content(source.fileno(), part.fileno(), length)
    assert (tmp_path / "part").read_bytes() == content[:length]
    assert (tmp_path / "source").read_bytes() == content
