"""The dialogue with a relay about lanes: who may ask, and what becomes of tokens."""

from __future__ import annotations

import pytest

from tallow.errors import LocalProtocolError
from tallow.protocol.rendezvous import LanesGranted
from tallow.wire import relay as wire
from tests.protocol.test_rendezvous import HELLO, JOIN, begun, hear


def test_lanes_are_asked_for_and_granted() -> None:
    """B2: a pair asks for lane tokens and gets them as an event that never shows them."""
    machine = begun(JOIN)
    hear(machine, HELLO, wire.Paired("joiner"))
    machine.bytes_to_send()
    machine.ask_lanes(4)
    assert machine.bytes_to_send() == [wire.client_frame(wire.AskLanes(4))]
    hear(machine, wire.Lanes([b"t" * 32, b"u" * 32]), wire.Lanes([]))
    events = []
    while (event := machine.next_event()) is not None:
        events.append(event)
    assert events[-2:] == [LanesGranted((b"t" * 32, b"u" * 32)), LanesGranted(())]
    assert "ttt" not in repr(events)


def test_lanes_are_for_two() -> None:
    """X09: nobody asks for lanes alone, and tokens of a pair that is over are dropped."""
    machine = begun()
    hear(machine, HELLO, wire.Allocated("7123", 3600))
    with pytest.raises(LocalProtocolError):
        machine.ask_lanes(1)
    hear(machine, wire.Lanes([b"t" * 32]))
    events = []
    while (event := machine.next_event()) is not None:
        events.append(event)
    assert not any(isinstance(event, LanesGranted) for event in events)
