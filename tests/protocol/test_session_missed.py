"""Records that were lost with a lane, between two sessions: asked, answered, never taken late."""

from __future__ import annotations

import pytest

from tallow.errors import RemoteProtocolError
from tallow.protocol.bulk import BulkKeys
from tallow.protocol.messages import AskMissed, Missed
from tallow.protocol.missed import RecordsMissed
from tallow.wire.frames import encode_record
from tests.pair.sessions import Two


def bulk_keys() -> BulkKeys:
    """Return the keys of some START."""
    return BulkKeys(bytes(32), bytes(32), bytes(16), 1, bytes(64))


def with_bulk() -> tuple[Two, list[bytes]]:
    """Return two sides, a channel from the initiator, and three sealed records on their way."""
    two = Two().greet()
    sender = two.i.session.open_bulk_send(bulk_keys())
    two.r.session.open_bulk_recv(sender.channel, bulk_keys())
    frames = []
    for _ in range(3):
        reserved = sender.reserve()
        sealed = reserved.key.seal(reserved.header.number, reserved.ad, b"leaves")
        frames.append(encode_record(reserved.header, sealed))
    return two, frames


def test_what_is_missed_is_told_and_never_taken() -> None:
    """X25: the answer names what did not arrive, which is dropped when it comes after all."""
    two, frames = with_bulk()
    two.r.receive(frames[1])
    two.i.session.ask_missed(1, range(3), 0)
    two.carry()
    assert two.i.missed == [RecordsMissed(1, (0, 2))]
    for frame in frames:
        two.r.receive(frame)
    assert [number for _, number, _ in two.r.bulk] == [1]
    assert two.r.spoiled == 0


def test_a_question_about_a_finished_channel_asks_for_nothing() -> None:
    """X25: an offer that is complete misses nothing."""
    two, _ = with_bulk()
    two.r.session.close_bulk_recv(1)
    two.i.session.ask_missed(1, range(3), 0)
    two.carry()
    assert two.i.missed == []


@pytest.mark.parametrize("channel", [0, 1, 3, 2])
def test_a_question_about_no_channel_of_its_own_ends_it(channel: int) -> None:
    """X14: only who sends on a channel may ask about it, once it is open."""
    two = Two().greet()
    two.i.session.open_bulk_send(bulk_keys())
    with pytest.raises(RemoteProtocolError):
        two.i.say(AskMissed(channel, [(0, 0)]))
        two.carry()


def test_an_answer_that_nobody_asked_for_ends_it() -> None:
    """X14, X25: a receiver cannot make the sender repeat what it likes."""
    two, _ = with_bulk()
    two.r.say(Missed(1, [(0, 0)]))
    with pytest.raises(RemoteProtocolError):
        two.carry()


def test_nothing_is_answered_after_close() -> None:
    """X07: CLOSE stays the last word, even if a question crosses it."""
    two, _ = with_bulk()
    two.i.session.ask_missed(1, [0], 0)
    two.i.take()
    two.r.session.close(0)
    two.carry()
    assert two.i.closed
    assert two.r.closed
    assert two.i.missed == []
