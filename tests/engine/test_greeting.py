"""The first words: who is there, what for, and what ends a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.engine import events as e
from tallow.engine import greeting
from tallow.engine.commands import Receive, SendOptions, SendText
from tallow.engine.context import ExchangeContext
from tallow.engine.greeting import check_event
from tallow.engine.ports import Ports
from tallow.engine.settings import Settings
from tallow.errors import NotVerified, PeerCancelled, PeerGone, RemoteProtocolError, TallowError
from tallow.protocol.handshake import AttemptCounted, OwnFlights
from tallow.protocol.messages import Cancel, Hello, TextShown
from tallow.protocol.rendezvous import RelayNoticed, SeatTaken
from tallow.protocol.session import ConnectionSpoiled, MessageReceived, SessionClosed
from tests.fakes import InlineWorkers, MemoryState, SeededRng, TestClock, virtual
from tests.world.relay import MemoryDialer, MemoryRelay
from tests.world.world import a_world


@pytest.fixture
def said() -> list[e.AnyEvent]:
    """What the exchange told its front door."""
    return []


@pytest.fixture
def context(said: list[e.AnyEvent]) -> ExchangeContext:
    """An exchange's surroundings."""
    dialer = MemoryDialer(MemoryRelay(), "192.0.2.1")
    ports = Ports(TestClock(), SeededRng("context"), InlineWorkers(), dialer, MemoryState())
    return ExchangeContext(7, Settings(), ports, said.append, OwnFlights())


def test_a_message_goes_on(context: ExchangeContext) -> None:
    """A message is handed to the transfer; what concerns nobody is nothing."""
    assert check_event(context, MessageReceived(TextShown())) == TextShown()
    assert check_event(context, None) is None
    assert check_event(context, SeatTaken()) is None
    assert check_event(context, AttemptCounted()) is None


@pytest.mark.parametrize(
    ("event", "error", "exit_code"),
    [
        (MessageReceived(Cancel("user")), PeerCancelled, 7),
        (ConnectionSpoiled(), RemoteProtocolError, 6),
        (SessionClosed(), PeerGone, 5),
        (RelayNoticed("peer-gone"), PeerGone, 5),
    ],
)
def test_what_ends_a_session(
    context: ExchangeContext,
    event: MessageReceived | ConnectionSpoiled | SessionClosed | RelayNoticed,
    error: type[TallowError],
    exit_code: int,
) -> None:
    """Each end has its own error."""
    with pytest.raises(error) as caught:
        check_event(context, event)
    assert caught.value.exit_code == exit_code


@pytest.mark.parametrize("kind", ["crowded", "draining"])
def test_a_notice_is_told_and_ends_nothing(
    context: ExchangeContext, said: list[e.AnyEvent], kind: str
) -> None:
    """A third side at the door, or a relay that goes down, is shown; the session goes on."""
    assert check_event(context, RelayNoticed(kind)) is None  # type: ignore[arg-type]
    assert said == [e.RelayNotice(7, kind)]


@pytest.mark.parametrize("purpose", ["chat", "clip", "room"])
@virtual
async def test_who_came_for_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, purpose: str
) -> None:
    """A peer that wants to chat is told so, and costs no code: waiting for a receiver goes on."""

    def hello(**fields: object) -> Hello:
        if fields["name"] == "Bob":
            fields["purpose"] = purpose
        return Hello(**fields)  # type: ignore[arg-type]

    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        monkeypatch.setattr(greeting, "Hello", hello)
        sending = alice.submit(SendText("hi"))
        getting = bob.submit(Receive(await alice.code(sending), name="Bob"))
        error = await bob.fails(getting)
        assert error.code == "other-purpose"
        refused = await alice.hears(e.PeerRefused)
        assert refused.code == "other-purpose"
        assert purpose in refused.why
        await bob.done(bob.submit(Receive(await alice.code(sending))))
        await alice.done(sending)


@virtual
async def test_a_name_is_a_claim(tmp_path: Path) -> None:
    """X05: what a peer calls itself comes raw, in its own field, beside no identity."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        sending = alice.submit(SendText("hi", SendOptions(name="\x1b[1mAlice")))
        await bob.done(bob.submit(Receive(await alice.code(sending))))
        up = await bob.hears(e.PeerUp)
        assert (up.name, up.fingerprint) == ("\x1b[1mAlice", "")
        await alice.done(sending)


@virtual
async def test_a_false_identity_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """D2: an identity that cannot be proven is exit 3 for whom it was shown to."""

    def unproven(*_args: object) -> bytes:
        raise NotVerified("The other side claims an identity that it could not prove.")

    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        monkeypatch.setattr(greeting, "verified_fingerprint", unproven)
        sending = alice.submit(SendText("hi"))
        getting = bob.submit(Receive(await alice.code(sending)))
        ends = {(await alice.fails(sending)).exit_code, (await bob.fails(getting)).exit_code}
        assert 3 in ends
        assert not alice.all(e.PeerUp)
