"""A whole transfer between two sessions, and a relay that does whatever it likes with the frames.

Keys change every three records, bulk epochs every two, records are small, and credit runs out. In
half of the games the relay lets everything through at last, and then all files are there; in the
other half something stays lost, and then somebody ends it in time. Neither ever holds a false byte.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tallow.errors import PeerGone, RecordLost, TallowError, TimedOut
from tallow.protocol.bulk import BulkKeys, BulkSendChannel, Reserved
from tallow.protocol.chain import ChainLimits
from tallow.protocol.messages import Control, Text
from tallow.protocol.session import Role, Session
from tallow.protocol.transfer.receiver import Receiver
from tallow.protocol.transfer.sender import Sender
from tallow.wire import limits
from tallow.wire.frames import PeerType, RecordHeader, decode_peer, encode_peer, encode_record
from tests.pair.lane import Item, folder
from tests.pair.paths import Arriving
from tests.pair.sessions import Side, Two, damaged, forged
from tests.pair.spy import watched_seals
from tests.pair.transfer import Transfer, done

KIB = limits.KIB
RECORD_BYTES = 64 * KIB
"""Leaf bytes in a record here: sixteen times more records than on the road."""
WINDOW_BYTES = 2 * limits.MIB
_chance = random.Random(3)
ITEMS = [
    Item("big", _chance.randbytes(2200 * KIB)),
    folder("d"),
    *(Item(f"d/{n}", _chance.randbytes(n * 900)) for n in range(12)),
    Item("edge", _chance.randbytes(64 * KIB)),
]
CONTENT = {item.path: item.content for item in ITEMS if item.kind != 1}
roles: st.SearchStrategy[Role] = st.sampled_from(["initiator", "responder"])
picks = st.integers(0, 10_000)


def other(role: Role) -> Role:
    """Return the opposite role."""
    return "responder" if role == "initiator" else "initiator"


class RelayedPath:
    """A path between two sessions on which every frame waits for the relay's word."""

    def __init__(self) -> None:
        """Greet both ways; the sender is the initiator."""
        self.two = Two(limit=ChainLimits(records=3)).greet()
        self.hands: dict[Role, deque[bytes]] = {"initiator": deque(), "responder": deque()}
        """What a side sent and the relay holds."""
        self.arrived: dict[Role, deque[Arriving]] = {"initiator": deque(), "responder": deque()}
        """What opened at a side and its transfer machine has not seen yet."""

    def open_send(self, keys: BulkKeys) -> BulkSendChannel:
        """Open a bulk channel with tiny epochs."""
        keys._shift = 1
        return self.two.i.session.open_bulk_send(keys)

    def open_recv(self, channel: int, keys: BulkKeys) -> None:
        """Accept it with the same epochs."""
        keys._shift = 1
        self.two.r.session.open_bulk_recv(channel, keys)

    def to_receiver(self, message: Control) -> None:
        """Seal a message into the relay's hands."""
        self.two.i.say(message)

    def to_sender(self, message: Control) -> None:
        """Seal an answer into the relay's hands."""
        self.two.r.say(message)

    def bulk(self, reserved: Reserved, body: bytes) -> None:
        """Seal a record into the relay's hands."""
        sealed = reserved.key.seal(reserved.header.number, reserved.ad, body)
        frame = encode_record(reserved.header, sealed)
        self.two.i.ready.append(frame)
        self.two.i.sent.append(frame)

    def at_receiver(self) -> Iterator[Arriving]:
        """Yield what opened at the receiver."""
        return self._at("responder")

    def at_sender(self) -> Iterator[Arriving]:
        """Yield what opened at the sender."""
        return self._at("initiator")

    def _at(self, role: Role) -> Iterator[Arriving]:
        while self.arrived[role]:
            yield self.arrived[role].popleft()

    def collect(self) -> None:
        """Let the relay take what both sides have ready."""
        for role, side in self.sides():
            side.take()
            self.hands[role].extend(side.ready)
            side.ready = []

    def sides(self) -> list[tuple[Role, Side]]:
        """Return both sides."""
        return [("initiator", self.two.i), ("responder", self.two.r)]

    def deliver(self, role: Role, frame: bytes, now: float) -> None:
        """Give a side a frame; a bulk record that came before its START is for another time."""
        side = self.two.of(role)
        side.receive(frame, now)
        self.arrived[role].extend(side.got)
        self.arrived[role].extend((number, body) for _, number, body in side.bulk)
        side.got, side.bulk = [], []


class Exchange(Transfer):
    """A transfer that is turned by hand."""

    def turn(self) -> bool:
        """Let both machines do what they can now."""
        return self._turn()


class Adversary(RuleBasedStateMachine):
    """The relay's choices are the rules."""

    @initialize(honest_end=st.booleans())
    def meet(self, honest_end: bool) -> None:
        """Offer the items under tiny limits."""
        self.watch = ExitStack()
        self.seals = self.watch.enter_context(watched_seals())
        patch = self.watch.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(limits, "RECORD_LEAVES_MAX_BYTES", RECORD_BYTES)
        self.path = RelayedPath()
        self.stranger = Two(seed=99).greet()
        self.stranger.i.say(Text("from another session"))
        self.honest_end = honest_end
        self.lost: dict[Role, list[bytes]] = {"initiator": [], "responder": []}
        self.exchange = Exchange(ITEMS, self.path, window_bytes=WINDOW_BYTES, depth=2)
        self.exchange.offer_items()
        self._turn()

    def _turn(self) -> None:
        self.exchange.turn()
        self.path.collect()

    def _give(self, role: Role, frame: bytes) -> None:
        # START opens the channel of the bulk records behind it, so machines never lag behind.
        self.path.deliver(role, frame, self.exchange.now)
        self._turn()

    def _sent(self, role: Role) -> list[bytes]:
        return self.path.two.of(role).sent

    # --- what the relay does ------------------------------------------------------------------

    @rule(role=roles, count=st.integers(1, 12))
    def forward(self, role: Role, count: int) -> None:
        """Deliver the next frames in order."""
        for _ in range(count):
            self._pass_on(role)

    def _pass_on(self, role: Role) -> None:
        """Deliver the next frame; bulk whose START is lost goes down with its connection."""
        if self.path.hands[role]:
            frame = self.path.hands[role].popleft()
            if not self._opens(role, frame):
                self.lost[role].append(frame)
            self._give(other(role), frame)

    @rule(role=roles, pick=picks)
    def reorder(self, role: Role, pick: int) -> None:
        """Deliver any frame first, unless its channel is not open yet."""
        hands = self.path.hands[role]
        if hands:
            hands.rotate(-(pick % len(hands)))
            frame = hands.popleft()
            hands.rotate(pick % (len(hands) + 1))
            if self._opens(role, frame):
                self._give(other(role), frame)
            else:
                hands.append(frame)

    def _opens(self, role: Role, frame: bytes) -> bool:
        header = decode_peer(frame).header
        assert header is not None
        known = self.path.two.of(other(role)).session._bulk_recv
        return header.kind is PeerType.RECORD or header.channel in known

    @rule(role=roles, pick=picks)
    def repeat(self, role: Role, pick: int) -> None:
        """Deliver a copy of anything that was ever sent."""
        if self._sent(role):
            self._give(other(role), self._sent(role)[pick % len(self._sent(role))])

    @rule(role=roles, pick=picks)
    def lose(self, role: Role, pick: int) -> None:
        """Lose a frame with its connection."""
        hands = self.path.hands[role]
        if hands:
            frame = hands[pick % len(hands)]
            hands.remove(frame)
            self.lost[role].append(frame)

    @rule(role=roles)
    def reconnect(self, role: Role) -> None:
        """Cut the connection: what was on the way goes again, byte for byte, with what was lost."""
        if self.honest_end:
            self.path.hands[role].extend(self.lost[role])
            self.lost[role] = []

    @rule(role=roles, pick=picks, at=st.integers(5, 400))
    def damage(self, role: Role, pick: int, at: int) -> None:
        """Deliver a copy with one bit changed."""
        if self._sent(role):
            frame = self._sent(role)[pick % len(self._sent(role))]
            self._give(other(role), damaged(frame, max(5, at % len(frame))))

    @rule(
        role=roles,
        pick=picks,
        channel=st.sampled_from([0, 1, 2, 3]),
        epoch=st.integers(0, 4) | st.just(0xFFFFFFFF),
        number=st.integers(0, 20) | st.just((1 << 64) - 1),
    )
    def splice(self, role: Role, pick: int, channel: int, epoch: int, number: int) -> None:
        """Put true sealed bytes under another header, or made-up ones under any."""
        if self._sent(role):
            frame = self._sent(role)[pick % len(self._sent(role))]
            header = decode_peer(frame).header
            assert header is not None
            if (header.channel, header.epoch, header.number) != (channel, epoch, number):
                again = forged(frame, channel=channel, epoch=epoch, number=number)
                self._give(other(role), again)
        kind = PeerType.BULK if pick % 2 else PeerType.RECORD
        self._give(
            other(role), encode_record(RecordHeader(kind, channel, epoch, number), bytes(40))
        )

    @rule(role=roles, pick=picks)
    def reflect(self, role: Role, pick: int) -> None:
        """Give a side its own frame back."""
        if self._sent(role):
            self._give(role, self._sent(role)[pick % len(self._sent(role))])

    @rule(role=roles, body=st.binary(max_size=40))
    def shout(self, role: Role, body: bytes) -> None:
        """Write a flight, an abort, and records of another session."""
        self._give(role, encode_peer(PeerType.FLIGHT, body))
        self._give(role, encode_peer(PeerType.ABORT, body))
        for frame in self.stranger.of(other(role)).sent:
            self._give(role, frame)

    @precondition(lambda self: self.path.hands["initiator"])
    @rule()
    def hurry(self) -> None:
        """Deliver everything that waits, for a while, so that games get far."""
        for _ in range(40):
            for role, _ in self.path.sides():
                self._pass_on(role)

    # --- what must hold -----------------------------------------------------------------------

    @invariant()
    def no_false_byte_is_kept(self) -> None:
        """Every stored byte is the sender's, and every ready file is whole."""
        for number, ready in self.exchange.ready.items():
            assert ready.size == len(ITEMS[number].content)
        assert self.exchange.files.items() <= CONTENT.items()

    @invariant()
    def no_key_is_worn_out(self) -> None:
        """Three records a key on ordered channels, two on bulk ones; no number twice (the spy)."""
        assert max(self.seals.keys.values(), default=0) <= 3

    def teardown(self) -> None:
        """Let go, or keep what was lost: either way it ends."""
        if not hasattr(self, "exchange"):
            return
        try:
            if self.honest_end:
                for role, _ in self.path.sides():
                    self.reconnect(role)
            self._run_down()
            if self.honest_end or not any(self.lost.values()):
                assert done(self.exchange)
                assert self.exchange.files == CONTENT
            self.no_false_byte_is_kept()
        except (RecordLost, TimedOut, PeerGone):
            assert any(self.lost.values()), "ended although nothing was missing"
            self.no_false_byte_is_kept()
        finally:
            self.watch.close()

    def _run_down(self) -> None:
        """Deliver in order and fire deadlines until both are done or one gives up."""
        for _ in range(400):
            moved = False
            for role, _ in self.path.sides():
                while self.path.hands[role]:
                    moved = True
                    self._give(other(role), self._next(role))
            if done(self.exchange):
                return
            if not moved and not self.exchange.turn():
                self._let_time_pass()
            self.path.collect()
        raise AssertionError("it never ends")

    def _next(self, role: Role) -> bytes:
        """Return the next frame, ordered ones first if a bulk channel is not open yet."""
        hands = self.path.hands[role]
        for frame in hands:
            if self._opens(role, frame):
                hands.remove(frame)
                return frame
        # Its START is lost: the frame spoils a connection and is forgotten.
        return hands.popleft()

    def _let_time_pass(self) -> None:
        """Jump to the earliest deadline of anybody."""
        exchange, two = self.exchange, self.path.two
        machines: list[Sender | Receiver | Session] = [
            exchange.sender, exchange.receiver, two.i.session, two.r.session
        ]  # fmt: skip
        deadlines = [machine.next_deadline() for machine in machines]
        exchange.now = max(exchange.now, min(at for at in deadlines if at is not None))
        for machine, deadline in zip(machines, deadlines, strict=True):
            if deadline is not None and exchange.now >= deadline:
                machine.on_deadline(exchange.now)


def test_no_relay_gets_between_sender_and_receiver() -> None:
    """A3, X07, X08, X25: frames of a transfer dropped, delayed, reordered, repeated, damaged,
    spliced, reflected and taken from another session: no false byte is ever kept, no key seals a
    number twice, and it ends: complete once the relay lets go, in a clear error if it does not.
    """
    run_state_machine_as_test(
        Adversary, settings=settings(max_examples=650, stateful_step_count=30)
    )


def test_a_relay_that_drops_bulk_alone_is_given_up() -> None:
    """X13: both sides are alive and hear each other, but no record is ever stored: after ten
    minutes without the oldest one the sender ends it."""
    game = Adversary()
    game.meet(honest_end=False)
    with game.watch, pytest.raises(RecordLost):
        for _ in range(2000):
            for role, _ in game.path.sides():
                hands = game.path.hands[role]
                while hands:
                    frame = hands.popleft()
                    if decode_peer(frame).kind is PeerType.RECORD:
                        game._give(other(role), frame)
            game._let_time_pass()
            game._turn()
    assert game.exchange.now < 50 + 3 * limits.STALLED_S


@pytest.mark.parametrize("lossy", [False, True])
def test_the_game_can_end_both_ways(lossy: bool) -> None:
    """The adversary is not won by refusing everything: forwarding completes, losing does not."""
    game = Adversary()
    game.meet(honest_end=not lossy)
    game.forward("initiator", 2)
    game.lose("initiator", 0)
    error: TallowError | None = None
    try:
        if not lossy:
            game.reconnect("initiator")
        game._run_down()
    except TallowError as raised:
        error = raised
    assert (error is None) is not lossy
    assert done(game.exchange) is not lossy
    game.watch.close()
