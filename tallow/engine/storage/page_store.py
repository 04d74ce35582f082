"""Where the pages of a long list of files lie: in memory at first, then in a file without a name.

A list of a million files is some 70 MB, held for the whole transfer on both sides. The file is
removed in the moment it is made and only this user could open it; it holds names, which are not
encrypted here: the receiver is about to give them to files, the sender has them as files. Where no
file can be made or written, the pages stay in memory, at most limits.MANIFEST_MAX_BYTES of them:
a full temporary folder is no reason to end a transfer to another disk.
Before: protocol/manifest.py, which gives pages and reads them. It never reads what is in them.
"""

from __future__ import annotations

import tempfile
import threading
import weakref
from array import array
from collections.abc import Iterator
from typing import Final

from tallow.engine.storage.durability import read_at, write_at
from tallow.engine.storage.folder import storage_error
from tallow.errors import LocalProtocolError, StorageError
from tallow.wire import limits

IN_MEMORY_BYTES: Final = 4 * limits.MIB
"""What is kept in memory before it goes to the file, each time."""


class SpooledPages:
    """Pages by their place; appended by one thread, read by any."""

    def __init__(self, in_memory_bytes: int = IN_MEMORY_BYTES) -> None:
        self._in_memory_bytes = in_memory_bytes
        self._ends = array("Q", [0])
        """Where the pages in the file end, after the beginning of the first."""
        self._recent: list[bytes] = []
        self._recent_bytes = 0
        self._descriptor: int | None = None
        self._may_spool = True
        self._lock = threading.Lock()

    def append(self, page: bytes, /) -> None:
        """Keep the next page."""
        self._recent.append(page)
        self._recent_bytes += len(page)
        if self._may_spool and self._recent_bytes > self._in_memory_bytes:
            self._spool()

    def __len__(self) -> int:
        return self._in_file + len(self._recent)

    def __getitem__(self, index: int, /) -> bytes:
        """Return a page; StorageError if it cannot be read back."""
        if not 0 <= index < len(self):
            raise LocalProtocolError(f"There is no page {index} in this list.")
        if index >= self._in_file:
            return self._recent[index - self._in_file]
        return self._read(self._ends[index], self._ends[index + 1])

    def __iter__(self) -> Iterator[bytes]:
        for index in range(len(self)):
            yield self[index]

    @property
    def _in_file(self) -> int:
        return len(self._ends) - 1

    def _spool(self) -> None:
        """Move what is in memory to the file; leave it, for good, if that cannot be done."""
        content = b"".join(self._recent)
        try:
            if self._descriptor is None:
                self._descriptor = self._open()
            write_at(self._descriptor, memoryview(content), self._ends[-1])
        except OSError:
            self._may_spool = False
            return
        for page in self._recent:
            self._ends.append(self._ends[-1] + len(page))
        self._recent, self._recent_bytes = [], 0

    def _open(self) -> int:
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with this store
        # Whoever holds the list last lets the file go; nobody knows beforehand who that is.
        weakref.finalize(self, file.close)
        return file.fileno()

    def _read(self, start: int, end: int) -> bytes:
        if self._descriptor is None:
            raise LocalProtocolError("There are no pages in a file.")
        try:
            with self._lock:
                page = read_at(self._descriptor, end - start, start)
        except OSError as error:
            raise storage_error(error, "the list of files") from None
        if len(page) != end - start:
            raise StorageError("The list of files cannot be read back.", hint="Try again.")
        return page
