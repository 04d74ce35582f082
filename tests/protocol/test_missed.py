"""Questions about records that were on a lane when it died, and answers that are final."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.errors import RemoteProtocolError
from tallow.protocol.bulk import BulkKeys, BulkRecvChannel, BulkSendChannel
from tallow.protocol.messages import AskMissed, Missed, decode_control, encode_control
from tallow.protocol.missed import AskedRecords, RecordsMissed, answer
from tallow.wire import limits

BODY = b"a record that may get lost"


def keys() -> BulkKeys:
    """Return the keys of no session."""
    return BulkKeys(bytes(32), bytes(32), bytes(16), 1, bytes(64))


class Way:
    """A bulk channel and the records sealed on it."""

    def __init__(self, records: int) -> None:
        sender = BulkSendChannel(1, "i", keys())
        self.receiver = BulkRecvChannel(1, "i", keys())
        self.sealed = [sender.reserve() for _ in range(records)]

    def arrives(self, number: int) -> bool:
        """Deliver one record and tell whether it was opened."""
        reserved = self.sealed[number]
        sealed = bytearray(reserved.key.seal(number, reserved.ad, BODY))
        return self.receiver.open(reserved.header, memoryview(sealed)) is not None


def test_what_never_arrived_is_told_and_what_arrived_is_not() -> None:
    """X25: only the receiver knows which records of a dead lane it opened."""
    way, asked = Way(6), AskedRecords()
    assert way.arrives(1)
    assert way.arrives(4)
    (question,) = asked.ask(1, [0, 1, 4, 5])
    (said,) = answer(question, way.receiver)
    assert said == Missed(1, [(0, 0), (5, 5)])
    assert asked.take(said) == RecordsMissed(1, (0, 5))


def test_what_is_missed_is_never_opened_again() -> None:
    """X25: a record that comes after its answer is dropped: no leaf can arrive twice."""
    way = Way(4)
    assert answer(AskMissed(1, [(0, 2)]), way.receiver) == [Missed(1, [(0, 2)])]
    assert [way.arrives(number) for number in range(4)] == [False, False, False, True]
    assert answer(AskMissed(1, [(0, 2)]), way.receiver) == [Missed(1, [])]


def test_nothing_is_missed_of_a_channel_that_is_over() -> None:
    """A question that crosses the end of an offer asks for nothing."""
    assert answer(AskMissed(1, [(0, 5)]), None) == [Missed(1, [])]
    asked = AskedRecords()
    asked.ask(1, range(6))
    assert asked.take(Missed(1, [])) is None


@pytest.mark.parametrize(
    "ranges",
    [
        [(3, 2)],
        [(0, limits.ASKED_RECORDS_MAX)],
        [(0, limits.ASKED_RECORDS_MAX - 1), (0, 0)],
        [(0, (1 << 63) - 1)],
        [((1 << 63) - 1, (1 << 63) - 1)],
        [(limits.BULK_NUMBERS, limits.BULK_NUMBERS)],
    ],
)
def test_a_question_about_more_than_can_be_under_way_is_refused(
    ranges: list[tuple[int, int]],
) -> None:
    """X10, X14: a few bytes that name 2^63 numbers cost nothing but the session."""
    way = Way(1)
    with pytest.raises(RemoteProtocolError) as caught:
        answer(AskMissed(1, ranges), way.receiver)
    assert caught.value.exit_code == 6
    assert way.arrives(0)


@pytest.mark.parametrize(
    "ranges",
    [
        [(9, 9)],
        [(2, 3)],
        [(1, 0)],
        [(0, 0), (0, 0)],
        [(0, 1), (1, 2)],
        [(0, (1 << 63) - 1)],
        [(0, 65_535)] * limits.HELD_RECORDS_MAX,
    ],
)
def test_an_answer_to_another_question_is_refused(ranges: list[tuple[int, int]]) -> None:
    """X10, X14: what was not asked about, twice, or far too much, is never even counted out."""
    asked = AskedRecords()
    asked.ask(1, range(3))
    with pytest.raises(RemoteProtocolError):
        asked.take(Missed(1, ranges))
    assert asked.take(Missed(1, [(0, 2)])) == RecordsMissed(1, (0, 1, 2))


def test_an_answer_about_another_channel_is_refused() -> None:
    """X14: channels are asked about one by one."""
    asked = AskedRecords()
    asked.ask(1, [0])
    with pytest.raises(RemoteProtocolError):
        asked.take(Missed(3, [(0, 0)]))


def test_an_answer_is_taken_once() -> None:
    """X25: the same record is not given out again twice."""
    asked = AskedRecords()
    asked.ask(1, [5])
    assert asked.take(Missed(1, [(5, 5)])) == RecordsMissed(1, (5,))
    with pytest.raises(RemoteProtocolError):
        asked.take(Missed(1, [(5, 5)]))


def test_many_ranges_take_several_messages() -> None:
    """X10: no message is larger than the other side takes."""
    way, asked = Way(1), AskedRecords()
    scattered = range(0, 4 * limits.HELD_RECORDS_MAX, 2)
    questions = asked.ask(1, scattered)
    assert len(questions) == 2
    lost: list[int] = []
    for question in questions:
        assert decode_control(encode_control(question)) == question
        for said in answer(question, way.receiver):
            assert decode_control(encode_control(said)) == said
            told = asked.take(said)
            lost += told.numbers if told else ()
    assert lost == list(scattered)


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 40)), st.lists(st.integers(0, 40), max_size=30))
def test_every_record_is_opened_or_missed_and_never_both(
    numbers: set[int], before: list[int]
) -> None:
    """X25: whatever arrived before, between and after questions."""
    way, asked = Way(41), AskedRecords()
    opened = {number for number in before if way.arrives(number)}
    lost: set[int] = set()
    for question in asked.ask(1, numbers):
        for said in answer(question, way.receiver):
            told = asked.take(said)
            lost |= set(told.numbers) if told else set()
    late = {number for number in range(41) if way.arrives(number)}
    assert lost == numbers - opened
    assert late == set(range(41)) - opened - lost
