"""The creator's side: under what its guesses are counted, and how long it tries again."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from tallow.engine.connecting import connect, relay_of
from tallow.engine.context import ExchangeContext
from tallow.engine.joining import numbered_context, pake_context
from tallow.engine.meeting import BACK_OFF_S, attempt_key
from tallow.engine.ports import Ports
from tallow.engine.settings import Settings
from tallow.errors import NoRelaySet
from tallow.protocol.address import RelayAddress
from tallow.protocol.code import parse_code
from tallow.protocol.handshake import OwnFlights
from tallow.wire import limits
from tallow.wire import relay as wire
from tests.fakes import InlineWorkers, MemoryState, SeededRng, TestClock, virtual
from tests.world.relay import ADDRESS, MemoryDialer, MemoryRelay

NUMBERED = parse_code("7-violet-tugboat-8142")
UNNUMBERED = parse_code("violet tugboat 8142 xylophone marzipan")


def _context(relay: RelayAddress | None = None) -> ExchangeContext:
    dialer = MemoryDialer(MemoryRelay(), "192.0.2.1")
    ports = Ports(TestClock(), SeededRng("meeting"), InlineWorkers(), dialer, MemoryState())
    return ExchangeContext(1, Settings(relay=relay), ports, lambda _: None, OwnFlights())


def test_guesses_are_counted_by_number() -> None:
    """A numbered code is counted under its public number."""
    assert attempt_key(NUMBERED, numbered_context(NUMBERED)) == "7"


def test_guesses_at_a_code_without_a_number_tell_little() -> None:
    """X22: sixteen bits of a hash of the public meeting id, and nothing of the words."""
    keys = {attempt_key(UNNUMBERED, pake_context(f"{n:064x}", b"")) for n in range(50)}
    assert len(keys) > 45
    for key in keys:
        assert re.fullmatch(r"meet-[0-9a-f]{4}", key)


def test_the_code_names_the_relay_or_the_settings_do() -> None:
    """A relay in the code wins; without any there is nowhere to meet."""
    own = RelayAddress("own.test", 4433)
    with_relay = parse_code("7-violet-tugboat@elsewhere.test:5544")
    assert relay_of(_context(own)) == own
    assert relay_of(_context(own), NUMBERED) == own
    assert str(relay_of(_context(own), with_relay)) == "elsewhere.test:5544"
    assert str(relay_of(_context(), with_relay)) == "elsewhere.test:5544"
    with pytest.raises(NoRelaySet):
        relay_of(_context(), NUMBERED)


def test_trying_again_outlasts_a_relay_that_holds_the_old_link() -> None:
    """The pauses grow, and together are longer than a relay keeps a dead link."""
    assert all(longer >= shorter for shorter, longer in pairwise(BACK_OFF_S))
    assert sum(BACK_OFF_S) > limits.RELAY_IDLE_S + 10


@virtual
async def test_a_link_that_never_was_is_closed() -> None:
    """If what to say cannot be made, the connection does not stay open."""

    async def no_verb(_key_hash: bytes) -> wire.Meet:
        raise KeyError("no verb")

    context = _context(ADDRESS)
    with pytest.raises(KeyError):
        await connect(context, ADDRESS, no_verb)
    dialer = context.ports.dialer
    assert isinstance(dialer, MemoryDialer)
    (connection,) = dialer.relay.connections
    assert connection.is_closed
    assert context.links == []
