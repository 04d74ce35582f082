"""Bringing bytes to the disk: written in full, synced per file, or once for many small files.

Thousands of small files share one sync of their file system where the system offers it (Linux);
elsewhere each is synced as it is written.
The one place that knows how each platform flushes.
"""

from __future__ import annotations

import ctypes
import os
import sys

from tallow.engine.storage.folder import Folder, PosixFolder

CAN_SYNC_FILE_SYSTEM = sys.platform.startswith("linux")
"""False: every small file has to be synced by itself."""


def write_at(descriptor: int, content: memoryview, offset: int) -> None:
    """Write all of the content at an offset, or raise OSError with some of it written."""
    while content:
        if hasattr(os, "pwrite"):
            written = os.pwrite(descriptor, content, offset)
        else:
            os.lseek(descriptor, offset, os.SEEK_SET)
            written = os.write(descriptor, content)
        content = content[written:]
        offset += written


def read_at(descriptor: int, count: int, offset: int) -> bytes:
    """Read so many bytes at an offset, fewer at the end of the file."""
    pieces: list[bytes] = []
    while count:
        if hasattr(os, "pread"):
            piece = os.pread(descriptor, count, offset)
        else:
            os.lseek(descriptor, offset, os.SEEK_SET)
            piece = os.read(descriptor, count)
        if not piece:
            break
        pieces.append(piece)
        count -= len(piece)
        offset += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def reserve(descriptor: int, size_bytes: int) -> None:
    """Make a file as long as that in zeros, with room on the disk where the system offers it.

    Where it does not, and on a disk that is full already, nothing happens.
    """
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size_bytes)
        except OSError:
            pass  # room that is not there now may be there when it is needed


def sync_file(descriptor: int) -> None:
    """Bring a file's content to the disk."""
    if sys.platform == "darwin":
        import fcntl

        # fsync on macOS stops at the drive's cache; this asks the drive too.
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def sync_file_system(root: Folder) -> bool:
    """Bring everything recent on the folder's file system to the disk; False if it cannot."""
    if not CAN_SYNC_FILE_SYSTEM or not isinstance(root, PosixFolder):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syncfs(root.descriptor):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return True
