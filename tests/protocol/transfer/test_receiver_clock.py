"""When the receiving machine reports what it stored, and when it gives up what never came."""

from __future__ import annotations

import pytest

from tallow.errors import RecordLost
from tallow.protocol.messages import Complete, FileEnd, Finish, Stored, Trailer
from tallow.protocol.transfer.receiver import AllArrived, Receiver
from tallow.protocol.transfer.report import STORED_EVERY_BYTES, STORED_EVERY_S
from tallow.wire import limits
from tests.pair.lane import Item, leaves_body, pack_body, true_root
from tests.pair.transfer import Transfer
from tests.protocol.transfer.test_receiver import FINISH, ITEMS, Against, digest

MIB = limits.MIB


def stored(against: Against) -> list[Stored]:
    """Return the reports so far."""
    return [message for message in against.said if isinstance(message, Stored)]


def test_stored_records_are_reported_after_a_moment() -> None:
    """A quarter of a second after the first unreported record, in one message."""
    against = Against().started()
    assert against.machine.next_deadline() is None
    against.bulk(pack_body([(0, b"aaaa")]), now=10)
    against.bulk(pack_body([(3, b"cc")]), now=10.2)
    assert against.machine.next_deadline() == 10 + STORED_EVERY_S
    against.machine.on_deadline(10.1)
    against.sort()
    assert stored(against) == []
    against.machine.on_deadline(10.25)
    against.sort()
    assert stored(against) == [Stored(1, [(0, 1)])]
    assert against.machine.next_deadline() is None


def test_much_is_reported_at_once() -> None:
    """An eighth of the window does not wait for the clock, so the sender never starves."""
    transfer = Transfer([Item("a", bytes(9 * MIB))])
    assert STORED_EVERY_BYTES == 4 * MIB
    transfer.run()
    assert transfer.delivered is not None


def test_reports_are_cut_to_what_a_message_holds() -> None:
    """B1: scattered numbers go in several messages of at most 256 ranges."""
    against = Against().started()
    against.machine._report._numbers = list(range(0, 1200, 2))
    against.machine.on_deadline(0)
    against.machine._report.due_at = 0
    against.machine.on_deadline(0)
    against.sort()
    reports = stored(against)
    assert [len(report.ranges) for report in reports] == [256, 256, 88]
    assert [low for report in reports for low, _ in report.ranges] == list(range(0, 1200, 2))


def announced() -> Against:
    """Return a receiver whose sender has finished while one small file is still on its way."""
    against = Against().started()
    ends = [FileEnd(no, len(ITEMS[no].content), true_root(ITEMS[no])) for no in (0, 2, 3)]
    big = ITEMS[2].content
    against.bulk(pack_body([(0, b"aaaa")]), now=5)
    against.bulk(leaves_body(2, 0, [big[:65536], big[65536:]], last=True), now=5)
    return against.hear(Trailer(1, ends), FINISH, now=10)


def test_what_was_announced_and_stays_away_is_lost() -> None:
    """X25: after Finish, a minute without a record ends in record lost, never in success."""
    against = announced()
    for number in (0, 2):
        against.machine.file_named(number)
    assert against.machine.next_deadline() == 10 + limits.PEER_SILENT_MAX_S
    against.machine.on_deadline(69)
    with pytest.raises(RecordLost) as caught:
        against.machine.on_deadline(70)
    assert caught.value.exit_code == 6
    assert AllArrived() not in against.events


def test_each_record_gives_a_minute_more() -> None:
    """A slow path is not a lost record."""
    against = announced()
    for number in (0, 2):
        against.machine.file_named(number)
    against.bulk(pack_body([(3, b"cc")]), now=60)
    assert against.machine.next_deadline() == 120
    against.machine.file_named(3)
    against.sort()
    assert AllArrived() in against.events
    assert against.machine.next_deadline() is None


def test_a_slow_disk_here_is_not_a_lost_record_there() -> None:
    """While names are still being given the deadline moves on, and is never in the past."""
    against = announced()
    against.bulk(pack_body([(3, b"cc")]), now=20)
    for now in (80, 140, 200):
        against.machine.on_deadline(now)
        deadline = against.machine.next_deadline()
        assert deadline is not None
        assert deadline > now
    for number in (0, 2, 3):
        against.machine.file_named(number)
    against.sort()
    assert AllArrived() in against.events


def test_reports_are_immediate_once_the_sender_waits_for_the_end() -> None:
    """After Finish nothing more will fill a report up, so each record is reported."""
    against = announced()
    before = len(stored(against))
    against.bulk(pack_body([(3, b"cc")]), now=20)
    assert len(stored(against)) == before + 1


def test_failures_here_travel_with_complete() -> None:
    """C11: those that arrived and got no name, the first of them with reasons, all counted."""
    against = Against().started().everything()
    against.machine.file_failed_here(2, "w" * 500)
    against.machine.file_named(0)
    against.machine.file_named(3)
    against.hear(Finish(1, digest(0, 2, 3)))
    against.machine.durable()
    against.sort()
    complete = against.said[-1]
    assert isinstance(complete, Complete)
    assert complete.failed == [FileEnd(2, 0, b"", "w" * limits.REASON_MAX_CHARS)]
    assert complete.failed_count == 1
    assert complete.roots == digest(0, 2, 3)


def test_a_receiver_without_an_offer_has_no_failures() -> None:
    """Asking early is no error."""
    machine = Receiver(lambda _channel, _keys: None)
    assert machine.failures == {}
    assert machine.stored_bytes == 0
