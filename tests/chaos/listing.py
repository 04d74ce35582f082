"""What a receiver's journal lists, read from outside as a resuming receiver reads it.

Only what is on the disk counts: the journals below the output folder, opened with the key of the
receiver's state folder. It never writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tallow.engine.storage.history import fold_journal
from tallow.engine.storage.journal import KEY_NAME, entry_tag
from tallow.engine.storage.records import TransferRecord, TransferRecords
from tallow.engine.storage.state import FileState
from tallow.engine.storage.walk import walk_sources
from tallow.errors import StorageError
from tallow.protocol.manifest import Entry, leaf_bytes
from tests.runs.programs import Person


class _NoTime:
    """Reading records asks no clock."""

    def now(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 0.0


@dataclass(frozen=True, slots=True)
class Listed:
    """What need not travel again."""

    leaf_bytes: int = 0
    """In unfinished files."""
    named_bytes: int = 0
    """In files that have their final name."""
    named_files: int = 0

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.leaf_bytes + self.named_bytes


def state_of(person: Person) -> FileState:
    """Return a person's state folder."""
    return FileState(person.home / "state" / "tallow")


def records_of(person: Person) -> list[TransferRecord]:
    """Return a person's records of unfinished transfers."""
    return TransferRecords(state_of(person), _NoTime()).all()


def entries_of(source: Path) -> dict[bytes, Entry]:
    """Return the files of a source by the tag that a journal knows them by."""
    manifest = walk_sources((str(source),), ()).manifest
    return {entry_tag(entry): entry for entry in manifest}


def listed(person: Person, entries: dict[bytes, Entry]) -> Listed:
    """Return what the journals in a person's folder list of a source."""
    found = Listed()
    key = state_of(person).read(KEY_NAME)
    for path in person.folder.glob(".tallow-*.journal"):
        with path.open("rb") as file:
            try:
                state = fold_journal(file, key or b"")
            except StorageError:
                # Its first words are being written.
                continue
        if state is None:
            continue
        leaves = 0
        for tag, part in state.parts.items():
            entry = entries.get(tag)
            if entry is None or not (person.folder.joinpath(*part.above) / part.name).exists():
                continue
            size = leaf_bytes(entry.kind, entry.size)
            leaves += sum(
                min((last + 1) * size, entry.size) - first * size for first, last in part.ranges
            )
        named = [entries[tag].size for tag in state.named if tag in entries]
        found = Listed(
            found.leaf_bytes + leaves,
            found.named_bytes + sum(named),
            found.named_files + len(named),
        )
    return found
