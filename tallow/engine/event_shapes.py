"""What events are made of: the event itself, the values inside some, and those of a sync.

Before: events.py, which gives all of it on. It never says what happens.
"""

from __future__ import annotations

from typing import Literal

import msgspec

FileStatus = Literal["done", "failed", "skipped", "renamed"]
SendMode = Literal["copy", "sync", "watch"]


class Event(msgspec.Struct, frozen=True, tag_field="event", forbid_unknown_fields=True):
    """Something happened to the exchange of this ticket."""

    ticket: int


class OfferEntry(msgspec.Struct, frozen=True):
    """One line of an offer."""

    number: int
    path: str
    """As offered, unescaped."""
    target: str
    """Where it would go, relative to the output folder."""
    kind: Literal["file", "folder", "stream", "link"]
    size: int
    flags: list[str]
    points_to: str = ""
    """What a link would say; empty for everything else."""


class SyncView(msgspec.Struct, frozen=True):
    """How the list of a sync and the folder here differ."""

    new_files: int
    changed_files: int
    unchanged_files: int
    wanted_bytes: int
    """Of new and changed files."""
    delta_files: int
    """Changed files of which the sender would learn which parts are here."""
    blocked: int
    """Entries in whose place something of another kind stands."""
    extra_files: int
    """Files here that are not listed, if the sender would like to see them removed."""
    extra_shown: list[str]
    """The first of them."""
    wants_delete: bool = False
    watch: bool = False


class SyncRemoved(Event, frozen=True, tag="sync.removed"):
    """Something that is not in the list of a sync went, or could not."""

    path: str
    """A folder ends with a slash."""
    reason: str = ""
    """Why it is still there."""


class SyncRound(Event, frozen=True, tag="sync.round"):
    """One offer of a watch is durable; the next change makes another."""

    number: int
    files: int
    total_bytes: int
    failed: int
    seconds: float
