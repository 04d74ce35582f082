"""Programs of other versions: said on both sides, and no code is lost by it."""

from __future__ import annotations

from pathlib import Path

from tallow.engine import events as e
from tallow.engine.commands import Receive, SendOptions, SendText
from tests.fakes import virtual
from tests.world.stranger import Stranger
from tests.world.world import a_world

CODE = "7-violet-tugboat-8142-xylophone-marzipan"


@virtual
async def test_versions_that_do_not_meet(tmp_path: Path) -> None:
    """A3: another protocol version is said on both sides, and the creator waits on."""
    async with a_world(tmp_path) as world:
        alice = await world.person("alice")
        ticket = alice.submit(SendText("hi", SendOptions(code=CODE)))
        await alice.code(ticket)
        future, bob = await world.person("future"), await world.person("bob")
        stranger = Stranger(future)
        error = await stranger.fails_to_join(CODE, versions=(2, 3))
        assert (error.code, error.exit_code) == ("peer-version", 4)
        refused = await alice.hears(e.PeerRefused)
        assert refused.code == "peer-version"
        assert "they speak 2, 3" in refused.why
        assert "attempts.json" not in alice.state.content
        await bob.done(bob.submit(Receive(CODE)))
        await alice.done(ticket)
