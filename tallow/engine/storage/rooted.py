"""Opening what was listed, without ever leaving the folder that a person named.

Between the list and the reading anyone who may write in a source can put a link in the place of
a folder. So every step down is taken from a folder that is held open and follows no link, and a
source itself must still be the one that was listed. Where the system has no directory handles the
real path is checked instead. It never reads a file and never writes.
Before: outbox.py. Checklist X13.
"""

from __future__ import annotations

import errno
import os
from collections import OrderedDict
from collections.abc import Callable

from tallow.engine.storage.sources import SourceRoot, SourceTree

HELD = 64
_HANDLES = os.open in os.supports_dir_fd
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _NOFOLLOW | _CLOEXEC
_FILE = (
    os.O_RDONLY | _NOFOLLOW | _CLOEXEC | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
)


class RootedFiles:
    """Opens files of a tree by their path in the list; calls must not overlap."""

    def __init__(self, tree: SourceTree, *, handles: bool = _HANDLES) -> None:
        self._tree = tree
        self._open: Callable[[SourceRoot, tuple[str, ...]], int] = (
            self._open_held if handles else _open_checked
        )
        self._folders: OrderedDict[tuple[SourceRoot, tuple[str, ...]], int] = OrderedDict()

    def open(self, path: str) -> int:
        """Open a file for reading; OSError if it is not there or a link stands in the way."""
        root, below = self._tree.branch(path)
        return self._open(root, below)

    def close(self) -> None:
        """Let every folder go."""
        while self._folders:
            os.close(self._folders.popitem()[1])

    def _open_held(self, root: SourceRoot, below: tuple[str, ...]) -> int:
        if not below:
            return _still(root, os.open(root.path, _FILE))
        folder = self._folder(root, below[:-1])
        return os.open(below[-1], _FILE, dir_fd=folder)

    def _folder(self, root: SourceRoot, below: tuple[str, ...]) -> int:
        """Return a folder's handle, held until others were used more lately."""
        depth = len(below)
        while depth and (root, below[:depth]) not in self._folders:
            depth -= 1
        if (root, below[:depth]) not in self._folders:
            self._hold(root, (), _still(root, os.open(root.path, _FOLDER)))
        for step in range(depth, len(below)):
            above = self._folders[root, below[:step]]
            self._hold(root, below[: step + 1], os.open(below[step], _FOLDER, dir_fd=above))
        self._folders.move_to_end((root, below))
        return self._folders[root, below]

    def _hold(self, root: SourceRoot, below: tuple[str, ...], folder: int) -> None:
        self._folders[root, below] = folder
        if len(self._folders) > HELD:
            os.close(self._folders.popitem(last=False)[1])


def _still(root: SourceRoot, descriptor: int) -> int:
    """Return a descriptor if it is what was listed; the way to a source may have been swapped."""
    status = os.fstat(descriptor)
    if (status.st_dev, status.st_ino) == (root.device, root.inode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.ESTALE, "it was replaced after it was listed")


def _open_checked(root: SourceRoot, below: tuple[str, ...]) -> int:
    wanted = root.path.joinpath(*below)
    descriptor = os.open(wanted, _FILE)
    # Looked at after it was opened: what is open cannot be swapped any more.
    real = wanted.resolve()
    try:
        same = os.path.samestat(real.lstat(), os.fstat(descriptor))
    except OSError:
        same = False
    if same and real.is_relative_to(root.path):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.ELOOP, "it lies elsewhere than it was listed")
