"""The table of a room's states: complete, reachable, and obeyed for every run of events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relay.room import TRANSITIONS, LinkId, Room, RoomEvent, RoomState
from tallow.wire import limits

CREATOR, JOINER = LinkId(1), LinkId(2)


def room() -> Room:
    """Return a fresh room that expires at 100."""
    return Room("4711", "192.0.2.1", CREATOR, expires_at=100.0, orphan_s=60.0)


def test_every_state_is_reached_and_every_event_used() -> None:
    """No state and no event of the table is dead, and only the closed room is an end."""
    reached = {RoomState.WAITING} | set(TRANSITIONS.values())
    assert reached == set(RoomState)
    assert {event for _, event in TRANSITIONS} == set(RoomEvent)
    assert {state for state, _ in TRANSITIONS} == set(RoomState) - {RoomState.CLOSED}


@given(st.lists(st.sampled_from(list(RoomEvent)), max_size=12))
def test_a_room_follows_its_table(events: list[RoomEvent]) -> None:
    """Events in the table move the room, others change nothing; deadlines follow the state."""
    here = room()
    for now, event in enumerate(events):
        before = here.state, here.deadline_at
        moved = here.step(event, float(now))
        assert moved == ((before[0], event) in TRANSITIONS)
        if not moved:
            assert (here.state, here.deadline_at) == before
        endless = here.state in (RoomState.SETTLED, RoomState.CLOSED)
        assert (here.deadline_at is None) == endless


def test_only_rooms_with_somebody_inside_are_live() -> None:
    """A name is taken while anybody is there, and free otherwise."""
    here = room()
    assert here.is_live()
    assert not here.is_paired()
    here.step(here.empty_seat(CREATOR), 5.0)
    assert here.state is RoomState.ORPHANED
    assert not here.is_live()
    assert here.deadline_at == 65.0
    assert here.links() == []


def test_the_seat_ends_ten_seconds_after_the_join() -> None:
    """The joiner's deadline counts from its own arrival."""
    here = room()
    here.step(RoomEvent.JOINED, 7.0)
    here.joiner = JOINER
    assert here.deadline_at == 7.0 + limits.SEAT_CONFIRM_S
    assert here.opposite(CREATOR) == JOINER
    assert here.opposite(JOINER) == CREATOR
    assert here.links() == [CREATOR, JOINER]


def test_the_rest_of_a_pair_may_stay_while_its_code_would_live() -> None:
    """Half a pair ends with its code, and never before an empty room would."""
    for settled_at, end in ((5.0, 100.0), (500.0, 560.0)):
        here = room()
        here.step(RoomEvent.JOINED, 1.0)
        here.step(RoomEvent.JOINER_SPOKE, 2.0)
        here.step(RoomEvent.JOINER_LEFT, settled_at)
        assert here.deadline_at == end
