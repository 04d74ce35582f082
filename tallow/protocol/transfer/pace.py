"""Pause and continue: either side may hold a transfer, and it moves while neither does.

Each side says ``pause`` and ``continue`` in turn; what was given out before is still finished, and
nothing new is begun. Before: sender.py and receiver.py, which ask ``held``. It never measures time:
what must not run while a transfer is held stands with its deadline. Spec: docs/protocol.md §8.9.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallow.errors import LocalProtocolError, RemoteProtocolError
from tallow.protocol.messages import Continue, Pause, PauseReason
from tallow.wire import limits


@dataclass(frozen=True, slots=True)
class PeerPaused:
    """The other side holds the transfer."""

    reason: PauseReason


@dataclass(frozen=True, slots=True)
class PeerContinued:
    """The other side lets the transfer go on."""


PaceEvent = PeerPaused | PeerContinued


class Pace:
    """Who holds a transfer at present."""

    def __init__(self) -> None:
        """Begin unheld."""
        self._here = False
        self._there = False
        self._pauses_here = 0
        self._pauses_there = 0

    @property
    def held(self) -> bool:
        """Whether either side has paused."""
        return self._here or self._there

    def pause(self, offer: int, reason: PauseReason) -> Pause | None:
        """Hold the transfer; None if this side does already."""
        if self._here:
            return None
        if self._pauses_here == limits.PAUSES_MAX:
            raise LocalProtocolError("This transfer has been paused too often.")
        self._here = True
        self._pauses_here += 1
        return Pause(offer, reason)

    def go_on(self, offer: int) -> Continue | None:
        """Let the transfer go on; None if this side does not hold it."""
        if not self._here:
            return None
        self._here = False
        return Continue(offer)

    def heard(self, said: Pause | Continue) -> PaceEvent:
        """Take the other side's word; refuses two of a kind in a row, and a storm of them."""
        if isinstance(said, Continue):
            if not self._there:
                raise RemoteProtocolError("The other side continues what it had not paused.")
            self._there = False
            return PeerContinued()
        self._pauses_there += 1
        if self._there or self._pauses_there > limits.PAUSES_MAX:
            raise RemoteProtocolError("The other side pauses again and again.")
        self._there = True
        return PeerPaused(said.reason)
