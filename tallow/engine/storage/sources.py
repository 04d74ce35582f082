"""What is sent, once it was listed: the manifest, and where on this disk each branch of it lives.

Before: walk.py fills it. After: rooted.py opens below its roots, outbox.py reads.
It never looks at the disk.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from tallow.engine.storage.stripped import Stripped
from tallow.errors import SourceUnreadable
from tallow.protocol.manifest import Entry, Manifest

SKIPPED_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that will not be sent."""

    path: str
    reason: str
    failed: bool
    """True if it should have been sent."""


@dataclass(frozen=True, slots=True)
class SourceRoot:
    """Where a branch of the list begins on this disk: a source, or a link that was followed."""

    path: Path
    device: int
    inode: int

    @classmethod
    def of(cls, path: Path, status: os.stat_result) -> SourceRoot:
        """Return the root that stood there when it was looked at."""
        return cls(path, status.st_dev, status.st_ino)


@dataclass(slots=True)
class SourceTree:
    """The listed sources: a manifest, and where on this disk each branch of it lives."""

    manifest: Manifest
    roots: dict[str, Path]
    """By first component."""
    skipped: list[Skipped] = field(default_factory=list)
    """The first of what was left out."""
    skipped_count: int = 0
    failed_count: int = 0
    """How many of them should have been sent."""
    branches: dict[str, SourceRoot] = field(default_factory=dict)
    """By path in the manifest: the roots, and below them the links that were followed."""
    sparse: set[str] = field(default_factory=set)
    """Files with fewer blocks than bytes: only these are looked into for holes."""
    stripped: dict[str, Stripped] = field(default_factory=dict)
    """Pictures that are sent without their metadata."""
    xattrs: bool = False
    """Whether extended attributes are sent."""
    links_left: int = 0
    """Symbolic links that were left out."""
    modes_cut: int = 0
    """Files and folders with bits that never travel: setuid, setgid, sticky."""

    def local_path(self, entry: Entry) -> Path:
        """Return where an entry's file is on this disk."""
        root, below = self.branch(entry.path)
        return root.path.joinpath(*below)

    def branch(self, path: str) -> tuple[SourceRoot, tuple[str, ...]]:
        """Return the nearest root above a path and the components below it."""
        parts = path.split("/")
        for depth in range(len(parts), 0, -1):
            root = self.branches.get("/".join(parts[:depth]))
            if root is not None:
                return root, tuple(parts[depth:])
        raise SourceUnreadable(f"{path} is not below any source.")
