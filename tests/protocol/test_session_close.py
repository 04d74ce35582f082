"""How a session ends: CLOSE both ways with nothing missing, or not cleanly at all; and channels."""

from __future__ import annotations

import pytest

from tallow.errors import LocalProtocolError, PeerGone, RecordLost, RemoteProtocolError
from tallow.protocol.bulk import BulkKeys, BulkSendChannel
from tallow.protocol.messages import Close, Text
from tallow.protocol.session import Role, Session, State
from tallow.wire import limits
from tests.pair.sessions import RECEIVE, Two, damaged, forged, secrets
from tests.protocol.test_session import greeted, hear

BODY = b"bulk body"


def keys(ts: bytes = bytes(32)) -> BulkKeys:
    """Return the keys of one start, the same on both sides."""
    return BulkKeys(b"m" * 32, ts, b"t" * 16, 1, b"h" * 64)


def bulk_frame(channel: BulkSendChannel, body: bytes = BODY) -> bytes:
    """Seal one bulk record."""
    reserved = channel.reserve()
    sealed = reserved.key.seal(reserved.header.number, reserved.ad, body)
    raw = reserved.header.encode()
    return (len(raw) + len(sealed)).to_bytes(4, "big") + raw + sealed


def two_with_bulk() -> tuple[Two, BulkSendChannel]:
    """Return a greeted pair and the initiator's bulk channel, accepted by the responder."""
    two = Two().greet()
    channel = two.i.session.open_bulk_send(keys())
    two.r.session.open_bulk_recv(channel.channel, keys())
    return two, channel


# --- CLOSE ------------------------------------------------------------------------------------


@pytest.mark.parametrize("both", [False, True])
def test_close_ends_both_sides(both: bool) -> None:
    """X25: CLOSE each way, crossing or one after the other, is the clean end."""
    two = Two().greet()
    two.i.say(Text("last words"))
    two.i.session.close(0)
    if both:
        two.r.session.close(0)
    two.carry()
    assert (two.i.closed, two.r.closed) == (True, True)
    assert two.i.session.state is two.r.session.state is State.CLOSED
    assert two.r.texts == ["last words"]
    assert two.i.session.next_deadline() is None


def test_a_side_may_leave_before_it_was_greeted() -> None:
    """X07: the peer's HELLO and CLOSE still come, in that order."""
    two = Two()
    two.i.session.greet(RECEIVE, 0)
    two.i.session.close(0)
    two.r.session.greet(RECEIVE, 0)
    two.carry()
    assert (two.i.closed, two.r.closed) == (True, True)
    assert two.i.hellos == [RECEIVE]


def test_a_record_deleted_before_close_is_noticed() -> None:
    """X25: CLOSE does not cover a deletion; the session ends as record lost, never as closed."""
    two = Two().greet()
    two.i.say(Text("deleted"))
    two.i.session.close(0)
    two.r.receive(two.i.take()[-1], 3)
    assert not two.r.closed
    with pytest.raises(RecordLost) as caught:
        two.r.session.on_deadline(13)
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    "highest",
    [
        [],
        [(0, 0)],
        [(0, 2)],
        [(0, 1), (1, 0)],
        [(0, 1), (0, 1)],
        [(0, 0), (0, 1)],
        [(7, 1)],
        [(0, (1 << 63) - 1)],
    ],
)
def test_a_close_that_counts_otherwise_is_refused(highest: list[tuple[int, int]]) -> None:
    """X25: CLOSE names each ordered channel once with its highest number, nothing else."""
    two = greeted()
    with pytest.raises(RecordLost):
        hear(two, RECEIVE, Close(highest))
    assert not two.i.closed


def test_a_true_close_passes() -> None:
    """X25: the refused ones above differ from this one only in what they count."""
    assert hear(greeted(), RECEIVE, Close([(0, 1)])).closed


def test_nothing_is_heard_after_close() -> None:
    """X07: a peer's message after its CLOSE ends in an error."""
    two = greeted()
    with pytest.raises(RemoteProtocolError):
        hear(two, RECEIVE, Close([(0, 1)]), Text("late"))
    assert two.i.got == []


# --- bulk channels ----------------------------------------------------------------------------


def test_bulk_records_arrive_in_any_order_once() -> None:
    """A3: bulk alone is unordered; a repeated record is dropped without a word."""
    two, channel = two_with_bulk()
    frames = [bulk_frame(channel, bytes([n])) for n in range(5)]
    for n in (3, 0, 4, 3, 1, 2, 0):
        two.r.receive(frames[n])
    assert [(number, body) for _, number, body in two.r.bulk] == [
        (n, bytes([n])) for n in (3, 0, 4, 1, 2)
    ]
    assert two.r.spoiled == 0


def test_bulk_alone_keeps_a_session_alive() -> None:
    """X13: a peer that sends data is there, whatever its control channel says."""
    two, channel = two_with_bulk()
    two.r.receive(bulk_frame(channel), 50)
    two.r.session.on_deadline(100)
    with pytest.raises(PeerGone):
        two.r.session.on_deadline(110)


def test_a_bulk_record_that_does_not_open_spoils_its_connection_only() -> None:
    """X07: altered, misplaced or with a false epoch: one failed open each, session alive."""
    two, channel = two_with_bulk()
    frame = bulk_frame(channel)
    bad = [
        damaged(frame),
        forged(frame, number=1),
        forged(frame, epoch=1),
        forged(frame, epoch=0xFFFFFFFF, number=(1 << 64) - 1),
        forged(frame, channel=9),
    ]
    for each in bad:
        two.r.receive(each)
    assert (two.r.spoiled, two.r.bulk) == (len(bad), [])
    two.r.receive(frame)
    assert two.r.bulk == [(1, 0, BODY)]


def test_a_record_and_a_bulk_record_never_pass_for_each_other() -> None:
    """X25: the type byte is authenticated."""
    two, channel = two_with_bulk()
    record, bulk = bytearray(two.i.say(Text("x"))), bytearray(bulk_frame(channel))
    record[4], bulk[4] = bulk[4], record[4]
    two.r.receive(bytes(record))
    two.r.receive(bytes(bulk))
    assert (two.r.got, two.r.bulk, two.r.spoiled) == ([], [], 2)


def test_channel_numbers_never_repeat_and_keep_their_side() -> None:
    """A3: the initiator opens odd, the responder even numbers, each once."""
    two = Two().greet()
    assert [two.i.session.open_bulk_send(keys()).channel for _ in range(3)] == [1, 3, 5]
    assert [two.r.session.open_bulk_send(keys()).channel for _ in range(3)] == [2, 4, 6]
    two.r.session.open_bulk_recv(1, keys())
    two.r.session.close_bulk_recv(1)
    for channel in (1, 0, 2, 8):
        with pytest.raises(RemoteProtocolError):
            two.r.session.open_bulk_recv(channel, keys())
    for channel in (0, 1, 7):
        with pytest.raises(RemoteProtocolError):
            two.i.session.open_bulk_recv(channel, keys())


def test_what_comes_late_on_a_finished_channel_is_dropped() -> None:
    """A channel whose keys are gone still had records on the way; that is nobody's fault."""
    two, channel = two_with_bulk()
    frame = bulk_frame(channel)
    two.r.session.close_bulk_recv(channel.channel)
    two.r.receive(frame)
    assert (two.r.spoiled, two.r.bulk) == (0, [])


@pytest.mark.parametrize("role", ["initiator", "responder"])
def test_channels_run_out_before_their_numbers_do(role: Role) -> None:
    """X10: 2^15 channels end the supply while ids still fit two bytes."""
    session = Session(secrets(), role, 0)
    last = 0
    with pytest.raises(LocalProtocolError):
        while True:
            last = session.open_bulk_send(keys()).channel
    assert last <= 0xFFFF
    with pytest.raises(RemoteProtocolError):
        session.open_bulk_recv(last + 1, keys())
    assert len(session._used_channels) == limits.CHANNELS_MAX
