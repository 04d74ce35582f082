"""A part: written at offsets, zeros where a hole is, its length and its name checked at the end."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tallow.crypto.tree import leaf_hash
from tallow.engine.storage.folder import Folder, open_folder
from tallow.engine.storage.journal import PART_NAME
from tallow.engine.storage.parts import Part, part_name
from tallow.errors import LocalProtocolError, StorageError
from tests.fakes import SeededRng


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Folder]:
    """A folder."""
    folder = open_folder(tmp_path)
    yield folder
    folder.close()


@pytest.fixture
def part(held: Folder) -> Iterator[Part]:
    """A part in it."""
    made = Part((), "part", held.create("part"))
    yield made
    made.close()


def test_names_are_random_and_of_one_pattern() -> None:
    """X10: nobody can guess the next one, and only such names are ever tidied up."""
    rng = SeededRng("names")
    names = {part_name(rng.bytes) for _ in range(100)}
    assert len(names) == 100
    import re

    assert all(re.fullmatch(PART_NAME, name) for name in names)


def test_a_hole_in_a_new_part_is_not_written(part: Part, tmp_path: Path) -> None:
    """C7: a hole costs no room: the file only gets its length, at once its full one."""
    part.write(memoryview(b"head"), 0)
    part.leave_hole(1 << 20, 1 << 20, 1 << 30)
    seen = (tmp_path / "part").stat()
    assert seen.st_size == 1 << 30
    assert seen.st_blocks * 512 < 1 << 20


def test_a_hole_never_cuts_off_what_is_there(part: Part, tmp_path: Path) -> None:
    """Leaves behind a hole may have been written before it by another thread."""
    part.write(memoryview(b"tail"), 12)
    part.leave_hole(4, 4, 16)
    assert (tmp_path / "part").read_bytes() == bytes(12) + b"tail"


def test_a_hole_in_an_adopted_part_is_cleared(part: Part, tmp_path: Path) -> None:
    """X15: what an earlier session or a stranger left where zeros are listed does not stay."""
    part.write(memoryview(b"x" * 16), 0)
    part.leave_hole(4, 8, 16)
    assert (tmp_path / "part").read_bytes() == b"x" * 16
    part.adopted = True
    part.leave_hole(4, 8, 16)
    assert (tmp_path / "part").read_bytes() == b"xxxx" + bytes(8) + b"xxxx"


def test_leaves_are_read_again(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be read whole has no hash; the others have theirs."""
    part.write(memoryview(b"0123456789"), 0)
    zero = leaf_hash(b"0123")
    assert part.hashes(0, (4, 4, 4)) == [zero, leaf_hash(b"4567"), b""]
    assert part.hashes(0, (4, 4, 2)) == [zero, leaf_hash(b"4567"), leaf_hash(b"89")]
    real = os.pread

    def broken(descriptor: int, count: int, offset: int) -> bytes:
        if offset == 4:
            raise OSError(5, "Input/output error")
        return real(descriptor, count, offset)

    monkeypatch.setattr(os, "pread", broken)
    assert part.hashes(0, (4, 4, 2)) == [zero, b"", leaf_hash(b"89")]


@pytest.mark.parametrize("size", [0, 4, 10, 99])
def test_a_part_gets_its_length(part: Part, tmp_path: Path, size: int) -> None:
    """X15: bytes behind the end of the file never get into it, and holes at its end do."""
    part.write(memoryview(b"0123456789"), 0)
    part.cut(size)
    assert (tmp_path / "part").read_bytes() == b"0123456789"[:size].ljust(size, b"\0")


@pytest.mark.parametrize("kind", ["gone", "another", "link"])
def test_a_part_that_was_replaced_is_noticed(
    part: Part, held: Folder, tmp_path: Path, kind: str
) -> None:
    """X17: what gets the final name is what was written and hashed, not what has its name now."""
    part.check_name(held, "shown")
    (tmp_path / "part").rename(tmp_path / "moved")
    if kind == "another":
        (tmp_path / "part").write_bytes(b"another")
    elif kind == "link":
        (tmp_path / "part").symlink_to("moved")
    with pytest.raises(StorageError, match="shown was replaced"):
        part.check_name(held, "shown")


def test_a_finished_part_is_not_written(part: Part) -> None:
    """A descriptor that was closed may be another file's by now."""
    part.close()
    part.close()
    with pytest.raises(LocalProtocolError):
        part.write(memoryview(b"x"), 0)


def test_a_hole_where_files_cannot_grow_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C7: on a file system that cannot make a file longer, its zeros are written."""

    def refused(*_args: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no")

    made = Part((), "p", os.open(tmp_path / "p", os.O_RDWR | os.O_CREAT))
    made.write(memoryview(b"content"), 0)
    monkeypatch.setattr(os, "ftruncate", refused)
    made.leave_hole(7, 3_000_000, 3_000_007)
    made.close()
    assert (tmp_path / "p").read_bytes() == b"content" + bytes(3_000_000)
    assert made.has_holes


def test_trouble_of_the_disk_under_a_hole_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C9: a full disk is not taken for a file system without holes."""

    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    made = Part((), "p", os.open(tmp_path / "p", os.O_RDWR | os.O_CREAT))
    monkeypatch.setattr(os, "ftruncate", full)
    with pytest.raises(OSError, match="full"):
        made.leave_hole(0, 10, 10)
    made.close()
