"""A folder held by its handle, so that nothing can be swapped in underneath.

Every open is relative to a folder that is already held and follows no symbolic link; new names
are made exclusively. This is the one place where POSIX and Windows differ in how a file is made:
where the system has no directory handles, full paths and a check of each step stand in.
It never decides what a file is called.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Protocol

from tallow.errors import DiskFull, NotWritable, StorageError

_BINARY = getattr(os, "O_BINARY", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _BINARY | _CLOEXEC


class Folder(Protocol):
    """What the inbox needs of a directory."""

    def sub(self, name: str) -> tuple[Folder, bool]:
        """Return a folder inside and whether it was made; never through a symbolic link."""

    def create(self, name: str) -> int:
        """Make a new file for reading and writing, 0600, and return its descriptor."""

    def exists(self, name: str) -> bool:
        """Return whether something has this name, a dangling link included."""

    def is_folder(self, name: str) -> bool:
        """Return whether a real folder has this name."""

    def name_exclusively(self, old: str, new: str) -> bool:
        """Give a file a new name; False, changing nothing, if that name is taken."""

    def replace(self, old: str, new: str) -> None:
        """Give a file a new name, replacing what had it."""

    def remove(self, name: str) -> None:
        """Remove a file; a missing one is fine."""

    def set_times(self, name: str, mode: int, mtime_ns: int) -> None:
        """Give a file or folder its mode bits and time."""

    def set_mode(self, name: str, mode: int) -> None:
        """Give a file its mode bits."""

    def sync(self) -> None:
        """Make names in this folder durable."""

    def close(self) -> None:
        """Let the handle go."""


def open_folder(path: Path) -> Folder:
    """Hold an existing folder; NotWritable if it is none or may not be written."""
    try:
        if os.open in os.supports_dir_fd:
            flags = os.O_RDONLY | _DIRECTORY | _CLOEXEC
            return PosixFolder(os.open(path, flags))
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "not a folder")
        return PathFolder(path)
    except OSError as error:
        raise NotWritable(
            f"The output folder {path} cannot be used.", why=error.strerror or str(error)
        ) from None


def default_file_mode() -> int:
    """Return the mode of a new file under this process's umask."""
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def storage_error(error: OSError, what: str) -> StorageError:
    """Return the error a person reads for a failed write; never a traceback of the system's."""
    why = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", -1)):
        return DiskFull(f"The disk is full while writing {what}.", why=why)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.ENOTDIR):
        return NotWritable(f"{what} cannot be written.", why=why)
    return StorageError(f"{what} cannot be written.", why=why, hint="Check the disk, then retry.")


class PosixFolder:
    """A directory file descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = self._fd = descriptor

    def sub(self, name: str) -> tuple[PosixFolder, bool]:
        """Open or make a folder inside."""
        flags = os.O_RDONLY | _DIRECTORY | _NOFOLLOW | _CLOEXEC
        made = True
        try:
            os.mkdir(name, 0o777, dir_fd=self._fd)
        except FileExistsError:
            made = False
        return PosixFolder(os.open(name, flags, dir_fd=self._fd)), made

    def create(self, name: str) -> int:
        """Make a new file."""
        return os.open(name, _NEW_FILE, 0o600, dir_fd=self._fd)

    def exists(self, name: str) -> bool:
        """Look without following a link."""
        try:
            os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def is_folder(self, name: str) -> bool:
        """Look without following a link."""
        try:
            return stat.S_ISDIR(os.stat(name, dir_fd=self._fd, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return False

    def name_exclusively(self, old: str, new: str) -> bool:
        """Link, then unlink: the one portable way that cannot overwrite."""
        try:
            os.link(old, new, src_dir_fd=self._fd, dst_dir_fd=self._fd, follow_symlinks=False)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS):
                raise
            # FAT and some network file systems have no links; the window is a rename's.
            if self.exists(new):
                return False
            self.replace(old, new)
            return True
        os.unlink(old, dir_fd=self._fd)
        return True

    def replace(self, old: str, new: str) -> None:
        """Rename over what is there."""
        os.replace(old, new, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def remove(self, name: str) -> None:
        """Unlink a file."""
        try:
            os.unlink(name, dir_fd=self._fd)
        except FileNotFoundError:
            pass

    def set_times(self, name: str, mode: int, mtime_ns: int) -> None:
        """Set mode bits (never setuid, setgid or sticky) and time."""
        os.utime(name, ns=(mtime_ns, mtime_ns), dir_fd=self._fd, follow_symlinks=False)
        self.set_mode(name, mode)

    def set_mode(self, name: str, mode: int) -> None:
        """Set mode bits through a descriptor, so that no link is followed."""
        flags = os.O_RDONLY | _NOFOLLOW | _CLOEXEC
        descriptor = os.open(name, flags, dir_fd=self._fd)
        try:
            os.fchmod(descriptor, mode & 0o777)
        finally:
            os.close(descriptor)

    def sync(self) -> None:
        """Sync the directory itself."""
        os.fsync(self._fd)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._fd)


class PathFolder:
    """A path, where the system has no directory handles (Windows)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def sub(self, name: str) -> tuple[PathFolder, bool]:
        """Open or make a folder inside."""
        inside = self._path / name
        made = not inside.exists()
        inside.mkdir(exist_ok=True)
        if inside.is_symlink() or not inside.is_dir() or _is_junction(inside):
            raise NotADirectoryError(errno.ENOTDIR, "a link stands in the way", str(inside))
        return PathFolder(inside), made

    def create(self, name: str) -> int:
        """Make a new file."""
        return os.open(self._path / name, _NEW_FILE, 0o600)

    def exists(self, name: str) -> bool:
        """Look without following a link."""
        return os.path.lexists(self._path / name)

    def is_folder(self, name: str) -> bool:
        """Look without following a link."""
        inside = self._path / name
        return inside.is_dir() and not inside.is_symlink()

    def name_exclusively(self, old: str, new: str) -> bool:
        """Rename; Windows refuses a taken name by itself."""
        if self.exists(new):
            return False
        try:
            (self._path / old).rename(self._path / new)
        except FileExistsError:
            return False
        return True

    def replace(self, old: str, new: str) -> None:
        """Rename over what is there."""
        (self._path / old).replace(self._path / new)

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self._path / name).unlink(missing_ok=True)

    def set_times(self, name: str, mode: int, mtime_ns: int) -> None:
        """Set the time, and the read-only bit that is all Windows has."""
        os.utime(self._path / name, ns=(mtime_ns, mtime_ns))
        self.set_mode(name, mode)

    def set_mode(self, name: str, mode: int) -> None:
        """Set the read-only bit."""
        if not mode & stat.S_IWUSR:
            (self._path / name).chmod(stat.S_IREAD)

    def sync(self) -> None:
        """Windows makes names durable with the file."""

    def close(self) -> None:
        """Nothing is held."""


def _is_junction(path: Path) -> bool:
    check = getattr(os.path, "isjunction", None)
    return bool(check and check(path))
