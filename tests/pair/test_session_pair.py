"""Two sessions over a path that loses, reorders and repeats, and comes back after a break."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.errors import RecordLost
from tallow.protocol.chain import ChainLimits
from tallow.protocol.messages import Text
from tallow.wire import limits
from tallow.wire.frames import LinkReader, LinkType, encode_link
from tests.pair.sessions import Side, Two
from tests.pair.spy import watched_seals

TINY = ChainLimits(records=3)


def shuffled_within(frames: list[bytes], reach: int, chance: random.Random) -> list[bytes]:
    """Return frames in an order in which none is later than ``reach`` places."""
    keyed = sorted(enumerate(frames), key=lambda item: item[0] + chance.randrange(reach))
    return [frame for _, frame in keyed]


def give(source: Side, target: Side, reach: int, chance: random.Random, now: float = 0) -> None:
    """Deliver what waits, out of order within a reach, some of it twice."""
    frames, source.ready = source.take(), []
    for frame in shuffled_within(frames, reach, chance):
        target.receive(frame, now)
        if chance.random() < 0.1:
            target.receive(frame, now)


@pytest.mark.parametrize("reach", [1, 2, 30, 200])
def test_thousands_of_messages_arrive_in_order_with_keys_that_change(reach: int) -> None:
    """A3: 2 000 each way, out of order and repeated, an epoch every third record: in order, once,
    and no key and number used twice.
    """
    chance = random.Random(reach)
    with watched_seals() as seals:
        two = Two(limit=TINY).greet()
        for start in range(0, 2000, 100):
            for n in range(start, start + 100):
                two.i.say(Text(f"i{n}"))
                two.r.say(Text(f"r{n}"))
            give(two.i, two.r, reach, chance)
            give(two.r, two.i, reach, chance)
        two.carry()
    assert two.r.texts == [f"i{n}" for n in range(2000)]
    assert two.i.texts == [f"r{n}" for n in range(2000)]
    assert (two.i.spoiled, two.r.spoiled) == (0, 0)
    assert max(seals.keys.values()) <= 3
    assert two.i.session._send[0].kept_bytes < limits.UNACKED_MAX_BYTES


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.sampled_from([1, 4, 50]))
def test_a_new_connection_gives_back_what_the_old_one_lost(seed: int, reach: int) -> None:
    """Connections break at any record; identical frames go again; nothing is lost."""
    chance = random.Random(seed)
    two = Two(limit=TINY).greet()
    for n in range(120):
        two.i.say(Text(f"i{n}"))
        two.r.say(Text(f"r{n}"))
        if chance.random() < 0.15:
            for source, target in ((two.i, two.r), (two.r, two.i)):
                frames, source.ready = source.take(), []
                for frame in frames[: chance.randrange(len(frames) + 1)]:
                    target.receive(frame)
            two.i.ready = two.i.session._send[0].kept()
            two.r.ready = two.r.session._send[0].kept()
            give(two.i, two.r, reach, chance)
            give(two.r, two.i, reach, chance)
    two.i.ready = two.i.session._send[0].kept()
    two.r.ready = two.r.session._send[0].kept()
    two.carry()
    assert two.r.texts == [f"i{n}" for n in range(120)]
    assert two.i.texts == [f"r{n}" for n in range(120)]
    two.i.session.close(0)
    two.carry()
    assert (two.i.closed, two.r.closed) == (True, True)


@given(st.integers(0, 2**32))
def test_a_stream_of_bytes_may_be_split_anywhere(seed: int) -> None:
    """B1: frames come out whole and in order, however the bytes arrive."""
    chance = random.Random(seed)
    two = Two(limit=TINY).greet()
    texts = ["x" * chance.choice([0, 1, 500, 60_000]) for _ in range(6)]
    for text in texts:
        two.i.say(Text(text))
    raw = b"".join(encode_link(LinkType.DATA, frame) for frame in two.i.take())
    reader, at = LinkReader(), 0
    while at < len(raw):
        count = chance.choice([1, 4, 5, 6, 100, 70_000])
        for kind, body in reader.feed(raw[at : at + count]):
            assert kind is LinkType.DATA
            two.r.receive(bytes(body))
            reader.recycle(body)
        at += count
    assert two.r.texts == texts


@pytest.mark.parametrize("missing", [0, 1, 150, 299])
def test_one_deleted_record_among_many_is_noticed(missing: int) -> None:
    """X25: whichever record a relay keeps back, the other side hears nothing behind it and says
    so: by the count it holds, by the clock, or, for the last one, by the next.
    """
    two = Two(limit=TINY).greet()
    frames = [two.i.say(Text(str(n))) for n in range(300)]
    frames.append(two.i.say(Text("after")))
    del frames[missing]
    with pytest.raises(RecordLost):
        for frame in frames:
            two.r.receive(frame, 20)
        two.r.session.on_deadline(20 + limits.GAP_MAX_S)
    assert two.r.texts == [str(n) for n in range(missing)]
