"""Answers and cancelling: an answer is taken once, a cancel is heard everywhere."""

from __future__ import annotations

import asyncio

import pytest

from tallow.engine.commands import AcceptOffer, CancelTransfer, ConfirmSas, DeclineOffer
from tallow.engine.context import ExchangeContext
from tallow.engine.ports import Ports
from tallow.engine.settings import Settings
from tallow.errors import Interrupted, Terminated
from tallow.protocol.handshake import OwnFlights
from tests.fakes import InlineWorkers, MemoryState, SeededRng, TestClock, virtual
from tests.world.relay import MemoryDialer, MemoryRelay


@pytest.fixture
def context() -> ExchangeContext:
    """An exchange's surroundings with nothing in them."""
    dialer = MemoryDialer(MemoryRelay(), "192.0.2.1")
    ports = Ports(TestClock(), SeededRng("context"), InlineWorkers(), dialer, MemoryState())
    return ExchangeContext(1, Settings(), ports, lambda _: None, OwnFlights())


def test_an_answer_is_taken_once(context: ExchangeContext) -> None:
    """Answers of one kind come in order, each once, whatever else waits."""
    rings: list[int] = []
    context.ring = lambda: rings.append(1)
    for answer in (ConfirmSas(1, equal=True), AcceptOffer(1), ConfirmSas(1, equal=False)):
        context.put_answer(answer)
    assert len(rings) == 3
    assert context.take_answer(ConfirmSas) == ConfirmSas(1, equal=True)
    assert context.take_answer(DeclineOffer) is None
    assert context.take_answer(ConfirmSas) == ConfirmSas(1, equal=False)
    assert context.take_answer(ConfirmSas) is None
    assert context.take_answer(AcceptOffer) == AcceptOffer(1)


def test_early_answers_can_be_forgotten(context: ExchangeContext) -> None:
    """What was answered before the question is dropped; other kinds stay."""
    for answer in (AcceptOffer(1), ConfirmSas(1, equal=True), DeclineOffer(1)):
        context.put_answer(answer)
    context.forget_answers(AcceptOffer, DeclineOffer)
    assert context.take_answer(AcceptOffer) is None
    assert context.take_answer(DeclineOffer) is None
    assert context.take_answer(ConfirmSas) == ConfirmSas(1, equal=True)


@pytest.mark.parametrize(
    ("command", "error"),
    [(CancelTransfer(1), Interrupted), (CancelTransfer(1, "terminated"), Terminated)],
)
def test_a_cancel_is_heard_by_every_question(
    context: ExchangeContext, command: CancelTransfer, error: type[Exception]
) -> None:
    """Whatever an exchange asks for, a cancel answers it, as often as it is asked."""
    context.put_answer(AcceptOffer(1))
    context.put_answer(command)
    for _ in range(2):
        with pytest.raises(error):
            context.check_cancelled()
        with pytest.raises(error):
            context.take_answer(AcceptOffer)


@virtual
async def test_a_pause_takes_its_time(context: ExchangeContext) -> None:
    """A pause ends by time, not by other answers."""
    loop = asyncio.get_running_loop()
    loop.call_later(2, context.put_answer, AcceptOffer(1))
    began_at = loop.time()
    await context.pause(10)
    assert 10 <= loop.time() - began_at < 10.001


@virtual
async def test_a_pause_is_ended_by_a_cancel(context: ExchangeContext) -> None:
    """A cancel during or before a pause ends it at once."""
    loop = asyncio.get_running_loop()
    loop.call_later(2, context.put_answer, CancelTransfer(1))
    began_at = loop.time()
    with pytest.raises(Interrupted):
        await context.pause(10)
    assert loop.time() - began_at < 2.001
    with pytest.raises(Interrupted):
        await context.pause(10)
    assert loop.time() - began_at < 2.001
