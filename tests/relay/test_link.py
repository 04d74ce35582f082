"""Framing and forwarding: nothing lost, nothing held whole, nothing said inside a frame."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallow.wire import limits
from tallow.wire.frames import LinkType, encode_link
from tallow.wire.relay import (
    Meet,
    Notice,
    Refused,
    Reopen,
    Take,
    Waiting,
    client_frame,
    relay_frame,
)
from tests.relay.memory import HELLO, MemoryRelay

ID = b"i" * 32
PING, PONG = encode_link(LinkType.PING), encode_link(LinkType.PONG)
LARGE = encode_link(LinkType.DATA, b"L" * (limits.RELAY_WHOLE_MAX_BYTES + 1))

bodies = st.lists(
    st.binary(max_size=60)
    | st.integers(limits.RELAY_WHOLE_MAX_BYTES - 3, limits.RELAY_WHOLE_MAX_BYTES + 3000).map(
        lambda size: b"x" * size
    ),
    max_size=8,
)


@given(bodies, st.lists(st.integers(1, 9000), max_size=20))
def test_data_arrives_as_it_was_sent_however_it_is_cut(sent: list[bytes], cuts: list[int]) -> None:
    """B2: DATA of any size, cut anywhere and mixed with pings, reaches the other side unchanged."""
    relay = MemoryRelay()
    creator, joiner = relay.pair()
    stream = b"".join(encode_link(LinkType.DATA, body) + PING for body in sent)
    at = 0
    for cut in [*cuts, len(stream) + 1]:
        relay.feed(joiner, stream[at : at + cut])
        at += cut
    assert creator.frames() == [(LinkType.DATA, body) for body in sent]
    assert not any(kind is not LinkType.PONG for kind, _ in joiner.frames())


def test_a_large_frame_passes_in_pieces() -> None:
    """B3: what has arrived of a large frame is forwarded at once, so none is ever held whole."""
    relay = MemoryRelay()
    creator, joiner = relay.pair()
    frame = encode_link(LinkType.DATA, bytes(limits.FRAME_MAX_BYTES))
    piece = 32 * limits.KIB
    passed = 0
    tracemalloc.start()
    try:
        for at in range(0, len(frame), piece):
            relay.feed(joiner, frame[at : at + piece])
            passed += len(creator.taken())
            assert passed == min(at + piece, len(frame))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 8 * piece


def test_frames_of_one_read_leave_in_one_write() -> None:
    """Many frames in one read cost one write."""
    relay = MemoryRelay()
    creator, joiner = relay.pair()
    relay.feed(joiner, encode_link(LinkType.DATA, b"a") * 100 + LARGE)
    assert len(creator.writes) == 1


def test_small_frames_wait_until_they_are_complete() -> None:
    """A flight that breaks off half-way never reaches the other side."""
    relay = MemoryRelay()
    creator, joiner = relay.pair(settled=False)
    flight = encode_link(LinkType.DATA, b"f" * limits.FLIGHT_MAX_BYTES)
    relay.feed(joiner, flight[:-1])
    assert creator.taken() == b""
    relay.gone(joiner)
    assert creator.heard() == [Notice("peer-gone"), Waiting()]


def test_the_relay_never_speaks_inside_a_frame() -> None:
    """A notice waits for the end of the DATA frame under way, and comes right after it."""
    relay = MemoryRelay()
    creator, joiner = relay.pair()
    relay.feed(joiner, LARGE[:3000])
    relay.enter(Meet(ID, 60))
    relay.feed(creator, PING)
    assert creator.taken() == LARGE[:3000]
    relay.feed(joiner, LARGE[3000:-1])
    assert creator.taken() == LARGE[3000:-1]
    relay.feed(joiner, LARGE[-1:])
    said = creator.taken()
    assert said == LARGE[-1:] + relay_frame(Notice("crowded")) + PONG


def test_what_waits_for_the_end_of_a_frame_is_bounded() -> None:
    """X10: a hundred strangers at the door leave one notice in the queue."""
    relay = MemoryRelay()
    creator, joiner = relay.pair()
    relay.feed(joiner, LARGE[:3000])
    for number in range(30):
        third = relay.open(f"198.51.100.{number}")
        relay.feed(third, HELLO + client_frame(Meet(ID, 60)))
    creator.taken()
    relay.feed(joiner, LARGE[3000:])
    whole = LARGE[3000:]
    said = creator.taken()
    assert said.startswith(whole)
    assert len(said) - len(whole) < 100


def test_a_frame_that_can_not_be_finished_ends_the_partners_link() -> None:
    """A sender that dies inside a large frame takes the partner's stream with it, at once."""
    relay = MemoryRelay()
    creator, joiner = relay.pair()
    relay.feed(joiner, LARGE[:3000])
    creator.taken()
    relay.gone(joiner)
    assert creator.closed
    assert creator.taken() == b""
    assert len(relay.switch) == 0


def test_a_frame_to_somebody_who_left_is_dropped_to_its_end() -> None:
    """The rest of a frame never reaches whoever takes the seat next."""
    relay = MemoryRelay()
    creator, joiner = relay.pair()
    relay.feed(creator, LARGE[:3000])
    relay.gone(joiner)
    assert creator.heard() == [Notice("peer-gone")]
    relay.feed(creator, LARGE[3000:] + client_frame(Reopen()))
    assert creator.heard() == [Waiting()]
    newcomer = relay.enter(Meet(ID, 60))
    newcomer.taken()
    relay.say(creator, Take(2))
    relay.feed(creator, encode_link(LinkType.DATA, b"for you"))
    assert newcomer.frames() == [(LinkType.DATA, b"for you")]


def test_a_slow_reader_stops_its_partner() -> None:
    """B3: when one side's bytes pile up the other is read no more, until they have left."""
    relay = MemoryRelay()
    creator, joiner = relay.pair()
    assert creator.link is not None
    relay.feed(joiner, encode_link(LinkType.DATA, b"1"))
    paused = []
    for turn in (creator.link.choked, lambda _: creator.link.relieved(), creator.link.choked):
        turn(relay.now)
        paused.append(joiner.paused)
    relay.gone(creator)
    assert [*paused, joiner.paused] == [True, False, True, False]


def test_a_choked_link_is_paused_for_before_its_first_data() -> None:
    """A reader that is slow already stops the partner at its first frame."""
    relay = MemoryRelay()
    creator, joiner = relay.pair(settled=False)
    assert creator.link is not None
    creator.link.choked(relay.now)
    relay.feed(joiner, encode_link(LinkType.DATA, b"m3"))
    assert joiner.paused


def test_a_slow_reader_is_told_nothing_until_it_reads() -> None:
    """X10: pings and notices pile up for nobody; the notice comes when the link reads again."""
    relay = MemoryRelay()
    creator, _ = relay.pair()
    assert creator.link is not None
    creator.link.choked(relay.now)
    relay.feed(creator, PING * 1000)
    relay.enter(Meet(ID, 60))
    assert creator.writes == []
    creator.link.relieved()
    assert creator.heard() == [Notice("crowded")]


def test_a_slow_reader_that_never_reads_is_ended() -> None:
    """B3: a link whose bytes do not leave is closed, and its partner is told."""
    relay = MemoryRelay()
    creator, joiner = relay.pair()
    assert creator.link is not None
    relay.feed(joiner, encode_link(LinkType.DATA, b"1"))
    creator.link.choked(relay.now)
    for _ in range(int(limits.RELAY_IDLE_S) + 1):
        relay.feed(creator, PING)
        relay.wait(1)
    assert creator.closed
    assert not joiner.paused
    assert joiner.heard() == [Notice("peer-gone")]


def test_pings_are_answered() -> None:
    """B2: a ping is answered at once, by one answer however many came together."""
    relay = MemoryRelay()
    wire = relay.enter(Meet(ID, 60))
    wire.taken()
    relay.feed(wire, PING)
    assert wire.taken() == PONG
    relay.feed(wire, PING * 50)
    assert wire.taken() == PONG
    relay.feed(wire, PONG)
    assert wire.taken() == b""


MALFORMED = {
    "unknown type": b"\x99\x00\x00\x00\x00",
    "a ping with a body": b"\x05\x00\x00\x00\x01x",
    "an oversized message": b"\x01" + (limits.CONTROL_MAX_BYTES + 1).to_bytes(4, "big"),
    "oversized data": b"\x02" + (limits.FRAME_MAX_BYTES + 1).to_bytes(4, "big"),
    "data of 4 GiB": b"\x02\xff\xff\xff\xff",
    "no message": encode_link(LinkType.CONTROL, b"\xc1"),
    "an empty message": encode_link(LinkType.CONTROL),
    "the relay's words": encode_link(LinkType.CONTROL, b"\x81\xa1t\xa7waiting"),
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_malformed_frame_ends_the_link(raw: bytes, one_by_one: bool) -> None:
    """X10, X14: what breaks the rules is refused by name and closed; the partner goes on."""
    relay = MemoryRelay()
    creator, joiner = relay.pair()
    for piece in [raw[at : at + 1] for at in range(len(raw))] if one_by_one else [raw]:
        if not joiner.closed:
            relay.feed(joiner, piece)
    assert joiner.closed
    assert joiner.heard() == [Refused("malformed")]
    assert creator.heard() == [Notice("peer-gone")]
    assert not creator.closed


@given(st.binary(max_size=200))
def test_no_bytes_raise(raw: bytes) -> None:
    """X14: arbitrary bytes on a seated link are carried out or end it, nothing else."""
    relay = MemoryRelay()
    _, joiner = relay.pair()
    relay.feed(joiner, raw)


def test_an_opening_is_small() -> None:
    """X10: who has not said what it wants may not send more than a first message."""
    relay = MemoryRelay()
    wire = relay.open()
    relay.feed(wire, HELLO)
    relay.feed(wire, b"\x01\x00\x00\x20\x00" + bytes(limits.FIRST_MESSAGE_MAX_BYTES))
    assert wire.closed
    assert wire.heard()[-1] == Refused("malformed")


def test_words_without_end_are_cut_off() -> None:
    """X10: a link that keeps asking the relay for things is closed."""
    relay = MemoryRelay()
    wire = relay.enter(Meet(ID, 60))
    relay.feed(wire, client_frame(Reopen()) * limits.RELAY_CONTROLS_MAX)
    assert wire.closed
    assert wire.heard()[-1] == Refused("malformed")


def test_bytes_after_the_end_are_ignored() -> None:
    """What was on its way when a link was closed changes nothing."""
    relay = MemoryRelay()
    creator, joiner = relay.pair()
    relay.feed(joiner, b"\x99\x00\x00\x00\x00" + encode_link(LinkType.DATA, b"late"))
    relay.feed(joiner, encode_link(LinkType.DATA, b"later"))
    assert creator.heard() == [Notice("peer-gone")]
