"""The table that alone changes a state, and the list that a shell empties."""

from __future__ import annotations

import enum

import pytest

from tallow.errors import LocalProtocolError, RemoteProtocolError
from tallow.protocol import handshake, rendezvous, session
from tallow.protocol.handshake import HandshakeEvent
from tallow.protocol.machine import Machine, Outbox, Rules
from tallow.protocol.transfer import receiver, sender
from tallow.wire.frames import PeerFrame
from tests.pair.meeting import new_creator, new_joiner


class Light(enum.Enum):
    """A state."""

    OFF = "off"
    ON = "on"


class Press(enum.Enum):
    """A step."""

    UP = "up"
    DOWN = "down"


TABLE = {(Light.OFF, Press.UP): Light.ON, (Light.ON, Press.DOWN): Light.OFF}


def test_a_legal_step_changes_the_state() -> None:
    """X07: the table says what follows."""
    rules = Rules(Light.OFF, TABLE)
    seen = [rules.state]
    rules.local(Press.UP)
    seen.append(rules.state)
    rules.remote(Press.DOWN)
    seen.append(rules.state)
    assert seen == [Light.OFF, Light.ON, Light.OFF]


def test_whoever_breaks_the_order_is_named() -> None:
    """X07: our own false step is our bug (exit 1), the peer's is theirs (exit 6); none moves."""
    rules = Rules(Light.OFF, TABLE)
    with pytest.raises(LocalProtocolError) as ours:
        rules.local(Press.DOWN)
    with pytest.raises(RemoteProtocolError) as theirs:
        rules.remote(Press.DOWN)
    assert (ours.value.exit_code, theirs.value.exit_code) == (1, 6)
    assert theirs.value.why == "DOWN while OFF"
    assert rules.state is Light.OFF


def test_expecting_a_step_does_not_take_it() -> None:
    """X07: a step can be checked before the work and taken after it."""
    rules = Rules(Light.OFF, TABLE)
    rules.expect(Press.UP)
    assert rules.state is Light.OFF
    assert rules.allows(Press.UP)
    assert not rules.allows(Press.DOWN)
    with pytest.raises(RemoteProtocolError):
        rules.expect(Press.DOWN)


def test_an_outbox_gives_back_in_order() -> None:
    """First in, first out; asking an empty one is no error."""
    outbox: Outbox[int] = Outbox()
    assert not outbox
    assert outbox.take() is None
    for number in range(3):
        outbox.put(number)
    assert outbox
    assert outbox.take() == 0
    assert outbox.take_all() == [1, 2]
    assert outbox.take_all() == []


TABLES = [
    (module.TRANSITIONS, module.State, module.Step)
    for module in (handshake, rendezvous, session, sender, receiver)
]


@pytest.mark.parametrize(
    "table", TABLES, ids=["handshake", "rendezvous", "session", "sender", "receiver"]
)
def test_every_state_and_step_of_a_machine_is_used(
    table: tuple[dict[tuple[enum.Enum, enum.Enum], enum.Enum], type[enum.Enum], type[enum.Enum]],
) -> None:
    """X07: a table names each of its states and steps; one that is never reached would be dead."""
    transitions, states, steps = table
    starts = {state for state, _ in transitions}
    ends = set(transitions.values())
    assert starts | ends == set(states)
    assert {step for _, step in transitions} == set(steps)
    assert len(starts - ends) <= 2, "a machine begins in one state, or in one for each role"


def test_a_run_has_the_five_doors() -> None:
    """Every machine is served by one loop, and a new one has nothing to say."""
    machines: tuple[Machine[PeerFrame, HandshakeEvent, list[bytes]], ...]
    machines = (new_joiner(), new_creator())
    for machine in machines:
        assert machine.bytes_to_send() == []
        assert machine.next_event() is None
        assert machine.next_deadline() is None
