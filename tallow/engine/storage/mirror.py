"""What stands at the target of a sync: as listed, changed, new, of another kind, or not listed.

Everything is looked at through held folders, so nothing behind a link counts. A file counts as
unchanged by its size and time alone, as finely as the file system keeps it. Looking changes
nothing; what is not listed is remembered as it stood, so that removing.py takes away exactly what
a person agreed to. Before: mirroring.py. After: removing.py, seeding.py.
Spec: docs/protocol.md §9.6.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tallow.engine.storage.folder import Folder, open_folder
from tallow.engine.storage.held import HeldFolders, Parts
from tallow.engine.storage.resumed import same_time
from tallow.engine.storage.target import Target
from tallow.protocol.manifest import Entry, EntryKind, Selection, travels_packed
from tallow.protocol.names import TEMPORARY_PREFIX, TargetSystem, collision_key
from tallow.protocol.stamps import StampTable, stamp
from tallow.wire import limits

KEEPS_MODES = os.name == "posix"
Identity = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Extra:
    """A file or link that is not listed, as it was when it was seen."""

    above: Parts
    name: str
    identity: Identity

    @property
    def path(self) -> str:
        """Where it stands below the target."""
        return "/".join((*self.above, self.name))


@dataclass(slots=True)
class Extras:
    """What is not listed below the roots of a sync."""

    in_the_way: list[Extra] = field(default_factory=list)
    """Where something listed of another kind has to stand; it goes first."""
    files: list[Extra] = field(default_factory=list)
    folders: list[Parts] = field(default_factory=list)
    """Folders that are not listed, outer ones first."""
    folders_in_the_way: list[Parts] = field(default_factory=list)
    """Folders where a file is listed, and those in them."""
    more: bool = False
    """True if there are more of them than are remembered."""

    @property
    def count(self) -> int:
        """How many files and links there are."""
        return len(self.in_the_way) + len(self.files)


@dataclass(slots=True)
class Mirrored:
    """How a list and a folder differ."""

    unchanged: Selection
    changed: Selection
    """Files that are here with another size or time, and links in their place."""
    blocked: Selection
    """Entries that cannot stand here: something of another kind is in the way."""
    other_mode: list[int] = field(default_factory=list)
    """Entries whose permission bits alone differ."""
    here_bytes: dict[int, int] = field(default_factory=dict)
    """Sizes of changed files whose content here may save sending."""
    new_files: int = 0
    roots: frozenset[str] = frozenset()
    """Folders at the top of the list: what is not listed below them is extra."""
    extras: Extras = field(default_factory=Extras)


def compare(
    target: Target, *, extras: bool, once_listed: Callable[[str], bool] | None = None
) -> Mirrored:
    """Look at every entry of a list at its place, and, if wanted, for what is not listed.

    ``once_listed`` limits what is extra to paths that it knows. Raises: OSError.
    """
    entries = target.manifest.entries
    mirrored = Mirrored(Selection(entries), Selection(entries), Selection(entries))
    if target.folder is None:
        return mirrored
    folders = HeldFolders(open_folder(target.folder))
    try:
        looking = _Looking(target, folders, mirrored)
        looking.at_every_entry()
        if extras:
            looking.for_extras(once_listed)
    finally:
        folders.close()
    return mirrored


def identity(seen: os.stat_result) -> Identity:
    """Return what tells a file from another one, and from itself after a change."""
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns


class _Looking:
    def __init__(self, target: Target, folders: HeldFolders, mirrored: Mirrored) -> None:
        self._target = target
        self._folders = folders
        self._mirrored = mirrored
        self._listed = StampTable()
        self._folded: StampTable | None = None

    # --- what is listed -----------------------------------------------------------------------

    def at_every_entry(self) -> None:
        """Sort every entry."""
        roots = set()
        for number, entry in enumerate(self._target.manifest):
            parts = self._target.parts(number)
            path = "/".join(parts)
            self._listed.note(stamp(path), number)
            if entry.kind is EntryKind.FOLDER and len(parts) == 1:
                roots.add(path)
            self._sort(number, entry, parts)
        self._mirrored.roots = frozenset(roots)

    def _sort(self, number: int, entry: Entry, parts: Parts) -> None:
        try:
            with self._folders.borrow(parts[:-1], make=False) as above:
                seen = above.look(parts[-1])
                link = above.read_link(parts[-1]) if entry.kind is EntryKind.LINK else None
        except FileNotFoundError:
            seen = link = None
        except OSError:
            self._mirrored.blocked.add(number)
            return
        if entry.kind is EntryKind.FOLDER:
            self._sort_folder(number, entry, parts, seen)
        elif seen is None:
            self._mirrored.new_files += 1
        elif stat.S_ISDIR(seen.st_mode):
            self._mirrored.blocked.add(number)
        elif link is not None and link == self._target.link(number):
            self._mirrored.unchanged.add(number)
        elif not stat.S_ISREG(seen.st_mode) or entry.kind is EntryKind.LINK:
            self._sort_odd(number, seen)
        elif seen.st_size == entry.size and same_time(seen.st_mtime_ns, entry.mtime_ns):
            self._mirrored.unchanged.add(number)
            self._sort_mode(number, entry, seen)
        else:
            self._mirrored.changed.add(number)
            room = len(self._mirrored.here_bytes) < limits.HAVE_RANGES_MAX
            if room and not travels_packed(entry):
                self._mirrored.here_bytes[number] = seen.st_size

    def _sort_folder(
        self, number: int, entry: Entry, parts: Parts, seen: os.stat_result | None
    ) -> None:
        if seen is None:
            return
        if stat.S_ISDIR(seen.st_mode):
            self._mirrored.unchanged.add(number)
            self._sort_mode(number, entry, seen)
            return
        self._mirrored.blocked.add(number)
        if _may_go(seen):
            way = Extra(parts[:-1], parts[-1], identity(seen))
            self._mirrored.extras.in_the_way.append(way)

    def _sort_odd(self, number: int, seen: os.stat_result) -> None:
        """Sort a file in whose place a link, a pipe or a device stands, or a link in any place."""
        if _may_go(seen):
            self._mirrored.changed.add(number)
        else:
            self._mirrored.blocked.add(number)

    def _sort_mode(self, number: int, entry: Entry, seen: os.stat_result) -> None:
        if KEEPS_MODES and stat.S_IMODE(seen.st_mode) & 0o777 != entry.mode:
            self._mirrored.other_mode.append(number)

    # --- what is not --------------------------------------------------------------------------

    def for_extras(self, once_listed: Callable[[str], bool] | None) -> None:
        """Walk down every root that is a folder here."""
        # Only what stands below a root is anybody's to remove, never the root itself.
        extras = self._mirrored.extras
        extras.in_the_way = [
            way
            for way in extras.in_the_way
            if way.above and _known((*way.above, way.name), once_listed)
        ]
        for root in sorted(self._mirrored.roots):
            waiting: list[tuple[Parts, bool]] = [((root,), False)]
            while waiting:
                waiting.extend(self._inside(*waiting.pop(), once_listed))
                if extras.count >= limits.SYNC_EXTRA_MAX:
                    extras.more = True
                    return

    def _inside(
        self, parts: Parts, in_the_way: bool, once_listed: Callable[[str], bool] | None
    ) -> Iterator[tuple[Parts, bool]]:
        """Note what is extra in a folder, and yield the folders in it."""
        try:
            with self._folders.borrow(parts, make=False) as folder:
                found = [(name, folder.look(name)) for name in folder.names()]
                device = _device(folder)
        except OSError:
            return
        extras = self._mirrored.extras
        for name, seen in found:
            below = (*parts, name)
            if seen is None or name.startswith(TEMPORARY_PREFIX):
                continue
            number = self._number(below, seen)
            if stat.S_ISDIR(seen.st_mode):
                # Nothing is removed on another disk that is mounted inside.
                if device in (None, seen.st_dev):
                    yield below, self._enter(below, number, in_the_way, once_listed)
            elif number is None and _may_go(seen) and _known(below, once_listed):
                extra = Extra(parts, name, identity(seen))
                (extras.in_the_way if in_the_way else extras.files).append(extra)

    def _enter(
        self,
        parts: Parts,
        number: int | None,
        in_the_way: bool,
        once_listed: Callable[[str], bool] | None,
    ) -> bool:
        """Note a folder that is extra; return whether it, and what it holds, is in the way."""
        extras = self._mirrored.extras
        if number is not None:
            in_the_way = self._target.manifest.entry(number).kind is not EntryKind.FOLDER
        if (number is None or in_the_way) and _known(parts, once_listed):
            (extras.folders_in_the_way if in_the_way else extras.folders).append(parts)
        return in_the_way

    def _number(self, parts: Parts, seen: os.stat_result) -> int | None:
        """Return the entry that something here is; None if it is not listed."""
        try:
            key = stamp("/".join(parts))
        except UnicodeEncodeError:
            return None
        if key in self._listed:
            return self._listed.note(key, 0)
        folded = stamp(collision_key(parts, system=TargetSystem.MACOS))
        names = self._names_without_case()
        number = names.note(folded, 0) if folded in names else None
        if number is None:
            return None
        listed = self._target.parts(number)
        try:
            with self._folders.borrow(listed[:-1], make=False) as above:
                there = above.look(listed[-1])
        except OSError:
            return None
        same = there is not None and (there.st_dev, there.st_ino) == (seen.st_dev, seen.st_ino)
        return number if same else None

    def _names_without_case(self) -> StampTable:
        """Return the list as a file system reads it that knows no case: here may be such a one."""
        if self._folded is None:
            self._folded = StampTable()
            for number in range(self._target.manifest.entries):
                key = collision_key(self._target.parts(number), system=TargetSystem.MACOS)
                self._folded.note(stamp(key), number)
        return self._folded


def _may_go(seen: os.stat_result) -> bool:
    return stat.S_ISREG(seen.st_mode) or stat.S_ISLNK(seen.st_mode)


def _known(parts: Parts, once_listed: Callable[[str], bool] | None) -> bool:
    return once_listed is None or once_listed("/".join(parts))


def _device(folder: Folder) -> int | None:
    here = folder.look(".")
    return None if here is None else here.st_dev
