"""--verify: everything is held until both people said that they see the same symbols."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.crypto.signature import SigningKey
from tallow.engine import events as e
from tallow.engine.commands import AcceptOffer, ConfirmSas, Receive, SendFiles, SendOptions
from tallow.protocol.identity import Identity, certify
from tallow.wire import limits
from tests.fakes import SeededRng, virtual
from tests.world.world import Person, World, a_world, make, tree


async def _meet(
    world: World, *, sender: bool = True, receiver: bool = True
) -> tuple[Person, int, Person, int]:
    alice, bob = await world.person("alice"), await world.person("bob")
    make(alice.folder, {"file": b"content"})
    command = SendFiles((str(alice.folder / "file"),), options=SendOptions(verify=sender))
    sending = alice.submit(command)
    command_ = Receive(await alice.code(sending), output=str(bob.folder), verify=receiver)
    getting = bob.submit(command_)
    await alice.hears(e.PeerUp)
    await bob.hears(e.PeerUp)
    return alice, sending, bob, getting


@pytest.mark.parametrize(("sender", "receiver"), [(True, True), (True, False), (False, True)])
@virtual
async def test_two_yeses_let_it_go_on(tmp_path: Path, sender: bool, receiver: bool) -> None:
    """Either side may ask for it; both see the same symbols; nothing moves before two yeses."""
    async with a_world(tmp_path) as world:
        alice, sending, bob, getting = await _meet(world, sender=sender, receiver=receiver)
        ups = alice.all(e.PeerUp)[0], bob.all(e.PeerUp)[0]
        assert ups[0].emoji == ups[1].emoji
        assert ups[0].digits == ups[1].digits
        assert len(ups[0].emoji) == 8
        assert all(up.verify for up in ups)
        alice.submit(ConfirmSas(sending, equal=True))
        await bob.sleep(30)
        assert not alice.all(e.OfferSent)
        assert not bob.all(e.OfferReceived)
        bob.submit(ConfirmSas(getting, equal=True))
        assert (await bob.hears(e.OfferReceived)).verified is True
        bob.submit(AcceptOffer(getting))
        await bob.done(getting)
        await alice.done(sending)
        assert [step.step for step in alice.all(e.VerifyStep)] == [
            "needed", "confirmed_here", "confirmed_there", "done",
        ]  # fmt: skip


@virtual
async def test_without_verify_nobody_is_asked(tmp_path: Path) -> None:
    """The symbols are shown anyway, and the offer comes at once, unverified."""
    async with a_world(tmp_path) as world:
        alice, sending, bob, getting = await _meet(world, sender=False, receiver=False)
        offer = await bob.hears(e.OfferReceived)
        assert offer.verified is False
        bob.submit(AcceptOffer(getting))
        await alice.done(sending)
        assert not alice.all(e.VerifyStep)
        assert alice.all(e.PeerUp)[0].emoji == bob.all(e.PeerUp)[0].emoji


@pytest.mark.parametrize("yes_first", [True, False])
@virtual
async def test_one_no_ends_it_on_both_sides(tmp_path: Path, yes_first: bool) -> None:
    """A no is exit 3 on both sides; nothing was offered or written."""
    async with a_world(tmp_path) as world:
        alice, sending, bob, getting = await _meet(world)
        if yes_first:
            bob.submit(ConfirmSas(getting, equal=True))
            await alice.hears(e.VerifyStep, nth=1)
        alice.submit(ConfirmSas(sending, equal=False))
        here, there = await alice.fails(sending), await bob.fails(getting)
        assert (here.code, here.exit_code) == (there.code, there.exit_code) == ("not-verified", 3)
        assert here.message.startswith("You said")
        assert there.message.startswith("The other side says")
        assert tree(bob.folder) == {}
        assert not bob.all(e.OfferReceived)


@virtual
async def test_a_yes_before_the_question_is_none(tmp_path: Path) -> None:
    """Only an answer to these symbols counts."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.person("alice"), await world.person("bob")
        make(alice.folder, {"file": b"content"})
        options = SendOptions(verify=True)
        sending = alice.submit(SendFiles((str(alice.folder / "file"),), options=options))
        alice.submit(ConfirmSas(sending, equal=True))
        getting = bob.submit(Receive(await alice.code(sending), output=str(bob.folder)))
        await bob.hears(e.VerifyStep)
        bob.submit(ConfirmSas(getting, equal=True))
        await bob.sleep(30)
        assert not bob.all(e.OfferReceived)
        bob.cancel(getting)
        await alice.fails(sending)


@virtual
async def test_symbols_that_nobody_compares(tmp_path: Path) -> None:
    """The comparison has ten minutes; then it is exit 5 here and the other side is told."""
    async with a_world(tmp_path) as world:
        alice, sending, bob, getting = await _meet(world)
        began_at = alice.clock.now()
        ends = [await alice.fails(sending), await bob.fails(getting)]
        assert sorted(end.exit_code for end in ends) in ([5, 5], [5, 7])
        assert alice.clock.now() - began_at < limits.DECISION_MAX_S + 2


@virtual
async def test_two_sessions_show_different_symbols(tmp_path: Path) -> None:
    """Two runs with one custom code are two sessions with exporters of their own."""
    seen = []
    for number in range(2):
        async with a_world(tmp_path / str(number)) as world:
            alice = await world.person("alice", seed=f"alice {number}")
            bob = await world.person("bob", seed=f"bob {number}")
            bob.says_yes()
            make(alice.folder, {"file": b"content"})
            options = SendOptions(code="7-violet-tugboat-8142")
            sending = alice.submit(SendFiles((str(alice.folder / "file"),), options=options))
            await alice.code(sending)
            getting = bob.submit(Receive("7-violet-tugboat-8142", output=str(bob.folder)))
            await bob.done(getting)
            await alice.done(sending)
            assert alice.all(e.PeerUp)[0].session == bob.all(e.PeerUp)[0].session
            seen.append(alice.all(e.PeerUp)[0])
    assert seen[0].session != seen[1].session
    assert seen[0].digits != seen[1].digits


def _identity(seed: str) -> Identity:
    rng = SeededRng(seed)
    root = SigningKey(rng.bytes(32), rng.bytes(32))
    device = SigningKey(rng.bytes(32), rng.bytes(32))
    return Identity(root.public, device, certify(root, device.public))


@virtual
async def test_an_identity_is_shown_with_its_fingerprint(tmp_path: Path) -> None:
    """D1: each side sees the other's proven fingerprint, or that there is none."""
    async with a_world(tmp_path) as world:
        alice = await world.person("alice", identity=_identity("alice"))
        bob = await world.person("bob")
        bob.says_yes()
        make(alice.folder, {"file": b"content"})
        sending, getting = await world.send(alice, bob, alice.folder / "file")
        await bob.done(getting)
        await alice.done(sending)
        assert bob.all(e.PeerUp)[0].fingerprint == bob.all(e.OfferReceived)[0].fingerprint != ""
        assert alice.all(e.PeerUp)[0].fingerprint == ""
        assert alice.all(e.PeerUp)[0].emoji == bob.all(e.PeerUp)[0].emoji
