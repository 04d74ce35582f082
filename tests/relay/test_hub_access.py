"""The hub at its door: password, proofs, order of words, quotas, and the relay's end."""

from __future__ import annotations

import pytest

from relay.hub import HubRules
from relay.quota import Act, QuotaLimits
from relay.room import LinkId
from tallow.wire import limits
from tallow.wire.relay import (
    Allocate,
    Auth,
    Claim,
    ClientHello,
    ClientSays,
    Join,
    Leave,
    Meet,
    Notice,
    Paired,
    Refused,
    RelayHello,
    RelaySays,
    Reopen,
    Waiting,
)
from tests.relay.test_hub import allocate, pair, refused
from tests.relay.twin import CLIENT_NONCE, FIRST, HubTwin

ID = b"i" * 32
KEY = b"k" * 32


def prove(relay: HubTwin, key: bytes = KEY, address: str = "192.0.2.1") -> LinkId:
    """Open a link, exchange hellos and show a proof made with a key."""
    link = relay.connect(address)
    [hello] = relay.hears(link)
    assert isinstance(hello, RelayHello)
    assert hello.auth
    relay.say(link, ClientHello([1], CLIENT_NONCE))
    relay.say(link, Auth(relay.proof(hello, key)))
    return link


LOCKED = HubRules(password_key=KEY, key_hash=b"h" * 32)


@pytest.mark.parametrize("verb", [Allocate(60), Claim("7", 60), Meet(ID, 60)])
def test_creating_takes_the_password(verb: ClientSays) -> None:
    """B3: every verb that makes a room is refused without a proof and allowed with one."""
    relay = HubTwin(LOCKED)
    assert refused(relay, relay.enter(verb)) == "auth-required"
    assert relay.hub.rooms() == 0
    link = prove(relay)
    relay.say(link, verb)
    assert link not in relay.closed
    assert relay.hub.rooms() == 1


def test_joining_takes_no_password() -> None:
    """B3: the creator has paid for both seats, at a plate and at a meeting."""
    relay = HubTwin(LOCKED)
    creator = prove(relay)
    relay.say(creator, Claim("7", 60))
    assert relay.hears(relay.enter(Join("7", FIRST))) == [Paired("joiner")]
    creator = prove(relay)
    relay.say(creator, Meet(ID, 60))
    assert relay.hears(relay.enter(Meet(ID, 60))) == [Paired("joiner")]


def test_a_paid_meeting_can_be_entered_again_for_a_while() -> None:
    """The side without the password may come back first until the room is forgotten."""
    relay = HubTwin(LOCKED)
    creator = prove(relay)
    relay.say(creator, Meet(ID, 60))
    joiner = relay.enter(Meet(ID, 60))
    relay.send(joiner, b"m3")
    relay.cut(creator)
    relay.cut(joiner)
    assert relay.hears(relay.enter(Meet(ID, 60))) == [Waiting()]
    relay = HubTwin(LOCKED)
    assert refused(relay, relay.enter(Meet(ID, 60))) == "auth-required"


def test_a_false_proof_is_refused_and_costs() -> None:
    """B3, X20: false proofs are refused by name and soon not even looked at."""
    relay = HubTwin(LOCKED)
    codes = [refused(relay, prove(relay, b"x" * 32)) for _ in range(6)]
    assert codes == ["auth-failed"] * 5 + ["rate"]
    assert refused(relay, prove(relay)) == "rate"
    assert prove(relay, address="198.51.100.7") not in relay.closed
    relay.wait(60)
    assert prove(relay) not in relay.closed


def test_a_proof_from_another_link_is_false() -> None:
    """B3: a proof is bound to the nonce of its link."""
    relay = HubTwin(LOCKED)
    [hello] = relay.hears(relay.connect())
    assert isinstance(hello, RelayHello)
    other = relay.greet()
    relay.say(other, Auth(relay.proof(hello, KEY)))
    assert refused(relay, other) == "auth-failed"


def test_a_proof_that_nobody_asked_for_does_no_harm() -> None:
    """A client with a password may use an open relay."""
    relay = HubTwin()
    link = relay.greet()
    relay.say(link, Auth(bytes(32)))
    relay.say(link, Allocate(60))
    assert link not in relay.closed


def test_another_version_is_refused_by_name() -> None:
    """A client that does not speak this version hears so."""
    relay = HubTwin()
    link = relay.connect()
    relay.say(link, ClientHello([2, 3], CLIENT_NONCE))
    assert refused(relay, link) == "version"
    newer = relay.connect()
    relay.say(newer, ClientHello([2, 1], CLIENT_NONCE))
    assert newer not in relay.closed


OUT_OF_ORDER: dict[str, list[ClientSays]] = {
    "verb first": [Allocate(60)],
    "two hellos": [ClientHello([1], CLIENT_NONCE), ClientHello([1], CLIENT_NONCE)],
    "two verbs": [ClientHello([1], CLIENT_NONCE), Allocate(60), Meet(ID, 60)],
    "reopen nothing": [ClientHello([1], CLIENT_NONCE), Reopen()],
    "auth first": [Auth(bytes(32))],
    "auth late": [ClientHello([1], CLIENT_NONCE), Allocate(60), Auth(bytes(32))],
    "leave first": [Leave()],
}


@pytest.mark.parametrize("messages", OUT_OF_ORDER.values(), ids=OUT_OF_ORDER)
def test_words_out_of_order_end_the_link(messages: list[ClientSays]) -> None:
    """X09: the public port answers its few words in their order and nothing else."""
    relay = HubTwin()
    link = relay.connect()
    for message in messages:
        assert link not in relay.closed
        relay.say(link, message)
    assert refused(relay, link) == "malformed"


def test_leaving_ends_the_link_and_tells_the_other() -> None:
    """A side that leaves is gone like one whose link broke."""
    relay = HubTwin()
    creator, joiner, _ = pair(relay)
    relay.send(joiner, b"m3")
    relay.say(creator, Leave())
    assert creator in relay.closed
    assert relay.hears(joiner) == [Notice("peer-gone")]


def test_a_forgotten_link_is_nobody() -> None:
    """Late messages and a second disconnect of a closed link change nothing."""
    relay = HubTwin()
    creator, _ = allocate(relay)
    relay.cut(creator)
    before: list[RelaySays] = relay.hears(creator)
    relay.say(creator, Reopen())
    relay.hub.data_seen(creator, relay.now)
    assert relay.hub.disconnect(creator, relay.now) == []
    assert relay.hub.refuse(creator, "malformed", relay.now) == []
    assert (before, relay.hears(creator)) == ([], [])
    assert not relay.hub.is_seated(creator)


def test_joins_of_one_address_run_out() -> None:
    """B3: thirty joins at once, then a wait that the refusal names; others are not touched."""
    relay = HubTwin()
    codes = [refused(relay, relay.enter(Join("1", FIRST))) for _ in range(31)]
    assert codes == ["unknown-plate"] * 30 + ["rate"]
    limited = relay.enter(Join("1", FIRST))
    *_, last = relay.hears(limited)
    assert last == Refused("rate", retry_s=2)
    assert refused(relay, relay.enter(Join("1", FIRST), "198.51.100.7")) == "unknown-plate"
    relay.wait(2)
    assert refused(relay, relay.enter(Join("1", FIRST))) == "unknown-plate"


def test_rooms_and_links_have_caps() -> None:
    """B3: the address and the whole relay are full at their caps, and room comes back."""
    quota = QuotaLimits(rooms=3, rooms_per_address=2, links=5, links_per_address=4)
    relay = HubTwin(quota=quota)
    first, _ = allocate(relay)
    allocate(relay)
    assert refused(relay, relay.enter(Allocate(60))) == "full"
    other = relay.enter(Allocate(60), "198.51.100.7")
    assert refused(relay, relay.enter(Allocate(60), "203.0.113.5")) == "full"
    relay.greet()
    relay.greet()
    assert refused(relay, relay.connect("198.51.100.7")) == "full"
    relay.cut(other)
    assert refused(relay, relay.connect()) == "full"
    relay.cut(first)
    relay.wait(limits.ROOM_ORPHAN_S)
    assert relay.hub.rooms() == 1
    assert relay.greet("203.0.113.5") not in relay.closed


def test_connections_of_one_address_run_out() -> None:
    """B3: an address that connects too often is told when to come back."""
    relay = HubTwin(quota=QuotaLimits(per_minute=dict.fromkeys(Act, 2)))
    assert relay.hears(relay.connect("2001:db8::1"))
    assert relay.hears(relay.connect("2001:db8::2"))
    third = relay.connect("2001:db8::3")
    assert relay.hears(third) == [Refused("rate", retry_s=30)]
    assert third in relay.closed


def test_a_draining_relay_takes_nobody_in() -> None:
    """B3: everybody is told, verbs are refused, and running pairs go on."""
    relay = HubTwin()
    creator, joiner, _ = pair(relay)
    waiting, plate = allocate(relay)
    relay.drain()
    for link in (creator, joiner, waiting):
        assert relay.hears(link) == [Notice("draining")]
    verbs: list[ClientSays] = [Allocate(60), Claim("9", 60), Meet(ID, 60), Join(plate, FIRST)]
    for verb in verbs:
        assert refused(relay, relay.enter(verb)) == "draining"
    relay.send(joiner, b"going on")
    assert relay.got[creator] == [b"going on"]
    assert relay.hub.pairs() == 1
    relay.cut(joiner)
    assert relay.hub.pairs() == 0
