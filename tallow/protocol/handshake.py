"""The code handshake: three flights, one guess for a stranger, one transcript.

Two machines, one run each. The joiner speaks first; the creator's reply leaves only after the
shell has stored the raised attempt counter; nothing but key material travels before both sides
have confirmed. Failures before M2 cost nothing, a false tag is WrongCode here and CodeGuessed
there, and an abort shows the same text whoever forged it.
Before this room: rendezvous.py pairs two seats. After it: session.py takes the secrets. The
handshake without words, psk_handshake.py, runs on the same ``Run``.
It never stores the counter and never asks a person. Spec: docs/protocol.md §5.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, NoReturn

from tallow.crypto.dh import X25519Key
from tallow.crypto.errors import CryptoError
from tallow.crypto.kdf import same, sha512
from tallow.crypto.kem import KemKeyPair, KemProvider
from tallow.crypto.lv import lv
from tallow.crypto.pake import Cpace, isk_ir
from tallow.errors import PeerGone, PeerVersion, RemoteProtocolError, TimedOut, WrongCode
from tallow.protocol import flights
from tallow.protocol.flights import Hello1, Hello2, Kind, SessionSecrets
from tallow.protocol.machine import E, Outbox, Rules, S
from tallow.wire import limits
from tallow.wire.frames import PeerFrame, PeerType, encode_peer

RandomBytes = Callable[[int], bytes]


class AbortReason(enum.IntEnum):
    """The one byte of an ABORT frame."""

    CONFIRM = 1
    VERSION = 2
    MALFORMED = 3
    TIMEOUT = 4


class State(enum.Enum):
    """Where one run stands, on either side."""

    FRESH = "fresh"
    SENT_M1 = "sent M1"
    WAITING_M1 = "waiting for M1"
    STORING = "storing the attempt"
    SENT_M2 = "sent M2"
    CONFIRMED = "confirmed"
    FAILED = "failed"


class Step(enum.Enum):
    """What moves a run on."""

    BEGIN = "begin"
    M1 = "M1"
    ATTEMPT_STORED = "attempt stored"
    M2 = "M2"
    M3 = "M3"
    FAIL = "fail"


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.FRESH, Step.BEGIN): State.SENT_M1,
    (State.SENT_M1, Step.M2): State.CONFIRMED,
    (State.WAITING_M1, Step.M1): State.STORING,
    (State.STORING, Step.ATTEMPT_STORED): State.SENT_M2,
    (State.SENT_M2, Step.M3): State.CONFIRMED,
    (State.SENT_M1, Step.FAIL): State.FAILED,
    (State.WAITING_M1, Step.FAIL): State.FAILED,
    (State.STORING, Step.FAIL): State.FAILED,
    (State.SENT_M2, Step.FAIL): State.FAILED,
}


@dataclass(frozen=True, slots=True)
class AttemptCounted:
    """A run counts from here: the creator stores it, the joiner remembers it."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Both sides hold the same keys and know it."""

    secrets: SessionSecrets


HandshakeEvent = AttemptCounted | Confirmed


class OwnFlights:
    """The public values that this process made, so that its own M1 is never answered (loopback)."""

    CAP = 4096

    def __init__(self) -> None:
        self._values: dict[bytes, None] = {}

    def add(self, value: bytes) -> None:
        """Remember a commitment or a key, forgetting the oldest beyond the cap."""
        self._values[_short(value)] = None
        if len(self._values) > self.CAP:
            del self._values[next(iter(self._values))]

    def __contains__(self, value: bytes) -> bool:
        return _short(value) in self._values


def _short(value: bytes) -> bytes:
    """Return 32 bytes for a value: thousands of ML-KEM keys would be megabytes."""
    return sha512(value)[:32]


@dataclass(frozen=True, slots=True)
class CodeContext:
    """What both sides know before the first flight; the generator was computed beforehand."""

    kind: Kind
    plate: str
    generator: bytes = field(repr=False)
    """Made from the words: whoever sees it can try words against it."""

    @property
    def ci(self) -> bytes:
        """The channel identifier."""
        return flights.channel_identifier(self.kind, self.plate)


class Run(Generic[S, E]):
    """What every handshake run shares, whatever its proof: the doors, the deadline, aborting."""

    def __init__(self, start: S, table: Mapping[tuple[S, E], S], fail: E) -> None:
        self._rules = Rules(start, table)
        self._fail_step = fail
        self._events: Outbox[HandshakeEvent] = Outbox()
        self._frames: Outbox[bytes] = Outbox()
        self._deadline: float | None = None

    @property
    def state(self) -> S:
        """Where this run stands."""
        return self._rules.state

    def next_event(self) -> HandshakeEvent | None:
        """Return what happened."""
        return self._events.take()

    def bytes_to_send(self) -> list[bytes]:
        """Return the peer frames that must go now."""
        return self._frames.take_all()

    def next_deadline(self) -> float | None:
        """Return when an unanswered flight fails the run."""
        return self._deadline

    def on_deadline(self, now: float) -> None:
        """Fail the run if its answer is late."""
        if self._deadline is not None and now >= self._deadline:
            self._abort(AbortReason.TIMEOUT)
            raise TimedOut("The other side did not finish the handshake in time.")

    def _flight(self, frame: PeerFrame, *, tested: bool) -> bytes:
        """Return a flight's bytes; an abort, or any other frame, ends the run."""
        if frame.kind is PeerType.ABORT:
            self._read_abort(frame, tested)
        if frame.kind is not PeerType.FLIGHT:
            self._abort(AbortReason.MALFORMED)
            raise RemoteProtocolError("The other side sent data before the handshake was done.")
        return bytes(frame.body)

    @contextmanager
    def _aborting(self) -> Iterator[None]:
        """Tell the peer why, if reading its flight fails."""
        try:
            yield
        except PeerVersion:
            self._abort(AbortReason.VERSION)
            raise
        except RemoteProtocolError:
            self._abort(AbortReason.MALFORMED)
            raise

    def _abort(self, reason: AbortReason) -> None:
        """End the run and tell the peer; erases what the run held."""
        if self._rules.allows(self._fail_step):
            self._frames.put(encode_peer(PeerType.ABORT, bytes([reason])))
        self._fail()

    def _fail(self) -> None:
        self._deadline = None
        if self._rules.allows(self._fail_step):
            self._rules.local(self._fail_step)
            self._erase()

    def _erase(self) -> None:
        """Drop every private value of the run."""

    def _false_proof(self) -> WrongCode:
        """Return the error for a false tag, whoever found it."""
        return WrongCode()

    def _read_abort(self, frame: PeerFrame, tested: bool) -> NoReturn:
        reason = frame.body[0] if len(frame.body) == 1 else 0
        self._fail()
        if reason == AbortReason.CONFIRM and tested:
            raise self._false_proof()
        if reason == AbortReason.VERSION:
            raise PeerVersion
        if reason == AbortReason.TIMEOUT:
            raise TimedOut("The other side waited too long for this one.")
        raise PeerGone("The other side broke off the handshake.")

    def _finish(self, prk: bytes, th: bytes, t_r: bytes, nonce: bytes, t_i: bytes) -> None:
        secrets = flights.session_secrets(prk, flights.final_transcript(th, t_r, nonce, t_i))
        self._deadline = None
        self._erase()
        self._events.put(Confirmed(secrets))


class _CodeRun(Run[State, Step]):
    """What the two roles share when words are the proof."""

    def __init__(self, context: CodeContext, random_bytes: RandomBytes, start: State) -> None:
        super().__init__(start, TRANSITIONS, Step.FAIL)
        self._context = context
        self._cpace = Cpace(context.generator, random_bytes(32))
        self._x = X25519Key.from_bytes(random_bytes(32))

    def _erase(self) -> None:
        # CPython cannot wipe the library's key objects; dropping them frees OpenSSL's copies.
        del self._cpace, self._x


class Initiator(_CodeRun):
    """The joiner's side of one run: M1 now, M3 the moment T_r verifies."""

    def __init__(
        self,
        context: CodeContext,
        random_bytes: RandomBytes,
        kem: KemProvider,
        own: OwnFlights,
        *,
        versions: tuple[int, ...] = (flights.PROTOCOL_VERSION,),
    ) -> None:
        super().__init__(context, random_bytes, State.FRESH)
        self._kem: KemKeyPair = kem.from_seed(random_bytes(64))
        self._nonce = random_bytes(32)
        self._hello = Hello1(
            versions=versions,
            suites=(flights.SUITE,),
            commitment=flights.commitment_to(self._nonce),
            ek=self._kem.public,
            x=self._x.public,
        )
        own.add(self._hello.commitment)
        own.add(self._hello.ek)

    def begin(self, now: float) -> None:
        """Queue M1; the answer must come within ten seconds."""
        self._rules.local(Step.BEGIN)
        self._deadline = now + limits.HANDSHAKE_MAX_S
        self._ada = flights.encode_hello1(self._hello)
        self._frames.put(encode_peer(PeerType.FLIGHT, lv(self._cpace.share, self._ada)))

    def receive(self, data: PeerFrame, now: float) -> None:  # noqa: ARG002 - one of the five doors
        """Take M2 or an abort.

        Raises: WrongCode on a false T_r or abort(confirm); PeerVersion; RemoteProtocolError.
        """
        raw = self._flight(data, tested=True)
        self._rules.expect(Step.M2)
        with self._aborting():
            self._answer_m2(raw)

    def _answer_m2(self, raw: bytes) -> None:
        yb, adb, hello, t_r = flights.decode_m2(raw, self._hello)
        self._events.put(AttemptCounted())
        ya = self._cpace.share
        try:
            isk = isk_ir(self._cpace.finish(yb), b"", ya, self._ada, yb, adb)
            shared_kem = self._kem.decapsulate(hello.ct)
            shared_x = self._x.exchange(hello.x)
        except CryptoError:
            raise RemoteProtocolError("The other side sent an invalid key.") from None
        th = flights.transcript(self._context.ci, ya, self._ada, yb, adb)
        prk = flights.root_secret(self._context.kind, isk, shared_kem, shared_x)
        if not same(flights.creator_tag(prk, th), t_r):
            self._abort(AbortReason.CONFIRM)
            raise self._false_proof()
        t_i = flights.joiner_tag(prk, th, t_r, self._nonce)
        self._frames.put(encode_peer(PeerType.FLIGHT, lv(self._nonce, t_i)))
        self._rules.remote(Step.M2)
        self._finish(prk, th, t_r, self._nonce, t_i)

    def _erase(self) -> None:
        super()._erase()
        del self._kem


class Responder(_CodeRun):
    """The creator's side of one run: M1 in, the attempt stored, M2 out, T_i checked."""

    def __init__(
        self,
        context: CodeContext,
        random_bytes: RandomBytes,
        kem: KemProvider,
        own: OwnFlights,
    ) -> None:
        super().__init__(context, random_bytes, State.WAITING_M1)
        self._kem = kem
        self._own = own
        self._nonce = random_bytes(32)
        self._prk = b""

    def wait(self, now: float) -> None:
        """Start the clock: a seated joiner that says nothing is given up."""
        self._deadline = now + limits.HANDSHAKE_MAX_S

    def receive(self, data: PeerFrame, now: float) -> None:
        """Take M1, M3 or an abort.

        Raises: WrongCode if T_i is false or the joiner says that our T_r was; PeerVersion;
        RemoteProtocolError. Whether a run counted is for attempts.py.
        """
        raw = self._flight(data, tested=self.state not in (State.WAITING_M1, State.STORING))
        if self.state is State.WAITING_M1:
            self._read_m1(raw)
            self._rules.remote(Step.M1)
            self._deadline = now + limits.HANDSHAKE_MAX_S
            self._events.put(AttemptCounted())
        elif self.state is State.SENT_M2:
            self._read_m3(raw)
        else:
            self._abort(AbortReason.MALFORMED)
            self._rules.expect(Step.M3)

    def attempt_stored(self) -> None:
        """Let M2 leave: the raised counter is on disk."""
        self._rules.local(Step.ATTEMPT_STORED)
        self._frames.put(encode_peer(PeerType.FLIGHT, lv(self._cpace.share, self._adb, self._t_r)))

    def _read_m1(self, raw: bytes) -> None:
        with self._aborting():
            ya, ada, hello = flights.decode_m1(raw)
            if hello.commitment in self._own or hello.ek in self._own:
                raise RemoteProtocolError("The relay sent this side's own first message back.")
            self._answer_m1(ya, ada, hello)

    def _answer_m1(self, ya: bytes, ada: bytes, hello: Hello1) -> None:
        try:
            shared_kem, ct = self._kem.encapsulate(hello.ek)
            shared_x = self._x.exchange(hello.x)
            k = self._cpace.finish(ya)
        except CryptoError:
            raise RemoteProtocolError("The other side sent an invalid key.") from None
        self._adb = flights.encode_hello2(
            Hello2(flights.PROTOCOL_VERSION, flights.SUITE, self._nonce, ct, self._x.public)
        )
        yb = self._cpace.share
        isk = isk_ir(k, b"", ya, ada, yb, self._adb)
        self._th = flights.transcript(self._context.ci, ya, ada, yb, self._adb)
        self._prk = flights.root_secret(self._context.kind, isk, shared_kem, shared_x)
        self._t_r = flights.creator_tag(self._prk, self._th)
        self._commitment = hello.commitment

    def _read_m3(self, raw: bytes) -> None:
        with self._aborting():
            nonce, t_i = flights.decode_m3(raw)
        expected = flights.joiner_tag(self._prk, self._th, self._t_r, nonce)
        opened = same(flights.commitment_to(nonce), self._commitment)
        if not (same(expected, t_i) and opened):
            self._abort(AbortReason.CONFIRM)
            raise self._false_proof()
        self._rules.remote(Step.M3)
        self._finish(self._prk, self._th, self._t_r, nonce, t_i)

    def _erase(self) -> None:
        super()._erase()
        self._prk = b""
