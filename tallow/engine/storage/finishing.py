"""The last touches to what arrived: length, attributes, mode and time, each before the final name.

What a file system does not keep is returned as a count and never fails a file. Before: inbox.py.
It never gives a name and never writes content. Spec: docs/protocol.md §9.1.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from tallow.engine.storage.durability import CAN_SYNC_FILE_SYSTEM, sync_file
from tallow.engine.storage.folder import Folder
from tallow.engine.storage.held import HeldFolders
from tallow.engine.storage.parts import Part
from tallow.engine.storage.target import Target
from tallow.engine.storage.xattrs import write_xattrs
from tallow.protocol.kept import ALL_KEPT, NotKept
from tallow.protocol.manifest import Entry, EntryKind
from tallow.protocol.messages import Xattrs

_BLOCK_BYTES = 512
_WRITABLE = 0o600


def settle(part: Part, entry: Entry, xattrs: Xattrs) -> NotKept:
    """Give an open part its length and attributes and bring it to the disk."""
    descriptor = part.open_descriptor
    if entry.kind is EntryKind.FILE:
        part.cut(entry.size)
    lost = write_xattrs(descriptor, xattrs) if xattrs else 0
    # A large file must survive a power cut by itself; packs share one sync.
    sync_file(descriptor)
    return NotKept(xattrs=lost, holes=part.has_holes and _is_full(descriptor))


def add_xattrs(folder: Folder, part: Part, entry: Entry, xattrs: Xattrs) -> NotKept:
    """Give attributes to a small file that has its mode and time already, and both once more."""
    # Attributes of a file that may not be written cannot be set, not even by its owner.
    if not folder.set_mode(part.name, _WRITABLE):
        return NotKept(xattrs=len(xattrs))
    descriptor = folder.open_own(part.name)
    try:
        lost = write_xattrs(descriptor, xattrs)
        if not CAN_SYNC_FILE_SYSTEM:
            sync_file(descriptor)
    finally:
        os.close(descriptor)
    folder.set_times(part.name, entry.mode, entry.mtime_ns)
    return NotKept(xattrs=lost)


def finish_part(folder: Folder, part: Part, entry: Entry, stream_mode: int) -> NotKept:
    """Give a closed part its mode and time, once; a stream has no time of its own."""
    if part.finished:
        return ALL_KEPT
    lost = ALL_KEPT
    if entry.kind is EntryKind.FILE:
        lost = folder.set_times(part.name, entry.mode, entry.mtime_ns)
    else:
        folder.set_mode(part.name, stream_mode)
    part.finished = True
    return lost


def set_folder_times(folders: HeldFolders, target: Target, numbers: Iterable[int]) -> NotKept:
    """Give the folders that were made here their modes and times, inner ones before outer ones."""
    lost = ALL_KEPT
    # From the inside out: a folder that may not be entered any more is done by then.
    for file_no in sorted(numbers, key=lambda number: len(target.parts(number)), reverse=True):
        entry, parts = target.manifest.entry(file_no), target.parts(file_no)
        lost += NotKept(names=target.changed(file_no))
        if parts in folders.made:
            with folders.borrow(parts[:-1]) as above:
                lost += above.set_times(parts[-1], entry.mode, entry.mtime_ns)
    return lost


def _is_full(descriptor: int) -> bool:
    """Return whether a sparse file takes its full size here."""
    status = os.fstat(descriptor)
    blocks = getattr(status, "st_blocks", 0)
    return bool(blocks * _BLOCK_BYTES >= status.st_size)
