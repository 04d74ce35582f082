"""The step from a temporary name to a final one, by what a person said about names that are taken.

A name is taken exclusively: whoever comes second, another receiver or another program, gets
another one. Before: inbox.py. It never looks for a name outside the folder it is given and never
replaces a folder. Spec: docs/protocol.md §9.4.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from tallow.engine.storage.durability import read_at
from tallow.engine.storage.folder import Folder
from tallow.engine.storage.sink import Policy, Status
from tallow.errors import NotWritable, StorageError
from tallow.wire import limits

_STEP_BYTES = limits.MIB
_NUMBERS = range(1, 10_000)


def take_final_name(
    folder: Folder, part: str, wanted: str, policy: Policy, *, resumed: bool
) -> tuple[Status, str]:
    """Give a part the name that is wanted, or what the policy says; return how it ended.

    ``resumed``: a file of the same content and time may be this one, named by a session that was
    killed before it could say so. Raises: StorageError if no name is left, NotWritable, OSError.
    """
    if policy == "overwrite":
        if folder.is_folder(wanted):
            raise NotWritable(f"{wanted} is a folder and stays.")
        folder.replace(part, wanted)
        return "done", wanted
    if _take(folder, part, wanted, resumed):
        return "done", wanted
    if policy == "skip":
        folder.remove(part)
        return "skipped", wanted
    for candidate in numbered(wanted):
        if _take(folder, part, candidate, resumed):
            return "renamed", candidate
    raise StorageError(f"No free name is left beside {wanted}.", hint="Choose another folder.")


def numbered(wanted: str) -> Iterator[str]:
    """Yield the names that stand in for one that is taken: "name (1).ext" and so on."""
    stem, dot, suffix = wanted.rpartition(".")
    if not stem:
        stem, dot, suffix = wanted, "", ""
    for number in _NUMBERS:
        candidate = f"{stem} ({number}){dot}{suffix}"
        if len(os.fsencode(candidate)) > limits.COMPONENT_MAX_BYTES:
            return
        yield candidate


def same_content(folder: Folder, one: str, other: str) -> bool:
    """Return whether two files of a folder have the same bytes, size and time; links have not."""
    descriptors: list[int] = []
    try:
        for name in (one, other):
            descriptors.append(folder.open_read(name))  # noqa: PERF401 - one may fail, and is closed
        first, second = map(os.fstat, descriptors)
        if (first.st_size, first.st_mtime_ns) != (second.st_size, second.st_mtime_ns):
            return False
        for offset in range(0, first.st_size, _STEP_BYTES):
            here, there = (read_at(number, _STEP_BYTES, offset) for number in descriptors)
            if here != there:
                return False
    except OSError:
        return False
    finally:
        for number in descriptors:
            os.close(number)
    return True


def _take(folder: Folder, part: str, name: str, resumed: bool) -> bool:
    if folder.name_exclusively(part, name):
        return True
    if not resumed or not same_content(folder, part, name):
        return False
    folder.remove(part)
    return True
