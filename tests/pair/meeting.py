"""A joiner and a creator on a path that a test may touch: every flight passes through ``edit``.

Only a TallowError may end a side; anything else escapes and fails the test. The fault corpus and
the adversary use the same doors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from tallow.crypto.kem import KemProvider, default_kem
from tallow.crypto.pake import generator
from tallow.errors import TallowError
from tallow.protocol.flights import Kind, SessionSecrets, channel_identifier
from tallow.protocol.handshake import (
    AttemptCounted,
    CodeContext,
    Confirmed,
    Initiator,
    OwnFlights,
    Responder,
)
from tallow.wire.frames import PeerType, decode_peer, encode_peer
from tests.pair.chance import Chance

WORDS = "abandon-ability-able"
PLATE = "7123"
Flight = Literal["M1", "M2", "M3", "ABORT"]
Edit = Callable[[Flight, bytes], list[bytes]]
"""Takes a flight's name and whole peer frame, returns the frames that arrive instead."""
Run = Initiator | Responder

_generators: dict[tuple[str, str, Kind], bytes] = {}


def context(words: str = WORDS, plate: str = PLATE, kind: Kind = "code") -> CodeContext:
    """Return what a side that knows these words starts with."""
    key = (words, plate, kind)
    if key not in _generators:
        _generators[key] = generator(words.encode(), channel_identifier(kind, plate))
    return CodeContext(kind, plate, _generators[key])


def new_joiner(
    code: CodeContext | None = None,
    *,
    seed: int = 1,
    kem: KemProvider | None = None,
    own: OwnFlights | None = None,
    versions: tuple[int, ...] = (1,),
) -> Initiator:
    """Return a joiner whose randomness follows from a seed."""
    return Initiator(
        code or context(),
        Chance(seed),
        kem or default_kem(),
        own or OwnFlights(),
        versions=versions,
    )


def new_creator(
    code: CodeContext | None = None,
    *,
    seed: int = 2,
    kem: KemProvider | None = None,
    own: OwnFlights | None = None,
) -> Responder:
    """Return a creator whose randomness follows from a seed."""
    return Responder(code or context(), Chance(seed), kem or default_kem(), own or OwnFlights())


def untouched(_flight: Flight, frame: bytes) -> list[bytes]:
    """Let a flight pass."""
    return [frame]


def frame_swap(flight: Flight, instead: bytes) -> Edit:
    """Return an edit that puts a whole frame in place of a flight."""
    return lambda name, frame: [instead] if name == flight else [frame]


def body_edit(flight: Flight, change: Callable[[bytes], bytes]) -> Edit:
    """Return an edit that changes one flight's body and lets the others pass."""

    def edit(name: Flight, frame: bytes) -> list[bytes]:
        return [encode_peer(PeerType.FLIGHT, change(frame[5:]))] if name == flight else [frame]

    return edit


@dataclass
class End:
    """How a run ended on one side: secrets, an error, or nothing yet."""

    secrets: SessionSecrets | None = None
    error: TallowError | None = None
    counted: bool = False

    @property
    def open(self) -> bool:
        """True while the side still waits."""
        return self.secrets is None and self.error is None

    @property
    def name(self) -> str:
        """One word for tables: the error's class, "Confirmed" or "open"."""
        if self.error is not None:
            return type(self.error).__name__
        return "open" if self.secrets is None else "Confirmed"


class Meeting:
    """Runs two machines against each other until nothing moves."""

    def __init__(
        self,
        joiner: Initiator | None = None,
        creator: Responder | None = None,
        edit: Edit = untouched,
        *,
        stores: bool = True,
    ) -> None:
        """Pair two runs; without ``stores`` the creator's counter never reaches its disk."""
        self.joiner = joiner or new_joiner()
        self.creator = creator or new_creator()
        self.joiner_end, self.creator_end = End(), End()
        self.now = 100.0
        self.seen: list[tuple[Flight, bytes]] = []
        self._edit = edit
        self._stores = stores

    def begin(self) -> Meeting:
        """Start both clocks; the joiner has M1 ready."""
        self.creator.wait(self.now)
        self.joiner.begin(self.now)
        return self

    def run(self) -> Meeting:
        """Carry flights to and fro until both sides rest, then let time pass for whoever waits."""
        self.begin()
        self._settle()
        for machine, end in self._sides():
            deadline = machine.next_deadline()
            if end.open and deadline is not None:
                self.now = max(self.now, deadline)
                self._let(end, partial(machine.on_deadline, self.now))
        self._settle()
        return self

    @property
    def names(self) -> tuple[str, str]:
        """How it ended for the joiner and for the creator."""
        return self.joiner_end.name, self.creator_end.name

    def flight(self, wanted: Flight) -> bytes:
        """Return the body of the first flight of this name that was sent."""
        return next(frame[5:] for name, frame in self.seen if name == wanted)

    def _sides(self) -> Iterator[tuple[Run, End]]:
        yield self.joiner, self.joiner_end
        yield self.creator, self.creator_end

    def to_creator(self) -> bool:
        """Deliver what the joiner has ready; False if it had nothing."""
        return self._carry(self.joiner, self.creator, self.creator_end)

    def to_joiner(self) -> bool:
        """Deliver what the creator has ready; False if it had nothing."""
        return self._carry(self.creator, self.joiner, self.joiner_end)

    def _settle(self) -> None:
        while self.to_creator() | self.to_joiner():
            pass

    def _carry(self, source: Run, target: Run, end: End) -> bool:
        frames = source.bytes_to_send()
        for frame in frames:
            name = self._name(source, frame)
            self.seen.append((name, frame))
            for arriving in self._edit(name, frame):
                if end.open:
                    self._deliver(target, end, arriving)
        return bool(frames)

    def _name(self, source: Run, frame: bytes) -> Flight:
        if frame[4] == PeerType.ABORT:
            return "ABORT"
        if isinstance(source, Responder):
            return "M2"
        return "M3" if any(name == "M1" for name, _ in self.seen) else "M1"

    def _deliver(self, target: Run, end: End, frame: bytes) -> None:
        self._let(end, lambda: target.receive(decode_peer(frame), self.now))
        while (event := target.next_event()) is not None:
            match event:
                case AttemptCounted():
                    end.counted = True
                    if isinstance(target, Responder) and self._stores and end.open:
                        target.attempt_stored()
                case Confirmed():
                    end.secrets = event.secrets

    def _let(self, end: End, step: Callable[[], None]) -> None:
        try:
            step()
        except TallowError as error:
            end.error = error
