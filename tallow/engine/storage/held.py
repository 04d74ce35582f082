"""Folders below the target, held open while they are used and a few moments longer.

A tree may have more folders than a process may hold handles, so the least recently used ones that
nobody works in are closed; opening again walks down from the root, never through a link.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from stat import S_ISREG

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
    def borrow(self, parts: Parts, *, make: bool = True) -> Iterator[Folder]:
        """Hold a folder for a moment, made if it is not there; OSError if a link is in the way.

        Without ``make`` a folder that is missing is a FileNotFoundError.
        """
        with self._lock:
            folder = self._get(parts, make)
            self._users[parts] = self._users.get(parts, 0) + 1
        try:
            yield folder
        finally:
            with self._lock:
                self._users[parts] -= 1
                if not self._users[parts]:
                    del self._users[parts]
                self._close_unused()

    def made_so_far(self) -> set[Parts]:
        """Return a copy of the folders that were made, while others go on making some."""
        with self._lock:
            return set(self.made)

    def has(self, above: Parts, name: str) -> bool:
        """Return whether something has a name below the root, or may have it."""
        try:
            with self.borrow(above, make=False) as folder:
                return folder.exists(name)
        except FileNotFoundError:
            return False
        except OSError:
            return True

    def remove_file(self, above: Parts, name: str) -> bool:
        """Remove a regular file below the root; False, changing nothing, for anything else.

        A folder or file that is missing is as good as removed.
        """
        try:
            with self.borrow(above, make=False) as folder:
                seen = folder.look(name)
                if seen is None:
                    return True
                if not S_ISREG(seen.st_mode):
                    return False
                folder.remove(name)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close every handle, the root's too; once, because numbers are used again."""
        with self._lock:
            if not self._closed:
                for folder in (*self._open.values(), self._root):
                    folder.close()
            self._closed = True
            self._open.clear()

    def _get(self, parts: Parts, make: bool) -> Folder:
        if not parts:
            return self._root
        folder = self._open.get(parts)
        if folder is None:
            with self.borrow(parts[:-1], make=make) as above:
                folder, made = above.sub(parts[-1]) if make else (above.inside(parts[-1]), False)
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
