"""The one door through which a peer's names become path components.

A name that could leave the target folder is refused; one that is merely awkward (control or
invisible characters, names this system reserves, Tallow's own temporary names) is renamed in a
fixed way. Names are stored as they came, not normalised; normal forms serve comparison only.
This module never touches a disk: engine.storage opens what it returns, one component at a time.
Spec: docs/protocol.md §7.3; checklist X04, X11, X12.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Literal

from tallow.display import display_text, has_bidi_control, replace_hidden
from tallow.errors import UnsafeName
from tallow.protocol.lookalike import looks_like_another
from tallow.protocol.stamps import StampTable, stamp
from tallow.wire import limits

FILLER: Final = "_"
TEMPORARY_PREFIX: Final = ".tallow-"
"""Journals and unfinished files begin so; no peer may name a file like one."""
SHOWN_CELLS: Final = 60
_FILE: Final = (1 << 32) - 1
_SPELLING_BYTES: Final = 16

_EITHER_SEPARATOR = re.compile(r"[/\\]")
_ABSOLUTE_WINDOWS = re.compile(r"[A-Za-z]:[/\\]|\\\\")
_DRIVE = re.compile(r"[A-Za-z]:")
_ORDINARY = re.compile(r"\w(?:[\w .,+=@()-]*[\w+=@()-])?", re.ASCII)
"""Nearly every name is such a one and needs no further look, except on Windows."""
_ORDINARY_PATH = re.compile(rf"{_ORDINARY.pattern}(?:/{_ORDINARY.pattern})*", re.ASCII)
_OUTER_SPACE = re.compile(r"\A\s+|\s+\Z")
_OUTER_SPACE_OR_LAST_DOTS = re.compile(r"\A\s+|[\s.]+\Z")
_WINDOWS_SIGNS = re.compile(r'[<>:"|?*]')
_WINDOWS_DEVICE = re.compile(
    r"(?:CON|PRN|AUX|NUL|CLOCK\$|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])\s*(?:\..*)?",
    re.IGNORECASE | re.DOTALL,
)
_RUNS_WHEN_OPENED: Final = frozenset(
    """
    app applescript appimage bat cmd com command cpl desktop exe hta jar js jse lnk msc msi pif
    pkg ps1 reg run scpt scr url vb vbe vbs workflow wsf wsh
    """.split()  # noqa: SIM905 - a table stays readable
)
_FOLDER_THAT_RUNS: Final = frozenset({"app", "workflow"})
"""On macOS; other folders may well be called example.com."""


class TargetSystem(enum.Enum):
    """The rules of the system on which the names will stand."""

    POSIX = "posix"
    MACOS = "macos"
    WINDOWS = "windows"


class Risk(enum.Enum):
    """What a person should know of a name before saying yes."""

    EXECUTABLE = "executable"
    DOTFILE = "dotfile"
    SYMLINK = "symlink"
    BIDI = "bidi"
    LOOKALIKE = "lookalike"
    RENAMED = "renamed"
    OVERWRITE = "overwrite"


_NO_RISKS: Final[frozenset[Risk]] = frozenset()


@dataclass(frozen=True, slots=True)
class SafePath:
    """Path components that may be opened one below the other inside the target folder."""

    parts: tuple[str, ...]
    changed: bool
    """True if any component is not what the peer called it."""
    flags: frozenset[Risk]
    """What the name alone tells: DOTFILE, BIDI, LOOKALIKE, RENAMED."""


def safe_name(path: str, *, system: TargetSystem) -> SafePath:
    """Turn a relative, "/"-separated wire name into safe components, or raise UnsafeName."""
    if _is_plainly_safe(path, system):
        return SafePath(tuple(path.split("/")), changed=False, flags=_NO_RISKS)
    _refuse_escape(path, system)
    wanted = tuple(path.split("/"))
    parts = tuple(_clean(component, system) for component in wanted)
    for part in parts:
        if part in ("", ".", "..") or len(part.encode()) > limits.COMPONENT_MAX_BYTES:
            raise _unsafe(path, "A part of it is too long for any system.")
    changed = parts != wanted
    return SafePath(parts, changed, _name_risks(path) | ({Risk.RENAMED} if changed else set()))


def collision_key(parts: tuple[str, ...], *, system: TargetSystem) -> str:
    """Return what two paths have in common if the target system takes them for one."""
    joined = "/".join(parts)
    if joined.isascii():
        return joined if system is TargetSystem.POSIX else joined.lower()
    if system is not TargetSystem.POSIX:
        joined = unicodedata.normalize("NFD", joined).casefold()
    return unicodedata.normalize("NFC", joined)


def risk_flags(path: str, mode: int, kind: str) -> frozenset[Risk]:
    """Return what to warn of, from wire name, mode bits and kind ("file", "folder", "symlink").

    RENAMED stands in SafePath.flags, since it depends on the target; OVERWRITE is for whoever
    has looked at the disk.
    """
    risks = set(_name_risks(path))
    # Windows ignores dots and spaces at the end.
    _, dot, extension = path.rpartition("/")[2].rstrip(". ").rpartition(".")
    running = _FOLDER_THAT_RUNS if kind == "folder" else _RUNS_WHEN_OPENED
    if (kind == "file" and mode & 0o111) or (dot and extension.casefold() in running):
        risks.add(Risk.EXECUTABLE)
    if kind == "symlink":
        risks.add(Risk.SYMLINK)
    return frozenset(risks)


class NameTable:
    """The names of one offer: every entry gets a place of its own on the target system.

    Two entries with one target, a file and a folder of one name, and an entry below a file are
    refused with UnsafeName. Held are hashes, not names: 10^6 entries take about 30 MB. A place's
    hash has 8 bytes, for a collision by chance refuses and never overwrites; the spelling of a
    folder has 16, for one found on purpose would merge two folders.
    """

    def __init__(self, system: TargetSystem) -> None:
        self._system = system
        self._places = StampTable()
        """Of each place _FILE, or else the number of the folder there."""
        self._spellings = bytearray()
        self._declared = bytearray()
        self._last_parent = ""

    def claim(self, path: str, kind: Literal["file", "folder"]) -> SafePath:
        """Make a wire name safe and take its place, or raise UnsafeName."""
        safe = safe_name(path, system=self._system)
        parent = path.rpartition("/")[0]
        if parent != self._last_parent:
            wanted = parent.split("/")
            for depth in range(1, len(wanted) + 1) if parent else ():
                self._enter(path, "/".join(wanted[:depth]), safe.parts[:depth])
            # Entries come folder by folder; a folder once entered can never become a file.
            self._last_parent = parent
        if kind == "folder":
            folder = self._enter(path, path, safe.parts)
            if self._declared[folder]:
                raise _twice(path)
            self._declared[folder] = True
            return safe
        held = self._places.note(self._key(safe.parts), _FILE)
        if held is not None:
            raise _twice(path) if held == _FILE or self._declared[held] else _file_and_folder(path)
        return safe

    def _enter(self, path: str, folder: str, parts: tuple[str, ...]) -> int:
        """Return the number of a folder that path needs, or is.

        Another spelling of it would merge two folders.
        """
        spelling, number = stamp(folder, _SPELLING_BYTES), len(self._declared)
        key = self._key(parts)
        # Folders need not be listed, and each entry could bring more than a hundred.
        if number >= limits.MANIFEST_ENTRIES_MAX and key not in self._places:
            raise _unsafe(path, "The offer needs more folders than allowed at once.")
        held = self._places.note(key, number)
        if held is None:
            self._spellings += spelling
            self._declared.append(False)
            return number
        if held == _FILE:
            raise _file_and_folder(path)
        at = held * _SPELLING_BYTES
        if self._spellings[at : at + _SPELLING_BYTES] != spelling:
            raise _unsafe(path, "Two folders of the offer would become one.")
        return held

    def _key(self, parts: tuple[str, ...]) -> bytes:
        return stamp(collision_key(parts, system=self._system))


# --- refusing ---------------------------------------------------------------------------------


def _refuse_escape(path: str, system: TargetSystem) -> None:
    """Raise UnsafeName for what could mean a place outside the target folder."""
    if not path:
        raise _unsafe(path, "It is empty.")
    try:
        size_bytes = len(path.encode())
    except UnicodeEncodeError:
        raise _unsafe(path, "It is not valid Unicode.") from None
    if size_bytes > limits.PATH_MAX_BYTES:
        raise _unsafe(path, f"It is longer than {limits.PATH_MAX_BYTES} bytes.")
    if "\0" in path:
        raise _unsafe(path, "It holds a NUL.")
    if path.startswith("/") or _ABSOLUTE_WINDOWS.match(path):
        raise _unsafe(path, "It is an absolute path.")
    parts = path.split("/")
    if len(parts) > limits.PATH_DEPTH_MAX:
        raise _unsafe(path, f"It is deeper than {limits.PATH_DEPTH_MAX} folders.")
    if any(part in ("", ".", "..") for part in parts):
        raise _unsafe(path, 'A part of it is empty, "." or "..".')
    if any(len(part.encode()) > limits.COMPONENT_MAX_BYTES for part in parts):
        raise _unsafe(path, f"A part of it is longer than {limits.COMPONENT_MAX_BYTES} bytes.")
    if "\\" in path or system is TargetSystem.WINDOWS:
        _refuse_windows_escape(path, system)


def _refuse_windows_escape(path: str, system: TargetSystem) -> None:
    """Judge a name as if "\\" were a separator too: what it is on the next system it reaches."""
    parts = _EITHER_SEPARATOR.split(path)
    if any(part.rstrip() == ".." for part in parts):
        raise _unsafe(path, 'Read with "\\" as a separator, a part of it is "..".')
    if system is TargetSystem.WINDOWS:
        if path.startswith("\\"):
            raise _unsafe(path, "It is an absolute path.")
        if any(_DRIVE.match(part) for part in parts):
            raise _unsafe(path, "It names a drive.")


def _twice(path: str) -> UnsafeName:
    return _unsafe(path, "Two entries of the offer would become this one name.")


def _file_and_folder(path: str) -> UnsafeName:
    return _unsafe(path, "The offer holds a file and a folder of this name.")


def _unsafe(path: str, why: str) -> UnsafeName:
    shown = display_text(path[: 4 * SHOWN_CELLS], max_width=SHOWN_CELLS)
    return UnsafeName(f"The offer holds a name that cannot be used: “{shown}”.", why=why)


# --- cleaning ---------------------------------------------------------------------------------


def _is_plainly_safe(path: str, system: TargetSystem) -> bool:
    """Return whether a short look shows what all the others would find: nothing."""
    return (
        len(path) <= limits.COMPONENT_MAX_BYTES
        and path.count("/") < limits.PATH_DEPTH_MAX
        and system is not TargetSystem.WINDOWS
        and _ORDINARY_PATH.fullmatch(path) is not None
    )


def _clean(component: str, system: TargetSystem) -> str:
    """Rename one component; nothing is ever removed, so no new "." or ".." can appear."""
    if _ORDINARY.fullmatch(component) and system is not TargetSystem.WINDOWS:
        return component
    name = replace_hidden(component, lambda _: FILLER).replace("\\", FILLER)
    if system is TargetSystem.WINDOWS:
        name = _OUTER_SPACE_OR_LAST_DOTS.sub(_fill, _WINDOWS_SIGNS.sub(FILLER, name))
        if _WINDOWS_DEVICE.fullmatch(name):
            name = FILLER + name
    else:
        name = _OUTER_SPACE.sub(_fill, name)
    if name.casefold().startswith(TEMPORARY_PREFIX):
        name = FILLER + name
    return name


def _fill(match: re.Match[str]) -> str:
    return FILLER * len(match[0])


def _name_risks(path: str) -> frozenset[Risk]:
    """Return the risks that the letters of a path show."""
    risks = set()
    if path.startswith(".") or "/." in path:
        risks.add(Risk.DOTFILE)
    if not path.isascii():
        if has_bidi_control(path):
            risks.add(Risk.BIDI)
        if any(map(looks_like_another, path.split("/"))):
            risks.add(Risk.LOOKALIKE)
    return frozenset(risks)
