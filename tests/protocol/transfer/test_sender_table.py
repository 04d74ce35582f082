"""The sender's table: every state is reached, and only the answer leaves an offer."""

from __future__ import annotations

from tallow.protocol.transfer.sender_table import TRANSITIONS, State, Step


def test_every_state_is_reached_and_ends() -> None:
    """B1: from IDLE everything can be reached, and from everything the end."""
    after = {state: {new for (old, _), new in TRANSITIONS.items() if old is state}
             for state in State}  # fmt: skip
    reached, front = {State.IDLE}, [State.IDLE]
    while front:
        fresh = after[front.pop()] - reached
        reached |= fresh
        front += fresh
    assert reached == set(State)
    assert not after[State.DONE]


def test_a_pause_moves_nothing() -> None:
    """C11: it changes neither state nor what is legal in it."""
    for step in (Step.PAUSE, Step.CONTINUE, Step.ASK_LEAVES, Step.AGAIN):
        rows = {old: new for (old, taken), new in TRANSITIONS.items() if taken is step}
        assert rows == {State.SENDING: State.SENDING, State.FINISHING: State.FINISHING}


def test_nothing_is_claimed_after_the_answer() -> None:
    """X07: what is there is said before the yes, and the proof before that."""
    assert (State.HEARING, Step.RESUMES) not in TRANSITIONS
    for step in (Step.RESUMES, Step.HAVE):
        assert {old for old, taken in TRANSITIONS if taken is step} <= {
            State.OFFERED, State.HEARING
        }  # fmt: skip
