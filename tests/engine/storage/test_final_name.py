"""From a temporary name to a final one: by policy, exclusively, and never twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallow.engine.storage.final_name import same_content, take_final_name
from tallow.engine.storage.folder import Folder, open_folder
from tallow.errors import NotWritable, StorageError
from tests.world.world import make, tree


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Folder]:
    """A folder with a part in it."""
    make(tmp_path, {"part": b"new"})
    os.utime(tmp_path / "part", ns=(5, 5))
    folder = open_folder(tmp_path)
    yield folder
    folder.close()


def put(place: Path, content: bytes, mtime_ns: int = 5) -> None:
    """Put a file there with a time."""
    place.write_bytes(content)
    os.utime(place, ns=(mtime_ns, mtime_ns))


def test_a_free_name_is_taken(held: Folder, tmp_path: Path) -> None:
    """The part is gone and the file is there."""
    assert take_final_name(held, "part", "a.txt", "rename", resumed=False) == ("done", "a.txt")
    assert tree(tmp_path) == {"a.txt": b"new"}


def test_a_name_that_is_no_text(held: Folder, tmp_path: Path) -> None:
    """A name that the user gave in bytes is counted in bytes."""
    name = "\udcff" * 200
    put(tmp_path / name, b"old")
    assert take_final_name(held, "part", name, "rename", resumed=False)[1] == f"{name} (1)"


def test_a_killed_session_is_not_named_twice(held: Folder, tmp_path: Path) -> None:
    """The same content and time under the name is this very file, named by a session before."""
    put(tmp_path / "a.txt", b"new")
    assert take_final_name(held, "part", "a.txt", "rename", resumed=True) == ("done", "a.txt")
    assert tree(tmp_path) == {"a.txt": b"new"}


def test_a_killed_session_had_renamed_it(held: Folder, tmp_path: Path) -> None:
    """So is the same content under the next free name."""
    put(tmp_path / "a.txt", b"old")
    put(tmp_path / "a (1).txt", b"new")
    status = take_final_name(held, "part", "a.txt", "rename", resumed=True)
    assert status == ("renamed", "a (1).txt")
    assert tree(tmp_path) == {"a.txt": b"old", "a (1).txt": b"new"}


@pytest.mark.parametrize("difference", ["content", "time", "size", "first session"])
def test_another_file_is_never_taken_for_ours(
    held: Folder, tmp_path: Path, difference: str
) -> None:
    """X15: what differs in anything is somebody else's and stays; the new file gets a number."""
    content = {"content": b"old", "size": b"newer"}.get(difference, b"new")
    put(tmp_path / "a", content, 6 if difference == "time" else 5)
    resumed = difference != "first session"
    assert take_final_name(held, "part", "a", "rename", resumed=resumed) == ("renamed", "a (1)")
    assert tree(tmp_path) == {"a": content, "a (1)": b"new"}


def test_a_link_is_never_taken_for_ours(held: Folder, tmp_path: Path) -> None:
    """X17: a link to the same content is not the file."""
    put(tmp_path / "other", b"new")
    (tmp_path / "a").symlink_to("other")
    assert not same_content(held, "part", "a")
    assert take_final_name(held, "part", "a", "rename", resumed=True) == ("renamed", "a (1)")


def test_a_folder_stays(held: Folder, tmp_path: Path) -> None:
    """X15: nothing replaces a folder."""
    (tmp_path / "a").mkdir()
    with pytest.raises(NotWritable):
        take_final_name(held, "part", "a", "overwrite", resumed=True)
    assert take_final_name(held, "part", "a", "skip", resumed=True) == ("skipped", "a")


def test_names_come_to_an_end(held: Folder, tmp_path: Path) -> None:
    """A name so long that no number fits behind it is an error, and the part stays."""
    name = "x" * 254
    put(tmp_path / name, b"old")
    with pytest.raises(StorageError, match="free name"):
        take_final_name(held, "part", name, "rename", resumed=False)
    assert tree(tmp_path) == {name: b"old", "part": b"new"}
