"""What the inbox notes for its journal between two syncs, and the file it ends up in.

Small transfers are over before the first sync and leave no journal at all. Called from lane
threads. Before: inbox.py. After: journal.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from tallow.engine.storage.held import HeldFolders, Parts
from tallow.engine.storage.journal import (
    FileNamed,
    JournalEntry,
    JournalHead,
    JournalWriter,
    LeavesDurable,
    PartOpened,
)


class JournalPages:
    """Collects entries; writes them when their leaves are durable."""

    def __init__(
        self,
        folders: HeldFolders,
        random_bytes: Callable[[int], bytes],
        journal_key: Callable[[], bytes],
    ) -> None:
        self.head: JournalHead | None = None
        self._folders = folders
        self._random_bytes = random_bytes
        self._journal_key = journal_key
        self._lock = threading.Lock()
        self._noted: list[JournalEntry] = []
        self._writer: JournalWriter | None = None
        self._name = ""

    def opened(self, file_no: int, above: Parts, name: str) -> None:
        """Note a temporary file."""
        with self._lock:
            self._noted.append(PartOpened(file_no, list(above), name))

    def written(self, file_no: int, first_leaf: int, hashes: list[bytes]) -> None:
        """Note leaves that are written and not yet durable."""
        with self._lock:
            self._noted.append(LeavesDurable(file_no, first_leaf, b"".join(hashes)))

    def named(self, file_no: int) -> None:
        """Note a final name."""
        with self._lock:
            self._noted.append(FileNamed(file_no))

    def forget(self, file_no: int) -> None:
        """Drop what was noted of a file that failed."""
        with self._lock:
            self._noted = [
                entry
                for entry in self._noted
                if isinstance(entry, JournalHead) or entry.file_no != file_no
            ]

    def take(self) -> list[JournalEntry]:
        """Return what was noted so far: the sync that follows makes it durable."""
        with self._lock:
            noted, self._noted = self._noted, []
        return noted

    def write(self, noted: list[JournalEntry]) -> None:
        """Append entries whose leaves are durable now; the file is made at the first ones."""
        if not noted or self.head is None:
            return
        if self._writer is None:
            key = self._journal_key()
            self._name = f".tallow-{self._random_bytes(8).hex()}.journal"
            with self._folders.borrow(()) as root:
                self._writer = JournalWriter(root.create(self._name), key, self._random_bytes(16))
            noted = [self.head, *noted]
        self._writer.append(noted)

    def remove(self) -> None:
        """Close the journal and take it away: nothing is left to resume."""
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        with self._folders.borrow(()) as root:
            root.remove(self._name)
