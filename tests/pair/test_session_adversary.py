"""Two sessions and a relay that does whatever it likes with their frames, short of giving none.

Whatever it does, each side hears exactly what the other said, once and in order; no key seals a
number twice; and when the relay tires of it both sides close cleanly.
"""

from __future__ import annotations

from contextlib import ExitStack

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tallow.protocol.bulk import BulkKeys, BulkSendChannel
from tallow.protocol.chain import ChainLimits
from tallow.protocol.messages import Text
from tallow.protocol.session import Role, State
from tallow.wire.frames import PeerType, RecordHeader, encode_peer, encode_record
from tests.pair.sessions import Side, Two, damaged, forged
from tests.pair.spy import watched_seals

SIDES: tuple[Role, ...] = ("initiator", "responder")
sides = st.sampled_from(SIDES)
picks = st.integers(0, 10_000)
NOW = 5.0


def other(role: Role) -> Role:
    """Return the opposite role."""
    return "responder" if role == "initiator" else "initiator"


class Adversary(RuleBasedStateMachine):
    """The relay's choices are the rules."""

    @initialize()
    def meet(self) -> None:
        """Greet, and open a bulk channel each way, all under tiny limits."""
        self.watch = ExitStack()
        self.seals = self.watch.enter_context(watched_seals())
        self.two = Two(limit=ChainLimits(records=3)).greet()
        self.stranger = Two(seed=99).greet()
        self.said: dict[Role, list[str]] = {role: [] for role in SIDES}
        self.packed: dict[Role, dict[int, bytes]] = {role: {} for role in SIDES}
        self.lost: dict[Role, list[bytes]] = {role: [] for role in SIDES}
        self.channels: dict[Role, BulkSendChannel] = {}
        for role in SIDES:
            ts = role.encode().ljust(32)
            made = [BulkKeys(bytes(32), ts, bytes(16), 1, bytes(64), epoch_shift=1) for _ in SIDES]
            self.channels[role] = self.two.of(role).session.open_bulk_send(made[0])
            peer = self.two.of(other(role)).session
            peer.open_bulk_recv(self.channels[role].channel, made[1])

    # --- what the two sides do ----------------------------------------------------------------

    @rule(role=sides, count=st.integers(1, 5))
    def say(self, role: Role, count: int) -> None:
        """Let a side say something; it stays in the relay's hands."""
        for _ in range(count):
            text = f"{role} {len(self.said[role])}"
            self.said[role].append(text)
            self.two.of(role).say(Text(text), NOW)

    @rule(role=sides, count=st.integers(1, 5))
    def pack(self, role: Role, count: int) -> None:
        """Let a side send bulk records."""
        for _ in range(count):
            reserved = self.channels[role].reserve()
            number = reserved.header.number
            body = f"{role} bulk {number}".encode()
            self.packed[role][number] = body
            frame = encode_record(reserved.header, reserved.key.seal(number, reserved.ad, body))
            self.two.of(role).ready.append(frame)
            self.two.of(role).sent.append(frame)

    # --- what the relay does ------------------------------------------------------------------

    @rule(role=sides, pick=picks)
    def deliver(self, role: Role, pick: int) -> None:
        """Deliver any frame that waits, out of order."""
        waiting = self.two.of(role).take()
        if waiting:
            self._give(other(role), waiting.pop(pick % len(waiting)))

    @rule(role=sides)
    def deliver_all(self, role: Role) -> None:
        """Deliver what waits, in order."""
        waiting = self.two.of(role).take()
        while waiting:
            self._give(other(role), waiting.pop(0))

    @rule(role=sides, pick=picks)
    def repeat(self, role: Role, pick: int) -> None:
        """Deliver a copy of anything that was ever sent."""
        sent = self.two.of(role).sent
        if sent:
            self._give(other(role), sent[pick % len(sent)])

    @rule(role=sides, pick=picks)
    def lose(self, role: Role, pick: int) -> None:
        """Lose a frame with its connection."""
        waiting = self.two.of(role).take()
        if waiting:
            self.lost[role].append(waiting.pop(pick % len(waiting)))

    @rule(role=sides)
    def reconnect(self, role: Role) -> None:
        """Let a side send again, byte for byte, what was lost."""
        self.two.of(role).ready += self.lost[role]
        self.lost[role] = []

    @rule(role=sides, pick=picks, at=st.integers(4, 200))
    def damage(self, role: Role, pick: int, at: int) -> None:
        """Deliver a copy with one bit changed anywhere behind the length."""
        sent = self.two.of(role).sent
        frame = sent[pick % len(sent)]
        if (at := at % len(frame)) >= 5:
            self._give(other(role), damaged(frame, at))

    @rule(
        role=sides,
        pick=picks,
        channel=st.sampled_from([0, 1, 2, 3, 65535]),
        epoch=st.sampled_from([0, 1, 2, 3, 0xFFFFFFFF]),
        number=st.integers(0, 12) | st.sampled_from([1 << 40, (1 << 64) - 1]),
    )
    def splice(self, role: Role, pick: int, channel: int, epoch: int, number: int) -> None:
        """Put true sealed bytes under another header, or made-up ones."""
        sent = self.two.of(role).sent
        frame = sent[pick % len(sent)]
        self._give(other(role), forged(frame, channel=channel, epoch=epoch, number=number))
        kind = PeerType.BULK if pick % 2 else PeerType.RECORD
        self._give(
            other(role), encode_record(RecordHeader(kind, channel, epoch, number), bytes(40))
        )

    @rule(role=sides, pick=picks)
    def reflect(self, role: Role, pick: int) -> None:
        """Give a side its own frame back."""
        sent = self.two.of(role).sent
        self._give(role, sent[pick % len(sent)])

    @rule(role=sides, body=st.binary(max_size=64))
    def shout(self, role: Role, body: bytes) -> None:
        """Write a flight, an abort, and a record of another session."""
        self._give(role, encode_peer(PeerType.FLIGHT, body))
        self._give(role, encode_peer(PeerType.ABORT, body))
        self._give(role, self.stranger.of(other(role)).sent[0])

    def _give(self, role: Role, frame: bytes) -> None:
        # No TallowError may pass: within its limits a session survives all of this.
        self.two.of(role).receive(frame, NOW)
        self.two.of(role).take()

    # --- what must hold -----------------------------------------------------------------------

    @invariant()
    def each_side_heard_a_beginning_of_what_was_said(self) -> None:
        """Nothing is altered, skipped, repeated or invented."""
        for role in SIDES:
            heard = self.two.of(other(role)).texts
            assert heard == self.said[role][: len(heard)]

    @invariant()
    def bulk_arrives_once_and_true(self) -> None:
        """Every bulk body is the one sent under its number, and comes once."""
        for role in SIDES:
            arrived = self.two.of(other(role)).bulk
            numbers = [number for _, number, _ in arrived]
            assert len(set(numbers)) == len(numbers)
            assert all(self.packed[role][number] == body for _, number, body in arrived)

    @invariant()
    def no_key_is_worn_out(self) -> None:
        """Three records a key on ordered channels, two on bulk ones."""
        assert max(self.seals.keys.values(), default=0) <= 3

    def teardown(self) -> None:
        """Let everything through at last: both sides have heard it all and close cleanly."""
        if not hasattr(self, "two"):
            return
        try:
            self._let_go()
        finally:
            self.watch.close()

    def _let_go(self) -> None:
        for role in SIDES:
            self.reconnect(role)
        self.two.carry(NOW)
        spoiled = {role: self.two.of(role).spoiled for role in SIDES}
        for role in SIDES:
            peer: Side = self.two.of(other(role))
            assert peer.texts == self.said[role]
            assert {number: body for _, number, body in peer.bulk} == self.packed[role]
            self.two.of(role).session.close(NOW)
        self.two.carry(NOW)
        for role in SIDES:
            assert self.two.of(role).closed
            assert self.two.of(role).session.state is State.CLOSED
            assert self.two.of(role).spoiled == spoiled[role]


def test_no_relay_gets_between_two_sessions() -> None:
    """A3, X07, X08, X25: dropped, reordered, repeated, forged, spliced, reflected: never a false
    word, never a pair of key and number twice, and a clean end once the relay lets go.
    """
    run_state_machine_as_test(
        Adversary, settings=settings(max_examples=700, stateful_step_count=60)
    )
