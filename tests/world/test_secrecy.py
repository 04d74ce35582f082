"""What the relay and a listener learn of a code: its number, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallow.crypto import kem
from tallow.crypto.kem import KemKeyPair, KemProvider
from tallow.crypto.lv import Buffer, unlv
from tallow.engine import events as e
from tallow.engine.commands import Receive, SendOptions, SendText
from tallow.engine.events import encode_event
from tallow.wire import limits
from tallow.wire.frames import LinkType, PeerType, decode_peer
from tallow.wire.relay import Join, decode_client
from tests.fakes import virtual
from tests.world.relay import MemoryRelay
from tests.world.world import a_world

CODES = "7-violet-tugboat-8142", "7-marzipan-quorum-1967"


class RememberingKem:
    """Encapsulates to a key once; later runs against the same key get the same answer."""

    def __init__(self, real: KemProvider) -> None:
        self._real = real
        self._answers: dict[bytes, tuple[bytes, bytes]] = {}

    @property
    def name(self) -> str:
        """The real one's name."""
        return self._real.name

    def generate(self) -> KemKeyPair:
        """Make a real pair."""
        return self._real.generate()

    def from_seed(self, seed: Buffer) -> KemKeyPair:
        """Return the real pair of a seed."""
        return self._real.from_seed(seed)

    def encapsulate(self, public: Buffer) -> tuple[bytes, bytes]:
        """Return the first answer to this key."""
        return self._answers.setdefault(bytes(public), self._real.encapsulate(public))


def _heard(relay: MemoryRelay) -> tuple[list[bytes], list[list[bytes]]]:
    """Return all relay messages without the joiner's flight, and the parts of M1, M2 and M3."""
    messages: list[bytes] = []
    flights: list[list[bytes]] = []
    for sent in relay.heard:
        if sent.kind is LinkType.CONTROL:
            message = decode_client(sent.body)
            if isinstance(message, Join):
                flights.append(_parts(message.first, 2))
                messages.append(b"join " + message.plate.encode())
            else:
                messages.append(sent.body)
        elif sent.kind is LinkType.DATA and decode_peer(sent.body).kind is PeerType.FLIGHT:
            flights.append(_parts(sent.body, 3 if len(flights) == 1 else 2))
    return messages, flights


def _parts(frame: bytes, count: int) -> list[bytes]:
    body = bytes(decode_peer(frame).body)
    return list(unlv(body, count=count, max_item=limits.FLIGHT_MAX_BYTES))


@virtual
async def test_two_codes_of_one_number_look_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X02, X22, X26: with equal chance two codes differ in the CPace points and what hangs on them.

    All messages to the relay are byte-equal, and so are the public parts of all flights.
    """
    monkeypatch.setattr(kem, "_DEFAULT", RememberingKem(kem.default_kem()))
    seen = []
    for code in CODES:
        async with a_world(tmp_path / code) as world:
            alice, bob = await world.pair()
            sending = alice.submit(SendText("hi", SendOptions(code=code)))
            await alice.code(sending)
            await bob.done(bob.submit(Receive(code)))
            await alice.done(sending)
            seen.append(_heard(world.relay))
    (messages, flights), (other_messages, other_flights) = seen
    assert messages == other_messages
    (ya, ada), (yb, adb, t_r), (n_i, t_i) = flights
    (other_ya, other_ada), (other_yb, other_adb, other_t_r), (other_n_i, other_t_i) = other_flights
    assert (ada, adb, n_i) == (other_ada, other_adb, other_n_i)
    assert ya != other_ya
    assert yb != other_yb
    assert t_r != other_t_r
    assert t_i != other_t_i
    assert [len(part) for part in (ya, yb, t_r, t_i)] == [32, 32, 64, 64]


@virtual
async def test_events_hold_no_secret_but_the_code(tmp_path: Path) -> None:
    """A4: of all events only ``code.allocated`` holds the words, in the field that logs redact."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        sending = alice.submit(SendText("hi", SendOptions(code=CODES[0])))
        await alice.code(sending)
        await bob.done(bob.submit(Receive(CODES[0])))
        await alice.done(sending)
        for event in (*alice.events, *bob.events):
            if not isinstance(event, e.CodeAllocated):
                assert b"tugboat" not in encode_event(event)
        assert "tugboat" not in repr(alice.engine.view)
