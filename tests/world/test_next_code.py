"""A transfer that went on under another code and is cut off again: both sides still meet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import Resume, SendFiles, SendOptions
from tests.fakes import virtual
from tests.world.losses import Halted, a_linked_world, both_gone, cut_after
from tests.world.world import Person, World


async def _cut_off_again(world: World, victim: str) -> tuple[Halted, int, int, str]:
    """Go on under a new code; then one side's process is gone and the other one looks for it."""
    halt = await both_gone(world, after_bytes=6 << 20)
    halt.alice, halt.bob = await halt.restart("alice"), await halt.restart("bob")
    world.relay.meddling.append(cut_after(8 << 20))
    sending = halt.alice.submit(SendFiles((str(halt.source),)))
    code = await halt.alice.code(sending)
    getting = halt.receive(halt.bob, code)
    gone: Person = halt.alice if victim == "alice" else halt.bob
    await gone.hears(e.SessionLost)
    await gone.leave()
    return halt, sending, getting, code


@pytest.mark.parametrize("with_code", [False, True], ids=["resume", "code"])
@virtual
async def test_a_receiver_that_was_killed_under_the_second_code(
    tmp_path: Path, with_code: bool
) -> None:
    """C3: whoever lives is found by tallow resume and by the code that was used last."""
    async with a_linked_world(tmp_path) as world:
        halt, sending, _, code = await _cut_off_again(world, "bob")
        bob = halt.bob = await halt.restart("bob")
        getting = halt.receive(bob, code) if with_code else bob.submit(Resume(""))
        await bob.done(getting)
        await halt.alice.done(sending)
        halt.check_whole()
        assert not bob.all(e.OfferReceived)


@pytest.mark.parametrize("with_code", [False, True], ids=["resume", "code"])
@virtual
async def test_a_sender_that_was_killed_under_the_second_code(
    tmp_path: Path, with_code: bool
) -> None:
    """C3: the same for a sender: its receiver waits where the transfer's first session says."""
    async with a_linked_world(tmp_path) as world:
        halt, _, getting, code = await _cut_off_again(world, "alice")
        alice = await halt.restart("alice")
        again = SendFiles((str(halt.source),), options=SendOptions(code=code))
        sending = alice.submit(again if with_code else Resume(""))
        await halt.bob.done(getting)
        await alice.done(sending)
        halt.check_whole()
