"""Where an offer would go: looked at before anything is written, and never written to."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from tallow.engine.storage import target as target_module
from tallow.engine.storage.target import STDOUT, Target, plan_target, this_system
from tallow.errors import NotWritable, UnsafeName, UsageError
from tallow.protocol.manifest import Entry, EntryKind, Manifest
from tallow.protocol.names import TargetSystem
from tests.world.stranger import file, folder
from tests.world.world import make, tree

STREAM = Entry("log", EntryKind.STREAM, 0, 0o644, 0)


def plan(place: Path | str, *entries: Entry) -> Target:
    """Plan an offer of these entries."""
    kind = "stream" if entries[0].kind is EntryKind.STREAM else "files"
    return plan_target(Manifest.of(entries), kind, str(place))


def test_an_offer_goes_into_a_folder(tmp_path: Path) -> None:
    """Names are taken component by component; nothing is made by looking."""
    target = plan(tmp_path, folder("p"), file("p/a", 5))
    assert target.parts(1) == ("p", "a")
    assert target.shown == f"{tmp_path}{os.sep}"
    assert (target.folder, target.rename_to, target.existing) == (tmp_path, None, frozenset())
    assert target.free_bytes
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("entry", [file("a", 5), STREAM])
def test_one_file_may_get_another_name(tmp_path: Path, entry: Entry) -> None:
    """``-o FILE`` renames a single file or stream."""
    target = plan(tmp_path / "mine.bin", entry)
    assert (target.folder, target.rename_to) == (tmp_path, "mine.bin")
    assert target.parts(0) == ("mine.bin",)
    assert target.shown == str(tmp_path / "mine.bin")


def test_a_new_name_that_is_taken_is_a_conflict(tmp_path: Path) -> None:
    """``-o FILE`` asks like any other name before it overwrites."""
    make(tmp_path, {"mine.bin": b"old"})
    target = plan(tmp_path / "mine.bin", file("a", 5))
    assert target.existing == {0}
    assert target.entry_risks(0) == ["overwrite"]


def test_an_existing_folder_is_never_renamed_to(tmp_path: Path) -> None:
    """``-o DIR`` means into it, for a single file too."""
    assert plan(tmp_path, file("a", 5)).parts(0) == ("a",)


@pytest.mark.parametrize("output", ["missing/deep", "missing", "file", "file/below"])
def test_an_output_that_cannot_be(tmp_path: Path, output: str) -> None:
    """Several files need a folder that is there."""
    make(tmp_path, {"file": b""})
    with pytest.raises(NotWritable):
        plan(tmp_path / output, file("a"), file("b"))


def test_an_output_of_an_impossible_length(tmp_path: Path) -> None:
    """What the system calls too long is an error of ours."""
    with pytest.raises(NotWritable):
        plan(tmp_path / ("x" * 300) / "y", file("a"), file("b"))


def test_a_list_too_long_for_this_place(tmp_path: Path) -> None:
    """X11: a path within all limits that is too long below this output ends as NotWritable."""
    with pytest.raises(NotWritable):
        plan(tmp_path, folder("/".join(["d" * 255] * 16)))


def test_an_output_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without permission is said before the person is asked."""
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with pytest.raises(NotWritable, match="may not be written"):
        plan(tmp_path, file("a"))


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    """X10: neither a file nor a link, dangling or not, becomes a folder of the offer."""
    make(tmp_path, {"a": b"", "real": None})
    (tmp_path / "b").symlink_to("real")
    (tmp_path / "c").symlink_to("nowhere")
    for name in "abc":
        with pytest.raises(NotWritable, match="in the way"):
            plan(tmp_path, folder(name))
    assert plan(tmp_path, folder("real")).existing == frozenset()


def test_existing_names_are_conflicts(tmp_path: Path) -> None:
    """A file, folder or dangling link of an offered file's name is a conflict; folders merge."""
    make(tmp_path, {"p/file": b"", "p/folder": None})
    (tmp_path / "p/link").symlink_to("nowhere")
    entries = [folder("p"), *(file(f"p/{name}") for name in ("file", "folder", "link", "new"))]
    target = plan(tmp_path, *entries)
    assert target.existing == {1, 2, 3}
    assert "overwrite" in target.risks


def test_risks_are_told_for_the_whole_and_for_each(tmp_path: Path) -> None:
    """C4: dotfiles, programs, hidden signs and changed names are flagged."""
    target = plan(tmp_path, file(".a"), file("run", mode=0o755), file("x\u202ey"), file("plain"))
    assert target.risks == {"dotfile", "executable", "bidi", "renamed"}
    assert [target.entry_risks(number) for number in (0, 1, 3)] == [["dotfile"], ["executable"], []]


@pytest.mark.parametrize(
    "entries",
    [[file("../a")], [file("/a")], [file("a"), file("a")], [file("a"), folder("a")]],
    ids=["parent", "absolute", "twice", "clash"],
)
def test_a_hostile_list_is_refused_for_every_output(tmp_path: Path, entries: list[Entry]) -> None:
    """X04, X11: also where the names would not be used, as for standard output."""
    for output in (str(tmp_path), str(tmp_path / "new name"), STDOUT):
        with pytest.raises(UnsafeName):
            plan(output, *entries)


def test_standard_output_takes_one(tmp_path: Path) -> None:
    """A single file or a stream goes to standard output, anything more does not."""
    for entry in (file("a", 5), STREAM):
        target = plan(STDOUT, entry)
        assert (target.folder, target.free_bytes, target.shown) == (None, None, "standard output")
    for entries in ([file("a"), file("b")], [folder("a")], [folder("a"), file("a/b")]):
        with pytest.raises(UsageError):
            plan(STDOUT, *entries)


def test_free_space_is_that_of_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk that is asked is the one that would be written."""
    asked: list[Path] = []

    def usage(path: Path) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(free=42)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert plan(tmp_path / "name", file("a")).free_bytes == 42
    assert asked == [tmp_path]


def test_a_disk_that_cannot_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that does not answer is an error of ours, not a crash."""

    def broken(_path: Path) -> SimpleNamespace:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(shutil, "disk_usage", broken)
    with pytest.raises(NotWritable) as caught:
        plan(tmp_path, file("a"))
    assert caught.value.why == "Input/output error"


def test_looking_up_names_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """X17: a list of a million names does not cost a million looks before the person sees it."""
    monkeypatch.setattr(target_module, "LOOKED_AT", 2)
    make(tmp_path, dict.fromkeys("abcd", b""))
    assert plan(tmp_path, *map(file, "abcd")).existing == {0, 1}


@pytest.mark.parametrize(
    ("platform", "system"),
    [
        ("linux", TargetSystem.POSIX),
        ("freebsd14", TargetSystem.POSIX),
        ("darwin", TargetSystem.MACOS),
        ("win32", TargetSystem.WINDOWS),
    ],
)
def test_the_rules_of_this_system(
    monkeypatch: pytest.MonkeyPatch, platform: str, system: TargetSystem
) -> None:
    """Names follow the rules of the system they will stand on."""
    monkeypatch.setattr("sys.platform", platform)
    assert this_system() is system


def test_links_of_an_offer(tmp_path: Path) -> None:
    """C7: a link is flagged, says the names of this system, and meets only what differs."""
    (tmp_path / "t").mkdir()
    (tmp_path / "t/same").symlink_to("a_b")
    (tmp_path / "t/other").symlink_to("x")
    entries = [
        Entry(f"t/{name}", EntryKind.LINK, 0, 0o777, 0, "a\u202eb")
        for name in ("same", "other", "new")
    ]
    target = plan(tmp_path, *entries)
    assert [target.link(number) for number in range(3)] == ["a_b"] * 3
    assert target.existing == {1}
    assert "symlink" in target.risks
    assert target.entry_risks(2) == ["symlink"]
    assert target.numbers(range(3), EntryKind.LINK) == [0, 1, 2]


def test_a_hostile_link_is_refused(tmp_path: Path) -> None:
    """X10: the list is refused before anybody is asked, whatever the output is."""
    for output in (tmp_path, "-"):
        with pytest.raises(UnsafeName):
            plan(output, Entry("t/l", EntryKind.LINK, 0, 0o777, 0, "../../x"))


def test_only_a_name_that_changed_itself_counts(tmp_path: Path) -> None:
    """C7: files below a folder that was renamed have kept their own names."""
    target = plan(tmp_path, folder("a\u202eb"), file("a\u202eb/c", 1), file("d ", 1))
    assert [target.changed(number) for number in range(3)] == [True, False, True]
    renamed = plan(tmp_path / "new", file("d ", 1))
    assert not renamed.changed(0)
