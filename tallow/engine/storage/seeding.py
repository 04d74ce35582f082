"""A part that begins as a copy of the file it will replace, so that only what differs travels.

Where the file system shares blocks between files the copy costs nothing; else the system copies
by itself, or this does. What was copied is hashed like anything else that was here before: the
root decides. It never writes to the file that is copied. Before: inbox.py. Spec: §8.10, §9.6.
"""

from __future__ import annotations

import errno
import os
import sys

from tallow.engine.storage.durability import read_at, write_at
from tallow.protocol.manifest import Entry, leaf_bytes, leaf_count
from tallow.protocol.ranges import Ranges
from tallow.wire import limits

_FICLONE = 0x40049409
"""Linux: share all blocks of another file; btrfs, XFS, bcachefs, overlays of these."""
_STEP_BYTES = limits.MIB
_COPY_STEP_BYTES = 256 * limits.MIB


def leaves_here(entry: Entry, here_bytes: int) -> Ranges:
    """Return the leaves of an entry that a file of so many bytes may hold whole."""
    leaf = leaf_bytes(entry.kind, entry.size)
    count = leaf_count(entry.size, leaf) if here_bytes >= entry.size else here_bytes // leaf
    return ((0, count - 1),) if count else ()


def copy_content(source: int, part: int, length: int) -> None:
    """Give an empty part the first bytes of a file, as many as both have; OSError."""
    length = min(length, os.fstat(source).st_size)
    if not _share_blocks(source, part):
        _copy(source, part, length)
    os.ftruncate(part, length)


def _share_blocks(source: int, part: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    import fcntl

    try:
        fcntl.ioctl(part, _FICLONE, source)
    except OSError:
        return False
    return True


def _copy(source: int, part: int, length: int) -> None:
    done = 0
    while done < length and hasattr(os, "copy_file_range"):
        try:
            count = os.copy_file_range(
                source, part, min(length - done, _COPY_STEP_BYTES), done, done
            )
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise
            break
        if not count:
            break
        done += count
    while done < length:
        piece = read_at(source, min(length - done, _STEP_BYTES), done)
        if not piece:
            return
        write_at(part, memoryview(piece), done)
        done += len(piece)
