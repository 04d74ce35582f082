"""What a receiver has already: cut to what may be said, and checked where it is heard.

The receiver says less than it has when there are too many ranges; the sender believes no more than
the shape. What is on the receiver's disk is hashed there and decided by the root, so a false claim
hurts only the one who makes it. Before: receiver.py, sender.py. Spec: docs/protocol.md §8.7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tallow.errors import LocalProtocolError, RemoteProtocolError
from tallow.protocol.manifest import (
    Entry,
    EntryKind,
    Manifest,
    Selection,
    has_leaves,
    leaf_bytes,
    leaf_count,
    travels_packed,
)
from tallow.protocol.messages import Have, HaveFile
from tallow.protocol.ranges import Ranges, bytes_in, leaves_in, longest, valid
from tallow.wire import limits

_RANGES_PER_MESSAGE = limits.ARRAY_MAX_ITEMS
"""Keeps a message of full entries under the cap of a control message."""


def legal(entry: Entry, ranges: Ranges) -> bool:
    """Tell whether somebody may have these leaves of an entry."""
    leaf = leaf_bytes(entry.kind, entry.size)
    if entry.kind is EntryKind.STREAM:
        whole = valid(ranges, limits.FILE_MAX_BYTES // leaf)
        return whole and len(ranges) == 1 and ranges[0][0] == 0
    if not has_leaves(entry) or travels_packed(entry):
        return False
    return valid(ranges, leaf_count(entry.size, leaf))


def had_bytes(entry: Entry, ranges: Ranges) -> int:
    """Return how many bytes of an entry its leaves in ranges hold."""
    leaf = leaf_bytes(entry.kind, entry.size)
    streams = entry.kind is EntryKind.STREAM
    return bytes_in(ranges, leaf, leaves_in(ranges) * leaf if streams else entry.size)


# --- receiver ---------------------------------------------------------------------------------


def claimed(
    manifest: Manifest, selection: Selection, have: Mapping[int, Ranges]
) -> dict[int, Ranges]:
    """Return what may be said of what is here: chosen entries, their longest ranges, the cap.

    Raises LocalProtocolError for ranges that no file can have.
    """
    room, chosen = limits.HAVE_RANGES_MAX, {}
    for file_no in sorted(have):
        ranges = longest(have[file_no], min(limits.HELD_RECORDS_MAX, room))
        if not ranges or file_no not in selection:
            continue
        if not legal(manifest.entry(file_no), ranges):
            raise LocalProtocolError(f"Entry {file_no} has no such leaves.")
        chosen[file_no] = ranges
        room -= len(ranges)
    return chosen


def have_messages(offer: int, have: Mapping[int, Ranges]) -> Iterator[Have]:
    """Yield what is here in messages under the caps."""
    files: list[HaveFile] = []
    count = 0
    for file_no, ranges in have.items():
        full = count + len(ranges) > _RANGES_PER_MESSAGE
        if full or len(files) == limits.ROOTS_PER_TRAILER:
            yield Have(offer, files)
            files, count = [], 0
        files.append(HaveFile(file_no, list(ranges)))
        count += len(ranges)
    if files:
        yield Have(offer, files)


# --- sender -----------------------------------------------------------------------------------


class HaveBook:
    """What the receiver says it has, until its answer."""

    def __init__(self, manifest: Manifest, stream_leaves: int) -> None:
        """Read claims about a manifest; of a stream only what was read before can be there."""
        self._manifest = manifest
        self._stream_leaves = stream_leaves
        self._room = limits.HAVE_RANGES_MAX
        self._files: dict[int, Ranges] = {}

    def take(self, have: Have) -> None:
        """Read one message; RemoteProtocolError for what cannot be."""
        for said in have.files:
            self._room -= len(said.ranges)
            ranges = tuple(said.ranges)
            known = said.file_no < self._manifest.entries
            if not known or self._room < 0 or said.file_no in self._files:
                raise _false_claim()
            entry = self._manifest.entry(said.file_no)
            beyond = entry.kind is EntryKind.STREAM and leaves_in(ranges) > self._stream_leaves
            if beyond or not legal(entry, ranges):
                raise _false_claim()
            self._files[said.file_no] = ranges

    def of(self, selection: Selection) -> dict[int, Ranges]:
        """Return the claims; RemoteProtocolError for one about an entry that is not wanted."""
        if any(file_no not in selection for file_no in self._files):
            raise _false_claim()
        return self._files


def _false_claim() -> RemoteProtocolError:
    return RemoteProtocolError("The other side claims to have what it cannot have.")
