"""What this side sends: walking the sources, and reading exactly what was listed.

A file is opened without following a link and must still be the one that was listed: another size
or time before or after reading fails that file, not the transfer. Links, sockets and names that
cannot travel are left out and said. It never hashes before the code is shown and never writes.
After it: engine/lane.py reads leaves through ``read_into``.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from tallow.errors import SourceUnreadable, UsageError
from tallow.protocol.manifest import Entry, EntryKind, Manifest
from tallow.wire import limits

_READ = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that will not be sent."""

    path: str
    reason: str
    failed: bool
    """True if it should have been sent."""


@dataclass(frozen=True, slots=True)
class SourceTree:
    """The listed sources: a manifest, and where on this disk each first component lives."""

    manifest: Manifest
    roots: dict[str, Path]
    skipped: list[Skipped]

    def local_path(self, entry: Entry) -> Path:
        """Return where an entry's file is on this disk."""
        first, _, rest = entry.path.partition("/")
        return self.roots[first] / rest if rest else self.roots[first]


def check_sources(sources: Sequence[str]) -> None:
    """Raise SourceUnreadable at once if a source is missing."""
    for source in sources:
        _status(source)


def _status(source: str | Path) -> os.stat_result:
    try:
        return Path(source).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise SourceUnreadable(f"{source} does not exist.") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SourceUnreadable(f"{source} cannot be read.", why=why) from None


def walk_sources(sources: Sequence[str], exclude: Sequence[str] = ()) -> SourceTree:
    """List files and folders under the sources, in a stable order.

    Raises: SourceUnreadable if a source is missing, UsageError if nothing is left to send.
    """
    check_sources(sources)
    roots: dict[str, Path] = {}
    for source in sources:
        resolved = Path(source).resolve()
        roots[_free_name(resolved.name or "root", roots)] = resolved
    spec = GitIgnoreSpec.from_lines(_patterns(exclude))
    skipped: list[Skipped] = []
    walk = _Walk(spec, skipped)
    manifest = Manifest.of(walk.entries(roots))
    if not manifest.entries:
        detail = f" ({skipped[0].path}: {skipped[0].reason})" if skipped else ""
        raise UsageError(
            f"There is nothing to send{detail}.",
            hint="Name at least one readable file or folder that --exclude does not leave out.",
        )
    return SourceTree(manifest, roots, skipped)


def _patterns(exclude: Sequence[str]) -> list[str]:
    return [part.strip() for item in exclude for part in item.split(",") if part.strip()]


def _free_name(name: str, taken: dict[str, Path]) -> str:
    """Return the name, or "name (2).ext" if two sources are called alike."""
    stem, dot, suffix = name.partition(".") if not name.startswith(".") else (name, "", "")
    candidate, number = name, 2
    while candidate in taken:
        candidate = f"{stem} ({number}){dot}{suffix}"
        number += 1
    return candidate


class _Walk:
    def __init__(self, spec: GitIgnoreSpec, skipped: list[Skipped]) -> None:
        self._spec = spec
        self._skipped = skipped

    def entries(self, roots: dict[str, Path]) -> Iterator[Entry]:
        for name, path in roots.items():
            yield from self._one(name, path, _status(path))

    def _one(self, wire_path: str, path: Path, status: os.stat_result) -> Iterator[Entry]:
        folder = stat.S_ISDIR(status.st_mode)
        if self._spec.match_file(wire_path + "/" * folder):
            return
        problem = name_problem(wire_path)
        if problem:
            self._skip(wire_path, problem, failed=True)
        elif folder:
            yield _entry(wire_path, EntryKind.FOLDER, status)
            yield from self._inside(wire_path, path)
        elif stat.S_ISREG(status.st_mode):
            if os.access(path, os.R_OK):
                yield _entry(wire_path, EntryKind.FILE, status)
            else:
                self._skip(wire_path, "it may not be read", failed=True)
        elif stat.S_ISLNK(status.st_mode):
            self._skip(wire_path, "it is a symbolic link", failed=False)
        else:
            self._skip(wire_path, "it is no regular file", failed=False)

    def _inside(self, wire_path: str, path: Path) -> Iterator[Entry]:
        try:
            with os.scandir(path) as listing:
                inside = sorted(listing, key=lambda item: item.name)
        except OSError as error:
            self._skip(wire_path, error.strerror or "it cannot be listed", failed=True)
            return
        for item in inside:
            try:
                status = item.stat(follow_symlinks=False)
            except OSError as error:
                self._skip(f"{wire_path}/{item.name}", error.strerror or "it vanished", failed=True)
                continue
            yield from self._one(f"{wire_path}/{item.name}", path / item.name, status)

    def _skip(self, wire_path: str, reason: str, *, failed: bool) -> None:
        self._skipped.append(Skipped(wire_path, reason, failed))


def name_problem(wire_path: str) -> str:
    """Return why a path cannot travel, or ""."""
    try:
        encoded = wire_path.encode()
    except UnicodeEncodeError:
        return "its name is not valid Unicode"
    if len(encoded) > limits.PATH_MAX_BYTES:
        return "its path is too long"
    if wire_path.count("/") >= limits.PATH_DEPTH_MAX:
        return "it lies too deep"
    return ""


def _entry(wire_path: str, kind: EntryKind, status: os.stat_result) -> Entry:
    size = status.st_size if kind is EntryKind.FILE else 0
    return Entry(wire_path, kind, size, stat.S_IMODE(status.st_mode) & 0o777, _mtime_ns(status))


def _mtime_ns(status: os.stat_result) -> int:
    """Return the time that travels; a clock that was wrong by centuries stops at the bound."""
    return max(-limits.MTIME_MAX_NS, min(status.st_mtime_ns, limits.MTIME_MAX_NS))


class ReadFailed(Exception):
    """One file could not be read as listed; its message is the reason the peer is told."""


class Outbox:
    """Reads leaves of listed files, from several threads."""

    def __init__(self, tree: SourceTree) -> None:
        self._tree = tree
        self._lock = threading.Lock()
        self._open: dict[int, int] = {}

    def read_into(self, file_no: int, offset: int, room: memoryview) -> None:
        """Fill ``room`` from a file at an offset, or raise ReadFailed."""
        try:
            descriptor = self._descriptor(file_no)
            filled = 0
            while filled < len(room):
                count = _read_at(descriptor, room[filled:], offset + filled)
                if not count:
                    raise ReadFailed("it became shorter while it was read")
                filled += count
        except OSError as error:
            raise ReadFailed(error.strerror or "it cannot be read") from None

    def finish(self, file_no: int) -> None:
        """Check that a file is still the one that was listed, and let it go."""
        try:
            _check_listed(self._descriptor(file_no), self._tree.manifest.entry(file_no))
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
        """Close a file."""
        with self._lock:
            descriptor = self._open.pop(file_no, None)
        if descriptor is not None:
            os.close(descriptor)

    def close(self) -> None:
        """Close everything."""
        for file_no in list(self._open):
            self.release(file_no)

    def _descriptor(self, file_no: int) -> int:
        with self._lock:
            if file_no in self._open:
                return self._open[file_no]
            entry = self._tree.manifest.entry(file_no)
            try:
                descriptor = os.open(self._tree.local_path(entry), _READ)
            except OSError as error:
                raise ReadFailed(error.strerror or "it cannot be opened") from None
            try:
                _check_listed(descriptor, entry)
            except ReadFailed:
                os.close(descriptor)
                raise
            self._open[file_no] = descriptor
            return descriptor


def _check_listed(descriptor: int, entry: Entry) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise ReadFailed("it is no regular file any more")
    if status.st_size != entry.size or _mtime_ns(status) != entry.mtime_ns:
        raise ReadFailed("it changed while it was being sent")


def _read_at(descriptor: int, room: memoryview, offset: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [room], offset)
    # Windows has no positioned read; one lane thread per file keeps the position ours.
    os.lseek(descriptor, offset, os.SEEK_SET)
    content = os.read(descriptor, len(room))
    room[: len(content)] = content
    return len(content)
