"""What arrives is written and its buffer given back; what is moot only gives its credit back."""

from __future__ import annotations

from pathlib import Path

from tallow.engine import events as e
from tallow.engine.commands import SendOptions
from tallow.protocol.transfer.jobs import StoreLeaves
from tallow.wire import limits
from tests.fakes import Job, SeededRng, virtual
from tests.world.lane import MemoryLane
from tests.world.world import a_world, finished, make, tree

MIB = limits.MIB
SOME = SeededRng("inflow").bytes(6 * MIB)
SLOW = SendOptions(throttle_bps=MIB, compress=False)


@virtual
async def test_every_buffer_goes_back_to_where_it_came_from(tmp_path: Path) -> None:
    """X25: a record of a lane is recycled to that lane, one of the link to the link."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"file": SOME})
        ticket, getting = await world.send(alice, bob, alice.folder / "file", options=SLOW)
        await alice.done(ticket)
        await bob.done(getting)
        assert tree(bob.folder / "in") == {"file": SOME}
        # The last one is in the hand of a link that was closed.
        ends = [end for pair in world.relay.lanes.standing for end in pair]
        assert sum(len(end.sent) for end in ends) > 20
        assert sum(len(end.lent) for end in ends) <= 1


@virtual
async def test_records_of_a_file_that_failed_meanwhile_are_let_go(tmp_path: Path) -> None:
    """C11: word of a failure overtakes what is on a slow lane; the other files arrive."""
    async with a_world(tmp_path) as world:

        def with_lane(one: MemoryLane, other: MemoryLane) -> None:
            one.out.latency_s = other.out.latency_s = 3.0

        world.relay.lanes.on_standing = with_lane
        alice, bob = await world.pair()
        folder = make(alice.folder, {"d/a": SOME, "d/b": SOME[::-1]})
        sealed: list[Job] = []

        def fail(job: Job) -> None:
            if job.name == "seal":
                sealed.append(job)
                if len(sealed) == 30:
                    (folder / "d/a").write_bytes(b"shorter")

        alice.workers.before = fail
        late: list[Job] = []

        def look(job: Job) -> None:
            stores = job.args[0] if job.name == "store" else None
            if isinstance(stores, StoreLeaves) and bob.all(e.TransferFile):
                late.append(job) if stores.file_no == 1 else None

        bob.workers.before = look
        ticket, getting = await world.send(alice, bob, alice.folder / "d", options=SLOW)
        sent, received = await alice.done(ticket), await bob.done(getting)
        assert (sent.failed, received.failed) == (1, 1)
        assert finished(bob.folder / "in") == {"d": None, "d/b": SOME[::-1]}
        assert [event.status for event in bob.all(e.TransferFile)] == ["failed"]
        assert not late, "something of a file that failed was written"
        assert any(end.sent for pair in world.relay.lanes.standing for end in pair)
