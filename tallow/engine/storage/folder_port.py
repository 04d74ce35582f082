"""What the rooms that write need of a directory, whatever the system calls it.

After: folder.py has one for systems with directory handles and one for those without.
It never decides what a file is called.
"""

from __future__ import annotations

import os
from typing import Protocol

from tallow.protocol.kept import NotKept


class Folder(Protocol):
    """What the inbox needs of a directory."""

    def sub(self, name: str) -> tuple[Folder, bool]:
        """Return a folder inside and whether it was made; never through a symbolic link."""

    def inside(self, name: str) -> Folder:
        """Return a folder that is there, never made and never through a symbolic link."""

    def create(self, name: str) -> int:
        """Make a new file for reading and writing, 0600, and return its descriptor."""

    def open_own(self, name: str) -> int:
        """Open a file that this user made, for reading and writing.

        OSError for anything else: a link, another kind, another owner's, or a second name of
        some file, because what is written to it would end up elsewhere.
        """

    def open_read(self, name: str) -> int:
        """Open a regular file for reading; OSError for a link or anything else."""

    def look(self, name: str) -> os.stat_result | None:
        """Return what stands under a name, a link as such, or None."""

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

    def names(self) -> list[str]:
        """Return what stands in it, sorted."""

    def remove_folder(self, name: str) -> bool:
        """Remove an empty folder; False, changing nothing, for anything else."""

    def link_exclusively(self, points_to: str, name: str) -> bool:
        """Make a symbolic link; False if that name is taken, OSError where none can be made."""

    def read_link(self, name: str) -> str | None:
        """Return where a symbolic link points to; None for anything else."""

    def set_link_time(self, name: str, mtime_ns: int) -> None:
        """Give a link its time, where a link has one of its own."""

    def set_times(self, name: str, mode: int, mtime_ns: int) -> NotKept:
        """Give a file or folder its mode bits and time; return what the file system refused."""

    def set_mode(self, name: str, mode: int) -> bool:
        """Give a file its mode bits; False if the file system does not keep them."""

    def sync(self) -> None:
        """Make names in this folder durable."""

    def close(self) -> None:
        """Let the handle go."""
