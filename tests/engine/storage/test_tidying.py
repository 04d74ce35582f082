"""Tidying up: what the journal names and Tallow made, and never anything else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tallow.engine.storage.folder import open_folder
from tallow.engine.storage.journal import lock_journal
from tallow.engine.storage.tidying import Tidied, tidy
from tests.engine.storage.boxes import KEY, interrupted, journals, large, parts
from tests.world.world import make, tree

BIG = (large("a/one", 4), large("b/two", 4))
FOREIGN = {
    ".tallow-0123456789abcdef.part": b"another session's",
    ".tallow-0123456789abcdef.journal": b"sent by a peer",
    "a/.tallow-0123456789abcdef.part": b"another session's",
    "mine": b"mine",
}


@pytest.fixture
def journal(tmp_path: Path) -> str:
    """The journal of two large files that were cut off."""
    interrupted(tmp_path, *BIG, leaves={0: range(2), 1: range(3)})
    (name,) = (path.name for path in journals(tmp_path))
    return name


def part_of(tmp_path: Path, folder: str) -> Path:
    """Return the part in a folder."""
    (part,) = (tmp_path / folder).glob(".tallow-*.part")
    return part


def test_only_what_the_journal_names_goes(tmp_path: Path, journal: str) -> None:
    """X10, X15: other files of the same pattern stay, a peer's and another session's alike."""
    make(tmp_path, FOREIGN)
    assert tidy(tmp_path, journal, KEY) == Tidied(3, ())
    left = tree(tmp_path)
    assert {name: left[name] for name in FOREIGN} == FOREIGN
    assert len([name for name in left if ".tallow-" in name]) == 3
    assert tidy(tmp_path, journal, KEY) == Tidied(0, ())


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_what_was_put_in_a_parts_place_stays(tmp_path: Path, journal: str, kind: str) -> None:
    """X10, X17: a link or folder under a part's name is named, and what it holds is not touched."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").touch()
    part = part_of(tmp_path, "a")
    part.unlink()
    match kind:
        case "link":
            part.symlink_to(tmp_path / "precious/file")
        case "folder":
            (tmp_path / "precious").rename(part)
        case "pipe":
            os.mkfifo(part)
    tidied = tidy(tmp_path, journal, KEY)
    assert tidied == Tidied(1, (f"a/{part.name}", journal))
    assert os.path.lexists(part)
    if kind != "folder":
        assert (tmp_path / "precious/file").exists()
    else:
        assert (part / "file").exists()
    assert tidy(tmp_path, journal, KEY).left == tidied.left


def test_a_folder_that_became_a_link_is_not_entered(tmp_path: Path, journal: str) -> None:
    """X10, X17: a part is not removed through a link that was put in its folder's place."""
    (tmp_path / "a").rename(tmp_path / "elsewhere")
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere")
    tidied = tidy(tmp_path, journal, KEY)
    assert (tidied.removed, len(tidied.left)) == (1, 2)
    assert len(parts(tmp_path / "elsewhere")) == 1


@pytest.mark.parametrize("kind", ["foreign", "link", "folder", "empty", "damaged", "newer"])
def test_what_is_no_journal_of_ours_stays(tmp_path: Path, journal: str, kind: str) -> None:
    """X15: an attacker's file under our journal's name removes nothing, itself included."""
    place = tmp_path / journal
    raw = bytearray(place.read_bytes())
    place.unlink()
    match kind:
        case "foreign":
            place.write_bytes(b"TLWJ\x01 sent by a peer")
        case "link":
            (tmp_path / "other").write_bytes(raw)
            place.symlink_to(tmp_path / "other")
        case "folder":
            place.mkdir()
        case "empty":
            place.touch()
        case "damaged":
            raw[40] ^= 1
            place.write_bytes(raw)
        case "newer":
            raw[4] = 2
            place.write_bytes(raw)
    before = parts(tmp_path)
    assert tidy(tmp_path, journal, KEY) == Tidied(0, (journal,))
    assert parts(tmp_path) == before


@pytest.mark.parametrize(
    "name", ["mine", "../mine", ".tallow-0123456789abcdef.part", ".tallow-x.journal", "/etc/passwd"]
)
def test_no_other_name_is_a_journals(tmp_path: Path, name: str) -> None:
    """X15: a damaged record cannot make any other file a journal."""
    make(tmp_path, FOREIGN)
    assert tidy(tmp_path, name, KEY) == Tidied(0, (name,))
    assert {name: tree(tmp_path)[name] for name in FOREIGN} == FOREIGN


def test_what_is_in_use_stays(tmp_path: Path, journal: str) -> None:
    """A transfer that runs in another process is not pulled away under it."""
    held = open_folder(tmp_path)
    descriptor = held.open_own(journal)
    assert lock_journal(descriptor)
    before = parts(tmp_path)
    assert tidy(tmp_path, journal, KEY) == Tidied(0, (journal,), in_use=True)
    assert parts(tmp_path) == before
    os.close(descriptor)
    held.close()
    assert tidy(tmp_path, journal, KEY) == Tidied(3, ())


def test_a_folder_that_is_gone_leaves_nothing(tmp_path: Path, journal: str) -> None:
    """Somebody who removed the output folder has tidied up himself."""
    assert tidy(tmp_path / "gone", journal, KEY) == Tidied(0, ())
    (tmp_path / "file").touch()
    assert tidy(tmp_path / "file", journal, KEY) == Tidied(0, (journal,))
