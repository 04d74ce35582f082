"""One file that is being received: its temporary name, its open descriptor, what is written to it.

A part is written by several threads at once, each at its own offset. Before: inbox.py. After:
durability.py. It never chooses a final name and never decides what is written.
Spec: docs/protocol.md §9.1.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass

from tallow.crypto.tree import leaf_hash
from tallow.engine.storage.durability import read_at, write_at
from tallow.engine.storage.folder import Folder
from tallow.engine.storage.held import Parts
from tallow.errors import LocalProtocolError, StorageError
from tallow.wire import limits

_STEP_BYTES = limits.MIB


@dataclass(slots=True)
class Part:
    """A temporary file of this session, or one that it goes on with."""

    above: Parts
    name: str
    descriptor: int | None
    """None once nothing is written to it any more."""
    adopted: bool = False
    """True if an earlier session made it, so that it may hold anything where nothing is listed."""
    finished: bool = False
    """True once it has the listed mode and time."""
    has_holes: bool = False
    """True once a leaf was left unwritten because it is zeros."""
    writers: int = 0
    given_up: bool = False

    @property
    def open_descriptor(self) -> int:
        """The descriptor of a part that is still written."""
        if self.descriptor is None:
            raise LocalProtocolError("A finished file was written again.")
        return self.descriptor

    def write(self, content: memoryview, offset: int) -> None:
        """Write a leaf."""
        write_at(self.open_descriptor, content, offset)

    def leave_hole(self, offset: int, length: int, size: int) -> None:
        """Make sure that a leaf of a file of ``size`` bytes reads as zeros."""
        descriptor = self.open_descriptor
        self.has_holes = True
        if os.fstat(descriptor).st_size < size and not _grow(descriptor, size):
            self._write_zeros(descriptor, offset, length)
        elif self.adopted:
            self._clear(descriptor, offset, length)

    def hashes(self, offset: int, lengths: tuple[int, ...]) -> list[bytes]:
        """Return the hashes of leaves as they stand here, each b"" if it cannot be read whole."""
        found: list[bytes] = []
        for length in lengths:
            try:
                content = read_at(self.open_descriptor, length, offset)
            except OSError:
                content = b""
            found.append(leaf_hash(content) if content and len(content) == length else b"")
            offset += length
        return found

    def cut(self, size: int) -> None:
        """Give the file its length: holes at its end are not written, and nothing stands behind."""
        descriptor = self.open_descriptor
        if os.fstat(descriptor).st_size != size:
            os.ftruncate(descriptor, size)

    def check_name(self, folder: Folder, shown: str) -> None:
        """Raise StorageError if its temporary name means another file by now."""
        opened, named = os.fstat(self.open_descriptor), folder.look(self.name)
        if named is None or (opened.st_dev, opened.st_ino) != (named.st_dev, named.st_ino):
            raise StorageError(f"{shown} was replaced by another program while it was written.")

    def close(self) -> None:
        """Let the descriptor go, once."""
        descriptor, self.descriptor = self.descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _write_zeros(self, descriptor: int, offset: int, length: int) -> None:
        end = offset + length
        for at in range(offset, end, _STEP_BYTES):
            write_at(descriptor, memoryview(bytes(min(_STEP_BYTES, end - at))), at)

    def _clear(self, descriptor: int, offset: int, length: int) -> None:
        while length:
            here = read_at(descriptor, min(length, _STEP_BYTES), offset)
            if not here:
                return
            if any(here):
                write_at(descriptor, memoryview(bytes(len(here))), offset)
            offset += len(here)
            length -= len(here)


def _grow(descriptor: int, size: int) -> bool:
    """Make a file longer without writing; False on a file system that cannot."""
    try:
        # To its full size at once: a shorter one could cut off what another thread writes.
        os.ftruncate(descriptor, size)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP):
            raise
        return False
    return True


def part_name(random_bytes: Callable[[int], bytes]) -> str:
    """Return a fresh temporary name; JournalEntry holds its pattern."""
    return f".tallow-{random_bytes(8).hex()}.part"
