"""What the inbox notes for its journal between two syncs, and the file it ends up in.

The journal is there before the first temporary file is, so that a process that is killed leaves
none that nobody knows of. A journal that is read from an earlier session is gone on with: another
head, then what this session adds. Called from lane threads. Before: inbox.py. After: journal.py.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence

from tallow.engine.storage.durability import read_at
from tallow.engine.storage.held import HeldFolders, Parts
from tallow.engine.storage.history import JournalState
from tallow.engine.storage.journal import (
    ID_BYTES,
    MAGIC,
    FileNamed,
    FolderMade,
    JournalEntry,
    JournalHead,
    JournalWriter,
    LeavesDurable,
    PartOpened,
    damaged_journal,
    lock_journal,
)
from tallow.errors import StorageError

Noted = dict[int, list[JournalEntry]]
"""By file number."""


class JournalPages:
    """Collects entries; writes them when their leaves are durable."""

    def __init__(
        self,
        folders: HeldFolders,
        random_bytes: Callable[[int], bytes],
        journal_key: Callable[[], bytes],
    ) -> None:
        self.name = ""
        """What the journal is or will be called, from ``begin`` on."""
        self._head: JournalHead | None = None
        self._folders = folders
        self._random_bytes = random_bytes
        self._journal_key = journal_key
        self._lock = threading.Lock()
        self._noted: Noted = {}
        self._forgotten: set[int] = set()
        self._writing = threading.Lock()
        self._writer: JournalWriter | None = None
        self._begun = self._is_there = False
        self._taken_over: list[JournalEntry] = []
        self._listed: set[int] = set()
        self._listed_folders: set[Parts] = set()
        self._named = 0

    def begin(self, head: JournalHead) -> None:
        """Note which transfer this is, in a journal that is there from now on if it can be."""
        self._head = head
        if not self.name:
            self.name = f".tallow-{self._random_bytes(8).hex()}.journal"
        self._list_now([])

    def take_over(
        self, name: str, state: JournalState, size_bytes: int, parts: list[PartOpened]
    ) -> None:
        """Go on with a journal that was read at this size, and with these of its parts.

        Raises: StorageError if it is in use, or not any more what was read; OSError.
        """
        key = self._journal_key()
        with self._folders.borrow(()) as root:
            descriptor = root.open_own(name)
        try:
            if not lock_journal(descriptor):
                raise journal_in_use()
            begins = read_at(descriptor, len(MAGIC) + ID_BYTES, 0)
            if begins != MAGIC + state.journal_id or os.fstat(descriptor).st_size != size_bytes:
                raise damaged_journal("it was changed meanwhile")
        except BaseException:  # the descriptor has no owner yet
            os.close(descriptor)
            raise
        self.name, self._is_there = name, True
        self._writer = JournalWriter(
            descriptor,
            key,
            state.journal_id,
            valid_bytes=state.valid_bytes,
            next_index=state.next_index,
        )
        self._taken_over = list(parts)
        self._listed = {part.file_no for part in parts}
        self._listed_folders = set(state.made)
        self._named = len(state.named)

    # --- noting -------------------------------------------------------------------------------

    def opening(self, parts: Iterable[PartOpened]) -> None:
        """List temporary files that are about to be made, in a journal that is made if need be."""
        new = list(parts)
        if new and not self._list_now(new):
            for part in new:
                self._note(part.file_no, part)

    def written(self, file_no: int, first_leaf: int, hashes: list[bytes]) -> None:
        """Note leaves that are written and not yet durable."""
        self._note(file_no, LeavesDurable(file_no, first_leaf, b"".join(hashes)))

    def named(self, name: FileNamed, *, at_once: bool = False) -> None:
        """Note a final name, which makes all else that was noted of the file idle."""
        try:
            name.name.encode()
        except UnicodeEncodeError:
            # A name that the user gave in bytes that are no text; its one file is done anyway.
            return
        with self._lock:
            self._noted.pop(name.file_no, None)
        if not at_once or not self._list_now([name]):
            self._note(name.file_no, name)

    def forget(self, file_no: int) -> None:
        """Drop what was noted of a file that failed."""
        with self._lock:
            self._noted.pop(file_no, None)
            self._forgotten.add(file_no)
        self._listed.discard(file_no)

    def _note(self, file_no: int, entry: JournalEntry) -> None:
        with self._lock:
            self._noted.setdefault(file_no, []).append(entry)

    def _list_now(self, entries: Sequence[JournalEntry]) -> bool:
        """Append entries unsynced, so that a process that is killed has said them."""
        with self._writing:
            if self._head is None:
                return False
            try:
                self._append(self._head, list(entries))
            except OSError:
                # A full disk has no room for them now; the next sync says them.
                return False
        return True

    # --- writing ------------------------------------------------------------------------------

    def take(self) -> Noted:
        """Return what was noted so far: the sync that follows makes it durable."""
        with self._lock:
            noted, self._noted = self._noted, {}
        return noted

    def put_back(self, noted: Noted) -> None:
        """Note again what could not be made durable."""
        with self._lock:
            for file_no, entries in noted.items():
                if file_no not in self._forgotten:
                    self._noted[file_no] = entries + self._noted.get(file_no, [])

    def write(self, noted: Noted) -> None:
        """Append entries whose leaves are durable now; the file is made at the first ones."""
        with self._writing:
            if not noted or self._head is None:
                return
            writer = self._append(self._head, [one for each in noted.values() for one in each])
        # Whoever opens or names a file meanwhile need not wait for the disk.
        writer.sync()

    def _append(self, head: JournalHead, entries: list[JournalEntry]) -> JournalWriter:
        """Append entries behind what must stand before them."""
        if self._writer is None:
            self._writer = self._new_writer()
        made = self._folders.made_so_far() - self._listed_folders
        entries = [*(FolderMade(list(parts)) for parts in sorted(made)), *entries]
        if not self._begun:
            entries = [head, *self._taken_over, *entries]
        self._writer.append(entries)
        self._writer.reserve()
        self._begun = True
        self._listed_folders |= made
        self._count(entries)
        return self._writer

    @property
    def listed(self) -> frozenset[int]:
        """Files of which the journal on the disk lists leaves."""
        return frozenset(self._listed)

    @property
    def is_worth_keeping(self) -> bool:
        """Whether the journal on the disk saves anybody anything."""
        return self._writer is not None and bool(self._listed or self._named)

    def close(self) -> None:
        """Close the journal and leave it where it is."""
        self._close_writer()
        self._is_there = False

    def remove(self) -> None:
        """Close the journal and take it away, so that nothing is left to resume."""
        self._close_writer()
        if self._is_there:
            with self._folders.borrow(()) as root:
                root.remove(self.name)
            self._is_there = False

    def _close_writer(self) -> None:
        with self._writing:
            writer, self._writer = self._writer, None
            if writer is not None:
                writer.close()

    def _new_writer(self) -> JournalWriter:
        key = self._journal_key()
        with self._folders.borrow(()) as root:
            descriptor = root.create(self.name)
        self._is_there = True
        lock_journal(descriptor)
        return JournalWriter(descriptor, key, self._random_bytes(ID_BYTES))

    def _count(self, entries: list[JournalEntry]) -> None:
        for entry in entries:
            match entry:
                case LeavesDurable(file_no=file_no):
                    self._listed.add(file_no)
                case FileNamed():
                    self._named += 1
                case _:
                    pass


def journal_in_use() -> StorageError:
    """Return the error for a journal that another process writes."""
    return StorageError(
        "Another Tallow is going on with this transfer.",
        hint="Wait for it to end, or stop it, and try again.",
    )
