"""Extended attributes of files that have ended at the sender and are not yet named here.

A trailer costs its sender nothing but bytes, so what all of them may hold together is bounded;
attributes beyond that are not kept, and that is told. Before: receiver.py. It never judges what an
attribute says: engine/storage/xattrs.py does. Spec: docs/protocol.md §8.5.
"""

from __future__ import annotations

from tallow.protocol.messages import FileEnd, Xattrs, xattrs_bytes
from tallow.wire import limits


class HeldXattrs:
    """Attributes by file number, under one cap."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._files: dict[int, Xattrs] = {}
        self._room_bytes = limits.XATTRS_HELD_MAX_BYTES
        self.lost = 0
        """How many attributes found no room."""

    def put(self, end: FileEnd) -> None:
        """Hold what a trailer tells of a file, if there is room."""
        if not end.xattrs:
            return
        size_bytes = xattrs_bytes(end.xattrs)
        if size_bytes > self._room_bytes:
            self.lost += len(end.xattrs)
            return
        self._room_bytes -= size_bytes
        self._files[end.file_no] = end.xattrs

    def of(self, file_no: int) -> Xattrs:
        """Return a file's attributes."""
        return self._files.get(file_no, ())

    def forget(self, file_no: int) -> None:
        """Let go of the attributes of a file that is named or has failed."""
        self._room_bytes += xattrs_bytes(self._files.pop(file_no, ()))
