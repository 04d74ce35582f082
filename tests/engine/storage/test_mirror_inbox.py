"""An inbox that begins with copies of what it replaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.engine.storage.mirror_inbox import MirrorInbox
from tallow.errors import DiskFull
from tallow.protocol.manifest import Selection
from tests.engine.storage.boxes import (
    KEY,
    LEAF,
    check_job,
    content_of,
    head_for,
    hole_job,
    large,
    leaf_job,
    parts,
    target_for,
)  # fmt: skip
from tests.fakes import SeededRng

FILE = large("f", 3)


def _box(place: Path, old: bytes | None) -> MirrorInbox:
    if old is not None:
        (place / "f").write_bytes(old)
    target = target_for(place, FILE)
    box = MirrorInbox(
        target, "rename", SeededRng("m").bytes, lambda: KEY, {0: "overwrite"}, seeds=frozenset({0})
    )
    box.prepare(Selection.everything(1))
    box.begin(head_for(target.manifest))
    return box


def _old(leaves: int) -> bytes:
    return b"".join(content_of(number) for number in range(leaves))


@pytest.mark.parametrize("leaves", [1, 3, 5])
def test_what_is_there_is_hashed_and_the_rest_comes(tmp_path: Path, leaves: int) -> None:
    """C12: leaves are read from a copy; the old file stays until the new one has its name."""
    box = _box(tmp_path, _old(leaves))
    hashes = box.check_leaves(check_job(0, 0, 3))
    assert [bool(one) for one in hashes] == [number < leaves for number in range(3)]
    new = content_of(1, "new ")
    box.store_leaves(leaf_job(0, 1, new))
    for number in range(max(leaves, 2), 3):
        box.store_leaves(leaf_job(0, number))
    assert (tmp_path / "f").read_bytes() == _old(leaves)
    box.give_name(0)
    box.finish()
    assert (tmp_path / "f").read_bytes() == content_of(0) + new + content_of(2)
    assert (tmp_path / "f").stat().st_mtime_ns == FILE.mtime_ns


def test_a_hole_clears_what_the_copy_held(tmp_path: Path) -> None:
    """C12: a hole of the new file is zeros, not what stood there before."""
    box = _box(tmp_path, _old(3))
    box.store_leaves(hole_job(0, 1))
    box.give_name(0)
    box.finish()
    assert (tmp_path / "f").read_bytes() == content_of(0) + bytes(LEAF) + content_of(2)


def test_a_copy_that_ends_early_leaves_the_old_file(tmp_path: Path) -> None:
    """C12: what was not finished is removed, and the old file is untouched."""
    box = _box(tmp_path, _old(3))
    box.store_leaves(leaf_job(0, 1, content_of(1, "new ")))
    assert not box.abandon(keep=False)
    assert (tmp_path / "f").read_bytes() == _old(3)
    assert parts(tmp_path) == []


def test_a_link_in_its_place_is_not_copied(tmp_path: Path) -> None:
    """X04, X13: what a link points to is not read, so every leaf counts as different."""
    (tmp_path / "secret").write_bytes(_old(3))
    (tmp_path / "f").symlink_to(tmp_path / "secret")
    box = _box(tmp_path, None)
    assert box.check_leaves(check_job(0, 0, 3)) == [b"", b"", b""]
    box.abandon(keep=False)


def test_no_room_for_the_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is said as such before anything is asked for."""
    import errno

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tallow.engine.storage.mirror_inbox.copy_content", full)
    with pytest.raises(DiskFull):
        _box(tmp_path, _old(3))
