"""Links have no content: the book of leaves takes nothing for one and waits for nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tallow.errors import RemoteProtocolError
from tallow.protocol.bulk import Codec, Leaf, LeavesBody, PackBody
from tallow.protocol.manifest import Entry, EntryKind, Manifest, Selection
from tallow.protocol.messages import FileEnd
from tallow.protocol.transfer.admission import Admission
from tallow.wire import limits


@pytest.mark.parametrize(
    "step",
    [
        lambda book: book.admit(0, PackBody(Codec.RAW, memoryview(b""), ((0, 0),))),
        lambda book: book.admit(0, LeavesBody(0, 0, True, (Leaf(Codec.RAW, 1, memoryview(b"x")),))),
        lambda book: book.file_ended(FileEnd(0, 0, bytes(32))),
    ],
)
def test_a_link_has_no_leaves(step: Callable[[Admission], object]) -> None:
    """C7, X10: a link counts as named at once, and no record or trailer of it is taken."""
    entry = Entry("t/l", EntryKind.LINK, 0, 0o777, 0, "x")
    book = Admission(Manifest.of([entry]), Selection.everything(1), limits.WINDOW_BYTES)
    assert book.all_named()
    with pytest.raises(RemoteProtocolError, match="not asked for"):
        step(book)
