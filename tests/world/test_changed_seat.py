"""The joiner's seat changes while the creator's reply is on its way: nobody reads a stale reply."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import Receive, SendOptions, SendText
from tallow.wire.frames import LinkType
from tests.fakes import virtual
from tests.world.world import a_world

RIGHT = "7-violet-tugboat-8142-xylophone-marzipan"


@pytest.mark.parametrize("changes", [1, 2])
@virtual
async def test_a_reply_to_one_joiner_never_reaches_the_next(tmp_path: Path, changes: int) -> None:
    """A2: M2 is under way when its joiner leaves and another one sits down; that one completes.

    The stale reply would be a wrong code to it, and would burn the right one.
    """
    async with a_world(tmp_path) as world:
        alice, bob = await world.person("alice"), await world.person("bob")
        ticket = alice.submit(SendText("hi", SendOptions(code=RIGHT)))
        await alice.state_is("waiting", ticket)
        from_alice = world.relay.connections[0]
        from_alice.up.hold("test")
        for change in range(changes):
            hasty = await world.person(f"hasty {change}")
            came = hasty.submit(Receive(RIGHT))
            await alice.hears(e.PeerJoined, nth=change)
            await hasty.sleep(0.05)
            assert from_alice.counts[LinkType.DATA] == change + 1
            hasty.cancel(came)
            await hasty.fails(came)
            await alice.hears(e.CodeDropped, nth=change)
        getting = bob.submit(Receive(RIGHT))
        await bob.sleep(0.1)
        from_alice.up.let_go("test")
        await bob.done(getting)
        await alice.done(ticket)
        assert not alice.all(e.CodeGuessed)
