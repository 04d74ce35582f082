"""One file on its way in: what was here is not taken again, holes stay in their place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tallow.crypto.tree import leaf_hash, root_hash, zero_leaf_hash
from tallow.errors import RemoteProtocolError
from tallow.protocol.bulk import Codec, Leaf, LeavesBody
from tallow.protocol.manifest import Entry, EntryKind, Manifest, Selection
from tallow.protocol.messages import FileEnd
from tallow.protocol.transfer.admission import Admission
from tallow.protocol.transfer.incoming import Incoming
from tallow.protocol.transfer.jobs import StoreLeaves
from tallow.wire import limits

LEAF = 64 * limits.KIB
FILE = Entry("f", EntryKind.FILE, 9 * LEAF + 7, 0, 0)
STREAM = Entry("s", EntryKind.STREAM, 0, 0, 0)
WINDOW = 2 * limits.MIB
HOLE = Leaf(Codec.HOLE, LEAF, memoryview(b""))
ZSTD = Leaf(Codec.ZSTD, LEAF, memoryview(b"z"))


def body(first: int, *leaves: Leaf, last: bool = False) -> LeavesBody:
    """Return a record's body."""
    return LeavesBody(0, first, last, leaves)


def refuses(step: Callable[[], object], says: str = "not asked for") -> None:
    """Check that a step is the peer's fault, exit 6."""
    with pytest.raises(RemoteProtocolError, match=says) as caught:
        step()
    assert caught.value.exit_code == 6


def test_what_was_here_is_not_sent() -> None:
    """X07: a leaf that the sender was told of comes unasked: the same data twice."""
    for first, count in ((2, 1), (4, 1), (1, 2), (4, 2), (0, 9)):
        file = Incoming(FILE, ((2, 4),))
        refuses(lambda: file.admit(body(first, *[ZSTD] * count), WINDOW), "twice")  # noqa: B023
    file = Incoming(FILE, ((2, 4),))
    file.admit(body(0, ZSTD, ZSTD), WINDOW)
    file.admit(body(5, ZSTD), WINDOW)


def test_leaves_here_and_leaves_sent_make_the_root() -> None:
    """C3: a file is whole when each leaf has its hash, wherever it came from."""
    hashes = [leaf_hash(bytes([n])) for n in range(10)]
    file = Incoming(FILE, ((2, 4), (9, 9)))
    assert list(file.to_check()) == [(2, 4), (9, 9)]
    assert file.lengths(8, 9) == (LEAF, 7)
    file.end(FILE.size, root_hash(FILE.size, LEAF, hashes))
    file.checked(2, hashes[2:5])
    file.written(0, hashes[:2])
    file.written(5, hashes[5:9])
    assert not file.complete
    assert file.unchecked == 1
    file.checked(9, hashes[9:])
    assert file.own_root() == file.root


def test_an_unreadable_leaf_never_matches() -> None:
    """X25: not even a root over the zeros that stand for it."""
    entry = Entry("f", EntryKind.FILE, LEAF, 0, 0)
    file = Incoming(entry, ((0, 0),))
    file.end(LEAF, root_hash(LEAF, LEAF, [bytes(32)]))
    file.checked(0, [b""])
    assert file.complete
    assert file.own_root() != file.root
    assert file.may_ask


def test_a_hole_in_a_stream_is_refused() -> None:
    """X14: a stream is what was read, byte for byte."""
    leaf = Leaf(Codec.HOLE, limits.STREAM_LEAF_BYTES, memoryview(b""))
    refuses(lambda: Incoming(STREAM).admit(body(0, leaf), WINDOW))
    refuses(lambda: Incoming(STREAM).admit(body(0, leaf, last=True), WINDOW))


@pytest.mark.parametrize("plain", [1, LEAF - 1, LEAF + 1, limits.MIB])
@pytest.mark.parametrize("codec", [Codec.ZSTD, Codec.HOLE])
def test_a_length_that_lies_is_refused(codec: Codec, plain: int) -> None:
    """X10, X14: what a leaf says to become is its place in the file, or it is not expanded."""
    leaf = Leaf(codec, plain, memoryview(b"z" if codec is Codec.ZSTD else b""))
    refuses(lambda: Incoming(FILE).admit(body(0, leaf), WINDOW))


def book(size: int) -> Admission:
    """Return a receiver of one large file."""
    manifest = Manifest.of([Entry("f", EntryKind.FILE, size, 0, 0)])
    return Admission(manifest, Selection.everything(1), WINDOW)


def test_holes_cost_no_credit_but_are_counted() -> None:
    """X10: sixteen unreported records with holes, and not one more."""
    admission = book(1 << 40)
    hole = Leaf(Codec.HOLE, limits.MIB, memoryview(b""))
    jobs = [admission.admit(n, body(4096 * n, *[hole] * 4096)) for n in range(16)]
    assert {job.plain_bytes for job in jobs} == {0}
    refuses(lambda: admission.admit(16, body(4096 * 16, hole)), "credit")
    admission = book(1 << 40)
    for n in range(40):
        job = admission.admit(n, body(4096 * n, *[hole] * 4096))
        assert isinstance(job, StoreLeaves)
        assert admission.leaves_stored(job, [zero_leaf_hash(limits.MIB)] * 4096) == []
        admission.credited(0, 1)
    assert admission.stored_bytes == 40 * 4096 * limits.MIB


def test_a_file_of_nothing_but_holes_arrives() -> None:
    """C7: nothing is written, and the root is that of zeros."""
    admission = book(3 * LEAF)
    job = admission.admit(0, body(0, HOLE, HOLE, HOLE, last=True))
    assert isinstance(job, StoreLeaves)
    assert admission.leaves_stored(job, [zero_leaf_hash(LEAF)] * 3) == []
    root = root_hash(3 * LEAF, LEAF, [leaf_hash(bytes(LEAF))] * 3)
    assert admission.file_ended(FileEnd(0, 3 * LEAF, root)) == (0, 3 * LEAF, root)


def test_a_stream_does_not_shrink_below_what_was_here() -> None:
    """X25: neither its mark nor its trailer may cut off what the sender was told of."""
    leaf = Leaf(Codec.RAW, 3, memoryview(b"end"))
    refuses(lambda: Incoming(STREAM, ((0, 2),)).admit(body(1, leaf, last=True), WINDOW), "end")
    refuses(lambda: Incoming(STREAM, ((0, 2),)).end(5, bytes(32)), "size of a stream")
    assert not Incoming(STREAM, ((0, 2),)).may_ask
