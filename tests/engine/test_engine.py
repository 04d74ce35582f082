"""The façade: tickets, subscriptions that lose nothing but old progress, and an orderly end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine.commands import (
    AcceptOffer,
    CancelTransfer,
    ConfirmSas,
    DeclineOffer,
    Receive,
    ReopenCode,
    SendText,
)
from tallow.engine.engine import Engine, OfferEntries, Subscription
from tallow.engine.ports import Ports
from tallow.engine.settings import Settings
from tests.engine.samples import EVERY
from tests.fakes import InlineWorkers, MemoryState, SeededRng, TestClock, virtual
from tests.world.relay import ADDRESS, MemoryDialer, MemoryRelay
from tests.world.world import a_world


def _ports(relay: MemoryRelay | None = None) -> Ports:
    dialer = MemoryDialer(relay or MemoryRelay(), "192.0.2.1")
    return Ports(TestClock(), SeededRng("engine"), InlineWorkers(), dialer, MemoryState())


def _progress(ticket: int, done: int) -> e.TransferProgress:
    return e.TransferProgress(ticket, "sending", done, 9, 0, 1, 1.0, None, "a")


async def _all(subscription: Subscription) -> list[e.AnyEvent]:
    subscription.close()
    return [event async for event in subscription]


@virtual
async def test_only_progress_is_ever_replaced() -> None:
    """A slow reader gets every event, and of each transfer's progress the newest."""
    slow = Subscription()
    for done in range(3):
        slow.put(_progress(1, done))
        slow.put(_progress(2, 10 + done))
        slow.put(e.TransferFile(1, str(done), "failed"))
    for event in EVERY:
        if not isinstance(event, e.TransferProgress):
            slow.put(event)
    got = await _all(slow)
    assert [event.done_bytes for event in got if isinstance(event, e.TransferProgress)] == [2, 12]
    assert [event for event in got if not isinstance(event, e.TransferProgress)] == [
        *(e.TransferFile(1, str(done), "failed") for done in range(3)),
        *(event for event in EVERY if not isinstance(event, e.TransferProgress)),
    ]


@virtual
async def test_a_reader_waits_for_what_comes() -> None:
    """Events are there as soon as they are put, and the end ends the reading."""
    subscription, seen = Subscription(), []

    async def read() -> None:
        while True:
            seen.append(await anext(subscription))

    reading = asyncio.create_task(read())
    await asyncio.sleep(1)
    assert seen == []
    subscription.put(_progress(1, 1))
    await asyncio.sleep(1)
    assert seen == [_progress(1, 1)]
    subscription.put(_progress(1, 2))
    subscription.close()
    with pytest.raises(StopAsyncIteration):
        await reading
    assert seen == [_progress(1, 1), _progress(1, 2)]


@virtual
async def test_every_exchange_has_a_ticket_and_an_end() -> None:
    """Tickets count up; each exchange ends in exactly one final event; the view knows them all."""
    relay = MemoryRelay(is_down=True)
    async with Engine.open(Settings(relay=ADDRESS), _ports(relay)) as engine:
        first, second = engine.events(), engine.events()
        tickets = [engine.submit(SendText("x")), engine.submit(Receive("7-x"))]
        assert tickets == [1, 2]
        await asyncio.sleep(60)
        assert all(engine.view.transfers[ticket].result for ticket in tickets)
        one, two = await _all(first), await _all(second)
        assert one == two
        for ticket in tickets:
            finals = [item for item in one if e.is_final(item) and item.ticket == ticket]
            assert len(finals) == 1
        assert [event.ticket for event in one if isinstance(event, e.TransferAdded)] == tickets


@pytest.mark.parametrize(
    "command",
    [AcceptOffer(9), DeclineOffer(9), ConfirmSas(9, equal=True), ReopenCode(9, reopen=True),
     CancelTransfer(9)],
    ids=lambda command: type(command).__name__,
)  # fmt: skip
@virtual
async def test_an_answer_to_nobody_is_said(
    command: AcceptOffer | DeclineOffer | ConfirmSas | ReopenCode | CancelTransfer,
) -> None:
    """An answer without an exchange fails as an event; it starts nothing."""
    async with Engine.open(Settings(), _ports()) as engine:
        events = engine.events()
        assert engine.submit(command) == 9
        assert await _all(events) == [e.CommandFailed(9, "This transfer has ended.")]
        assert engine.query(OfferEntries(9, 0, 10)) == []
        assert engine.view.transfers == {}


@virtual
async def test_what_cannot_be_wanted_still_gets_its_error() -> None:
    """A command that is refused at once ends like any other exchange."""
    async with Engine.open(Settings(relay=ADDRESS), _ports()) as engine:
        events = engine.events()
        ticket = engine.submit(Receive(expires_s=0))
        await asyncio.sleep(1)
        finals = [event for event in await _all(events) if e.is_final(event)]
        assert [(event.ticket, type(event)) for event in finals] == [(ticket, e.TransferError)]


@virtual
async def test_closing_ends_readers_and_workers() -> None:
    """After the block nobody waits for events, and nothing starts any more."""
    ports = _ports()
    async with Engine.open(Settings(relay=ADDRESS), ports) as engine:
        events = engine.events()
        engine.submit(SendText("x"))
        await asyncio.sleep(1)
    assert not any(e.is_final(event) for event in [event async for event in events])
    with pytest.raises(RuntimeError):
        ports.workers.submit(int)


@virtual
async def test_a_front_door_that_fails_closes_the_engine() -> None:
    """An error in the block comes out, and what ran is ended first."""
    relay = MemoryRelay()
    with pytest.raises(ExceptionGroup) as caught:
        async with Engine.open(Settings(relay=ADDRESS), _ports(relay)) as engine:
            engine.submit(SendText("x"))
            await asyncio.sleep(1)
            raise KeyError("front door")
    assert caught.group_contains(KeyError)
    assert all(connection.is_closed for connection in relay.connections)


@virtual
async def test_many_exchanges_share_an_engine(tmp_path: Path) -> None:
    """Twenty texts at once all arrive, each at its own ticket."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        tickets = [alice.submit(SendText(f"text {number}")) for number in range(20)]
        for number, ticket in enumerate(tickets):
            getting = bob.submit(Receive(await alice.code(ticket)))
            await bob.done(getting)
            assert bob.all(e.TextArrived, getting)[0].text == f"text {number}"
            await alice.done(ticket)
