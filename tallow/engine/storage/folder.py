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

from tallow.engine.storage.folder_port import Folder as Folder
from tallow.errors import DiskFull, NotWritable, StorageError
from tallow.protocol.kept import NotKept

_BINARY = getattr(os, "O_BINARY", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _BINARY | _CLOEXEC
_OWN_FILE = os.O_RDWR | _NOFOLLOW | _NONBLOCK | _BINARY | _CLOEXEC
_NOT_THERE = frozenset(
    {errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EOVERFLOW}
)
"""What a file system says that does not keep a mode or time."""
_ANY_FILE = os.O_RDONLY | _NOFOLLOW | _NONBLOCK | _BINARY | _CLOEXEC


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

    def inside(self, name: str) -> PosixFolder:
        """Open a folder inside."""
        flags = os.O_RDONLY | _DIRECTORY | _NOFOLLOW | _CLOEXEC
        return PosixFolder(os.open(name, flags, dir_fd=self._fd))

    def create(self, name: str) -> int:
        """Make a new file."""
        return os.open(name, _NEW_FILE, 0o600, dir_fd=self._fd)

    def open_own(self, name: str) -> int:
        """Open without following or waiting, then look at what was opened."""
        _check_regular(self.look(name))
        return _checked(os.open(name, _OWN_FILE, dir_fd=self._fd), own=True)

    def open_read(self, name: str) -> int:
        """Open without following or waiting, then look at what was opened."""
        _check_regular(self.look(name))
        return _checked(os.open(name, _ANY_FILE, dir_fd=self._fd), own=False)

    def look(self, name: str) -> os.stat_result | None:
        """Look without following a link."""
        try:
            return os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def exists(self, name: str) -> bool:
        """Look without following a link."""
        return self.look(name) is not None

    def is_folder(self, name: str) -> bool:
        """Look without following a link."""
        seen = self.look(name)
        return seen is not None and stat.S_ISDIR(seen.st_mode)

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

    def names(self) -> list[str]:
        """List through the descriptor."""
        return sorted(os.listdir(self._fd))  # noqa: PTH208 - by handle

    def remove_folder(self, name: str) -> bool:
        """Remove; the system refuses links and folders that hold something."""
        try:
            os.rmdir(name, dir_fd=self._fd)
        except OSError:
            return False
        return True

    def link_exclusively(self, points_to: str, name: str) -> bool:
        """Make a link under a name that nothing has."""
        try:
            os.symlink(points_to, name, dir_fd=self._fd)
        except FileExistsError:
            return False
        return True

    def read_link(self, name: str) -> str | None:
        """Read a link."""
        try:
            return os.readlink(name, dir_fd=self._fd)
        except OSError:
            return None

    def set_link_time(self, name: str, mtime_ns: int) -> None:
        """Set the time of the link itself."""
        try:
            os.utime(name, ns=(mtime_ns, mtime_ns), dir_fd=self._fd, follow_symlinks=False)
        except OSError:
            # A link without its time is still the link.
            pass

    def set_times(self, name: str, mode: int, mtime_ns: int) -> NotKept:
        """Set mode bits (never setuid, setgid or sticky) and time."""
        timed = True
        try:
            os.utime(name, ns=(mtime_ns, mtime_ns), dir_fd=self._fd, follow_symlinks=False)
        except OSError as error:
            timed = _kept(error)
        return NotKept(modes=not self.set_mode(name, mode), times=not timed)

    def set_mode(self, name: str, mode: int) -> bool:
        """Set mode bits through a descriptor, so that no link is followed."""
        flags = os.O_RDONLY | _NOFOLLOW | _CLOEXEC
        descriptor = os.open(name, flags, dir_fd=self._fd)
        try:
            os.fchmod(descriptor, mode & 0o777)
            # FAT and its like take any mode and keep their own.
            return stat.S_IMODE(os.fstat(descriptor).st_mode) == mode & 0o777
        except OSError as error:
            return _kept(error)
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

    def inside(self, name: str) -> PathFolder:
        """Open a folder inside."""
        inside = self._path / name
        if not inside.exists():
            raise FileNotFoundError(errno.ENOENT, "no such folder", str(inside))
        if inside.is_symlink() or not inside.is_dir() or _is_junction(inside):
            raise NotADirectoryError(errno.ENOTDIR, "a link stands in the way", str(inside))
        return PathFolder(inside)

    def create(self, name: str) -> int:
        """Make a new file."""
        return os.open(self._path / name, _NEW_FILE, 0o600)

    def open_own(self, name: str) -> int:
        """Look, then open."""
        _check_regular(self.look(name))
        return _checked(os.open(self._path / name, _OWN_FILE), own=True)

    def open_read(self, name: str) -> int:
        """Look, then open."""
        _check_regular(self.look(name))
        return _checked(os.open(self._path / name, _ANY_FILE), own=False)

    def look(self, name: str) -> os.stat_result | None:
        """Look without following a link."""
        try:
            return (self._path / name).lstat()
        except FileNotFoundError:
            return None

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

    def names(self) -> list[str]:
        """List the path."""
        return sorted(inside.name for inside in self._path.iterdir())

    def remove_folder(self, name: str) -> bool:
        """Remove; a junction is not followed."""
        if not self.is_folder(name) or _is_junction(self._path / name):
            return False
        try:
            (self._path / name).rmdir()
        except OSError:
            return False
        return True

    def link_exclusively(self, points_to: str, name: str) -> bool:  # noqa: ARG002
        """Refuse: to make links is a privilege on Windows."""
        raise OSError(errno.EPERM, "links are not made here", name)

    def read_link(self, name: str) -> str | None:
        """Read a link."""
        try:
            return str((self._path / name).readlink())
        except OSError:
            return None

    def set_link_time(self, name: str, mtime_ns: int) -> None:
        """No link was made here."""

    def set_times(self, name: str, mode: int, mtime_ns: int) -> NotKept:
        """Set the time, and the read-only bit that is all Windows has."""
        timed = True
        try:
            os.utime(self._path / name, ns=(mtime_ns, mtime_ns))
        except OSError as error:
            timed = _kept(error)
        return NotKept(modes=not self.set_mode(name, mode), times=not timed)

    def set_mode(self, name: str, mode: int) -> bool:
        """Set the read-only bit; the others have no counterpart, so nothing is lost of them."""
        if not mode & stat.S_IWUSR:
            (self._path / name).chmod(stat.S_IREAD)
        return True

    def sync(self) -> None:
        """Windows makes names durable with the file."""

    def close(self) -> None:
        """Nothing is held."""


def _kept(error: OSError) -> bool:
    """Return False for what a file system cannot keep; raise anything else."""
    if error.errno in _NOT_THERE:
        return False
    raise error


def _check_regular(seen: os.stat_result | None) -> None:
    if seen is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    if not stat.S_ISREG(seen.st_mode):
        raise OSError(errno.EPERM, "it is not a file")


def _checked(descriptor: int, *, own: bool) -> int:
    """Return a descriptor, or close it and raise if it is not what was asked for."""
    opened = os.fstat(descriptor)
    owner = os.geteuid() if hasattr(os, "geteuid") else opened.st_uid
    mine = opened.st_nlink == 1 and opened.st_uid == owner
    if stat.S_ISREG(opened.st_mode) and (mine or not own):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EPERM, "it is not the file that was made here")


def _is_junction(path: Path) -> bool:
    check = getattr(os.path, "isjunction", None)
    return bool(check and check(path))
