"""Two clients and a real relay's rules in memory: from the verb to a confirmed handshake."""

from __future__ import annotations

import pytest

from relay.hub import HubRules
from relay.room import LinkId
from tallow.errors import Crowded, RelayRefused, UnknownNameplate
from tallow.protocol.handshake import AttemptCounted, Confirmed
from tallow.protocol.rendezvous import (
    PlateAllocated,
    RelayNoticed,
    Rendezvous,
    RendezvousEvent,
    SeatsPaired,
    SeatTaken,
    Verb,
)
from tallow.wire import relay as wire
from tallow.wire.frames import LinkReader, LinkType, decode_peer
from tests.pair.chance import Chance
from tests.pair.meeting import context, new_creator, new_joiner
from tests.relay.twin import HubTwin

KEY = b"k" * 32


class Client:
    """A rendezvous machine on a link of the hub."""

    def __init__(self, hub: HubTwin, verb: Verb, *, seed: int, key: bytes | None = None) -> None:
        """Connect and greet."""
        self._hub = hub
        self._reader = LinkReader()
        self.machine = Rendezvous(
            verb, Chance(seed), auth_key=key, relay_key_hash=hub.rules.key_hash
        )
        self.link: LinkId = hub.connect()
        self.machine.begin(hub.now)
        self.seen: list[RendezvousEvent] = []

    def turn(self) -> list[RendezvousEvent]:
        """Say what is ready, hear what came, until nothing moves; return the new events."""
        before = len(self.seen)
        while frames := self.machine.bytes_to_send():
            for kind, body in self._reader.feed(b"".join(frames)):
                if kind is LinkType.CONTROL:
                    self._hub.say(self.link, wire.decode_client(body))
            self._hear()
        self._hear()
        return self.seen[before:]

    def _hear(self) -> None:
        for message in self._hub.hears(self.link):
            raw = wire.relay_frame(message)[5:]
            self.machine.receive((LinkType.CONTROL, raw), self._hub.now)
        while (event := self.machine.next_event()) is not None:
            self.seen.append(event)


def test_a_code_leads_two_clients_to_one_session() -> None:
    """C1, A3: allocate, join with M1, M2 and M3 as DATA: both confirmed, 1.5 round trips."""
    hub = HubTwin()
    creator = Client(hub, wire.Allocate(600), seed=1)
    allocated = creator.turn()[-1]
    assert isinstance(allocated, PlateAllocated)
    code = context(plate=allocated.plate)
    run_i, run_r = new_joiner(code), new_creator(code)
    run_i.begin(hub.now)
    joiner = Client(hub, wire.Join(allocated.plate, run_i.bytes_to_send()[0]), seed=2)
    assert joiner.turn()[-1] == SeatsPaired("joiner", b"")
    paired = creator.turn()[-1]
    assert isinstance(paired, SeatsPaired)
    run_r.receive(decode_peer(paired.first), hub.now)
    assert isinstance(run_r.next_event(), AttemptCounted)
    run_r.attempt_stored()
    run_i.receive(decode_peer(run_r.bytes_to_send()[0]), hub.now)
    run_r.receive(decode_peer(run_i.bytes_to_send()[0]), hub.now)
    assert isinstance(run_i.next_event(), AttemptCounted)
    here, there = run_i.next_event(), run_r.next_event()
    assert isinstance(here, Confirmed)
    assert isinstance(there, Confirmed)
    assert here.secrets.exporter.same_as(there.secrets.exporter)


def test_a_third_side_is_refused_and_both_are_told() -> None:
    """X11: crowded is an error for the third and a notice for the two."""
    hub = HubTwin()
    creator = Client(hub, wire.Claim("7", 600), seed=1)
    creator.turn()
    joiner = Client(hub, wire.Join("7", b"\0\0\0\2\1x"), seed=2)
    joiner.turn()
    with pytest.raises(Crowded):
        Client(hub, wire.Join("7", b"\0\0\0\2\1x"), seed=3).turn()
    assert creator.turn()[-1] == RelayNoticed("crowded")
    assert joiner.turn()[-1] == RelayNoticed("crowded")


def test_a_creator_reopens_for_another_joiner() -> None:
    """A2: the joiner that is put out is told; the next one is paired."""
    hub = HubTwin()
    creator = Client(hub, wire.Claim("7", 600), seed=1)
    creator.turn()
    Client(hub, wire.Join("7", b"\0\0\0\2\1x"), seed=2).turn()
    creator.turn()
    creator.machine.reopen()
    assert creator.turn() == [SeatTaken()]
    Client(hub, wire.Join("7", b"\0\0\0\2\1y"), seed=3).turn()
    assert creator.turn() == [SeatsPaired("creator", b"\0\0\0\2\1y")]


def test_nobody_under_a_number() -> None:
    """C1: an unknown nameplate is exit 5 at once."""
    with pytest.raises(UnknownNameplate):
        Client(HubTwin(), wire.Join("7", b"\0\0\0\2\1x"), seed=1).turn()


@pytest.mark.parametrize(
    ("key", "says"), [(None, "wants a password"), (b"x" * 32, "is wrong"), (KEY, "")]
)
def test_the_password_opens_rooms(key: bytes | None, says: str) -> None:
    """B3: no password, a wrong one and the right one, against the relay's own check."""
    client = Client(HubTwin(HubRules(password_key=KEY)), wire.Allocate(600), seed=1, key=key)
    if not says:
        assert isinstance(client.turn()[-1], PlateAllocated)
        return
    with pytest.raises(RelayRefused) as caught:
        client.turn()
    assert says in caught.value.message


def test_two_who_meet_take_the_order_of_their_arrival() -> None:
    """C1: the first waits as creator, the second is the joiner, and no flight came before."""
    hub = HubTwin()
    first = Client(hub, wire.Meet(b"m" * 32, 600), seed=1)
    assert first.turn()[-1] == SeatTaken()
    second = Client(hub, wire.Meet(b"m" * 32, 600), seed=2)
    assert second.turn()[-1] == SeatsPaired("joiner", b"")
    assert first.turn()[-1] == SeatsPaired("creator", b"")
