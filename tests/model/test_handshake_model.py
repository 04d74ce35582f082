"""Every state of the code handshake within five hostile steps, with the real machines.

A joiner, a creator and an adversary who holds the flights of this run and of another one. At each
step it gives one of them one message, lets the creator store its counter, or lets time pass. A
state is known by what each side took and said; machines cannot be copied, so each is made anew
by repeating its steps. What this does and does not check stands in docs/model/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import pytest

from tallow.crypto.kdf import same
from tallow.errors import LocalProtocolError, RemoteProtocolError, TallowError, WrongCode
from tallow.protocol.flights import SessionSecrets
from tallow.protocol.handshake import AttemptCounted, Confirmed, Initiator, Responder, State
from tallow.wire import limits
from tallow.wire.frames import PeerType, RecordHeader, decode_peer, encode_peer, encode_record
from tests.pair.meeting import Flight, Meeting, Run, context, new_creator, new_joiner

STEPS_MOST = 5
OTHER_WORDS = "zebra-zero-zone"
FLIGHTS: tuple[Flight, ...] = ("M1", "M2", "M3")
TERMINAL = (State.CONFIRMED, State.FAILED)
Who = Literal["joiner", "creator"]
Letter = tuple[Who, str]
"""Whom the adversary turns to, and what it gives it: "this M1", "abort 1", "time", "store"…"""
Words = Literal["same words", "other words"]


@cache
def other_run(flight: Flight) -> bytes:
    """Return a flight of a finished run of two others with the same words."""
    return Meeting(new_joiner(seed=31), new_creator(seed=32)).run().flight(flight)


def altered(body: bytes) -> bytes:
    """Return a flight with a bit of its last tag or key changed."""
    return body[:-1] + bytes([body[-1] ^ 1])


@dataclass
class Side:
    """One machine, all that it said, and what came of it."""

    run: Run
    took: list[str] = field(default_factory=list)
    """What it did not refuse."""
    said: list[str] = field(default_factory=list)
    flights: dict[Flight, bytes] = field(default_factory=dict)
    secrets: list[SessionSecrets] = field(default_factory=list)
    counted: int = 0
    stored: bool = False
    to_store: bool = False
    errors: list[str] = field(default_factory=list)

    @property
    def key(self) -> tuple[object, ...]:
        """What tells this side's state from another."""
        waits = self.run.next_deadline() is not None
        took, said = tuple(self.took), tuple(self.said)
        return self.run.state, took, said, self.counted, self.to_store, waits


class Play:
    """A run of both machines under a list of hostile steps."""

    def __init__(self, words: Words, steps: tuple[Letter, ...]) -> None:
        """Begin, and do these steps one after the other."""
        code = context() if words == "same words" else context(OTHER_WORDS)
        self.now = 100.0
        joiner, creator = new_joiner(), new_creator(code)
        creator.wait(self.now)
        joiner.begin(self.now)
        self.joiner, self.creator = Side(joiner), Side(creator)
        self._listen(self.joiner)
        for step in steps:
            self.do(step)

    @property
    def key(self) -> tuple[object, ...]:
        """What tells this state from another."""
        return self.joiner.key, self.creator.key

    def side(self, who: Who) -> Side:
        """Return a side by its role."""
        return self.joiner if who == "joiner" else self.creator

    def letters(self) -> Iterator[Letter]:
        """Yield every step that the adversary can take now."""
        known = self.joiner.flights | self.creator.flights
        sides: tuple[Who, ...] = ("joiner", "creator")
        for who in sides:
            yield from ((who, f"{kind} {name}") for kind in ("this", "altered") for name in known)
            yield from ((who, f"other {name}") for name in FLIGHTS)
            yield from ((who, f"abort {reason}") for reason in range(6))
            yield from ((who, what) for what in ("record", "bulk", "nothing", "time"))
        if self.creator.to_store:
            yield "creator", "store"

    def do(self, step: Letter) -> None:
        """Take one step; only a TallowError may end a side, and what ended stays as it is."""
        who, what = step
        side = self.side(who)
        before = side.run.state
        guessed = False
        try:
            self._act(side, what)
        except TallowError as error:
            assert not isinstance(error, LocalProtocolError), "a mistake of our own"
            side.errors.append(type(error).__name__)
            assert side.run.state in TERMINAL
            guessed = isinstance(error, WrongCode) and not what.startswith("abort")
        else:
            side.took.append(what)
        self._listen(side)
        assert side.counted or not guessed, "a tag was tested and not counted"
        if before in TERMINAL:
            assert side.run.state is before, "the end was not the end"

    def _act(self, side: Side, what: str) -> None:
        if what == "time":
            deadline = side.run.next_deadline()
            self.now = max(self.now, deadline or self.now)
            side.run.on_deadline(self.now)
            # Time that nobody waits for changes nothing.
            raise RemoteProtocolError if side.run.state in TERMINAL else AssertionError
        if what == "store":
            assert isinstance(side.run, Responder)
            side.stored, side.to_store = True, False
            if side.run.state is State.STORING:
                side.run.attempt_stored()
            else:
                raise RemoteProtocolError
            return
        side.run.receive(decode_peer(self._frame(what)), self.now)

    def _frame(self, what: str) -> bytes:
        kind, _, name = what.partition(" ")
        match kind:
            case "record":
                return encode_record(RecordHeader(PeerType.RECORD, 0, 0, 0), bytes(48))
            case "bulk":
                return encode_record(RecordHeader(PeerType.BULK, 1, 0, 0), bytes(48))
            case "nothing":
                return encode_peer(PeerType.FLIGHT, b"")
            case "abort":
                return encode_peer(PeerType.ABORT, bytes([int(name)]))
        flight = next(each for each in FLIGHTS if each == name)
        if kind == "other":
            return encode_peer(PeerType.FLIGHT, other_run(flight))
        body = (self.joiner.flights | self.creator.flights)[flight]
        return encode_peer(PeerType.FLIGHT, body if kind == "this" else altered(body))

    def _listen(self, side: Side) -> None:
        """Note what a side said and what happened to it."""
        for raw in side.run.bytes_to_send():
            frame = decode_peer(raw)
            assert frame.kind in (PeerType.FLIGHT, PeerType.ABORT), "no key material"
            assert side.said[-1:] != ["ABORT"], "something was said after the end"
            if frame.kind is PeerType.ABORT:
                side.said.append("ABORT")
                continue
            name = self._name(side)
            assert name not in side.flights, "a flight was made twice"
            assert name != "M2" or side.stored, "M2 left before its run was stored"
            side.flights[name] = bytes(frame.body)
            side.said.append(name)
        while (event := side.run.next_event()) is not None:
            if isinstance(event, AttemptCounted):
                side.counted += 1
                side.to_store = isinstance(side.run, Responder)
            elif isinstance(event, Confirmed):
                side.secrets.append(event.secrets)

    def _name(self, side: Side) -> Flight:
        if isinstance(side.run, Initiator):
            return "M3" if "M1" in side.flights else "M1"
        return "M2"

    # --- what must hold in every state --------------------------------------------------------

    def check(self, words: Words) -> None:
        """Check every invariant."""
        joiner, creator = self.joiner, self.creator
        for side in (joiner, creator):
            assert side.counted <= 1, "one run was counted twice"
            assert len(side.secrets) <= 1, "a second confirmation"
            confirmed = side.run.state is State.CONFIRMED
            assert confirmed == bool(side.secrets)
            assert not side.secrets or side.counted == 1
            if side.run.state in TERMINAL:
                assert side.run.next_deadline() is None
            else:
                assert side.run.next_deadline() is not None, "a side that waits for ever"
        if joiner.secrets:
            assert words == "same words"
            assert joiner.took[0] == "this M2"
            assert creator.took[:2] == ["this M1", "store"]
        if creator.secrets:
            assert joiner.secrets, "the creator confirmed with nobody"
            assert creator.took == ["this M1", "store", "this M3"]
            ours, theirs = joiner.secrets[0], creator.secrets[0]
            assert same(ours.th2, theirs.th2)
            assert ours.exporter.same_as(theirs.exporter)

    def let_time_pass(self) -> None:
        """Fire both deadlines; afterwards nobody waits."""
        for side in (self.joiner, self.creator):
            deadline = side.run.next_deadline()
            if deadline is not None:
                assert deadline <= self.now + limits.HANDSHAKE_MAX_S
                with pytest.raises(TallowError):
                    side.run.on_deadline(deadline)
            assert side.run.state in TERMINAL


@dataclass
class Explored:
    """What a search found."""

    states: int = 0
    steps: int = 0
    closed: bool = False
    """Nothing new was left to reach: more steps would find no further state."""
    ends: set[tuple[State, State]] = field(default_factory=set)


@cache
def explored(words: Words) -> Explored:
    """Visit every state within the steps allowed, checking each."""
    found = Explored()
    seen = {Play(words, ()).key}
    frontier: list[tuple[Letter, ...]] = [()]
    for _ in range(STEPS_MOST + 1):
        following: list[tuple[Letter, ...]] = []
        for path in frontier:
            found.states += 1
            here = Play(words, path)
            here.check(words)
            found.ends.add((here.joiner.run.state, here.creator.run.state))
            letters = list(here.letters())
            here.let_time_pass()
            here.check(words)
            for letter in letters:
                found.steps += 1
                there = Play(words, (*path, letter))
                there.check(words)
                if there.key not in seen:
                    seen.add(there.key)
                    following.append((*path, letter))
        frontier = following
    # The states that five steps reach were expanded, too: a sixth step leads to none that is new.
    found.closed = not frontier
    return found


def test_no_adversary_breaks_the_handshake_in_five_steps() -> None:
    """A2, X07, X08: whatever arrives in whatever order, one side's confirmation means that the
    other made the same transcript or never confirms; nothing but flights and aborts leaves before;
    one run counts once; nobody confirms twice; everybody ends by the deadline."""
    found = explored("same words")
    assert found.closed
    assert found.states > 50
    assert found.steps > 1000
    assert (State.CONFIRMED, State.CONFIRMED) in found.ends
    assert (State.CONFIRMED, State.FAILED) in found.ends
    assert (State.FAILED, State.CONFIRMED) not in found.ends


def test_no_adversary_lets_other_words_confirm() -> None:
    """A2, X26: between two who do not share the words no order of anything confirms either."""
    found = explored("other words")
    assert found.closed
    assert found.states > 20
    assert not any(State.CONFIRMED in ends for ends in found.ends)


def test_the_honest_order_is_one_of_the_paths() -> None:
    """The check is not won by refusing everything: four steps lead both to the same secrets."""
    honest: tuple[Letter, ...] = (
        ("creator", "this M1"),
        ("creator", "store"),
        ("joiner", "this M2"),
        ("creator", "this M3"),
    )
    play = Play("same words", honest)
    play.check("same words")
    assert play.joiner.run.state is play.creator.run.state is State.CONFIRMED


def test_the_check_notices_a_counter_that_is_not_stored() -> None:
    """The invariant about stored counters can fail: a shell that stores nothing breaks it."""
    play = Play("same words", (("creator", "this M1"),))
    run = play.creator.run
    assert isinstance(run, Responder)
    run.attempt_stored()
    with pytest.raises(AssertionError, match="before its run was stored"):
        play._listen(play.creator)
