"""Which bulk records were lost with a lane: asked by their sender, answered once and for all.

A lane may die with records under way, and nobody but the receiver knows which of them arrived. So
the sender asks over the control channel, and what the receiver has not opened by then it never
opens: those records go again under new numbers, and no leaf can arrive twice.
Before: session.py. It never decides what is sent again. Spec: docs/protocol.md §6.10.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tallow.errors import RemoteProtocolError
from tallow.protocol.bulk import BulkRecvChannel
from tallow.protocol.messages import AskMissed, Missed
from tallow.protocol.ranges import as_ranges
from tallow.wire import limits


@dataclass(frozen=True, slots=True)
class RecordsMissed:
    """These bulk records of ours never arrived, and go again under new numbers."""

    channel: int
    numbers: tuple[int, ...]


class AskedRecords:
    """What this side has asked about and was not told yet."""

    def __init__(self) -> None:
        self._asked: dict[int, set[int]] = {}

    def ask(self, channel: int, numbers: Iterable[int]) -> list[AskMissed]:
        """Return the questions about records of ours on a channel."""
        wanted = set(numbers)
        self._asked.setdefault(channel, set()).update(wanted)
        ranges = as_ranges(wanted)
        most = limits.HELD_RECORDS_MAX
        return [AskMissed(channel, ranges[at : at + most]) for at in range(0, len(ranges), most)]

    def take(self, missed: Missed) -> RecordsMissed | None:
        """Read an answer; RemoteProtocolError if it names what was not asked about."""
        asked = self._asked.get(missed.channel, set())
        spans = [last - first + 1 for first, last in missed.ranges]
        # Counted before a single number is written down: a few bytes can name 2^63 of them.
        if any(span < 1 for span in spans) or sum(spans) > len(asked):
            raise _unasked()
        numbers = [n for first, last in missed.ranges for n in range(first, last + 1)]
        if not asked.issuperset(numbers) or len(set(numbers)) != len(numbers):
            raise _unasked()
        asked.difference_update(numbers)
        return RecordsMissed(missed.channel, tuple(numbers)) if numbers else None


def answer(asked: AskMissed, channel: BulkRecvChannel | None) -> list[Missed]:
    """Return which records are not here, and shut the door on them.

    ``channel`` is None if it was finished, so that nothing of it is missed. Raises:
    RemoteProtocolError for more records than can be under way.
    """
    spans = [last - first + 1 for first, last in asked.ranges]
    most = limits.ASKED_RECORDS_MAX
    high = max((last for _, last in asked.ranges), default=0)
    if any(span < 1 for span in spans) or sum(spans) > most or high >= limits.BULK_NUMBERS:
        raise RemoteProtocolError("The other side asks about records that cannot be under way.")
    missed: list[int] = []
    for first, last in asked.ranges if channel is not None else ():
        missed += channel.give_up(first, last) if channel is not None else []
    ranges = as_ranges(missed)
    most = limits.HELD_RECORDS_MAX
    return [
        Missed(asked.channel, ranges[at : at + most]) for at in range(0, len(ranges) or 1, most)
    ]


def _unasked() -> RemoteProtocolError:
    return RemoteProtocolError("The other side misses records that it was not asked about.")
