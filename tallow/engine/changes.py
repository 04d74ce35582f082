"""What changed between two lists of the same folders, in a few bytes an entry.

A folder's own time is left out: it changes with everything inside. Before: rounds.py. It never
looks at a disk.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from tallow.protocol.manifest import Entry, EntryKind, Manifest
from tallow.protocol.stamps import StampTable, stamp


@dataclass(frozen=True, slots=True)
class Changes:
    """How a list differs from the one before."""

    entries: tuple[Entry, ...]
    """What is new or different, with the folders above it, in the order of the list."""
    removed: int
    """How many entries are gone."""

    def __bool__(self) -> bool:
        return bool(self.entries or self.removed)


class Listed:
    """A list as it was offered."""

    def __init__(self, manifest: Manifest) -> None:
        """Remember every entry."""
        self._paths = StampTable()
        self._entries = StampTable()
        self._count = manifest.entries
        for number, entry in enumerate(manifest):
            self._paths.note(stamp(entry.path), number)
            self._entries.note(_tag(entry), number)

    def changes(self, manifest: Manifest, again: AbstractSet[str] = frozenset()) -> Changes:
        """Compare a new list; ``again`` are paths that count as changed in any case."""
        wanted: set[str] = set()
        stayed = 0
        for entry in manifest:
            stayed += stamp(entry.path) in self._paths
            if entry.path in again or _tag(entry) not in self._entries:
                wanted.add(entry.path)
                above = entry.path.rpartition("/")[0]
                while above and above not in wanted:
                    wanted.add(above)
                    above = above.rpartition("/")[0]
        return Changes(
            tuple(entry for entry in manifest if entry.path in wanted), self._count - stayed
        )


def _tag(entry: Entry) -> bytes:
    time_ns = 0 if entry.kind is EntryKind.FOLDER else entry.mtime_ns
    return stamp(f"{entry.kind}/{entry.size}/{entry.mode}/{time_ns}/{entry.path}")
