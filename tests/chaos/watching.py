"""Somebody who looks at the output folder all the time: a final name means the whole file.

Whatever stands there under a name that is not a temporary one must be a file of the source, byte
for byte, from the first moment on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOOK_EVERY_S = 0.02


class Watcher:
    """Compares every final name with the source as soon as it is there."""

    def __init__(self, folder: Path, source: Path) -> None:
        self._folder = folder
        self._source = source
        self._seen: dict[tuple[str, int], int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.found: list[str] = []
        """What was wrong."""

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def end(self) -> None:
        """Look a last time."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            self._look(self._folder, "")
        self._look(self._folder, "")

    def _look(self, folder: Path, above: str) -> None:
        try:
            with os.scandir(folder) as found:
                entries = list(found)
        except OSError:
            return
        for entry in entries:
            name = f"{above}{entry.name}"
            if entry.name.startswith(".tallow-"):
                continue
            if entry.is_dir(follow_symlinks=False):
                self._look(folder / entry.name, f"{name}/")
            elif self._seen.get((name, entry.inode())) is None:
                self._seen[name, entry.inode()] = 1
                self._compare(Path(entry.path), name)

    def _compare(self, here: Path, name: str) -> None:
        source = self._source.parent / name
        try:
            content = here.read_bytes()
        except FileNotFoundError:
            return
        if not source.is_file():
            self.found.append(f"{name} is no file of the source")
        elif content != source.read_bytes():
            self.found.append(f"{name} had its final name with {len(content)} bytes of its own")


@contextmanager
def watched(folder: Path, source: Path) -> Iterator[Watcher]:
    """Watch for the length of a block."""
    watcher = Watcher(folder, source)
    watcher.start()
    try:
        yield watcher
    finally:
        watcher.end()
