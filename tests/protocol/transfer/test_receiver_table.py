"""The receiver's table: every state is reached, and nothing is said of our disk before START."""

from __future__ import annotations

from tallow.protocol.transfer.receiver_table import TRANSITIONS, State, Step


def test_every_state_is_reached_and_ends() -> None:
    """B1: from IDLE everything can be reached, and DONE is the only end."""
    after = {state: {new for (old, _), new in TRANSITIONS.items() if old is state}
             for state in State}  # fmt: skip
    reached, front = {State.IDLE}, [State.IDLE]
    while front:
        fresh = after[front.pop()] - reached
        reached |= fresh
        front += fresh
    assert reached == set(State)
    assert [state for state in State if not after[state]] == [State.DONE]


def test_a_pause_moves_nothing() -> None:
    """C11: it changes neither state nor what is legal in it."""
    for step in (Step.PAUSE, Step.CONTINUE):
        rows = {old: new for (old, taken), new in TRANSITIONS.items() if taken is step}
        assert set(rows) == {State.ACCEPTED, State.RECEIVING, State.FINISHING}
        assert all(old is new for old, new in rows.items())
