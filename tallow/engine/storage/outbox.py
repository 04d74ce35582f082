"""Reading exactly what was listed, from several threads, holes told from content.

A file is opened below the folder that was listed, without following a link, and must still be the
one in the list: another size or time before or after reading fails that file, not the transfer.
It hashes only what it was handed back, and never writes.
Before: walk.py made the list. After: lane.py reads leaves through ``read_into``.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from tallow.crypto.tree import leaf_hash
from tallow.engine.storage.rooted import RootedFiles
from tallow.engine.storage.sources import SourceTree
from tallow.engine.storage.walk import sent_mtime_ns
from tallow.engine.storage.xattrs import read_xattrs
from tallow.protocol.kept import NotKept
from tallow.protocol.manifest import Entry, leaf_bytes
from tallow.protocol.messages import Xattrs


class ReadFailed(Exception):
    """One file could not be read as listed; its message is the reason the peer is told."""


@dataclass(slots=True)
class _OpenFile:
    """A descriptor, and how many threads read by it."""

    descriptor: int
    readers: int = 0
    let_go: bool = False


class Outbox:
    """Reads leaves of listed files, from several threads."""

    def __init__(self, tree: SourceTree) -> None:
        self._tree = tree
        self._lock = threading.Lock()
        self._open: dict[int, _OpenFile] = {}
        self._files = RootedFiles(tree)
        self._xattrs_lost = 0

    def path(self, file_no: int) -> str:
        """Return a file's path in the list."""
        return self._tree.manifest.entry(file_no).path

    def data_ranges(self, file_no: int) -> tuple[tuple[int, int], ...]:
        """Return where a file has content, [start, end) in bytes; the rest of it is holes.

        A hole shorter than a leaf counts as content. A file that cannot be looked at is all
        content: reading it tells what is wrong.
        """
        entry = self._tree.manifest.entry(file_no)
        if entry.path not in self._tree.sparse:
            return ((0, entry.size),)
        try:
            with self._lock:
                return _data_ranges(self._opened(file_no).descriptor, entry)
        except (OSError, ReadFailed):
            return ((0, entry.size),)

    def xattrs(self, file_no: int) -> Xattrs:
        """Return the attributes of a file that was read, none where nobody asked for them.

        A picture that goes without its metadata goes without them too.
        """
        entry = self._tree.manifest.entry(file_no)
        if not self._tree.xattrs or entry.path in self._tree.stripped:
            return ()
        try:
            with self._lock:
                descriptor = self._files.open(entry.path)
        except OSError:
            return ()
        try:
            found, lost = read_xattrs(descriptor)
        finally:
            os.close(descriptor)
        self._xattrs_lost += lost
        return found

    def not_kept(self) -> NotKept:
        """Return what of the sources has not travelled so far, but for what failed."""
        tree = self._tree
        return NotKept(links=tree.links_left, modes=tree.modes_cut, xattrs=self._xattrs_lost)

    def read_into(self, file_no: int, offset: int, room: memoryview) -> None:
        """Fill ``room`` from a file at an offset, or raise ReadFailed."""
        stripped = self._tree.stripped.get(self.path(file_no))
        try:
            with self._reading(file_no) as descriptor:
                if stripped is None:
                    _fill(descriptor, offset, room)
                else:
                    stripped.read_into(offset, room, partial(_fill, descriptor))
        except OSError as error:
            raise ReadFailed(error.strerror or "it cannot be read") from None

    def leaf_hash(self, file_no: int, leaf_no: int, content: memoryview) -> bytes:  # noqa: ARG002
        """Return the hash of a leaf that was just read."""
        return leaf_hash(content)

    def known_hash(self, file_no: int, leaf_no: int) -> bytes | None:  # noqa: ARG002
        """Return the hash of a leaf if it needs no reading."""
        return None

    def finish(self, file_no: int) -> None:
        """Check that a file is still the one that was listed, and let it go."""
        try:
            with self._reading(file_no) as descriptor:
                self._check(descriptor, self._tree.manifest.entry(file_no))
        finally:
            self.release(file_no)

    def read_whole(self, file_no: int, room: memoryview) -> None:
        """Fill ``room`` with a small file, checked; ReadFailed if it is not as listed."""
        try:
            self.read_into(file_no, 0, room)
            self.finish(file_no)
        except ReadFailed:
            self.release(file_no)
            raise

    def release(self, file_no: int) -> None:
        """Close a file, as soon as nobody reads it."""
        with self._lock:
            file = self._open.pop(file_no, None)
            if file is not None:
                file.let_go = True
                _close_unread(file)

    def close(self) -> None:
        """Close everything."""
        for file_no in list(self._open):
            self.release(file_no)
        with self._lock:
            self._files.close()

    @contextmanager
    def _reading(self, file_no: int) -> Iterator[int]:
        """Hold a file open: its number shall not become another file's under a reader."""
        with self._lock:
            file = self._opened(file_no)
            file.readers += 1
        try:
            yield file.descriptor
        finally:
            with self._lock:
                file.readers -= 1
                _close_unread(file)

    def _opened(self, file_no: int) -> _OpenFile:
        """Return a file that is open; the caller holds the lock."""
        if file_no in self._open:
            return self._open[file_no]
        entry = self._tree.manifest.entry(file_no)
        try:
            descriptor = self._files.open(entry.path)
        except OSError as error:
            raise ReadFailed(error.strerror or "it cannot be opened") from None
        try:
            self._check(descriptor, entry)
        except ReadFailed:
            os.close(descriptor)
            raise
        file = self._open[file_no] = _OpenFile(descriptor)
        return file

    def _check(self, descriptor: int, entry: Entry) -> None:
        """Raise ReadFailed unless an open file is still the one that was listed."""
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ReadFailed("it is no regular file any more")
        stripped = self._tree.stripped.get(entry.path)
        size = entry.size if stripped is None else stripped.file_bytes
        if status.st_size != size or sent_mtime_ns(status) != entry.mtime_ns:
            raise ReadFailed("it changed while it was being sent")


def _close_unread(file: _OpenFile) -> None:
    if file.let_go and not file.readers:
        os.close(file.descriptor)


def _fill(descriptor: int, offset: int, room: memoryview) -> None:
    filled = 0
    while filled < len(room):
        count = _read_at(descriptor, room[filled:], offset + filled)
        if not count:
            raise ReadFailed("it became shorter while it was read")
        filled += count


def _data_ranges(descriptor: int, entry: Entry) -> tuple[tuple[int, int], ...]:
    size = entry.size
    # Without positioned reads the descriptor's place belongs to a thread that is reading.
    seeks = hasattr(os, "SEEK_HOLE") and hasattr(os, "preadv")
    if not seeks:
        return ((0, size),)
    shortest = leaf_bytes(entry.kind, size)
    found: list[tuple[int, int]] = []
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break
        end = min(os.lseek(descriptor, start, os.SEEK_HOLE), size)
        if found and start - found[-1][1] < shortest:
            start = found.pop()[0]
        found.append((start, end))
    return tuple(found)


def _read_at(descriptor: int, room: memoryview, offset: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [room], offset)
    # Windows has no positioned read; one lane thread per file keeps the position ours.
    os.lseek(descriptor, offset, os.SEEK_SET)
    content = os.read(descriptor, len(room))
    room[: len(content)] = content
    return len(content)
