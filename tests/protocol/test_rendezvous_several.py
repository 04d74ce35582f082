"""The dialogue with a relay where several receivers are expected."""

from __future__ import annotations

import pytest

from tallow.errors import Crowded, LinkError
from tallow.protocol.rendezvous import PlateAllocated, State
from tallow.wire import relay as wire
from tests.protocol.test_rendezvous import HELLO, JOIN, begun, events, hear


def test_succession_takes_its_own_plate_only() -> None:
    """C13, X11: who takes a number over waits under that number, and hands no other one out."""
    succeed = wire.Succeed("7123", b"t" * 32, wire.heir_mark(b"n" * 32))
    machine = begun(succeed)
    hear(machine, HELLO, wire.Allocated("7123", 60))
    assert events(machine)[-1] == PlateAllocated("7123", 60)
    assert machine.state is State.WAITING
    with pytest.raises(LinkError):
        hear(begun(succeed), HELLO, wire.Allocated("7124", 60))


def test_a_refusal_carries_when_to_come_again() -> None:
    """C13: who finds the seats taken learns whether another try helps."""
    for retry_s in (0, 1):
        with pytest.raises(Crowded) as caught:
            hear(begun(JOIN), HELLO, wire.Refused("crowded", retry_s))
        assert caught.value.retry_s == retry_s
