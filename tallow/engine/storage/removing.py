"""Taking away what a sync does not list: exactly what somebody agreed to, and nothing else.

Only below the roots of the list, only through held folders, never through a link; a file that is
not any more what was shown stays. What goes wrong with one file is that file's own. Folders go
only if nothing is left in them. Before: mirroring.py. Spec: docs/protocol.md §9.6.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tallow.engine.storage.folder import open_folder
from tallow.engine.storage.held import HeldFolders, Parts
from tallow.engine.storage.mirror import Extra, identity
from tallow.engine.storage.target import Target
from tallow.errors import LocalProtocolError
from tallow.protocol.names import TEMPORARY_PREFIX


@dataclass(frozen=True, slots=True)
class Removed:
    """What became of one thing that was to go."""

    path: str
    """A folder ends with a slash."""
    reason: str = ""
    """Why it is still there; "" if it is gone."""


def delete_extra(
    folder: Path, roots: frozenset[str], extras: Iterable[Extra], folders: Iterable[Parts] = ()
) -> list[Removed]:
    """Remove files and then folders that are empty; return what was removed and what was not.

    What is gone already is not listed. Raises: LocalProtocolError for anything outside the roots,
    NotWritable if the target itself is gone.
    """
    found: list[Removed] = []
    held = HeldFolders(open_folder(folder))
    try:
        for extra in extras:
            _check_place((*extra.above, extra.name), roots)
            removed = _remove_file(held, extra)
            if removed is not None:
                found.append(removed)
        for parts in sorted(folders, key=len, reverse=True):
            _check_place(parts, roots)
            if _remove_folder(held, parts):
                found.append(Removed("/".join(parts) + "/"))
    finally:
        held.close()
    return found


def set_modes(target: Target, numbers: Iterable[int]) -> list[Removed]:
    """Give entries that are here their permission bits; return those that kept their own."""
    failed: list[Removed] = []
    if target.folder is None:
        return failed
    held = HeldFolders(open_folder(target.folder))
    try:
        for number in numbers:
            parts, entry = target.parts(number), target.manifest.entry(number)
            try:
                with held.borrow(parts[:-1], make=False) as above:
                    seen = above.look(parts[-1])
                    if seen is not None and not stat.S_ISLNK(seen.st_mode):
                        above.set_mode(parts[-1], entry.mode)
            except OSError as error:
                failed.append(Removed("/".join(parts), _why(error)))
    finally:
        held.close()
    return failed


def _check_place(parts: Parts, roots: frozenset[str]) -> None:
    """Refuse what is not strictly below a root, whoever made the list."""
    plain = all(
        part not in ("", ".", "..") and "/" not in part and "\0" not in part for part in parts
    )
    ours = any(part.startswith(TEMPORARY_PREFIX) for part in parts)
    if len(parts) < 2 or parts[0] not in roots or not plain or ours:
        raise LocalProtocolError("Something was to be removed outside the folder of a sync.")


def _remove_file(held: HeldFolders, extra: Extra) -> Removed | None:
    try:
        with held.borrow(extra.above, make=False) as above:
            seen = above.look(extra.name)
            if seen is None:
                return None
            if identity(seen) != extra.identity or stat.S_ISDIR(seen.st_mode):
                return Removed(extra.path, "it changed meanwhile")
            above.remove(extra.name)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Removed(extra.path, _why(error))
    return Removed(extra.path)


def _remove_folder(held: HeldFolders, parts: Parts) -> bool:
    try:
        with held.borrow(parts[:-1], make=False) as above:
            return above.remove_folder(parts[-1])
    except OSError:
        return False


def _why(error: OSError) -> str:
    return error.strerror or os.strerror(error.errno or 0)
