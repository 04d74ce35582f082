"""Find the leaves that differ when a file that was partly here has another root, and send them.

The receiver asks for the leaf hashes of a file, finds out which of its own differ and asks for
those once more; the sender answers each question once per file. A second difference is a
mismatch. Before: plan.py on one side, admission.py on the other. It never reads a file.
Spec: docs/protocol.md §8.8.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from tallow.crypto.tree import HASH_BYTES, TreeHasher
from tallow.errors import RemoteProtocolError, SourceUnreadable
from tallow.protocol.messages import Again, AskLeaves, LeafList
from tallow.protocol.ranges import Range, Ranges, coarser, pieces, valid
from tallow.protocol.transfer.jobs import LeavesJob
from tallow.protocol.transfer.leaves import LeafHashes, LeafSet
from tallow.protocol.transfer.outgoing import Outgoing
from tallow.wire import limits

_ROUGH = 2 * limits.HELD_RECORDS_MAX


class Repairs:
    """The sender's part: answers about files of which the receiver had leaves."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._kept: dict[int, Outgoing] = {}
        self._asked: set[int] = set()
        self._listed: set[int] = set()
        self._lists: deque[Iterator[LeafList]] = deque()
        self._wanted_again: deque[tuple[Outgoing, Iterator[Range]]] = deque()

    def keep(self, file: Outgoing) -> None:
        """Keep the hashes of a file that has ended."""
        self._kept[file.number] = file

    def ask(self, ask: AskLeaves) -> None:
        """Take the question for a file's hashes; RemoteProtocolError if it may not be asked."""
        file = self._kept.get(ask.file_no)
        if file is None or ask.file_no in self._asked:
            raise RemoteProtocolError("The other side asks about a file that it may not ask about.")
        self._asked.add(ask.file_no)
        self._lists.append(self._list(ask.offer, file))

    def _list(self, offer: int, file: Outgoing) -> Iterator[LeafList]:
        if file.hashes is None:
            return
        for first, last in pieces(0, file.count - 1, limits.LEAF_LIST_HASHES_MAX):
            listed = b"".join(file.hashes[number] for number in range(first, last + 1))
            if last == file.count - 1:
                self._listed.add(file.number)
            yield LeafList(offer, file.number, first, listed)

    def next_list(self) -> LeafList | None:
        """Return the next page of hashes that was asked for."""
        while self._lists:
            page = next(self._lists[0], None)
            if page is not None:
                return page
            self._lists.popleft()
        return None

    def again(self, again: Again) -> None:
        """Take leaves that are to go once more; RemoteProtocolError for any not asked about."""
        file = self._kept.get(again.file_no)
        ranges = tuple(again.ranges)
        if file is None or again.file_no not in self._listed or not valid(ranges, file.count):
            raise RemoteProtocolError("The other side wants again what it did not ask about.")
        self._listed.discard(again.file_no)
        self._wanted_again.append((file, _records(ranges, file.leaf)))

    def next_piece(self) -> tuple[Outgoing, Range] | None:
        """Return the leaves of the next record that goes once more."""
        while self._wanted_again:
            file, records = self._wanted_again[0]
            piece = next(records, None)
            if piece is not None:
                return file, piece
            self._wanted_again.popleft()
        return None

    def sealed(self, job: LeavesJob, hashes: list[bytes]) -> None:
        """Check what was read once more; SourceUnreadable if it is not what was read before."""
        held = self._kept[job.file_no].hashes
        if held is None or any(held[job.first_leaf + n] != leaf for n, leaf in enumerate(hashes)):
            raise SourceUnreadable("A file changed while it was being sent.")


def _records(ranges: Ranges, leaf: int) -> Iterator[Range]:
    for first, last in ranges:
        yield from pieces(first, last, limits.RECORD_LEAVES_MAX_BYTES // leaf)


class Comparison:
    """The receiver's part: one file's own hashes beside those that the sender lists."""

    def __init__(self, size: int, leaf: int, own: LeafHashes, unreadable: LeafSet) -> None:
        """Wait for the list of a file whose every leaf is hashed or unreadable here."""
        self._own = own
        self._unreadable = unreadable
        self._size = size
        self._count = -(-size // leaf)
        self._hasher = TreeHasher(size, leaf)
        self._next = 0
        self._differing: list[Range] = []

    @property
    def complete(self) -> bool:
        """Whether every leaf was listed."""
        return self._next == self._count

    def take(self, said: LeafList) -> bool:
        """Read a page and return whether it was the last one.

        Raises RemoteProtocolError if it is out of order or beyond the end.
        """
        count = len(said.hashes) // HASH_BYTES
        if said.first_leaf != self._next or self._next + count > self._count:
            raise RemoteProtocolError("The other side listed the leaves of a file out of order.")
        for at in range(0, len(said.hashes), HASH_BYTES):
            leaf = said.hashes[at : at + HASH_BYTES]
            self._hasher.add(leaf)
            # Both are hashes of file content that both sides hold; no secret is compared.
            if self._next in self._unreadable or leaf != self._own[self._next]:
                self._note(self._next)
            self._next += 1
        return self.complete

    def _note(self, number: int) -> None:
        if self._differing and self._differing[-1][1] == number - 1:
            self._differing[-1] = (self._differing[-1][0], number)
            return
        self._differing.append((number, number))
        if len(self._differing) > _ROUGH:
            self._differing = list(coarser(self._differing, limits.HELD_RECORDS_MAX))

    def root(self) -> bytes:
        """Return the root of the list."""
        return self._hasher.root(self._size)

    def differing(self) -> Ranges:
        """Return what differs, in at most as many ranges as a message holds."""
        return coarser(self._differing, limits.HELD_RECORDS_MAX)
