"""Extended attributes of the user's own namespace: the one port to what each system calls them.

Only ``user.*`` of Linux is read and written; the name travels without that word, so that no peer
can reach ``security.*``, ``system.*`` or ``trusted.*``. Attributes that give a file another owner,
mode or place in a container or overlay stay behind on both sides. Elsewhere nothing is read, and
nothing can be set, which is told at the end. It never opens a file.
Spec: docs/protocol.md §8.5; checklist X16.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from tallow.protocol.messages import Xattrs
from tallow.wire import limits

_SPACE: Final = b"user."
_MEANS_MORE: Final = (b"overlay.", b"containers.", b"fuseoverlayfs.", b"rootlesscontainers")
"""What a file system or container in the user's own hand takes for owner, mode or another file."""


def read_xattrs(descriptor: int) -> tuple[Xattrs, int]:
    """Return what travels of an open file's attributes, in a stable order, and how many do not."""
    if sys.platform != "linux":
        return (), 0
    found: list[tuple[bytes, bytes]] = []
    lost, room_bytes = 0, limits.XATTRS_MAX_BYTES
    for full_name in _listed(descriptor):
        name = full_name.removeprefix(_SPACE)
        value = _value(descriptor, full_name)
        fits = value is not None and len(name) + len(value) <= room_bytes
        if value is None or not fits or len(found) == limits.XATTRS_MAX or not _is_plain(name):
            lost += 1
            continue
        found.append((name, value))
        room_bytes -= len(name) + len(value)
    return tuple(found), lost


def write_xattrs(descriptor: int, xattrs: Xattrs) -> int:
    """Set attributes of an open file and return how many could not be set."""
    if sys.platform != "linux":
        return len(xattrs)
    lost = 0
    for name, value in xattrs:
        try:
            if not _is_plain(name):
                raise OSError
            os.setxattr(descriptor, _SPACE + name, value)
        except (OSError, ValueError):
            lost += 1
    return lost


def _listed(descriptor: int) -> list[bytes]:
    if sys.platform != "linux":
        return []
    try:
        names = sorted(map(os.fsencode, os.listxattr(descriptor)))
    except OSError:
        # A file system without attributes has none.
        return []
    return [name for name in names if name.startswith(_SPACE)]


def _value(descriptor: int, full_name: bytes) -> bytes | None:
    if sys.platform != "linux":
        return None
    try:
        return os.getxattr(descriptor, full_name)
    except OSError:
        return None


def _is_plain(name: bytes) -> bool:
    fits = 1 <= len(name) <= limits.XATTR_NAME_MAX_BYTES
    return fits and b"\0" not in name and not name.startswith(_MEANS_MORE)
