"""Whatever goes wrong together: both sides end, nothing false stands, nothing is left behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tallow.engine import events as e
from tests.fakes import SeededRng, virtual
from tests.world import faults
from tests.world.relay import Meddle
from tests.world.world import a_world, finished, make

SOME = SeededRng("bad days").bytes(4 << 20)
CONTENT = {"p/one": SOME[:700_000], "p/two": SOME[:10], "p/three": SOME, "p/empty": b""}

sides = st.integers(0, 1)
frames = st.integers(0, 14)
meddlers: st.SearchStrategy[Meddle] = st.one_of(
    st.builds(faults.altered, sides, frames, st.integers(-40, -1)),
    st.builds(faults.truncated, sides, frames, st.integers(1, 30)),
    st.builds(faults.dropped, sides, frames),
    st.builds(faults.doubled, sides, frames),
    st.builds(faults.delayed, sides, frames, st.floats(0.001, 40)),
    st.builds(faults.cut_at, sides, frames),
    st.builds(faults.cut_after_bytes, sides, st.integers(0, 5 << 20)),
    st.builds(faults.torn_after_bytes, sides, st.integers(3_000, 5 << 20)),
    st.builds(faults.silent_from, sides, frames),
)


@settings(max_examples=60)
@given(
    st.lists(meddlers, max_size=3),
    st.booleans(),
    st.lists(st.tuples(st.booleans(), st.floats(0, 0.4)), max_size=2),
)
def test_nothing_false_ever_stands(
    meddling: list[Meddle], last_first: bool, cancels: list[tuple[bool, float]]
) -> None:
    """X25: under any faults and cancels a final name means the whole file, and "done" all of it."""

    @virtual
    async def world_of(folder: Path) -> None:
        async with a_world(folder) as world:
            alice = await world.person("alice")
            bob = await world.person("bob", last_first=last_first)
            bob.says_yes()
            alice.workers.takes_s = lambda job: 0.05 if job.name == "seal" else 0.0
            make(alice.folder, CONTENT)
            sending, getting = await world.send(alice, bob, alice.folder / "p")
            world.relay.meddling.extend(meddling)
            for of_sender, later_s in cancels:
                await bob.sleep(later_s)
                person, ticket = (alice, sending) if of_sender else (bob, getting)
                person.cancel(ticket)
            received = await bob.final(getting)
            if alice.is_waiting(sending):
                alice.cancel(sending)
            sent = await alice.final(sending)
            expected: dict[str, bytes | None] = {"p": None, **CONTENT}
            left = finished(bob.folder / "in")
            assert left.items() <= expected.items()
            for final in (received, sent):
                if isinstance(final, e.TransferDone):
                    assert left == expected
                else:
                    assert final.exit_code in (3, 4, 5, 6, 7, 130)
                    assert final.message
            if isinstance(received, e.TransferError) and not received.resumable:
                assert not list((bob.folder / "in").rglob(".tallow-*"))
            assert bob.clock.now() - 1000 < 800

    with tempfile.TemporaryDirectory() as folder:
        world_of(Path(folder))
