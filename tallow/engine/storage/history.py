"""What a journal says when it is read from beginning to end: parts, names, and where it ends.

Entries name files by their place in the list of that session; a tag of what the list says of a
file carries over to the next session's list, whose places may be others. Nothing here is believed
without another look at the disk. Before: journal.py. After: resumed.py and records.py.
It never opens a file by itself. Spec: docs/protocol.md §9.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO, assert_never

from tallow.engine.storage.held import Parts
from tallow.engine.storage.journal import (
    FileNamed,
    FolderMade,
    JournalEntry,
    JournalHead,
    LeavesDurable,
    PartOpened,
    damaged_journal,
    entries_of,
    journal_id_of,
)
from tallow.errors import RemoteProtocolError, StorageError
from tallow.protocol.manifest import Selection
from tallow.protocol.ranges import Range, Ranges, merged

Place = tuple[Parts, str]
"""A folder below the target, and a name in it."""


@dataclass(frozen=True, slots=True)
class PartState:
    """A temporary file, and which of its leaves were durable."""

    above: Parts
    name: str
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class JournalState:
    """A journal, folded."""

    head: JournalHead
    """The last session's."""
    parts: dict[bytes, PartState]
    """By tag."""
    named: dict[bytes, Place]
    """By tag: files that have their final name."""
    opened: frozenset[Place]
    """Every temporary file that was not named since."""
    made: frozenset[Parts]
    """Folders that were not there before the transfer."""
    journal_id: bytes
    valid_bytes: int
    next_index: int


def fold_journal(file: BinaryIO, key: bytes) -> JournalState | None:
    """Read a whole journal; None if not even its head is whole.

    Raises: StorageError if it is damaged, of another version or not this user's.
    """
    fold = _Fold()
    for entry, end in entries_of(file, key):
        fold.add(entry)
        fold.valid_bytes = end
    file.seek(0)
    return fold.state(journal_id_of(file))


def places_of(file: BinaryIO, key: bytes) -> tuple[frozenset[Place], bool]:
    """Return the temporary files that a journal names, and whether any of it can be read.

    For tidying up only: names in front of a damage are still authentic.
    """
    fold = _Fold()
    try:
        for entry, end in entries_of(file, key):
            fold.add(entry)
            fold.valid_bytes = end
    except StorageError:
        pass
    return frozenset(fold.opened), bool(fold.valid_bytes)


@dataclass(slots=True)
class _Growing:
    place: Place
    spans: list[Range] = field(default_factory=list)

    def add(self, first: int, last: int) -> None:
        """Note leaves; what comes in order stays one span."""
        if self.spans and self.spans[-1][1] + 1 == first:
            first = self.spans.pop()[0]
        self.spans.append((first, last))


class _Fold:
    """Entries taken one by one."""

    def __init__(self) -> None:
        self.opened: set[Place] = set()
        self.valid_bytes = 0
        self._head: JournalHead | None = None
        self._tags: dict[int, bytes] = {}
        self._parts: dict[bytes, _Growing] = {}
        self._named: dict[bytes, Place] = {}
        self._made: set[Parts] = set()
        self._count = 0
        self._folders: dict[Parts, Parts] = {}

    def add(self, entry: JournalEntry) -> None:
        """Take the next entry; StorageError if it cannot stand here."""
        self._count += 1
        if self._head is None and not isinstance(entry, JournalHead):
            raise damaged_journal("it does not begin with a head")
        match entry:
            case JournalHead():
                self._begin(entry)
            case PartOpened(file_no=file_no, tag=tag):
                place = (self._folder(entry.above), entry.name)
                self._tags[file_no] = tag
                self.opened.add(place)
                known = self._parts.get(tag)
                if known is None or known.place != place:
                    self._parts[tag] = _Growing(place)
            case LeavesDurable(file_no=file_no, first_leaf=first, hashes=hashes):
                part = self._parts.get(self._tags.get(file_no, b""))
                if part is not None:
                    part.add(first, first + len(hashes) // 32 - 1)
            case FileNamed(tag=tag):
                part = self._parts.pop(tag, None)
                if part is not None:
                    self.opened.discard(part.place)
                self._named[tag] = (self._folder(entry.above), entry.name)
            case FolderMade(parts=parts):
                self._made.add(self._folder(parts))
            case _:
                assert_never(entry)

    def state(self, journal_id: bytes) -> JournalState | None:
        """Return what was taken, or None if nothing was."""
        if self._head is None:
            return None
        return JournalState(
            self._head,
            {tag: PartState(*part.place, merged(part.spans)) for tag, part in self._parts.items()},
            self._named,
            frozenset(self.opened),
            frozenset(self._made),
            journal_id,
            self.valid_bytes,
            self._count,
        )

    def _begin(self, head: JournalHead) -> None:
        """Another session of the same transfer: its list may number files differently."""
        if self._head is not None and self._head.transfer_id != head.transfer_id:
            raise damaged_journal("it tells of two transfers")
        try:
            Selection(head.entries, head.bitmap)
        except RemoteProtocolError:
            raise damaged_journal("what was accepted does not fit the list") from None
        self._head = head
        self._tags.clear()

    def _folder(self, above: list[str]) -> Parts:
        """Return a folder's parts, one and the same tuple for all the files in it."""
        parts = tuple(above)
        return self._folders.setdefault(parts, parts)
