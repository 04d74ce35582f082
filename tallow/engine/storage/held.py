"""Folders below the target, held open while they are used and a few moments longer.

A tree may have more folders than a process may hold handles, so the least recently used ones that
nobody works in are closed; opening again walks down from the root, never through a link.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from tallow.engine.storage.folder import Folder

HELD = 64
Parts = tuple[str, ...]


class HeldFolders:
    """Borrow folders by their path components below a root."""

    def __init__(self, root: Folder) -> None:
        self._root = root
        self._open: OrderedDict[Parts, Folder] = OrderedDict()
        self._users: dict[Parts, int] = {}
        self._lock = threading.RLock()
        self._closed = False
        self.made: set[Parts] = set()
        """Folders that did not exist before."""

    @contextmanager
    def borrow(self, parts: Parts) -> Iterator[Folder]:
        """Hold a folder for a moment, made if it is not there; OSError if a link is in the way."""
        with self._lock:
            folder = self._get(parts)
            self._users[parts] = self._users.get(parts, 0) + 1
        try:
            yield folder
        finally:
            with self._lock:
                self._users[parts] -= 1
                if not self._users[parts]:
                    del self._users[parts]
                self._close_unused()

    def close(self) -> None:
        """Close every handle, the root's too; once, because numbers are used again."""
        with self._lock:
            if not self._closed:
                for folder in (*self._open.values(), self._root):
                    folder.close()
            self._closed = True
            self._open.clear()

    def _get(self, parts: Parts) -> Folder:
        if not parts:
            return self._root
        folder = self._open.get(parts)
        if folder is None:
            with self.borrow(parts[:-1]) as above:
                folder, made = above.sub(parts[-1])
            if made:
                self.made.add(parts)
            self._open[parts] = folder
        self._open.move_to_end(parts)
        return folder

    def _close_unused(self) -> None:
        if len(self._open) <= HELD:
            return
        for parts in [parts for parts in self._open if parts not in self._users]:
            self._open.pop(parts).close()
            if len(self._open) <= HELD:
                return
