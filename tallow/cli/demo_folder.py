"""The folder that the demo sends, and the comparison of what arrived with it.

It holds what transfers trip over: nesting, names in several scripts, an empty file, an empty
folder, many small files and a large one of random bytes. This is the only part of the command
line that writes to the disk, inside a temporary folder of its own.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tallow.cli import units
from tallow.errors import DiskFull, StorageError

SMALL_FILES: Final = 100
_CHUNK_BYTES: Final = 1 << 20
_NAMES: Final = (
    "notes/read me first.txt",
    "notes/Grüße aus Köln.txt",
    "notes/данные/отчёт.csv",
    "notes/写真/夏 📷.txt",
    "notes/deep/er/and/deeper/still.txt",
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two trees compare."""

    files: int
    folders: int
    total_bytes: int
    differences: tuple[str, ...]


class Workplace:
    """A temporary folder with everything that the demo makes; a context manager that removes it."""

    def __init__(self, *, keep: bool) -> None:
        """Make the folder."""
        self.path = Path(tempfile.mkdtemp(prefix="tallow-demo-"))
        self._keep = keep

    def __enter__(self) -> Workplace:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._keep:
            shutil.rmtree(self.path, ignore_errors=True)

    def folder(self, name: str) -> Path:
        """Make a private folder inside and return it."""
        path = self.path / name
        path.mkdir(mode=0o700)
        return path


def check_space(place: Path, large_bytes: int) -> None:
    """Raise DiskFull unless the folder and its copy fit."""
    needed = 2 * large_bytes + 16 * _CHUNK_BYTES
    free = shutil.disk_usage(place).free
    if free < needed:
        raise DiskFull(
            "There is not enough space for the demo.",
            why=f"it needs {units.size(needed)}, {units.size(free)} are free in {place}",
            hint="Choose a smaller --size, or another place with TMPDIR.",
        )


def make_folder(place: Path, large_bytes: int, random_bytes: Callable[[int], bytes]) -> Path:
    """Make the folder to send below ``place`` and return it."""
    root = place / "holiday"
    try:
        (root / "empty folder").mkdir(parents=True)
        (root / "empty file").touch()
        for name in _NAMES:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{path.name}\n" * 20, encoding="utf-8")
        (root / "small").mkdir()
        for number in range(SMALL_FILES):
            size = 200 + number * 79
            (root / "small" / f"{number:03d}.bin").write_bytes(random_bytes(size))
        _write_large(root / "film.bin", large_bytes, random_bytes)
    except OSError as error:
        raise StorageError("The demo's folder cannot be made.", why=str(error)) from None
    return root


def compare(left: Path, right: Path) -> Comparison:
    """Compare two trees name by name and byte by byte."""
    ours, theirs = _tree(left), _tree(right)
    differences = [f"missing: {name}" for name in sorted(ours.keys() - theirs.keys())]
    differences += [f"unexpected: {name}" for name in sorted(theirs.keys() - ours.keys())]
    for name in sorted(ours.keys() & theirs.keys()):
        if ours[name] != theirs[name] or (ours[name] and not _equal(left / name, right / name)):
            differences.append(f"different: {name}")
    files = [name for name, is_file in ours.items() if is_file]
    return Comparison(
        files=len(files),
        folders=1 + len(ours) - len(files),
        total_bytes=sum((left / name).stat().st_size for name in files),
        differences=tuple(differences),
    )


def _write_large(path: Path, size: int, random_bytes: Callable[[int], bytes]) -> None:
    with path.open("wb") as file:
        while size > 0:
            size -= file.write(random_bytes(min(size, _CHUNK_BYTES)))


def _tree(root: Path) -> dict[str, bool]:
    """Return every path below a folder and whether it is a file."""
    return {path.relative_to(root).as_posix(): path.is_file() for path in root.rglob("*")}


def _equal(left: Path, right: Path) -> bool:
    with left.open("rb") as one, right.open("rb") as other:
        while True:
            chunk = one.read(_CHUNK_BYTES)
            if chunk != other.read(_CHUNK_BYTES):
                return False
            if not chunk:
                return True
