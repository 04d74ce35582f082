"""Where an offer would go on this disk: output folder, names, conflicts, free space.

Looked at before anything is written, so that the person decides on what will really happen.
Names come from protocol/names.py and from nowhere else. This room never writes.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tallow.errors import NotWritable, UsageError
from tallow.protocol.links import safe_target
from tallow.protocol.manifest import Entry, EntryKind, Manifest
from tallow.protocol.names import NameTable, Risk, TargetSystem, risk_flags, safe_name

STDOUT = "-"
LOOKED_AT = 100_000
"""Existing names are looked up for this many entries; beyond it only the first ones."""


def this_system() -> TargetSystem:
    """Return whose naming rules the target follows."""
    if sys.platform == "win32":
        return TargetSystem.WINDOWS
    return TargetSystem.MACOS if sys.platform == "darwin" else TargetSystem.POSIX


@dataclass(frozen=True, slots=True)
class Target:
    """The answer to "where to": a folder to hold, and what each entry is called in it."""

    folder: Path | None
    """None: standard output."""
    rename_to: str | None
    """The name that the person gave to a single file."""
    manifest: Manifest
    existing: frozenset[int]
    """Entries whose name is taken."""
    free_bytes: int | None
    risks: frozenset[str]

    @property
    def shown(self) -> str:
        """The target as a person reads it."""
        if self.folder is None:
            return "standard output"
        return str(self.folder / self.rename_to) if self.rename_to else f"{self.folder}{os.sep}"

    def parts(self, file_no: int) -> tuple[str, ...]:
        """Return an entry's path below the folder, as components."""
        if self.rename_to is not None:
            return (self.rename_to,)
        return safe_name(self.manifest.entry(file_no).path, system=this_system()).parts

    def numbers(self, selection: Iterable[int], kind: EntryKind) -> list[int]:
        """Return which entries of a selection are of a kind."""
        return [number for number in selection if self.manifest.entry(number).kind is kind]

    def changed(self, file_no: int) -> bool:
        """Return whether this system made another name of an entry's own."""
        name = self.manifest.entry(file_no).path.rpartition("/")[2]
        return self.rename_to is None and self.parts(file_no)[-1] != name

    def link(self, file_no: int) -> str:
        """Return what a link of the list is made to say here; UnsafeName for a hostile one."""
        entry = self.manifest.entry(file_no)
        return safe_target(entry.path, entry.target, system=this_system())

    def entry_risks(self, file_no: int) -> list[str]:
        """Return the flags of one entry, in a stable order."""
        entry = self.manifest.entry(file_no)
        flags = set(_risks(entry))
        if file_no in self.existing:
            flags.add(Risk.OVERWRITE)
        return sorted(flag.value for flag in flags)


def plan_target(manifest: Manifest, kind: str, output: str, *, look: bool = True) -> Target:
    """Find out where an offer would go; without ``look`` somebody else finds what exists.

    Raises: UnsafeName for a hostile list, UsageError or NotWritable for an impossible output.
    """
    table = NameTable(this_system())
    risks: set[Risk] = set()
    for entry in manifest:
        claimed = table.claim(entry.path, "folder" if entry.kind is EntryKind.FOLDER else "file")
        risks |= _risks(entry)
        if claimed.changed:
            risks.add(Risk.RENAMED)
        if entry.kind is EntryKind.LINK:
            safe_target(entry.path, entry.target, system=this_system())
    if output == STDOUT:
        return _to_stdout(manifest, kind, risks)
    try:
        return _to_folder(manifest, Path(output), risks, look=look)
    except OSError as error:
        why = error.strerror or str(error)
        raise NotWritable(f"The output {output} cannot be used.", why=why) from None


def _to_folder(manifest: Manifest, output: Path, risks: set[Risk], *, look: bool) -> Target:
    folder, rename_to = _split_output(output, manifest)
    if not folder.is_dir():
        raise NotWritable(f"The output folder {folder} does not exist.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise NotWritable(f"The output folder {folder} may not be written.")
    blank = Target(folder, rename_to, manifest, frozenset(), None, frozenset())
    existing = frozenset(_existing(blank) if look else ())
    if existing:
        risks.add(Risk.OVERWRITE)
    free = shutil.disk_usage(folder).free
    return Target(folder, rename_to, manifest, existing, free, _values(risks))


def _to_stdout(manifest: Manifest, kind: str, risks: set[Risk]) -> Target:
    if kind == "files" and not (manifest.entries == 1 and manifest.files == 1):
        raise UsageError(
            "Standard output takes one file or stream, and this offer holds more.",
            hint="Choose a folder with -o DIR.",
        )
    return Target(None, None, manifest, frozenset(), None, _values(risks))


def _split_output(output: Path, manifest: Manifest) -> tuple[Path, str | None]:
    if output.is_dir():
        return output, None
    single = manifest.entries == 1 and manifest.files == 1
    if single and output.name not in ("", ".", ".."):
        return output.parent, output.name
    return output, None


def _existing(target: Target) -> list[int]:
    folder = target.folder
    if folder is None:
        return []
    taken = []
    for file_no in range(min(target.manifest.entries, LOOKED_AT)):
        entry = target.manifest.entry(file_no)
        path = folder.joinpath(*target.parts(file_no))
        if entry.kind is EntryKind.FOLDER:
            if path.is_symlink() or (path.exists() and not path.is_dir()):
                raise NotWritable(f"{path} is in the way: a folder of that name would go there.")
        elif os.path.lexists(path) and not _is_that_link(path, target, file_no):
            taken.append(file_no)
    return taken


def _is_that_link(path: Path, target: Target, file_no: int) -> bool:
    """Return whether a link of the list is there already, so that nothing is in the way."""
    listed = target.manifest.entry(file_no).kind is EntryKind.LINK
    return listed and path.is_symlink() and str(path.readlink()) == target.link(file_no)


def _risks(entry: Entry) -> frozenset[Risk]:
    kind = "symlink" if entry.kind is EntryKind.LINK else entry.kind.name.lower()
    return risk_flags(entry.path, entry.mode, kind)


def _values(risks: set[Risk]) -> frozenset[str]:
    return frozenset(risk.value for risk in risks)
