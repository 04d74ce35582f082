"""The psk handshake: two sides that once had a session prove it to each other and take new keys.

Three flights as with a code, but the first one already carries a proof: to a false or repeated F1
the responder says nothing and changes nothing, so a stranger at the meeting place learns not even
that somebody waits. Roles are those of the first session, whoever arrives first, and the event at
the end is the code handshake's. The old resume secret is only lent: it stays good until a record
opened under the new one, which the shell sees to.
Before this room: rendezvous.py with ``resume_meet_id``. After it: session.py takes the secrets.
It never counts attempts, stores a secret or asks a person. Spec: docs/protocol.md §5.6.
"""

from __future__ import annotations

import enum

from tallow.crypto.dh import X25519Key
from tallow.crypto.errors import CryptoError
from tallow.crypto.kdf import same
from tallow.crypto.kem import KemKeyPair, KemProvider
from tallow.crypto.lv import lv
from tallow.crypto.secret import SecretBytes
from tallow.errors import RemoteProtocolError, WrongCode
from tallow.protocol import flights, psk_flights
from tallow.protocol.flights import Hello1, Hello2
from tallow.protocol.handshake import AbortReason, RandomBytes, Run
from tallow.wire import limits
from tallow.wire.frames import PeerFrame, PeerType, encode_peer


class State(enum.Enum):
    """Where one run stands, on either side."""

    FRESH = "fresh"
    SENT_F1 = "sent F1"
    WAITING_F1 = "waiting for a true F1"
    SENT_F2 = "sent F2"
    CONFIRMED = "confirmed"
    FAILED = "failed"


class Step(enum.Enum):
    """What moves a run on; a false F1 is no step."""

    BEGIN = "begin"
    F1 = "true F1"
    F2 = "F2"
    F3 = "F3"
    FAIL = "fail"


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.FRESH, Step.BEGIN): State.SENT_F1,
    (State.SENT_F1, Step.F2): State.CONFIRMED,
    (State.WAITING_F1, Step.F1): State.SENT_F2,
    (State.SENT_F2, Step.F3): State.CONFIRMED,
    (State.SENT_F1, Step.FAIL): State.FAILED,
    (State.WAITING_F1, Step.FAIL): State.FAILED,
    (State.SENT_F2, Step.FAIL): State.FAILED,
}


class AnsweredFlights:
    """Commitments of the true F1s that this process answered: none is answered twice.

    One for each peer, shared by all runs with it; the oldest is forgotten beyond the cap.
    """

    def __init__(self) -> None:
        self._commitments: dict[bytes, None] = {}

    def add(self, commitment: bytes) -> None:
        """Remember a c_I whose mac1 was true."""
        self._commitments[commitment] = None
        if len(self._commitments) > limits.ANSWERED_FLIGHTS_MAX:
            del self._commitments[next(iter(self._commitments))]

    def __contains__(self, commitment: bytes) -> bool:
        return commitment in self._commitments


class _PskRun(Run[State, Step]):
    """What the two roles share when a resume secret is the proof."""

    def __init__(self, resume: SecretBytes, random_bytes: RandomBytes, start: State) -> None:
        super().__init__(start, TRANSITIONS, Step.FAIL)
        self._psk = psk_flights.resume_psk(resume)
        self._h0 = psk_flights.opening(psk_flights.resume_meet_id(resume))
        self._x = X25519Key.from_bytes(random_bytes(32))

    def _root_secret(self, shared_kem: bytes, shared_x: bytes) -> bytes:
        return flights.root_secret("psk", self._psk.view(), shared_kem, shared_x)

    def _false_proof(self) -> WrongCode:
        return WrongCode(
            "The other side is not the one of the first session, or someone interfered.",
            hint="Start again on both sides with a new code.",
        )

    def _erase(self) -> None:
        # CPython cannot wipe the library's key objects; dropping them frees OpenSSL's copies.
        self._psk.wipe()
        del self._x


class PskInitiator(_PskRun):
    """The first session's initiator: F1 now, F3 the moment T_r verifies."""

    def __init__(
        self,
        resume: SecretBytes,
        random_bytes: RandomBytes,
        kem: KemProvider,
        *,
        versions: tuple[int, ...] = (flights.PROTOCOL_VERSION,),
    ) -> None:
        """Draw all values of one run; ``resume`` is S("resume"), 64 bytes, and is not wiped."""
        super().__init__(resume, random_bytes, State.FRESH)
        self._kem: KemKeyPair = kem.from_seed(random_bytes(64))
        self._nonce = random_bytes(32)
        self._hello = Hello1(
            versions=versions,
            suites=(flights.SUITE,),
            commitment=flights.commitment_to(self._nonce),
            ek=self._kem.public,
            x=self._x.public,
        )

    def begin(self, now: float) -> None:
        """Queue F1; the answer must come within ten seconds."""
        self._rules.local(Step.BEGIN)
        self._deadline = now + limits.HANDSHAKE_MAX_S
        self._ada = flights.encode_hello1(self._hello)
        self._mac1 = psk_flights.caller_tag(self._psk, self._h0, self._ada)
        raw = psk_flights.encode_f1(self._ada, self._mac1)
        self._frames.put(encode_peer(PeerType.FLIGHT, raw))

    def receive(self, data: PeerFrame, now: float) -> None:  # noqa: ARG002 - one of the five doors
        """Take F2 or an abort.

        Raises: WrongCode on a false T_r; PeerVersion; PeerGone; TimedOut; RemoteProtocolError.
        """
        # A responder that finds mac1 false is silent, so nobody honest says CONFIRM here.
        raw = self._flight(data, tested=False)
        self._rules.expect(Step.F2)
        with self._aborting():
            self._answer_f2(raw)

    def _answer_f2(self, raw: bytes) -> None:
        adb, hello, t_r = psk_flights.decode_f2(raw, self._hello)
        try:
            shared_kem = self._kem.decapsulate(hello.ct)
            shared_x = self._x.exchange(hello.x)
        except CryptoError:
            raise RemoteProtocolError("The other side sent an invalid key.") from None
        th = flights.transcript(self._h0, self._ada, self._mac1, adb)
        prk = self._root_secret(shared_kem, shared_x)
        if not same(flights.creator_tag(prk, th), t_r):
            self._abort(AbortReason.CONFIRM)
            raise self._false_proof()
        t_i = flights.joiner_tag(prk, th, t_r, self._nonce)
        self._frames.put(encode_peer(PeerType.FLIGHT, lv(self._nonce, t_i)))
        self._rules.remote(Step.F2)
        self._finish(prk, th, t_r, self._nonce, t_i)

    def _erase(self) -> None:
        super()._erase()
        del self._kem


class PskResponder(_PskRun):
    """The first session's responder: silent until a true F1, then F2, then T_i checked."""

    def __init__(
        self,
        resume: SecretBytes,
        random_bytes: RandomBytes,
        kem: KemProvider,
        answered: AnsweredFlights,
    ) -> None:
        """Draw all values of one run; ``resume`` is S("resume"), 64 bytes, and is not wiped."""
        super().__init__(resume, random_bytes, State.WAITING_F1)
        self._kem = kem
        self._answered = answered
        self._nonce = random_bytes(32)
        self._prk = b""

    def wait(self, now: float) -> None:
        """Start the clock: whoever has not proven itself in ten seconds is given up."""
        self._deadline = now + limits.HANDSHAKE_MAX_S

    def receive(self, data: PeerFrame, now: float) -> None:
        """Take F1, F3 or an abort; before a true F1 everything else is ignored.

        Raises: WrongCode if T_i is false or the initiator says that our T_r was; PeerVersion;
        PeerGone; TimedOut; RemoteProtocolError.
        """
        if self.state is State.WAITING_F1:
            if data.kind is PeerType.FLIGHT:
                self._read_f1(bytes(data.body), now)
            return
        raw = self._flight(data, tested=self.state is State.SENT_F2)
        self._rules.expect(Step.F3)
        with self._aborting():
            nonce, t_i = flights.decode_m3(raw)
        self._read_f3(nonce, t_i)

    def _read_f1(self, raw: bytes, now: float) -> None:
        try:
            ada, mac1 = psk_flights.decode_f1(raw)
        except RemoteProtocolError:
            return  # who holds no psk gets no answer, not even that this is no flight
        if not same(psk_flights.caller_tag(self._psk, self._h0, ada), mac1):
            return
        with self._aborting():
            hello = flights.decode_hello1(ada)
            if hello.commitment in self._answered:
                return
            self._answered.add(hello.commitment)
            self._answer_f1(ada, mac1, hello)
        self._rules.remote(Step.F1)
        self._deadline = now + limits.HANDSHAKE_MAX_S

    def _answer_f1(self, ada: bytes, mac1: bytes, hello: Hello1) -> None:
        try:
            shared_kem, ct = self._kem.encapsulate(hello.ek)
            shared_x = self._x.exchange(hello.x)
        except CryptoError:
            raise RemoteProtocolError("The other side sent an invalid key.") from None
        adb = flights.encode_hello2(
            Hello2(flights.PROTOCOL_VERSION, flights.SUITE, self._nonce, ct, self._x.public)
        )
        self._th = flights.transcript(self._h0, ada, mac1, adb)
        self._prk = self._root_secret(shared_kem, shared_x)
        self._t_r = flights.creator_tag(self._prk, self._th)
        self._commitment = hello.commitment
        self._frames.put(encode_peer(PeerType.FLIGHT, psk_flights.encode_f2(adb, self._t_r)))

    def _read_f3(self, nonce: bytes, t_i: bytes) -> None:
        expected = flights.joiner_tag(self._prk, self._th, self._t_r, nonce)
        opened = same(flights.commitment_to(nonce), self._commitment)
        if not (same(expected, t_i) and opened):
            self._abort(AbortReason.CONFIRM)
            raise self._false_proof()
        self._rules.remote(Step.F3)
        self._finish(self._prk, self._th, self._t_r, nonce, t_i)

    def _abort(self, reason: AbortReason) -> None:
        if reason is AbortReason.TIMEOUT and self.state is State.WAITING_F1:
            self._fail()  # nobody has proven anything yet, so nobody is told
        else:
            super()._abort(reason)

    def _erase(self) -> None:
        super()._erase()
        self._prk = b""
