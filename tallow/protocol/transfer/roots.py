"""How every file of an offer ended: its root, or why it failed. 32 bytes a file, no more.

Both sides keep one and compare its digest at the end, so that "done" means the same set of files
with the same content on both ends. Spec: docs/protocol.md §8.5.
"""

from __future__ import annotations

from collections.abc import Iterator

from tallow.crypto.tree import roots_digest
from tallow.protocol.kept import NotKept
from tallow.protocol.manifest import Selection
from tallow.protocol.messages import Complete, FileEnd
from tallow.wire import limits

ROOT_BYTES = 32
ONE_OF_MANY = "one of many that failed"
"""Stands in for later reasons: they are a peer's words, and a million would be a gigabyte."""


class RootTable:
    """Roots by entry number, and the failures beside them."""

    def __init__(self, entries: int) -> None:
        self._roots = bytearray(ROOT_BYTES * entries)
        self._known = Selection(entries)
        self.failed: dict[int, str] = {}

    def set(self, file_no: int, root: bytes) -> None:
        """Record a root."""
        self._roots[file_no * ROOT_BYTES : (file_no + 1) * ROOT_BYTES] = root
        self._known.add(file_no)

    def fail(self, file_no: int, reason: str) -> None:
        """Record that a file failed, and why if there is still room for reasons."""
        room = len(self.failed) < limits.ROOTS_PER_TRAILER
        self.failed[file_no] = reason if room else ONE_OF_MANY

    def root(self, file_no: int) -> bytes:
        """Return a recorded root."""
        return bytes(self._roots[file_no * ROOT_BYTES : (file_no + 1) * ROOT_BYTES])

    def __contains__(self, file_no: int) -> bool:
        return file_no in self._known

    def digest(self) -> bytes:
        """Return BLAKE3 over every (file number, root), in order."""
        return roots_digest(self._items())

    def failures(self, most: int) -> list[FileEnd]:
        """Return the first failures in the form that travels."""
        numbers = sorted(self.failed)[:most]
        return [FileEnd(number, 0, b"", self.failed[number]) for number in numbers]

    def complete(self, offer_no: int, not_kept: NotKept) -> Complete:
        """Return the last message: the digest, and what arrived whole and failed all the same."""
        here = {number: why for number, why in self.failed.items() if number in self}
        listed = [FileEnd(number, 0, b"", here[number]) for number in sorted(here)]
        most = limits.ROOTS_PER_TRAILER // 8
        return Complete(offer_no, self.digest(), listed[:most], len(here), not_kept)

    def _items(self) -> Iterator[tuple[int, bytes]]:
        for file_no in self._known:
            yield file_no, self.root(file_no)
