"""Taking away what an unfinished transfer left in its output folder.

Removed is only what Tallow made: the journal, if it opens under this user's key, and the temporary
files that it names, each a plain file with a name of Tallow's pattern, reached through folders
that are held and never through a link. A part that was listed is taken; another one, even with a
name like ours, is not (X10, X15). Before: records.py. It never follows what a peer said.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tallow.engine.storage.folder import open_folder
from tallow.engine.storage.held import HeldFolders
from tallow.engine.storage.history import places_of
from tallow.engine.storage.journal import lock_journal
from tallow.engine.storage.resumed import journal_file
from tallow.errors import StorageError


@dataclass(frozen=True, slots=True)
class Tidied:
    """What became of an unfinished transfer's files."""

    removed: int
    left: tuple[str, ...]
    """Names below the output folder that are still there."""
    in_use: bool = False
    """True if another process goes on with the transfer, so that nothing was touched."""


def tidy(folder: Path, journal_name: str, key: bytes) -> Tidied:
    """Remove a journal and its parts; what is in use or not ours stays and is named."""
    try:
        folders = HeldFolders(open_folder(folder))
    except StorageError:
        # The output folder is gone, and everything in it.
        return Tidied(0, ()) if not folder.exists() else Tidied(0, (journal_name,))
    try:
        return _tidy(folders, journal_name, key)
    except (StorageError, OSError):
        return Tidied(0, (journal_name,))
    finally:
        folders.close()


def _tidy(folders: HeldFolders, journal_name: str, key: bytes) -> Tidied:
    removed, left = 0, []
    with journal_file(folders, journal_name) as file:
        if file is None:
            return Tidied(0, ())
        if not lock_journal(file.fileno()):
            return Tidied(0, (journal_name,), in_use=True)
        places, is_ours = places_of(file, key)
        if not is_ours:
            return Tidied(0, (journal_name,))
        for above, name in sorted(places):
            if folders.has(above, name):
                if folders.remove_file(above, name):
                    removed += 1
                else:
                    left.append("/".join((*above, name)))
    # Last of all, because it alone knows the others.
    if not left and folders.remove_file((), journal_name):
        return Tidied(removed + 1, ())
    return Tidied(removed, (*left, journal_name))
