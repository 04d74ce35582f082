"""Which leaves may still arrive, and when a file is whole: state judges, never arrival order.

A leaf is admitted once, if its entry was accepted, its number and length fit the entry's size, it
was not here before, and the window allows it. A file is whole when every leaf is written or found
on the disk and the trailer's root equals the root of the hashes that the receiver computed itself.
Before: receiver.py. It never writes. Spec: docs/protocol.md §8.4, §8.7, §8.8.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tallow.crypto.tree import HASH_BYTES
from tallow.errors import RemoteProtocolError, RootMismatch
from tallow.protocol.bulk import LeavesBody, PackBody
from tallow.protocol.machine import Outbox
from tallow.protocol.manifest import (
    Entry,
    EntryKind,
    Manifest,
    Selection,
    has_leaves,
    travels_packed,
)
from tallow.protocol.messages import Again, AskLeaves, FileEnd, LeafList
from tallow.protocol.ranges import NOTHING, Ranges
from tallow.protocol.transfer.have import had_bytes
from tallow.protocol.transfer.incoming import Incoming, unasked
from tallow.protocol.transfer.jobs import CheckLeaves, StoreJob, StoreLeaves, StorePack
from tallow.wire import limits

Arrival = tuple[int, int, bytes]
"""Entry number, size and root of a file that is whole."""


class Admission:
    """The receiver's book of leaves for one accepted selection."""

    def __init__(
        self,
        manifest: Manifest,
        selection: Selection,
        window_bytes: int,
        *,
        have: Mapping[int, Ranges] = NOTHING,
        offer_no: int = 1,
    ) -> None:
        """Await a selection of which some leaves are here, said so to the sender."""
        self._manifest = manifest
        self._selection = selection
        self._window_bytes = window_bytes
        self._offer_no = offer_no
        self._incoming: dict[int, Incoming] = {}
        self._ended = Selection(manifest.entries)
        self._failed = Selection(manifest.entries)
        """Entries that failed at the sender, whose records may still be on their way by a lane."""
        self._being_written: dict[int, int] = {}
        self._uncredited_bytes = 0
        self._uncredited_holes = 0
        self.questions: Outbox[AskLeaves | Again] = Outbox()
        self.stored_bytes = 0
        for file_no, ranges in have.items():
            entry = manifest.entry(file_no)
            self._incoming[file_no] = Incoming(entry, ranges)
            self.stored_bytes += had_bytes(entry, ranges)
        self._checks = self._check_jobs(tuple(have))

    @property
    def waiting(self) -> bool:
        """Whether records are still on their way in or being written."""
        return bool(self._being_written or self._incoming)

    @property
    def checking(self) -> bool:
        """Whether leaves that were here are still to be hashed, which is our own disk's time."""
        return any(file.unchecked for file in self._incoming.values())

    def all_named(self) -> bool:
        """Return whether every accepted file has had its trailer."""
        open_ends = [number for number, file in self._incoming.items() if file.root is None]
        return not open_ends and all(
            number in self._ended or number in self._incoming
            for number in self._selection
            if has_leaves(self._manifest.entry(number))
        )

    # --- admitting ----------------------------------------------------------------------------

    def admit(self, number: int, body: LeavesBody | PackBody) -> StoreJob:
        """Return what to write for a record, or raise RemoteProtocolError."""
        job: StoreJob
        match body:
            case LeavesBody():
                job = self._admit_leaves(number, body)
                covers, holes = job.covers_bytes, job.has_holes
            case PackBody():
                job = self._admit_pack(number, body)
                covers, holes = job.plain_bytes, False
        self._uncredited_bytes += job.plain_bytes
        self._uncredited_holes += holes
        if (
            self._uncredited_bytes > self._window_bytes
            or self._uncredited_holes > limits.HOLE_RECORDS_MAX
        ):
            raise RemoteProtocolError("The other side sent more than it had credit for.")
        self._being_written[number] = covers
        return job

    def _wanted(self, file_no: int) -> Entry:
        if file_no not in self._selection or file_no in self._ended:
            raise unasked()
        entry = self._manifest.entry(file_no)
        if not has_leaves(entry):
            raise unasked()
        return entry

    def _file(self, file_no: int, entry: Entry) -> Incoming:
        if file_no not in self._incoming:
            self._incoming[file_no] = Incoming(entry)
        return self._incoming[file_no]

    def is_moot(self, job: StoreJob) -> bool:
        """Tell whether a record is of a file that failed meanwhile: nothing of it is written."""
        return isinstance(job, StoreLeaves) and job.file_no in self._failed

    def _admit_leaves(self, number: int, body: LeavesBody) -> StoreLeaves:
        if body.file_no in self._failed:
            return StoreLeaves(number, body.file_no, body.first_leaf, 0, body.leaves)
        entry = self._wanted(body.file_no)
        if travels_packed(entry):
            raise unasked()
        file = self._file(body.file_no, entry)
        file.admit(body, self._window_bytes)
        offset = body.first_leaf * file.leaf
        return StoreLeaves(number, body.file_no, body.first_leaf, offset, body.leaves)

    def _admit_pack(self, number: int, body: PackBody) -> StorePack:
        for file_no, length in body.files:
            entry = self._wanted(file_no)
            if not travels_packed(entry) or length != entry.size:
                raise unasked()
            self._file(file_no, entry).admit_whole()
        return StorePack(number, body.codec, body.stored, body.files)

    # --- what was written ---------------------------------------------------------------------

    def stored(self, job: StoreJob, hashes: list[bytes]) -> list[Arrival]:
        """Note what was written; return the files that are whole now."""
        if isinstance(job, StoreLeaves):
            return self.leaves_stored(job, hashes)
        return self.pack_stored(job, hashes)

    def leaves_stored(self, job: StoreLeaves, hashes: list[bytes]) -> list[Arrival]:
        """Note written leaves; return the file if that made it whole."""
        covers = self._being_written.pop(job.number)
        file = self._incoming.get(job.file_no)
        if file is None:
            self.stored_bytes += covers
            return []
        # What comes again was counted when it was claimed or came first.
        self.stored_bytes += 0 if file.again is not None else covers
        file.written(job.first_leaf, hashes)
        arrival = self._if_whole(job.file_no, file)
        return [arrival] if arrival else []

    def pack_stored(self, job: StorePack, hashes: list[bytes]) -> list[Arrival]:
        """Note written small files; return those that are whole."""
        self.stored_bytes += self._being_written.pop(job.number)
        whole = []
        for (file_no, _), leaf in zip(job.files, hashes, strict=True):
            file = self._incoming.get(file_no)
            if file is None:
                continue
            file.written_whole(leaf)
            arrival = self._if_whole(file_no, file)
            if arrival:
                whole.append(arrival)
        return whole

    def credited(self, size: int, hole_records: int = 0) -> None:
        """Note that the sender was told of written bytes, and of records with holes."""
        self._uncredited_bytes -= size
        self._uncredited_holes -= hole_records

    # --- what was here ------------------------------------------------------------------------

    def next_check(self) -> CheckLeaves | None:
        """Return the next leaves to hash that were here before."""
        return next(self._checks, None)

    def _check_jobs(self, files: tuple[int, ...]) -> Iterator[CheckLeaves]:
        for file_no in files:
            pieces = self._incoming[file_no].to_check() if file_no in self._incoming else iter(())
            # A file may fail at the sender while it is being checked.
            while (file := self._incoming.get(file_no)) and (piece := next(pieces, None)):
                first, last = piece
                lengths = file.lengths(first, last)
                yield CheckLeaves(file_no, first, first * file.leaf, lengths)

    def leaves_checked(self, job: CheckLeaves, hashes: list[bytes]) -> Arrival | None:
        """Note the hashes of leaves that were here, b"" for what cannot be read."""
        file = self._incoming.get(job.file_no)
        if file is None:
            return None
        file.checked(job.first_leaf, hashes)
        return self._if_whole(job.file_no, file)

    def leaves_listed(self, said: LeafList) -> None:
        """Take a page of the sender's hashes; asks for what differs after the last one."""
        file = self._incoming.get(said.file_no)
        if file is None:
            raise unasked()
        differing = file.listed(said)
        if differing:
            self.questions.put(Again(self._offer_no, said.file_no, list(differing)))

    # --- ends ---------------------------------------------------------------------------------

    def file_ended(self, end: FileEnd) -> Arrival | None:
        """Take a trailer: the file's root, or that it failed at the sender."""
        entry = self._wanted(end.file_no)
        if end.failed:
            self._incoming.pop(end.file_no, None)
            self._ended.add(end.file_no)
            self._failed.add(end.file_no)
            return None
        if len(end.root) != HASH_BYTES:
            raise RemoteProtocolError("The other side ended a file without a root.")
        if entry.kind is EntryKind.FILE and end.size != entry.size:
            raise RemoteProtocolError("The other side changed the size of a file.")
        # Bulk may come later over another connection; an empty stream has no bulk at all.
        file = self._file(end.file_no, entry)
        file.end(end.size, end.root)
        return self._if_whole(end.file_no, file)

    def _if_whole(self, file_no: int, file: Incoming) -> Arrival | None:
        if not file.complete or file.root is None or file.size is None:
            return None
        if file.own_root() != file.root:  # public to both sides
            if not file.may_ask:
                raise RootMismatch
            file.ask()
            self.questions.put(AskLeaves(self._offer_no, file_no))
            return None
        del self._incoming[file_no]
        self._ended.add(file_no)
        return file_no, file.size, file.root
