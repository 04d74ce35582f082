"""Two sides of an earlier session that meet again, on a path that a test may touch.

Like meeting.py for the psk handshake: every frame passes through ``edit``, only a TallowError may
end a side, and the layout of each flight is written down byte by byte.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from tallow.crypto.kem import KemProvider, default_kem
from tallow.crypto.secret import SecretBytes
from tallow.errors import TallowError
from tallow.protocol.flights import SessionSecrets
from tallow.protocol.handshake import Confirmed
from tallow.protocol.psk_handshake import AnsweredFlights, PskInitiator, PskResponder
from tallow.wire.frames import PeerType, decode_peer, encode_peer
from tests.pair.chance import Chance

RESUME = bytes(range(64))
OTHER = bytes(range(64, 128))
Flight = Literal["F1", "F2", "F3", "ABORT"]
FLIGHTS: tuple[Flight, ...] = ("F1", "F2", "F3")
Edit = Callable[[Flight, bytes], list[bytes]]
"""Takes a flight's name and whole peer frame, returns the frames that arrive instead."""
Run = PskInitiator | PskResponder

_HELLO = (("length", 4), ("ek or ct", 1568), ("length", 4), ("x", 32))
_VERSIONS = (("length", 4), ("versions", 2), ("length", 4), ("suites", 2), ("length", 4))
_LAYOUT = {
    "F1": (("length", 4), *_VERSIONS, ("c_I", 32), *_HELLO, ("length", 4), ("mac1", 32)),
    "F2": (("length", 4), *_VERSIONS, ("n_R", 32), *_HELLO, ("length", 4), ("T_r", 64)),
    "F3": (("length", 4), ("n_I", 32), ("length", 4), ("T_i", 64)),
}


def field_names(flight: Flight) -> list[str]:
    """Return for every byte of a flight the name of the field it stands in."""
    return [name for name, size in _LAYOUT[flight] for _ in range(size)]


def place(flight: Flight, name: str) -> slice:
    """Return where a field stands that occurs once."""
    names = field_names(flight)
    return slice(names.index(name), len(names) - names[::-1].index(name))


def new_initiator(
    resume: bytes = RESUME,
    *,
    seed: int = 1,
    kem: KemProvider | None = None,
    versions: tuple[int, ...] = (1,),
) -> PskInitiator:
    """Return an initiator whose randomness follows from a seed."""
    secret = SecretBytes(resume)
    return PskInitiator(secret, Chance(seed), kem or default_kem(), versions=versions)


def new_responder(
    resume: bytes = RESUME,
    *,
    seed: int = 2,
    kem: KemProvider | None = None,
    answered: AnsweredFlights | None = None,
) -> PskResponder:
    """Return a responder whose randomness follows from a seed."""
    remembered = AnsweredFlights() if answered is None else answered
    return PskResponder(SecretBytes(resume), Chance(seed), kem or default_kem(), remembered)


def untouched(_flight: Flight, frame: bytes) -> list[bytes]:
    """Let a frame pass."""
    return [frame]


def flight_frame(raw: bytes) -> bytes:
    """Return the peer frame of a flight."""
    return encode_peer(PeerType.FLIGHT, raw)


def body_edit(flight: Flight, change: Callable[[bytes], bytes]) -> Edit:
    """Return an edit that changes one flight's body and lets the others pass."""
    return lambda name, frame: [flight_frame(change(frame[5:]))] if name == flight else [frame]


def frame_swap(flight: Flight, *instead: bytes) -> Edit:
    """Return an edit that puts whole frames in place of a flight."""
    return lambda name, frame: list(instead) if name == flight else [frame]


@dataclass
class End:
    """How a run ended on one side: secrets, an error, or nothing yet."""

    secrets: SessionSecrets | None = None
    error: TallowError | None = None

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


class Reunion:
    """Runs two machines against each other until nothing moves."""

    def __init__(
        self,
        initiator: PskInitiator | None = None,
        responder: PskResponder | None = None,
        edit: Edit = untouched,
    ) -> None:
        """Pair two runs."""
        self.initiator = initiator or new_initiator()
        self.responder = responder or new_responder()
        self.initiator_end, self.responder_end = End(), End()
        self.now = 100.0
        self.seen: list[tuple[Flight, bytes]] = []
        self._edit = edit

    def begin(self) -> Reunion:
        """Start both clocks; the initiator has F1 ready."""
        self.responder.wait(self.now)
        self.initiator.begin(self.now)
        return self

    def run(self) -> Reunion:
        """Carry flights to and fro until both sides rest, then let time pass for whoever waits."""
        self.begin()
        self.settle()
        for machine, end in (
            (self.initiator, self.initiator_end),
            (self.responder, self.responder_end),
        ):
            deadline = machine.next_deadline()
            if end.open and deadline is not None:
                self.now = max(self.now, deadline)
                self._let(end, partial(machine.on_deadline, self.now))
        self.settle()
        return self

    @property
    def names(self) -> tuple[str, str]:
        """How it ended for the initiator and for the responder."""
        return self.initiator_end.name, self.responder_end.name

    @property
    def said(self) -> list[Flight]:
        """The names of all frames that were sent, in order."""
        return [name for name, _ in self.seen]

    def flight(self, wanted: Flight) -> bytes:
        """Return the body of the first flight of this name that was sent."""
        return next(frame[5:] for name, frame in self.seen if name == wanted)

    def to_responder(self) -> bool:
        """Deliver what the initiator has ready; False if it had nothing."""
        return self._carry(self.initiator, self.responder, self.responder_end)

    def to_initiator(self) -> bool:
        """Deliver what the responder has ready; False if it had nothing."""
        return self._carry(self.responder, self.initiator, self.initiator_end)

    def settle(self) -> None:
        """Carry frames until nothing moves."""
        while self.to_responder() | self.to_initiator():
            pass

    def _carry(self, source: Run, target: Run, end: End) -> bool:
        frames = source.bytes_to_send()
        for frame in frames:
            name = self._name(source, frame)
            self.seen.append((name, frame))
            for arriving in self._edit(name, frame):
                if end.open:
                    self._let(end, partial(target.receive, decode_peer(arriving), self.now))
                    self._note(target, end)
        return bool(frames)

    def _name(self, source: Run, frame: bytes) -> Flight:
        if frame[4] == PeerType.ABORT:
            return "ABORT"
        if source is self.responder:
            return "F2"
        return "F3" if "F1" in self.said else "F1"

    @staticmethod
    def _note(machine: Run, end: End) -> None:
        while (event := machine.next_event()) is not None:
            if isinstance(event, Confirmed):
                end.secrets = event.secrets

    @staticmethod
    def _let(end: End, step: Callable[[], None]) -> None:
        try:
            step()
        except TallowError as error:
            end.error = error
