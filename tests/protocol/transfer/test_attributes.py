"""Attributes that wait for their files: bounded together, gone when a file is named."""

from __future__ import annotations

from tallow.protocol.messages import FileEnd
from tallow.protocol.transfer.attributes import HeldXattrs
from tallow.wire import limits

FULL = ((b"n", b"v" * (limits.XATTRS_MAX_BYTES - 1)),)
FILES = limits.XATTRS_HELD_MAX_BYTES // limits.XATTRS_MAX_BYTES


def _end(file_no: int) -> FileEnd:
    return FileEnd(file_no, 0, bytes(32), "", FULL)


def test_attributes_wait_for_their_file() -> None:
    """C7: a trailer may come long before the last leaf."""
    held = HeldXattrs()
    held.put(_end(7))
    held.put(FileEnd(8, 0, bytes(32)))
    assert (held.of(7), held.of(8), held.lost) == (FULL, (), 0)
    held.forget(7)
    held.forget(7)
    assert held.of(7) == ()


def test_a_stranger_cannot_fill_the_memory_with_attributes() -> None:
    """X10, X14: beyond the cap attributes are counted and dropped until others are done."""
    held = HeldXattrs()
    for number in range(FILES + 2):
        held.put(_end(number))
    assert held.lost == 2
    assert held.of(FILES) == ()
    held.forget(0)
    held.put(_end(FILES + 5))
    assert held.of(FILES + 5) == FULL
    assert held.lost == 2
