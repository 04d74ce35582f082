"""Bringing bytes to the disk: per file, and once for many small files.

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
