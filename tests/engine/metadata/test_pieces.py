"""Reading a stripped file through its pieces."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.engine.metadata.pieces import Literal, Pieces, Slice, read_pieces, stripped_size
from tests.engine.metadata.pictures import written

RAW = bytes(range(200))

parts = st.one_of(
    st.builds(Slice, st.integers(0, 100), st.integers(0, 100)),
    st.builds(Literal, st.binary(max_size=20)),
)


def joined(pieces: Pieces) -> bytes:
    """Return the file, put together the simple way."""
    return b"".join(
        part.content if isinstance(part, Literal) else RAW[part.offset : part.offset + part.length]
        for part in pieces.parts
    )


@given(st.lists(parts, max_size=12).map(tuple).map(Pieces), st.data())
def test_any_stretch_is_the_same_as_in_the_whole(pieces: Pieces, data: st.DataObject) -> None:
    """A read at any offset and of any length equals that part of the whole file."""
    whole = joined(pieces)
    assert stripped_size(pieces) == len(whole)
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    assert written(RAW, pieces, start, end - start) == whole[start:end]


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, 8), (7, 1), (8, 0)])
def test_nothing_lies_outside(offset: int, length: int) -> None:
    """A read before the begin or beyond the end is refused, not shortened."""
    with pytest.raises(ValueError, match="ends before"):
        written(RAW, Pieces((Slice(3, 4), Literal(b"abc"))), offset, length)


def test_threads_share_a_plan() -> None:
    """Several threads that read the same pieces get the same file."""
    pieces = Pieces(tuple(Slice(at, 1) for at in range(200)))
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda at: written(RAW, pieces, at, 10), range(190)))
    assert read == [RAW[at : at + 10] for at in range(190)]


def test_a_reader_that_fails_is_heard() -> None:
    """What the reader of the original raises passes through."""

    def read_into(_offset: int, _room: memoryview) -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        read_pieces(Pieces((Slice(0, 4),)), 0, memoryview(bytearray(4)), read_into)
