"""Comparing a list with a folder: what counts as unchanged, what is extra, what is in the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tallow.engine.storage.mirror import Mirrored, compare
from tallow.engine.storage.target import Target, plan_target
from tallow.engine.storage.walk import walk_sources
from tallow.protocol.manifest import Entry, EntryKind, Manifest
from tallow.protocol.stamps import stamp
from tests.engine.storage.trees import make

TREE: dict[str, bytes | None] = {
    "d/a.txt": b"a",
    "d/sub/b.txt": b"b",
    "d/sub/deep/c.txt": b"c",
    "d/empty": None,
}


def _two(tmp_path: Path) -> tuple[Path, Path]:
    """Return a source and a target that are the same, times included."""
    source, there = make(tmp_path / "here", TREE), make(tmp_path / "there", TREE)
    for path in source.rglob("*"):
        if path.is_file():
            at = path.stat().st_mtime_ns
            os.utime(there / path.relative_to(source), ns=(at, at))
    return source, there


def _target(source: Path, there: Path) -> Target:
    tree = walk_sources([str(source / "d")])
    return plan_target(tree.manifest, "files", str(there), look=False)


def _paths(mirrored: Mirrored) -> list[str]:
    return [extra.path for extra in mirrored.extras.files]


def test_what_is_the_same_is_unchanged(tmp_path: Path) -> None:
    """C12: same size and time is unchanged; nothing is extra."""
    target = _target(*_two(tmp_path))
    mirrored = compare(target, extras=True)
    assert len(mirrored.unchanged) == target.manifest.entries
    assert not len(mirrored.changed) and not mirrored.new_files
    assert mirrored.extras.count == 0 and not mirrored.extras.folders
    assert mirrored.roots == {"d"}


@pytest.mark.parametrize("step_ns", [1, 100, 10_000_000, 1_000_000_000, 2_000_000_000])
def test_a_coarse_file_system_keeps_a_file_unchanged(tmp_path: Path, step_ns: int) -> None:
    """C12: a time that the target keeps only roughly is still the listed one."""
    listed_ns = 1_700_000_003_123_456_789
    (tmp_path / "f").write_bytes(b"x")
    os.utime(tmp_path / "f", ns=(0, listed_ns - listed_ns % step_ns))
    manifest = Manifest.of([Entry("f", EntryKind.FILE, 1, 0o644, listed_ns)])
    target = plan_target(manifest, "files", str(tmp_path), look=False)
    assert 0 in compare(target, extras=False).unchanged


def test_new_changed_and_other_modes_are_told_apart(tmp_path: Path) -> None:
    """C12: size, time, bits and absence each have their own answer."""
    source, there = _two(tmp_path)
    (source / "d/new").write_bytes(b"n")
    (source / "d/a.txt").write_bytes(b"longer")
    (there / "d/sub/b.txt").chmod(0o600)
    target = _target(source, there)
    mirrored = compare(target, extras=True)
    assert mirrored.new_files == 1
    changed = [target.manifest.entry(number).path for number in mirrored.changed]
    assert changed == ["d/a.txt"]
    modes = [target.manifest.entry(number).path for number in mirrored.other_mode]
    assert modes == ["d/sub/b.txt"]
    assert not mirrored.here_bytes, "small files travel whole"


def test_a_large_changed_file_offers_what_it_has(tmp_path: Path) -> None:
    """C12: of a file that does not travel packed the size here is known."""
    source, there = _two(tmp_path)
    (source / "d/big").write_bytes(bytes(300_000))
    (there / "d/big").write_bytes(bytes(200_000))
    mirrored = compare(_target(source, there), extras=False)
    assert list(mirrored.here_bytes.values()) == [200_000]


def test_extra_files_are_counted_and_folders_follow(tmp_path: Path) -> None:
    """C12: what is not listed is extra, however deep; Tallow's own files never are."""
    source, there = _two(tmp_path)
    make(there, {"d/x": b"1", "d/more/y": b"2", "d/more/inner": None, "outside": b"3"})
    make(there, {"d/.tallow-0011223344556677.part": b"p"})
    mirrored = compare(_target(source, there), extras=True)
    assert _paths(mirrored) == ["d/x", "d/more/y"]
    assert mirrored.extras.folders == [("d", "more"), ("d", "more", "inner")]


def test_a_link_is_extra_and_never_followed(tmp_path: Path) -> None:
    """X04, X13: what a link points to is neither unchanged nor extra; the link itself may go."""
    source, there = _two(tmp_path)
    make(tmp_path / "elsewhere", {"precious": b"p"})
    (there / "d/link").symlink_to(tmp_path / "elsewhere")
    mirrored = compare(_target(source, there), extras=True)
    assert _paths(mirrored) == ["d/link"]


def test_a_root_that_is_a_link_is_left_alone(tmp_path: Path) -> None:
    """X04: nothing below a root that leads elsewhere is compared or extra."""
    source, there = _two(tmp_path)
    (there / "d").rename(tmp_path / "moved")
    (there / "d").symlink_to(tmp_path / "moved")
    target = _target(source, there)
    mirrored = compare(target, extras=True)
    assert len(mirrored.blocked) == target.manifest.entries
    assert mirrored.extras.count == 0 and not mirrored.extras.in_the_way


def test_kinds_in_each_others_way(tmp_path: Path) -> None:
    """C12: a file where a folder is listed blocks it, and a folder where a file is listed too."""
    source, there = _two(tmp_path)
    make(source, {"d/was file/in": b"1", "d/was folder": b"2"})
    make(there, {"d/was file": b"old", "d/was folder/in": b"old"})
    target = _target(source, there)
    mirrored = compare(target, extras=True)
    blocked = {target.manifest.entry(number).path for number in mirrored.blocked}
    assert blocked == {"d/was file", "d/was file/in", "d/was folder"}
    way = [extra.path for extra in mirrored.extras.in_the_way]
    assert sorted(way) == ["d/was file", "d/was folder/in"]
    assert mirrored.extras.folders_in_the_way == [("d", "was folder")]
    assert not mirrored.extras.files and not mirrored.extras.folders


def test_special_files_block_and_stay(tmp_path: Path) -> None:
    """C12: a pipe in the place of a file is neither replaced nor removed."""
    source, there = _two(tmp_path)
    (there / "d/a.txt").unlink()
    os.mkfifo(there / "d/a.txt")
    os.mkfifo(there / "d/extra")
    target = _target(source, there)
    mirrored = compare(target, extras=True)
    assert [target.manifest.entry(number).path for number in mirrored.blocked] == ["d/a.txt"]
    assert mirrored.extras.count == 0


def test_only_what_was_listed_once_may_be_extra_later(tmp_path: Path) -> None:
    """C12: in later rounds of a watch the receiver's own files are nobody's business."""
    source, there = _two(tmp_path)
    make(there, {"d/gone": b"1", "d/mine": b"2", "d/mine too": None})
    known = {stamp("d/gone")}
    mirrored = compare(
        _target(source, there), extras=True, once_listed=lambda path: stamp(path) in known
    )
    assert _paths(mirrored) == ["d/gone"]
    assert not mirrored.extras.folders


def test_a_name_that_is_no_text_is_extra(tmp_path: Path) -> None:
    """X05: a local name in odd bytes does not stop the comparison."""
    source, there = _two(tmp_path)
    Path(os.fsdecode(bytes(there / "d") + b"/\xff\xfe")).write_bytes(b"x")
    mirrored = compare(_target(source, there), extras=True)
    assert mirrored.extras.count == 1


def test_without_a_root_folder_nothing_is_extra(tmp_path: Path) -> None:
    """C12: a sync of a single file removes nothing beside it."""
    make(tmp_path, {"f": b"1", "other": b"2"})
    manifest = Manifest.of([Entry("f", EntryKind.FILE, 5, 0o644, 0)])
    mirrored = compare(plan_target(manifest, "files", str(tmp_path), look=False), extras=True)
    assert mirrored.extras.count == 0 and not mirrored.roots
