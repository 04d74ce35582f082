"""What of an earlier session is still here and belongs to a new offer.

The journal is read, its files are found in the new list by their tags, and the disk is looked at:
a part that is gone, shorter than it was or not ours any more has lost those leaves, a finished
file counts only while it stands there with the listed size and time. Looking never changes
anything, and what is claimed here is still hashed again.
Before: receiving.py. After: inbox.py goes on with it. Spec: docs/protocol.md §9.5.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tallow.engine.storage.folder import open_folder
from tallow.engine.storage.held import HeldFolders
from tallow.engine.storage.history import JournalState, PartState, Place, fold_journal
from tallow.engine.storage.journal import JOURNAL_NAME, damaged_journal, entry_tag, lock_journal
from tallow.engine.storage.pages import journal_in_use
from tallow.engine.storage.target import Target
from tallow.protocol.manifest import (
    Entry,
    EntryKind,
    Manifest,
    has_leaves,
    leaf_bytes,
    leaf_count,
    travels_packed,
)
from tallow.protocol.ranges import Range, Ranges, longest
from tallow.wire import limits

TIME_STEPS_NS = (1, 100, 10_000_000, 1_000_000_000, 2_000_000_000)
"""How finely file systems keep a time: to the nanosecond, NTFS, exFAT, old ones, FAT."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """An earlier session's work, in the numbers of the new list."""

    have: Mapping[int, Ranges]
    """Leaves that may be claimed."""
    named: frozenset[int]
    """Files that are there whole, under their final name."""
    changed: int
    """Files of the earlier session that the new list has not, or describes differently."""
    transfer_id: bytes
    accept_no: int
    """That of the last session; the next one is one more."""
    bitmap: bytes
    """What was accepted last, in the numbers of that list."""
    policy: str
    same_manifest: bool
    journal_name: str
    journal_bytes: int
    state: JournalState
    parts: Mapping[int, PartState]
    """Where the leaves of ``have`` are."""


def find_resumed(
    folder: Path,
    journal_name: str,
    key: bytes,
    manifest: Manifest,
    target: Target,
    *,
    transfer_id: bytes | None = None,
) -> Resumed | None:
    """Return what a journal beside the target offers a new session; None if it is gone or empty.

    Raises: StorageError if it is damaged, of another version, in use, not this user's, or tells of
    another transfer than ``transfer_id``.
    """
    if not journal_name:
        return None
    folders = HeldFolders(open_folder(folder))
    try:
        with journal_file(folders, journal_name) as file:
            if file is None:
                return None
            if not lock_journal(file.fileno()):
                raise journal_in_use()
            size_bytes = os.fstat(file.fileno()).st_size
            state = fold_journal(file, key)
        if state is None:
            return None
        if transfer_id is not None and state.head.transfer_id != transfer_id:
            raise damaged_journal("it tells of another transfer")
        return _Matching(folders, state, manifest, target).resumed(journal_name, size_bytes)
    except OSError as error:
        raise damaged_journal(error.strerror or str(error)) from None
    finally:
        folders.close()


@contextmanager
def journal_file(folders: HeldFolders, name: str) -> Iterator[BinaryIO | None]:
    """Open a journal in the root folder for reading; None if there is none.

    Raises: StorageError for a name that is no journal's, or something else that stands there.
    """
    if not re.fullmatch(JOURNAL_NAME, name):
        raise damaged_journal("its name is not one that Tallow gives")
    descriptor: int | None = None
    try:
        with folders.borrow(()) as root:
            descriptor = root.open_own(name)
    except FileNotFoundError:
        pass
    except OSError:
        raise damaged_journal("what stands under its name was not made by Tallow") from None
    if descriptor is None:
        yield None
        return
    with os.fdopen(descriptor, "rb") as file:
        yield file


class _Matching:
    """Finds the journal's files in a list and on the disk."""

    def __init__(
        self, folders: HeldFolders, state: JournalState, manifest: Manifest, target: Target
    ) -> None:
        self._folders = folders
        self._state = state
        self._manifest = manifest
        self._target = target
        self._parts: dict[int, PartState] = {}
        self._named: set[int] = set()
        self._room = limits.HAVE_RANGES_MAX

    def resumed(self, journal_name: str, journal_bytes: int) -> Resumed:
        """Look at every file of the list."""
        state = self._state
        gone = state.named.keys() | state.parts.keys()
        for file_no, entry in enumerate(self._manifest):
            if not has_leaves(entry):
                continue
            tag = entry_tag(entry)
            gone.discard(tag)
            self._match(file_no, entry, state.named.get(tag), state.parts.get(tag))
        return Resumed(
            {file_no: part.ranges for file_no, part in self._parts.items()},
            frozenset(self._named),
            len(gone),
            state.head.transfer_id,
            state.head.accept_no,
            state.head.bitmap,
            state.head.policy,
            state.head.manifest_root == self._manifest.root(),
            journal_name,
            journal_bytes,
            state,
            self._parts,
        )

    def _match(
        self, file_no: int, entry: Entry, named: Place | None, part: PartState | None
    ) -> None:
        if named is None and part is None:
            return
        above = self._target.parts(file_no)[:-1]
        if named is not None and named[0] == above and self._stands(named, entry):
            self._named.add(file_no)
        elif part is not None and part.above == above and not travels_packed(entry):
            ranges = longest(self._left(part, entry), limits.HELD_RECORDS_MAX)
            if ranges and len(ranges) <= self._room:
                self._room -= len(ranges)
                self._parts[file_no] = PartState(part.above, part.name, ranges)

    def _stands(self, place: Place, entry: Entry) -> bool:
        """Return whether a finished file is there as listed; a stream's size is not listed."""
        above, name = place
        try:
            with self._folders.borrow(above, make=False) as folder:
                seen = folder.look(name)
        except OSError:
            return False
        if seen is None or not stat.S_ISREG(seen.st_mode) or entry.kind is not EntryKind.FILE:
            return False
        return seen.st_size == entry.size and same_time(seen.st_mtime_ns, entry.mtime_ns)

    def _left(self, part: PartState, entry: Entry) -> Ranges:
        """Return the leaves of a part that are still there whole."""
        if not part.ranges:
            return ()
        try:
            with self._folders.borrow(part.above, make=False) as folder:
                descriptor = folder.open_own(part.name)
            try:
                here_bytes = os.fstat(descriptor).st_size
            finally:
                os.close(descriptor)
        except OSError:
            return ()
        leaf = leaf_bytes(entry.kind, entry.size)
        whole = here_bytes // leaf
        if entry.kind is EntryKind.STREAM:
            # A stream goes on where it was cut off: what stands behind a gap is of no use.
            return tuple(_below(part.ranges[:1], whole)) if part.ranges[0][0] == 0 else ()
        if here_bytes >= entry.size:
            whole = leaf_count(entry.size, leaf)
        return tuple(_below(part.ranges, whole))


def _below(ranges: Ranges, count: int) -> Iterator[Range]:
    for first, last in ranges:
        if first < count:
            yield first, min(last, count - 1)


def same_time(here_ns: int, listed_ns: int) -> bool:
    """Return whether a time on the disk is the listed one, as finely as a file system keeps it."""
    return any(here_ns % step == 0 and abs(here_ns - listed_ns) < step for step in TIME_STEPS_NS)
