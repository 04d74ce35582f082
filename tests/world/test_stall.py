"""A peer that answers pings and does nothing else is given up; a stream may rest."""

from __future__ import annotations

from pathlib import Path

from tests.fakes import virtual
from tests.world.world import a_world, make, tree


@virtual
async def test_a_transfer_in_which_nothing_moves_is_given_up(tmp_path: Path) -> None:
    """X10, X17: a sender that stays connected and sends nothing costs ten minutes, not for ever."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"file": bytes(100_000)})
        alice.workers.takes_s = lambda job: 3000.0 if job.name == "seal" else 0.0
        sending, receiving = await world.send(alice, bob, alice.folder / "file")
        received = await bob.fails(receiving)
        assert (received.code, received.exit_code) == ("timed-out", 5)
        assert (await alice.fails(sending)).exit_code in (5, 7)
        assert tree(bob.folder / "in") == {}


@virtual
async def test_a_slow_transfer_that_moves_is_not_given_up(tmp_path: Path) -> None:
    """Nine minutes for each record are slow, and nobody gives up."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"file": bytes(2_500_000)})
        alice.workers.takes_s = lambda job: 500.0 if job.name == "seal" else 0.0
        sending, receiving = await world.send(alice, bob, alice.folder / "file")
        await bob.done(receiving)
        await alice.done(sending)
        assert tree(bob.folder / "in") == {"file": bytes(2_500_000)}
