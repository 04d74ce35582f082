"""The demo's folder and the comparison of trees."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tallow.cli.demo_folder import SMALL_FILES, Workplace, check_space, compare, make_folder
from tallow.errors import DiskFull

LARGE = 3_000_000


def zeros(count: int) -> bytes:
    """Return what stands for random bytes."""
    return bytes(count)


def made(place: Path) -> tuple[Path, Path]:
    """Return the demo's folder and an equal copy."""
    source = make_folder(place, LARGE, zeros)
    return source, shutil.copytree(source, place / "copy")


def test_the_folder_holds_what_transfers_trip_over(tmp_path: Path) -> None:
    """Nesting, several scripts, an empty file, an empty folder, small files, a large one."""
    source, _ = made(tmp_path)
    paths = {path.relative_to(source).as_posix(): path for path in source.rglob("*")}
    assert paths["film.bin"].stat().st_size == LARGE
    assert paths["empty file"].stat().st_size == 0
    assert not list(paths["empty folder"].iterdir())
    assert sum(name.startswith("small/") for name in paths) == SMALL_FILES
    assert max(name.count("/") for name in paths) >= 4
    assert any(not name.isascii() for name in paths)


def test_equal_trees(tmp_path: Path) -> None:
    """Equal trees have no differences, and what was compared is counted with the folder itself."""
    source, copy = made(tmp_path)
    found = compare(source, copy)
    assert found.differences == ()
    assert found.files == SMALL_FILES + 7
    assert found.folders == sum(path.is_dir() for path in source.rglob("*")) + 1
    assert found.total_bytes > LARGE


def test_every_difference_is_found(tmp_path: Path) -> None:
    """One changed byte, a missing folder, a new file, and a file in a folder's place are found."""
    source, copy = made(tmp_path)
    with (copy / "film.bin").open("r+b") as file:
        file.seek(LARGE - 1)
        file.write(b"x")
    (copy / "empty folder").rmdir()
    (copy / "new").touch()
    (copy / "small" / "000.bin").unlink()
    (copy / "small" / "000.bin").mkdir()
    assert compare(source, copy).differences == (
        "missing: empty folder", "unexpected: new", "different: film.bin",
        "different: small/000.bin",
    )  # fmt: skip


def test_the_workplace_is_removed() -> None:
    """Nothing is left behind unless it was asked for."""
    with Workplace(keep=False) as place:
        place.folder("a")
        assert place.path.is_dir()
    assert not place.path.exists()
    with Workplace(keep=True) as kept:
        pass
    assert kept.path.is_dir()
    shutil.rmtree(kept.path)


def test_too_little_space_is_said_before(tmp_path: Path) -> None:
    """A demo that cannot fit does not begin."""
    check_space(tmp_path, 1000)
    with pytest.raises(DiskFull):
        check_space(tmp_path, 1 << 60)
