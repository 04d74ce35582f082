"""One reading of the sources for several receivers: a window of leaves, and their hashes.

Receivers who are within a window of each other share what was read; whoever is further behind
reads again. A leaf's hash is remembered for all of them: if a source changes unseen, what is sent
then no longer fits its root, and that receiver fails instead of getting a mixture.
Before: receivers.py. After: outbox.py reads what is not here. It never writes and bounds both.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from tallow.crypto.tree import leaf_hash
from tallow.engine.storage.outbox import Outbox
from tallow.engine.storage.sources import SourceTree
from tallow.protocol.manifest import leaf_bytes, leaf_count
from tallow.wire import limits

HASH_BYTES = 32
_ROW_BYTES = 256
"""What a row of a table costs beside its content."""
Key = tuple[int, int]
"""File number and leaf number."""


@dataclass(slots=True)
class _Under:
    """A leaf that some thread is reading."""

    done: threading.Event = field(default_factory=threading.Event)
    content: bytes | None = None
    """None if it could not be read."""


class SharedReads:
    """What several readers of one tree have in common."""

    def __init__(self, tree: SourceTree, room_bytes: int = limits.WINDOW_BYTES) -> None:
        """Keep at most ``room_bytes`` of leaves; more readers are expected until said otherwise."""
        self.tree = tree
        self._room_bytes = room_bytes
        self._lock = threading.Lock()
        self._leaves: OrderedDict[Key, bytes] = OrderedDict()
        self._leaves_bytes = 0
        self._under: dict[Key, _Under] = {}
        self._hashes: dict[int, bytearray] = {}
        self._hashes_bytes = 0
        self._reading: set[SharedOutbox] = set()
        self._expecting = True

    def reader(self) -> SharedOutbox:
        """Return a reader of the tree for one more receiver."""
        return SharedOutbox(self)

    def expect_no_more(self) -> None:
        """Keep leaves no longer once a single reader is left."""
        with self._lock:
            self._expecting = False
            self._let_go_if_alone()

    # --- what a reader asks -------------------------------------------------------------------

    def enter(self, reader: SharedOutbox) -> bool:
        """Note that a reader reads; False if nobody else could use what it reads."""
        with self._lock:
            self._reading.add(reader)
            return self._expecting or len(self._reading) > 1

    def leave(self, reader: SharedOutbox) -> None:
        """Note that a reader has stopped."""
        with self._lock:
            self._reading.discard(reader)
            self._let_go_if_alone()

    def find(self, keys: list[Key]) -> tuple[dict[Key, bytes], dict[Key, _Under], list[Key]]:
        """Return which leaves are here, which are being read, and which the caller must read."""
        here: dict[Key, bytes] = {}
        others: dict[Key, _Under] = {}
        mine: list[Key] = []
        with self._lock:
            for key in keys:
                if key in self._leaves:
                    here[key] = self._leaves[key]
                elif key in self._under:
                    others[key] = self._under[key]
                else:
                    self._under[key] = _Under()
                    mine.append(key)
        return here, others, mine

    def put(self, key: Key, content: bytes | None) -> None:
        """Publish a leaf that the caller had to read, or that it could not."""
        with self._lock:
            under = self._under.pop(key)
            under.content = content
            if content is not None:
                self._leaves[key] = content
                self._leaves_bytes += len(content) + _ROW_BYTES
            while self._leaves_bytes > self._room_bytes and self._leaves:
                _, oldest = self._leaves.popitem(last=False)
                self._leaves_bytes -= len(oldest) + _ROW_BYTES
        under.done.set()

    def known_hash(self, file_no: int, leaf_no: int) -> bytes | None:
        """Return a leaf's hash if one of the readers has had it."""
        with self._lock:
            row = self._hashes.get(file_no)
            found = bytes(row[leaf_no * HASH_BYTES :][:HASH_BYTES]) if row else b""
        # No leaf's hash is all zero: an unset place is told from a set one by that.
        return found if any(found) else None

    def remember_hash(self, file_no: int, leaf_no: int, found: bytes) -> None:
        """Keep a leaf's hash, as long as all of them stay within their bound."""
        with self._lock:
            row = self._hashes.get(file_no)
            if row is None:
                entry = self.tree.manifest.entry(file_no)
                count = leaf_count(entry.size, leaf_bytes(entry.kind, entry.size))
                cost = count * HASH_BYTES + _ROW_BYTES
                if self._hashes_bytes + cost > limits.LEAF_HASHES_MAX_BYTES:
                    return
                self._hashes_bytes += cost
                row = self._hashes[file_no] = bytearray(count * HASH_BYTES)
            row[leaf_no * HASH_BYTES : (leaf_no + 1) * HASH_BYTES] = found

    def _let_go_if_alone(self) -> None:
        if not self._expecting and len(self._reading) <= 1:
            self._leaves.clear()
            self._leaves_bytes = 0


class SharedOutbox(Outbox):
    """Reads for one receiver what another one has not just read."""

    def __init__(self, shared: SharedReads) -> None:
        super().__init__(shared.tree)
        self._shared = shared

    def read_into(self, file_no: int, offset: int, room: memoryview) -> None:
        """Fill ``room``, from what another receiver's reader left here where that is possible."""
        entry = self._shared.tree.manifest.entry(file_no)
        leaf = leaf_bytes(entry.kind, entry.size)
        end = offset + len(room)
        whole = not offset % leaf and (not end % leaf or end == entry.size) and len(room)
        if not whole or not self._shared.enter(self):
            super().read_into(file_no, offset, room)
            return
        first = offset // leaf
        count = leaf_count(len(room), leaf)
        keys = [(file_no, leaf_no) for leaf_no in range(first, first + count)]
        here, others, mine = self._shared.find(keys)
        self._read_mine(mine, first, leaf, room)
        for key, content in here.items():
            _leaf_of(room, key, first, leaf)[:] = content
        for key, under in others.items():
            under.done.wait()
            place = _leaf_of(room, key, first, leaf)
            if under.content is not None:
                place[:] = under.content
            else:
                super().read_into(file_no, key[1] * leaf, place)

    def _read_mine(self, mine: list[Key], first: int, leaf: int, room: memoryview) -> None:
        """Read what nobody has, neighbours at once, and publish it whatever happens."""
        waiting = list(mine)
        try:
            for run in _runs(mine):
                file_no, begin = run[0]
                at = (begin - first) * leaf
                part = room[at : at + len(run) * leaf]
                super().read_into(file_no, begin * leaf, part)
                for key in run:
                    self._shared.put(key, bytes(_leaf_of(room, key, first, leaf)))
                    waiting.remove(key)
        finally:
            for key in waiting:
                self._shared.put(key, None)

    def leaf_hash(self, file_no: int, leaf_no: int, content: memoryview) -> bytes:
        """Return a leaf's hash, made once for all receivers."""
        known = self._shared.known_hash(file_no, leaf_no)
        if known is None:
            known = leaf_hash(content)
            self._shared.remember_hash(file_no, leaf_no, known)
        return known

    def known_hash(self, file_no: int, leaf_no: int) -> bytes | None:
        """Return the hash of a leaf that some receiver's reader has had."""
        return self._shared.known_hash(file_no, leaf_no)

    def close(self) -> None:
        """Close everything; reading again opens it again."""
        super().close()
        self._shared.leave(self)


def _leaf_of(room: memoryview, key: Key, first: int, leaf: int) -> memoryview:
    at = (key[1] - first) * leaf
    return room[at : at + leaf]


def _runs(keys: list[Key]) -> list[list[Key]]:
    """Return neighbours together."""
    runs: list[list[Key]] = []
    for key in keys:
        if runs and runs[-1][-1][1] + 1 == key[1]:
            runs[-1].append(key)
        else:
            runs.append([key])
    return runs
