"""A table of hashes: what was noted first stays, whatever comes after and however much."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.protocol.stamps import STAMP_BYTES, StampTable, stamp

STAMPS = st.one_of(
    st.integers(1, 9).map(lambda number: number.to_bytes(STAMP_BYTES, "big")),
    st.binary(min_size=STAMP_BYTES, max_size=STAMP_BYTES).filter(any),
)


def test_a_stamp_has_the_length_that_was_asked_for() -> None:
    """Two lengths are two hashes, not one cut short."""
    assert len(stamp("a")) == STAMP_BYTES
    assert len(stamp("a", 16)) == 16
    assert stamp("a", 16)[:STAMP_BYTES] != stamp("a") != stamp("b")


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(STAMPS, st.integers(0, (1 << 32) - 1)), max_size=600))
def test_the_first_note_stays(notes: list[tuple[bytes, int]]) -> None:
    """The table answers like a dictionary, also while it grows."""
    table, model = StampTable(), dict[bytes, int]()
    for key, number in notes:
        assert (key in table) == (key in model)
        assert table.note(key, number) == model.get(key)
        model.setdefault(key, number)
    for key, number in model.items():
        assert table.note(key, 0) == number


def test_nothing_is_lost_in_growing() -> None:
    """Every stamp is found again after many doublings, and nothing else is."""
    table = StampTable()
    for number in range(20_000):
        assert table.note(stamp(str(number)), number) is None
    for number in range(20_000):
        assert table.note(stamp(str(number)), 0) == number
    assert not any(stamp(str(number)) in table for number in range(20_000, 21_000))


def test_the_stamp_that_looks_empty_is_held_like_any_other() -> None:
    """Zero shares a place with one: a collision more, never a name forgotten."""
    table, zero = StampTable(), bytes(STAMP_BYTES)
    assert zero not in table
    assert table.note(zero, 7) is None
    assert table.note(zero, 8) == 7
    assert table.note((1).to_bytes(STAMP_BYTES, "big"), 9) == 7
    for number in range(1000):
        table.note(stamp(str(number)), number)
    assert zero in table
    assert table.note(zero, 8) == 7
