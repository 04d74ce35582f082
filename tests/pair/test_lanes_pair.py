"""Two machines whose bulk runs over lanes that die: no byte is wrong, none comes twice."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.protocol.bulk import BulkKeys, BulkSendChannel, Reserved
from tallow.protocol.messages import Control
from tallow.protocol.missed import RecordsMissed
from tallow.wire import limits
from tallow.wire.frames import encode_record
from tests.pair.lane import Item
from tests.pair.paths import Arriving
from tests.pair.sessions import Side, Two
from tests.pair.transfer import Transfer, done

KIB, MIB = limits.KIB, limits.MIB


class LanePath:
    """Two sessions, a link for control records, and lanes that a seed lets die."""

    def __init__(self, seed: int, deaths: int, lanes: int = 3) -> None:
        """Greet; ``deaths`` lanes are lost, each with records on it."""
        self._random = random.Random(seed)
        self._two = Two().greet()
        self._lanes: list[deque[bytes]] = [deque() for _ in range(lanes)]
        self._on_lane: dict[int, int] = {}
        self._late: list[bytes] = []
        self._deaths = deaths
        self.died = 0
        self.numbers: list[int] = []
        self.opened: list[int] = []
        self.transfer: Transfer

    def open_send(self, keys: BulkKeys) -> BulkSendChannel:
        """Open a bulk channel of the initiator's session."""
        return self._two.i.session.open_bulk_send(keys)

    def open_recv(self, channel: int, keys: BulkKeys) -> None:
        """Accept it in the responder's."""
        self._two.r.session.open_bulk_recv(channel, keys)

    def to_receiver(self, message: Control) -> None:
        """Seal a message of the initiator."""
        self._two.i.say(message)

    def to_sender(self, message: Control) -> None:
        """Seal a message of the responder."""
        self._two.r.say(message)

    def bulk(self, reserved: Reserved, body: bytes) -> None:
        """Seal a record onto some lane, or onto the link when none is left."""
        number = reserved.header.number
        self.numbers.append(number)
        sealed = reserved.key.seal(number, reserved.ad, body)
        frame = encode_record(reserved.header, sealed)
        if not self._lanes:
            self._two.i.ready.append(frame)
            return
        lane = self._random.randrange(len(self._lanes))
        self._lanes[lane].append(frame)
        self._on_lane[number] = lane

    def at_receiver(self) -> Iterator[Arriving]:
        """Yield control records in order, and what some lanes let through."""
        self._maybe_die()
        yield from self._carry(self._two.i, self._two.r)
        moved = False
        for lane in self._lanes:
            # At least one: a path that stands still lets time pass, as if something were lost.
            while lane and (not moved or self._random.random() < 0.6):
                moved = True
                yield from self._deliver(lane.popleft())
        while self._late and self._random.random() < 0.3:
            yield from self._deliver(self._late.pop(self._random.randrange(len(self._late))))

    def at_sender(self) -> Iterator[Arriving]:
        """Yield the answers; what was missed goes straight to the machine."""
        yield from self._carry(self._two.r, self._two.i)
        while self._two.i.missed:
            lost = self._two.i.missed.pop(0)
            assert isinstance(lost, RecordsMissed)
            self.transfer.lost(lost)

    def _maybe_die(self) -> None:
        busy = [n for n, lane in enumerate(self._lanes) if lane]
        if not busy or self.died >= self._deaths or self._random.random() < 0.5:
            return
        self.died += 1
        lane = self._random.choice(busy)
        for frame in self._lanes[lane]:
            # Part of it was in somebody's buffer and comes after all.
            if self._random.random() < 0.5:
                self._late.append(frame)
        self._lanes[lane].clear()
        numbers = [number for number, on in self._on_lane.items() if on == lane]
        for number in numbers:
            del self._on_lane[number]
        plan = self.transfer.sender.plan
        assert plan is not None
        still = plan.on_the_way(numbers)
        if still:
            self._two.i.session.ask_missed(plan.channel, still, 0.0)
            self._two.i.take()
        if self.died == self._deaths:
            self._end_all_lanes()

    def _end_all_lanes(self) -> None:
        rest = list(self._on_lane)
        plan = self.transfer.sender.plan
        assert plan is not None
        still = plan.on_the_way(rest)
        for lane in self._lanes:
            self._late += lane
        self._lanes, self._on_lane = [], {}
        if still:
            self._two.i.session.ask_missed(plan.channel, still, 0.0)
            self._two.i.take()

    def _carry(self, source: Side, target: Side) -> Iterator[Arriving]:
        frames, source.ready = source.take(), []
        for frame in frames:
            target.receive(frame)
            yield from self._taken(target)

    def _deliver(self, frame: bytes) -> Iterator[Arriving]:
        self._two.r.receive(frame)
        yield from self._taken(self._two.r)

    def _taken(self, side: Side) -> list[Arriving]:
        assert side.spoiled == 0, "a record did not open"
        self.opened += [number for _, number, _ in side.bulk]
        taken: list[Arriving] = [*side.got, *((number, body) for _, number, body in side.bulk)]
        side.got, side.bulk = [], []
        return taken


def over(path: LanePath, items: list[Item], window: int = 32 * MIB) -> Transfer:
    """Run a transfer over lanes."""
    transfer = Transfer(items, path, window_bytes=window)
    path.transfer = transfer
    return transfer.run()


def content(name: str, size: int) -> bytes:
    """Return bytes that differ at every place."""
    return random.Random(name).randbytes(size)


@pytest.mark.parametrize("seed", range(8))
def test_a_file_arrives_whole_whatever_lanes_die(seed: int) -> None:
    """X25, C1: every lane dies with records on it, some of which come late: the file is equal."""
    items = [Item("f", content("f", 9 * MIB + 5))]
    path = LanePath(seed, deaths=3)
    transfer = over(path, items, 4 * MIB)
    assert done(transfer)
    assert transfer.files == {"f": items[0].content}
    assert path.died == 3


sizes = st.sampled_from([0, 1, 1000, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 200_000, 3 * MIB + 1])


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(sizes, st.booleans()), min_size=1, max_size=8),
    st.integers(0, 2**32),
    st.integers(0, 5),
    st.sampled_from([2 * MIB, 4 * MIB, 32 * MIB]),
)
def test_any_offer_over_lanes_that_die(
    shapes: list[tuple[int, bool]], seed: int, deaths: int, window: int
) -> None:
    """A3, X25, C11: no wrong or double byte, no number twice, no hang; what fails fails alone."""
    items = [
        Item(f"f{n}", content(str(n), size), fails_at=size // 2 if fails and size else None)
        for n, (size, fails) in enumerate(shapes)
    ]
    path = LanePath(seed, deaths)
    transfer = over(path, items, window)
    assert done(transfer)
    good = {item.path: item.content for item in items if item.fails_at is None}
    assert transfer.files == good
    assert set(transfer.failed) == {n for n, item in enumerate(items) if item.fails_at is not None}
    assert len(set(path.numbers)) == len(path.numbers), "a number was sealed twice"
    assert len(set(path.opened)) == len(path.opened), "a record was opened twice"
    assert transfer.most_on_the_way <= window
