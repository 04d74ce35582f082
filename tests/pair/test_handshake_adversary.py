"""Any number of honest runs and a relay that gives every flight to whomever it likes.

Runs of two different codes, replays, splices of fields between runs, damage. Whatever it does: a
side that confirms shares its secrets with exactly one other side, which used the same words and
saw the same flights; nobody confirms twice; nothing but a TallowError ends a run.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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

from tallow.errors import TallowError
from tallow.protocol.flights import SessionSecrets
from tallow.protocol.handshake import (
    AttemptCounted,
    Confirmed,
    Initiator,
    OwnFlights,
    Responder,
    State,
)
from tallow.wire.frames import PeerType, decode_peer, encode_peer
from tests.pair import faults
from tests.pair.meeting import Flight, Run, context, new_creator, new_joiner

WORDS = ("abandon-ability-able", "zebra-zero-zone")
MOST = 8
picks = st.integers(0, 1000)


@dataclass(eq=False)
class Party:
    """One honest run and all that it said and took."""

    run: Run
    words: str
    said: dict[Flight, bytes] = field(default_factory=dict)
    took: dict[Flight, bytes] = field(default_factory=dict)
    secrets: SessionSecrets | None = None
    confirmations: int = 0
    counted: int = 0

    @property
    def joins(self) -> bool:
        """True for a joiner."""
        return isinstance(self.run, Initiator)

    def take(self, body: bytes, kind: PeerType = PeerType.FLIGHT) -> list[tuple[Flight, bytes]]:
        """Feed a frame; return the flights that it called forth."""
        awaited: Flight = "M2" if self.joins else "M1" if "M1" not in self.took else "M3"
        before = self.run.state
        try:
            self.run.receive(decode_peer(encode_peer(kind, body)), 1)
        except TallowError:
            pass
        else:
            self.took[awaited] = body
        while (event := self.run.next_event()) is not None:
            if isinstance(event, AttemptCounted):
                self.counted += 1
                if isinstance(self.run, Responder) and self.run.state is State.STORING:
                    self.run.attempt_stored()
            elif isinstance(event, Confirmed):
                self.secrets = event.secrets
                self.confirmations += 1
        assert before not in (State.CONFIRMED, State.FAILED) or self.run.state is before
        return self.speak()

    def speak(self) -> list[tuple[Flight, bytes]]:
        """Return the flights that this run has ready."""
        made: list[tuple[Flight, bytes]] = []
        for frame in self.run.bytes_to_send():
            if frame[4] == PeerType.FLIGHT:
                name: Flight = "M2" if not self.joins else "M3" if "M1" in self.said else "M1"
                assert name not in self.said, "a flight was made twice"
                self.said[name] = frame[5:]
                made.append((name, frame[5:]))
        return made


class Adversary(RuleBasedStateMachine):
    """The relay's choices are the rules."""

    @initialize()
    def begin(self) -> None:
        """Start with nobody, in one process that remembers its own flights."""
        self.parties: list[Party] = []
        self.flights: list[tuple[Flight, bytes]] = []
        self.own = OwnFlights()

    @precondition(lambda self: len(self.parties) < MOST)
    @rule(words=st.sampled_from(WORDS))
    def join(self, words: str) -> None:
        """Let somebody join with a code."""
        run = new_joiner(context(words), seed=len(self.parties), own=self.own)
        run.begin(0)
        party = Party(run, words)
        self.parties.append(party)
        self.flights += party.speak()

    @precondition(lambda self: len(self.parties) < MOST)
    @rule(words=st.sampled_from(WORDS))
    def create(self, words: str) -> None:
        """Let somebody wait under a code."""
        # A creator in another process: it has made no flight that could come back to it.
        run = new_creator(context(words), seed=len(self.parties))
        run.wait(0)
        self.parties.append(Party(run, words))

    @precondition(lambda self: len(self.parties) < MOST)
    @rule(words=st.sampled_from(WORDS))
    def introduce(self, words: str) -> None:
        """Let two who share a code find each other: M1 arrives, M2 is in the relay's hands."""
        self.join(words)
        self.create(words)
        self._give(-1, self.parties[-2].said["M1"])

    @rule(who=picks, what=picks)
    def deliver(self, who: int, what: int) -> None:
        """Give any flight that was ever made to anybody."""
        if self.parties and self.flights:
            self._give(who, self.flights[what % len(self.flights)][1])

    @rule(who=picks)
    def forward(self, who: int) -> None:
        """Give somebody who waits what an honest relay would: the answer to its last flight."""
        waiting = [
            each for each in self.parties if each.run.state in (State.SENT_M1, State.SENT_M2)
        ]
        if not waiting:
            return
        party = waiting[who % len(waiting)]
        for other in self.parties:
            if party.joins and other.took.get("M1") == party.said["M1"] and "M2" in other.said:
                self._give(self.parties.index(party), other.said["M2"])
                return
            if not party.joins and other.took.get("M2") == party.said["M2"]:
                self._give(self.parties.index(party), other.said["M3"])
                return

    @rule(who=picks, what=picks, at=picks, bit=st.integers(0, 7))
    def damage(self, who: int, what: int, at: int, bit: int) -> None:
        """Give somebody a flight with one bit changed."""
        if self.parties and self.flights:
            body = bytearray(self.flights[what % len(self.flights)][1])
            body[at % len(body)] ^= 1 << bit
            self._give(who, bytes(body))

    @rule(who=picks, what=picks, other=picks, place=picks)
    def splice(self, who: int, what: int, other: int, place: int) -> None:
        """Give somebody a flight with one field from another of its kind."""
        if not (self.parties and self.flights):
            return
        name, body = self.flights[what % len(self.flights)]
        same = [each for flight, each in self.flights if flight == name]
        donor = same[other % len(same)]
        fields = [each for each in faults.layout(name) if each.name != "length"]
        found = fields[place % len(fields)]
        self._give(who, body[: found.start] + donor[found.start : found.end] + body[found.end :])

    @rule(who=picks, body=st.binary(max_size=3), kind=st.sampled_from(list(PeerType)[:2]))
    def shout(self, who: int, body: bytes, kind: PeerType) -> None:
        """Give somebody a flight or an abort of the relay's own making."""
        if self.parties:
            self.parties[who % len(self.parties)].take(body, kind)

    def _give(self, who: int, body: bytes) -> None:
        self.flights += self.parties[who % len(self.parties)].take(body)

    # --- what must hold -----------------------------------------------------------------------

    @invariant()
    def confirmation_is_agreement(self) -> None:
        """Who confirmed has one partner with the same words, the same flights, the same secrets."""
        for party in self.parties:
            assert party.confirmations <= 1
            if party.secrets is None:
                continue
            if party.joins:
                partners = [
                    each
                    for each in self.parties
                    if not each.joins
                    and each.said.get("M2") == party.took["M2"]
                    and each.took.get("M1") == party.said["M1"]
                ]
            else:
                partners = [
                    each
                    for each in self.parties
                    if each.joins
                    and each.said.get("M3") == party.took["M3"]
                    and each.took.get("M2") == party.said["M2"]
                    and each.said["M1"] == party.took["M1"]
                ]
            assert [each.words for each in partners] == [party.words]
            theirs = partners[0].secrets
            assert theirs is None or theirs.exporter.same_as(party.secrets.exporter)

    @invariant()
    def secrets_are_shared_by_two_at_most(self) -> None:
        """No exporter is known to two joiners or two creators."""
        for role in (True, False):
            seen = [
                bytes(party.secrets.exporter.view())
                for party in self.parties
                if party.secrets is not None and party.joins is role
            ]
            assert len(set(seen)) == len(seen)

    @invariant()
    def every_tested_reply_was_counted(self) -> None:
        """A creator that made M2 counted exactly one run for it, before it left."""
        for party in self.parties:
            if not party.joins:
                assert party.counted == ("M2" in party.said)


def test_no_relay_gets_between_two_who_share_a_code() -> None:
    """A2, A3, X07, X08: replayed, spliced, damaged and misdelivered flights of many runs with two
    codes: agreement one to one, or a known error.
    """
    run_state_machine_as_test(
        Adversary, settings=settings(max_examples=750, stateful_step_count=50)
    )


def test_the_relay_above_can_let_them_agree() -> None:
    """The adversary is not won by refusing everything: an honest relay's choices confirm."""
    machine = Adversary()
    machine.begin()
    machine.introduce(WORDS[0])
    for _ in range(2):
        machine.forward(0)
        machine.confirmation_is_agreement()
    assert [party.confirmations for party in machine.parties] == [1, 1]
