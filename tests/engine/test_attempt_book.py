"""Counted guesses: kept for a day, per code and relay, never lost and never made fresh."""

from __future__ import annotations

import pytest

from tallow.engine.attempt_book import KEPT_S, NAME, AttemptBook
from tallow.errors import StorageError
from tallow.protocol.attempts import Attempts
from tests.fakes import MemoryState, TestClock, virtual


def book(state: MemoryState, clock: TestClock, key: str = "7@relay.test:4433") -> AttemptBook:
    """Return the book of one code with three guesses."""
    return AttemptBook(state, clock, key, 3)


@virtual
async def test_a_new_code_has_all_its_guesses() -> None:
    """Nothing is stored until something is counted."""
    state = MemoryState()
    assert book(state, TestClock()).read() == Attempts(3, 0)
    assert state.content == {}


@virtual
async def test_what_was_counted_is_there_after_a_restart() -> None:
    """Counters outlive the process, each under its own code and relay."""
    state, clock = MemoryState(), TestClock()
    book(state, clock).write(Attempts(3, 2))
    book(state, clock, "8@relay.test:4433").write(Attempts(3, 1))
    assert book(state, clock).read() == Attempts(3, 2)
    assert book(state, clock, "8@relay.test:4433").read() == Attempts(3, 1)
    assert book(state, clock, "7@other.test:4433").read() == Attempts(3, 0)


@virtual
async def test_a_code_without_guesses_leaves_nothing() -> None:
    """Success uncounts its own run; a row of nothing is dropped."""
    state, clock = MemoryState(), TestClock()
    one = book(state, clock)
    one.write(one.read().started())
    one.write(one.read().confirmed())
    assert state.content[NAME] == b"{}"
    one.write(one.read().confirmed())
    assert one.read() == Attempts(3, 0)


@virtual
async def test_a_day_later_it_is_forgotten() -> None:
    """X10: the list does not grow for ever, and a counter is not forgotten before its day."""
    state, clock = MemoryState(), TestClock()
    book(state, clock).write(Attempts(3, 3))
    clock.set_wall(clock.wall() + KEPT_S - 1)
    assert book(state, clock).read().exhausted
    clock.set_wall(clock.wall() + 2)
    assert book(state, clock).read() == Attempts(3, 0)
    book(state, clock, "8").write(Attempts(3, 1))
    assert b"7@relay" not in state.content[NAME]


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b'{"7":1}', b'{"7":{"counted":"x","at":0}}', b"\xff", b"[" * 99_999]
)
@virtual
async def test_a_damaged_list_gives_no_fresh_guesses(raw: bytes) -> None:
    """A list that cannot be read is an error, never an empty list."""
    state, clock = MemoryState(), TestClock()
    state.content[NAME] = raw
    one = book(state, clock)
    with pytest.raises(StorageError) as caught:
        one.read()
    assert caught.value.exit_code == 8
    assert NAME in caught.value.hint
    with pytest.raises(StorageError):
        one.write(Attempts(3, 1))
    assert state.content[NAME] == raw
