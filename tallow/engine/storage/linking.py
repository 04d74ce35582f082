"""Making the symbolic links of an offer, last of all, when every file has its name.

A link is made in a folder that is held, under its own name exclusively or, where a person said
overwrite, under a temporary one that then takes the place of what was there. Nothing is ever
written or looked up through one. What cannot be made is counted and the rest goes on.
Before: inbox.py. Names and targets come from target.py. Spec: docs/protocol.md §9.1.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable

from tallow.engine.storage.final_name import numbered
from tallow.engine.storage.folder import Folder
from tallow.engine.storage.held import HeldFolders
from tallow.engine.storage.parts import part_name
from tallow.engine.storage.sink import Policy
from tallow.engine.storage.target import Target
from tallow.protocol.kept import ALL_KEPT, NotKept

_DISK_TROUBLE = frozenset(
    {errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE, getattr(errno, "EDQUOT", -1)}
)
"""What is not the link's own fault; after anything else the rest goes on."""


def make_links(
    folders: HeldFolders,
    target: Target,
    numbers: Iterable[int],
    policy_of: Callable[[int], Policy],
    random_bytes: Callable[[int], bytes],
) -> NotKept:
    """Make links; return those that could not be made, and names that this system changed."""
    lost = ALL_KEPT
    for file_no in numbers:
        parts, points_to = target.parts(file_no), target.link(file_no)
        try:
            with folders.borrow(parts[:-1]) as folder:
                name = _make(folder, parts[-1], points_to, policy_of(file_no), random_bytes)
                if name:
                    folder.set_link_time(name, target.manifest.entry(file_no).mtime_ns)
                    lost += NotKept(names=target.changed(file_no))
        except OSError as error:
            if error.errno in _DISK_TROUBLE:
                raise
            lost += NotKept(links=1)
    return lost


def _make(
    folder: Folder,
    wanted: str,
    points_to: str,
    policy: Policy,
    random_bytes: Callable[[int], bytes],
) -> str:
    """Make one link and return its name; "" if there is nothing to do."""
    if folder.read_link(wanted) == points_to:
        # An earlier session made it, or the person did.
        return wanted
    if policy == "overwrite" and folder.exists(wanted):
        return _replace(folder, wanted, points_to, part_name(random_bytes))
    if folder.link_exclusively(points_to, wanted):
        return wanted
    if policy == "skip":
        return ""
    for candidate in numbered(wanted):
        if folder.read_link(candidate) == points_to or folder.link_exclusively(
            points_to, candidate
        ):
            return candidate
    raise OSError("no free name is left")


def _replace(folder: Folder, wanted: str, points_to: str, temporary: str) -> str:
    if folder.is_folder(wanted):
        raise IsADirectoryError
    if not folder.link_exclusively(points_to, temporary):
        raise FileExistsError
    try:
        folder.replace(temporary, wanted)
    except OSError:
        folder.remove(temporary)
        raise
    return wanted
