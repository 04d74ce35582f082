"""Records that are overtaken by word that their file failed: credit comes back, nothing else."""

from __future__ import annotations

import pytest

from tallow.crypto.tree import leaf_hash
from tallow.errors import RemoteProtocolError
from tallow.protocol.messages import FileEnd
from tests.pair.lane import Item, true_root
from tests.protocol.transfer.test_admission import LEAF, Book

BIG = Item("big", bytes(5 * LEAF))
OTHER = Item("other", bytes(5 * LEAF))


def test_what_comes_after_its_file_failed_is_moot() -> None:
    """C11: lanes deliver late; it is no fault of the sender, and it is not written."""
    book = Book([BIG, OTHER])
    early = book.leaves(0, 0, bytes(LEAF))
    assert not book.admission.is_moot(early)
    assert book.admission.file_ended(FileEnd(0, 0, b"", "it went away")) is None
    late = book.leaves(0, 1, bytes(LEAF), bytes(LEAF))
    assert book.admission.is_moot(late)
    assert book.admission.stored(late, []) == []
    assert book.admission.stored(early, [leaf_hash(bytes(LEAF))]) == []
    assert not book.admission.is_moot(book.leaves(1, 0, bytes(LEAF)))


def test_moot_records_count_as_any_others() -> None:
    """X10: who says that a file failed may not send more of it than there is credit for."""
    book = Book([Item("big", bytes(100 * LEAF))])
    book.admission.file_ended(FileEnd(0, 0, b"", "it went away"))
    with pytest.raises(RemoteProtocolError):
        for first in range(100):
            book.leaves(0, first, bytes(LEAF))


def test_nothing_of_a_file_that_is_whole_is_moot() -> None:
    """X14: a leaf that comes after its file was whole is refused as ever."""
    book = Book([Item("one", bytes(LEAF)), OTHER])
    job = book.leaves(0, 0, bytes(LEAF), last=True)
    book.write(job)
    book.admission.file_ended(FileEnd(0, LEAF, book_root(LEAF)))
    with pytest.raises(RemoteProtocolError):
        book.leaves(0, 0, bytes(LEAF), last=True)


def book_root(size: int) -> bytes:
    """Return the root of so many zero bytes."""
    return true_root(Item("one", bytes(size)))
