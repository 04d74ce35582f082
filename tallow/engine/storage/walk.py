"""The list of what is sent: walking the sources in a stable order, page by page.

A folder is opened without following a link and its entries are looked at through its handle, so
nothing can be swapped in while the list is made. Nothing is held but the pages of the list, the
names in the folders on the way down, and the first few things that were left out.
Links are left out, or followed or kept where a person asked for it; sockets, names that cannot
travel and kept links that lead out of their source are left out and said. It never hashes, never
reads a file's content and never writes.
After it: outbox.py reads what stands in the list.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from pathspec import GitIgnoreSpec

from tallow.engine.metadata.pieces import StripRefused
from tallow.engine.storage import ignore
from tallow.engine.storage.page_store import SpooledPages
from tallow.engine.storage.rooted import RootedFiles
from tallow.engine.storage.sources import SKIPPED_KEPT, Skipped, SourceRoot, SourceTree
from tallow.engine.storage.stripped import plan_picture
from tallow.errors import SourceUnreadable, UsageError
from tallow.protocol.links import link_problem
from tallow.protocol.manifest import Entry, EntryKind, Manifest
from tallow.wire import limits

Symlinks = Literal["skip", "keep", "follow"]
_HANDLES = os.open in os.supports_dir_fd and os.listdir in os.supports_fd
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)


_NEVER_SENT = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX
_BLOCK_BYTES = 512
"""The unit of st_blocks, whatever the file system's own is."""


@dataclass(frozen=True, slots=True)
class WalkOptions:
    """What is listed and what is left out."""

    exclude: tuple[str, ...] = ()
    """Patterns as in .gitignore; several stand in one, parted by commas."""
    exclude_from: tuple[str, ...] = ()
    """Lines of files with patterns, one each; commas part nothing here."""
    git: bool = False
    """Leave out what git would: .gitignore files, info/exclude, and .git itself."""
    symlinks: Symlinks = "skip"
    strip_metadata: bool = False
    """Send pictures without EXIF, XMP, places and comments."""
    xattrs: bool = False
    """Send the extended attributes of files too."""


def check_sources(sources: Sequence[str]) -> None:
    """Raise SourceUnreadable at once if a source is missing."""
    for source in sources:
        _status(source)


def walk_sources(
    sources: Sequence[str], exclude: Sequence[str] = (), options: WalkOptions | None = None
) -> SourceTree:
    """List files and folders under the sources, in a stable order.

    ``exclude`` adds to the patterns of ``options``. Raises: SourceUnreadable if a source is
    missing, UsageError if nothing is left to send.
    """
    wanted = options or WalkOptions()
    check_sources(sources)
    tree = SourceTree(Manifest(), {}, xattrs=wanted.xattrs)
    for source in sources:
        resolved = Path(source).resolve()
        name = _free_name(resolved.name or "root", tree.roots)
        tree.roots[name] = resolved
        tree.branches[name] = SourceRoot.of(resolved, _status(resolved))
    walk = _Walk(tree, wanted, GitIgnoreSpec.from_lines(_patterns(exclude, wanted)))
    tree.manifest = Manifest.of(walk.entries(), SpooledPages())
    tree.manifest.hole_bytes = min(walk.hole_bytes, tree.manifest.total_bytes)
    if not tree.manifest.entries:
        first = next(iter(tree.skipped), None)
        raise UsageError(
            f"There is nothing to send{f' ({first.path}: {first.reason})' if first else ''}.",
            hint="Name at least one readable file or folder that --exclude does not leave out.",
        )
    return tree


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


def sent_mtime_ns(status: os.stat_result) -> int:
    """Return the time that travels; a clock that was wrong by centuries stops at the bound."""
    return max(-limits.MTIME_MAX_NS, min(status.st_mtime_ns, limits.MTIME_MAX_NS))


def _status(source: str | Path) -> os.stat_result:
    try:
        return Path(source).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise SourceUnreadable(f"{source} does not exist.") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SourceUnreadable(f"{source} cannot be read.", why=why) from None


def _patterns(exclude: Sequence[str], options: WalkOptions) -> list[str]:
    typed = (part.strip() for item in (*options.exclude, *exclude) for part in item.split(","))
    return [*options.exclude_from, *(part for part in typed if part)]


def _free_name(name: str, taken: dict[str, Path]) -> str:
    """Return the name, or "name (2).ext" if two sources are called alike."""
    stem, dot, suffix = name.partition(".") if not name.startswith(".") else (name, "", "")
    candidate, number = name, 2
    while candidate in taken:
        candidate = f"{stem} ({number}){dot}{suffix}"
        number += 1
    return candidate


# --- the walk itself --------------------------------------------------------------------------


@dataclass(slots=True)
class _Folder:
    """A folder on the way down, held open; its names wait in order."""

    wire_path: str
    path: Path
    handle: int | None
    names: Iterator[str]
    identity: tuple[int, int]
    place: str
    """Where it lies in its repository, "" or "/a/b"."""
    chain: ignore.Chain

    def look(self, name: str, *, follow: bool = False) -> os.stat_result:
        """Return what has a name here."""
        if self.handle is None:
            return (self.path / name).stat(follow_symlinks=follow)
        return os.stat(name, dir_fd=self.handle, follow_symlinks=follow)

    def read_link(self, name: str) -> str:
        """Return where a link here points to."""
        if self.handle is None:
            return str((self.path / name).readlink())
        return os.readlink(name, dir_fd=self.handle)

    def may_read(self, name: str) -> bool:
        """Return whether a file here can be opened for reading."""
        if self.handle is None or os.access not in os.supports_dir_fd:
            return os.access(self.path / name, os.R_OK)
        return os.access(name, os.R_OK, dir_fd=self.handle)

    def close(self) -> None:
        """Let the handle go."""
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None


class _Walk:
    def __init__(self, tree: SourceTree, options: WalkOptions, spec: GitIgnoreSpec) -> None:
        self.hole_bytes = 0
        self._tree = tree
        self._git = options.git
        self._follow = options.symlinks == "follow"
        self._keep = options.symlinks == "keep"
        self._spec = spec if len(spec) else None
        self._files = RootedFiles(tree) if options.strip_metadata else None
        self._way: list[_Folder] = []

    def entries(self) -> Iterator[Entry]:
        """Yield what is sent; folders before what is in them."""
        count = 0
        try:
            for name, path in self._tree.roots.items():
                for entry in self._source(name, path):
                    count += 1
                    if count > limits.MANIFEST_ENTRIES_MAX:
                        raise UsageError(
                            f"There are more than {limits.MANIFEST_ENTRIES_MAX} files and folders.",
                            hint="Send them in parts, or pack them into one archive first.",
                        )
                    yield entry
        finally:
            while self._way:
                self._way.pop().close()
            if self._files is not None:
                self._files.close()

    def _source(self, name: str, path: Path) -> Iterator[Entry]:
        status = _status(path)
        entry = self._without_metadata(self._listed(name, status, os.access(path, os.R_OK)))
        if entry is not None:
            yield entry
        if entry is None or entry.kind is not EntryKind.FOLDER:
            return
        place, chain = ignore.chain_above(path) if self._git else ("", ())
        self._enter(name, path, None, place, chain)
        while self._way:
            inside = next(self._way[-1].names, None)
            if inside is None:
                self._way.pop().close()
            elif (found := self._one(self._way[-1], inside)) is not None:
                yield found

    def _one(self, above: _Folder, name: str) -> Entry | None:
        wire_path = f"{above.wire_path}/{name}"
        try:
            status = above.look(name)
        except OSError as error:
            self._skip(wire_path, error.strerror or "it vanished", failed=True)
            return None
        link = self._follow and stat.S_ISLNK(status.st_mode)
        if link:
            try:
                status = above.look(name, follow=True)
            except OSError:
                self._skip(wire_path, "its link leads nowhere", failed=True)
                return None
        folder = stat.S_ISDIR(status.st_mode)
        place = f"{above.place}/{name}"
        if self._git and ignore.left_out(above.chain, place, folder):
            return None
        readable = not stat.S_ISREG(status.st_mode) or above.may_read(name)
        entry = self._listed(wire_path, status, readable)
        if entry is None or entry.kind is EntryKind.LINK:
            return None if entry is None else self._link(entry, above, name)
        if self._follow and any(_identity(status) == one.identity for one in self._way):
            self._skip(wire_path, "it leads back to a folder around it", failed=False)
            return None
        if link and not self._branch_off(wire_path, above.path / name, status):
            return None
        if folder:
            self._enter(wire_path, above.path / name, above, place, above.chain)
        return self._without_metadata(entry)

    def _link(self, entry: Entry, above: _Folder, name: str) -> Entry | None:
        """Return a link's entry with its target, or None if it may not point there."""
        try:
            target = above.read_link(name)
        except OSError as error:
            self._skip(entry.path, error.strerror or "it vanished", failed=True)
            return None
        problem = link_problem(entry.path, target)
        if problem:
            self._leave_link(entry.path, f"it is a symbolic link, and {problem}")
            return None
        return msgspec.structs.replace(entry, target=target)

    def _leave_link(self, wire_path: str, reason: str) -> None:
        self._tree.links_left += 1
        self._skip(wire_path, reason, failed=False)

    def _without_metadata(self, entry: Entry | None) -> Entry | None:
        """Return a picture's entry with the size that is sent; None if it cannot be stripped."""
        if self._files is None or entry is None or entry.kind is not EntryKind.FILE:
            return entry
        try:
            descriptor = self._files.open(entry.path)
            try:
                stripped = plan_picture(descriptor, entry.size)
            finally:
                os.close(descriptor)
        except (OSError, StripRefused) as refused:
            self._skip(entry.path, getattr(refused, "strerror", None) or str(refused), failed=True)
            return None
        if stripped is None:
            return entry
        self._tree.stripped[entry.path] = stripped
        self._tree.sparse.discard(entry.path)
        return msgspec.structs.replace(entry, size=stripped.sent_bytes)

    def _branch_off(self, wire_path: str, path: Path, status: os.stat_result) -> bool:
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError):
            self._skip(wire_path, "its link leads nowhere", failed=True)
            return False
        self._tree.branches[wire_path] = SourceRoot.of(target, status)
        return True

    def _listed(self, wire_path: str, status: os.stat_result, readable: bool) -> Entry | None:
        folder = stat.S_ISDIR(status.st_mode)
        if self._spec is not None and self._spec.match_file(wire_path + "/" * folder):
            return None
        problem = name_problem(wire_path)
        if problem:
            self._skip(wire_path, problem, failed=True)
        elif folder:
            return self._entry(wire_path, EntryKind.FOLDER, status)
        elif stat.S_ISREG(status.st_mode):
            if readable:
                if _has_holes(status):
                    self._tree.sparse.add(wire_path)
                    self.hole_bytes += status.st_size - status.st_blocks * _BLOCK_BYTES
                return self._entry(wire_path, EntryKind.FILE, status)
            self._skip(wire_path, "it may not be read", failed=True)
        elif stat.S_ISLNK(status.st_mode):
            if self._keep:
                return _entry(wire_path, EntryKind.LINK, status)
            self._leave_link(wire_path, "it is a symbolic link")
        else:
            self._skip(wire_path, "it is no regular file", failed=False)
        return None

    def _entry(self, wire_path: str, kind: EntryKind, status: os.stat_result) -> Entry:
        self._tree.modes_cut += bool(status.st_mode & _NEVER_SENT)
        return _entry(wire_path, kind, status)

    def _enter(
        self, wire_path: str, path: Path, above: _Folder | None, place: str, chain: ignore.Chain
    ) -> None:
        """Hold a folder and put its names on the way; one that cannot be listed is said."""
        branch = self._tree.branches.get(wire_path)
        handle: int | None = None
        try:
            if _HANDLES:
                handle = _open_folder(path, above, branch)
            status, names = _contents(path, handle)
        except OSError as error:
            if handle is not None:
                os.close(handle)
            self._skip(wire_path, error.strerror or str(error), failed=True)
            return
        if branch is not None:
            # What was opened counts: to open a folder may mount a disk over it.
            self._tree.branches[wire_path] = SourceRoot.of(branch.path, status)
        if self._git and ".git" in names and above is not None:
            chain = ignore.chain_of_repository(path, place)
        if self._git and ".gitignore" in names:
            chain = ignore.chain_inside(chain, path, place)
        self._way.append(
            _Folder(wire_path, path, handle, iter(names), _identity(status), place, chain)
        )

    def _skip(self, wire_path: str, reason: str, *, failed: bool) -> None:
        tree = self._tree
        tree.skipped_count += 1
        tree.failed_count += failed
        if len(tree.skipped) < SKIPPED_KEPT:
            tree.skipped.append(Skipped(wire_path, reason, failed))


def _open_folder(path: Path, above: _Folder | None, branch: SourceRoot | None) -> int:
    if branch is not None or above is None:
        return os.open(branch.path if branch else path, _FOLDER | _NOFOLLOW)
    return os.open(path.name, _FOLDER | _NOFOLLOW, dir_fd=above.handle)


def _contents(path: Path, handle: int | None) -> tuple[os.stat_result, list[str]]:
    if handle is None:
        return path.stat(), sorted(item.name for item in path.iterdir())
    return os.fstat(handle), sorted(os.listdir(handle))  # noqa: PTH208 - by handle


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _has_holes(status: os.stat_result) -> bool:
    blocks = getattr(status, "st_blocks", None)
    return blocks is not None and blocks * _BLOCK_BYTES < status.st_size >= limits.KIB * 64


def _entry(wire_path: str, kind: EntryKind, status: os.stat_result) -> Entry:
    size = status.st_size if kind is EntryKind.FILE else 0
    return Entry(wire_path, kind, size, stat.S_IMODE(status.st_mode) & 0o777, sent_mtime_ns(status))
