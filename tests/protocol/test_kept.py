"""Counts of what was not kept: sums of two sides, the most of several, never beyond the cap."""

from __future__ import annotations

import msgspec
import pytest

from tallow.protocol.kept import ALL_KEPT, NotKept
from tallow.protocol.messages import Complete, Finish, decode_control, encode_control
from tallow.wire import limits
from tallow.wire.errors import WireError

MOST = limits.NOT_KEPT_MAX


def test_counts_add_up_and_stop() -> None:
    """C7: both sides' losses are one sum, kind by kind, and a count stops at its cap."""
    both = NotKept(links=2, names=MOST) + NotKept(links=3, names=1, holes=1)
    assert both == NotKept(links=5, names=MOST, holes=1)


def test_several_receivers_count_the_most() -> None:
    """C7: what a sender could not send is not counted once for each receiver."""
    assert NotKept(links=2, names=1) | NotKept(links=2, times=4) == NotKept(2, 1, times=4)


def test_nothing_lost_is_nothing_said() -> None:
    """C7: only a count that is not zero makes a line."""
    assert not ALL_KEPT
    assert NotKept(xattrs=1)


@pytest.mark.parametrize("count", [-1, MOST + 1, 1.5, "1", None])
def test_a_false_count_is_refused(count: object) -> None:
    """X14: counts of a peer are whole numbers in their range."""
    raw = msgspec.to_builtins(Finish(1, bytes(32)), builtin_types=(bytes,))
    raw["not_kept"]["links"] = count
    with pytest.raises(WireError):
        decode_control(msgspec.msgpack.encode(raw))


def test_both_last_messages_carry_them() -> None:
    """C7: each side tells the other."""
    lost = NotKept(1, 2, 3, 4, 5, 6)
    for message in (Finish(1, bytes(32), lost), Complete(1, bytes(32), not_kept=lost)):
        assert decode_control(encode_control(message)) == message
