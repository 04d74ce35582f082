"""Who holds a transfer: two in a row and storms are refused, own ones are silent."""

from __future__ import annotations

import pytest

from tallow.errors import LocalProtocolError, RemoteProtocolError
from tallow.protocol.messages import Continue, Pause
from tallow.protocol.transfer.pace import Pace, PeerContinued, PeerPaused
from tallow.wire import limits


def test_both_sides_may_hold() -> None:
    """C11: it moves when neither does."""
    pace = Pace()
    assert pace.pause(1, "disk-full") == Pause(1, "disk-full")
    assert pace.pause(1, "user") is None
    assert pace.heard(Pause(1, "user")) == PeerPaused("user")
    assert pace.go_on(1) == Continue(1)
    assert pace.go_on(1) is None
    assert pace.held
    assert pace.heard(Continue(1)) == PeerContinued()
    assert not pace.held


def test_two_of_a_kind_in_a_row_are_refused() -> None:
    """X07: pause and continue take turns."""
    pace = Pace()
    with pytest.raises(RemoteProtocolError):
        pace.heard(Continue(1))
    pace.heard(Pause(1, "user"))
    with pytest.raises(RemoteProtocolError):
        pace.heard(Pause(1, "disk-full"))


def test_a_storm_of_pauses_is_bounded() -> None:
    """X10: a peer may pause so often and no more; our own person too."""
    pace = Pace()
    for _ in range(limits.PAUSES_MAX):
        pace.heard(Pause(1, "user"))
        pace.heard(Continue(1))
        assert pace.pause(1, "user")
        assert pace.go_on(1)
    with pytest.raises(RemoteProtocolError):
        pace.heard(Pause(1, "user"))
    with pytest.raises(LocalProtocolError):
        pace.pause(1, "user")
