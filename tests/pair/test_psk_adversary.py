"""Many runs over one bad path: frames are lost, doubled, mixed up and given to whomever.

Whatever the path does: a side that confirms shares its secrets with exactly one run of the other
role, which holds the same resume secret; a responder never confirms without its initiator; nothing
but a TallowError ends a run; and when the path is honest again, the next run confirms.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.errors import TallowError
from tallow.protocol.flights import SessionSecrets
from tallow.protocol.handshake import Confirmed
from tallow.protocol.psk_handshake import AnsweredFlights, PskInitiator, State
from tallow.wire.frames import decode_peer
from tests.pair.reunion import (
    OTHER,
    RESUME,
    Flight,
    Reunion,
    Run,
    new_initiator,
    new_responder,
)

SECRETS = (RESUME, OTHER)


@dataclass(eq=False)
class Party:
    """One honest run, the pair of sides it belongs to, and what it ended with."""

    run: Run
    pair: int
    secrets: SessionSecrets | None = None
    confirmations: int = 0

    @property
    def begins(self) -> bool:
        """True for an initiator."""
        return isinstance(self.run, PskInitiator)

    def take(self, frame: bytes) -> list[bytes]:
        """Feed a frame; return what it called forth."""
        before = self.run.state
        try:
            self.run.receive(decode_peer(frame), 1)
        except TallowError:
            pass
        while isinstance(event := self.run.next_event(), Confirmed):
            self.secrets = event.secrets
            self.confirmations += 1
        assert before not in (State.CONFIRMED, State.FAILED) or self.run.state is before
        return self.run.bytes_to_send()

    def exporter(self) -> bytes:
        """Return the exporter and the transcript, which only one other run may share."""
        assert self.secrets is not None
        return bytes(self.secrets.exporter.view()) + self.secrets.th2


def parties(answered: list[AnsweredFlights]) -> list[Party]:
    """Return three runs of each role for each of two pairs of sides, all begun."""
    made = []
    for pair, resume in enumerate(SECRETS):
        for number in range(3):
            initiator = new_initiator(resume, seed=100 * pair + number)
            responder = new_responder(
                resume, seed=100 * pair + 50 + number, answered=answered[pair]
            )
            initiator.begin(0)
            responder.wait(0)
            made += [Party(initiator, pair), Party(responder, pair)]
    return made


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 11)), max_size=40))
@settings(max_examples=60)
def test_no_path_makes_two_strangers_agree(deliveries: list[tuple[int, int]]) -> None:
    """X07, X08: any frame to any run, any number of times: agreement is one to one or none."""
    answered = [AnsweredFlights(), AnsweredFlights()]
    everyone = parties(answered)
    frames = [frame for party in everyone for frame in party.run.bytes_to_send()]
    for frame, to in deliveries:
        frames += everyone[to].take(frames[frame % len(frames)])
    judge(everyone)
    for pair, resume in enumerate(SECRETS):
        late = new_responder(resume, seed=8, answered=answered[pair])
        assert Reunion(new_initiator(resume, seed=9), late).run().names == (
            "Confirmed",
            "Confirmed",
        )


def judge(everyone: list[Party]) -> None:
    """Hold every confirmed run against all others."""
    done = [party for party in everyone if party.secrets is not None]
    assert all(party.confirmations == 1 for party in done)
    by_role = Counter((party.begins, party.exporter()) for party in done)
    assert all(count == 1 for count in by_role.values())
    for party in done:
        twins = [each for each in done if each is not party and each.exporter() == party.exporter()]
        # An initiator is done at F2 and may wait for a responder that never gets its F3.
        assert len(twins) == 1 or (party.begins and not twins)
        assert all(twin.begins is not party.begins for twin in twins)
        assert all(twin.pair == party.pair for twin in twins)


fates = st.sampled_from(["pass", "pass", "pass", "lose", "double", "hold"])


class Path:
    """Carries each frame by a plan; what it holds back comes before a frame of a later run."""

    def __init__(self, plan: list[str], late: list[bytes]) -> None:
        self._fates = iter(plan)
        self._late = late
        self.held: list[bytes] = []

    def __call__(self, _name: Flight, frame: bytes) -> list[bytes]:
        """Return what arrives in a frame's place."""
        arriving = [self._late.pop()] if self._late else []
        fate = next(self._fates, "pass")
        if fate == "hold":
            self.held.append(frame)
        return arriving + [frame] * {"pass": 1, "double": 2}.get(fate, 0)


@given(st.lists(st.lists(fates, min_size=4, max_size=4), min_size=1, max_size=5))
@settings(max_examples=60)
def test_runs_over_a_lossy_path(runs: list[list[str]]) -> None:
    """A3, X07: frames lost, doubled and delayed into later runs: never a false agreement."""
    answered = AnsweredFlights()
    everyone: list[Party] = []
    late: list[bytes] = []
    for number, plan in enumerate([*runs, []]):
        initiator = new_initiator(seed=2 * number)
        responder = new_responder(seed=2 * number + 1, answered=answered)
        path = Path(plan, late)
        reunion = Reunion(initiator, responder, path).run()
        late = path.held
        for run, end in (
            (initiator, reunion.initiator_end),
            (responder, reunion.responder_end),
        ):
            assert not end.open
            everyone.append(Party(run, 0, end.secrets, int(end.secrets is not None)))
    judge(everyone)
    fresh = Reunion(new_initiator(seed=98), new_responder(seed=99, answered=answered)).run()
    assert fresh.names == ("Confirmed", "Confirmed")
