"""The five doors that every machine has, and the one way a machine changes its state.

A machine is fed with ``receive``, asked with ``next_event``, ``bytes_to_send`` and
``next_deadline``, and told of time with ``on_deadline``. It never waits, so the same machine runs
over a socket, over a list of bytes in a test, and over a path that reorders.
Spec: docs/protocol.md §1.3.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from tallow.errors import LocalProtocolError, RemoteProtocolError

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)
Happening = TypeVar("Happening", covariant=True)
S = TypeVar("S", bound=enum.Enum)
E = TypeVar("E", bound=enum.Enum)
Q = TypeVar("Q")


class Machine(Protocol[In, Happening, Out]):
    """What engine.link needs to know of any machine."""

    def receive(self, data: In, now: float) -> None:
        """Take one frame or message from below; a TallowError ends the machine."""

    def next_event(self) -> Happening | None:
        """Return the next thing that happened, or None."""

    def bytes_to_send(self) -> Out:
        """Return and forget what must go to the other side now."""

    def next_deadline(self) -> float | None:
        """Return the instant at which on_deadline wants to be called, or None."""

    def on_deadline(self, now: float) -> None:
        """Do what time demands; a TallowError ends the machine."""


class Rules(Generic[S, E]):
    """A state and the table that alone may change it."""

    def __init__(self, start: S, table: Mapping[tuple[S, E], S]) -> None:
        self.state = start
        self._table = table

    def allows(self, step: E) -> bool:
        """Return whether a step is legal in the present state."""
        return (self.state, step) in self._table

    def local(self, step: E) -> None:
        """Take a step that we asked for, or raise LocalProtocolError."""
        if not self.allows(step):
            raise LocalProtocolError(f"{step.name} is not possible while {self.state.name}.")
        self.state = self._table[self.state, step]

    def expect(self, step: E) -> None:
        """Raise RemoteProtocolError unless the peer may cause this step now."""
        if not self.allows(step):
            raise RemoteProtocolError(
                "The other side sent a message out of turn.",
                why=f"{step.name} while {self.state.name}",
            )

    def remote(self, step: E) -> None:
        """Take a step that the peer caused, or raise RemoteProtocolError."""
        self.expect(step)
        self.state = self._table[self.state, step]


class Outbox(Generic[Q]):
    """A first-in first-out list that a machine fills and its shell empties."""

    def __init__(self) -> None:
        self._items: deque[Q] = deque()

    def put(self, item: Q) -> None:
        """Append an item."""
        self._items.append(item)

    def take(self) -> Q | None:
        """Return the oldest item, or None."""
        return self._items.popleft() if self._items else None

    def take_all(self) -> list[Q]:
        """Return every item, oldest first."""
        items = list(self._items)
        self._items.clear()
        return items

    def __bool__(self) -> bool:
        return bool(self._items)
