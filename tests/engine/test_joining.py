"""The joiner's side: what is computed for a code, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.crypto.pake import generator
from tallow.engine import events as e
from tallow.engine.commands import Receive
from tallow.engine.joining import NEAR_MIDNIGHT_S, numbered_context, pake_context
from tallow.protocol.code import parse_code
from tallow.protocol.flights import channel_identifier
from tests.fakes import virtual
from tests.world.world import a_world


def test_only_the_words_are_the_password() -> None:
    """The generator is made of words and plate; the relay in a code changes nothing."""
    code = parse_code("7-violet-tugboat-8142")
    context = numbered_context(code)
    assert (context.kind, context.plate) == ("code", "7")
    assert context.generator == generator(b"violet-tugboat-8142", channel_identifier("code", "7"))
    with_relay = parse_code("7-Violet tugboat_8142@relay.test:4433")
    assert numbered_context(with_relay).generator == context.generator


@pytest.mark.parametrize("other", ["8-violet-tugboat-8142", "7-violet-tugboat-8143"])
def test_other_codes_have_other_generators(other: str) -> None:
    """Number and words both count."""
    one = numbered_context(parse_code("7-violet-tugboat-8142"))
    assert numbered_context(parse_code(other)).generator != one.generator


def test_a_meeting_id_is_a_plate() -> None:
    """Un-numbered codes bind their meeting id where numbered ones bind their number."""
    context = pake_context("ab" * 32, b"stretched")
    assert context.ci == channel_identifier("code", "ab" * 32)


def test_midnight_is_near_for_an_hour() -> None:
    """Clocks that differ by up to an hour find each other around the change of the day."""
    assert NEAR_MIDNIGHT_S == 3600


@pytest.mark.parametrize("code", ["7", "0-word", "7-", "", "12345678901-word", "x@y"])
@virtual
async def test_a_code_that_is_none_dials_nobody(tmp_path: Path, code: str) -> None:
    """A slip is refused before a connection is made."""
    async with a_world(tmp_path) as world:
        bob = await world.person("bob")
        error = await bob.fails(bob.submit(Receive(code)))
        assert error.exit_code == 2
        assert not world.relay.connections
        assert not bob.all(e.RelayConnected)
