"""Succession: a sender's next link takes the nameplate over, and nobody else can."""

from __future__ import annotations

import pytest

from relay.hub import HubRules
from relay.quota import Act, QuotaLimits
from relay.room import LinkId
from tallow.wire import limits
from tallow.wire.relay import (
    Allocate,
    Allocated,
    Claim,
    Join,
    Notice,
    Paired,
    Refused,
    Reopen,
    Succeed,
    Take,
    heir_mark,
)
from tests.relay.test_hub import refused
from tests.relay.test_hub_access import LOCKED, prove
from tests.relay.twin import FIRST, HubTwin

T1, T2, T3 = b"1" * 32, b"2" * 32, b"3" * 32
PLATE = "7123"


def opened(relay: HubTwin, token: bytes = T1, plate: str = PLATE, expires_s: int = 600) -> LinkId:
    """Open a room with an heir."""
    creator = relay.enter(Claim(plate, expires_s, heir_mark(token)))
    assert relay.hears(creator) == [Allocated(plate, expires_s)]
    return creator


def met(relay: HubTwin, creator: LinkId, plate: str = PLATE) -> LinkId:
    """Let somebody join a creator's room and speak; both inboxes are empty afterwards."""
    joiner = relay.enter(Join(plate, FIRST), "198.51.100.7")
    assert relay.hears(joiner) == [Paired("joiner")]
    assert relay.hears(creator) == [Paired("creator", FIRST, 1)]
    relay.say(creator, Take(1))
    relay.send(joiner, b"m3")
    relay.got[creator].clear()
    return joiner


def succeeds(relay: HubTwin, token: bytes, heir: bytes | None = None) -> LinkId:
    """Take the plate over with a token and name the next one."""
    return relay.enter(Succeed(PLATE, token, heir_mark(heir) if heir else None))


def test_several_receivers_meet_under_one_plate() -> None:
    """C13: each settled pair goes on while the next creator waits under the same number."""
    relay = HubTwin()
    pairs = []
    creator = opened(relay, T1)
    for token, heir in ((T1, T2), (T2, T3), (T3, None)):
        pairs.append((creator, met(relay, creator)))
        creator = succeeds(relay, token, heir)
        assert relay.hears(creator) == [Allocated(PLATE, 600)]
    pairs.append((creator, met(relay, creator)))
    for old, joiner in pairs:
        relay.send(joiner, b"up")
        relay.send(old, b"down")
        assert (relay.got[old], relay.got[joiner]) == ([b"up"], [b"down"])
    assert relay.hub.rooms() == relay.hub.pairs() == 4


def test_without_the_token_nobody_takes_the_name() -> None:
    """X06: a wrong token, another room's, one used before and a claim are all refused alike."""
    relay = HubTwin()
    creator = opened(relay, T1)
    opened(relay, T3, "99")
    joiner = met(relay, creator)
    for token in (bytes(32), T3, heir_mark(T1)):
        assert refused(relay, succeeds(relay, token)) == "plate-live"
    assert refused(relay, relay.enter(Claim(PLATE, 60))) == "plate-live"
    second = succeeds(relay, T1, T2)
    assert relay.hears(second) == [Allocated(PLATE, 600)]
    met(relay, second)
    assert refused(relay, succeeds(relay, T1)) == "plate-live"
    assert relay.hears(creator) == relay.hears(joiner) == relay.hears(second) == []


def test_a_room_that_named_no_heir_has_none() -> None:
    """X06: no token opens a room whose creator expects one side only."""
    relay = HubTwin()
    creator = relay.enter(Claim(PLATE, 600))
    relay.hears(creator)
    met(relay, creator)
    for token in (bytes(32), T1):
        assert refused(relay, succeeds(relay, token)) == "plate-live"


def test_nothing_is_taken_from_a_waiting_or_seated_room() -> None:
    """X07: whoever waits or agrees on keys keeps the name, even against the token."""
    relay = HubTwin()
    creator = opened(relay, T1)
    assert refused(relay, succeeds(relay, T1)) == "plate-live"
    joiner = relay.enter(Join(PLATE, FIRST))
    assert refused(relay, succeeds(relay, T1)) == "plate-live"
    assert (relay.hub.peer_of(joiner), relay.hub.rooms()) == (creator, 1)
    relay.cut(creator)
    assert relay.hears(succeeds(relay, T1, T2)) == [Allocated(PLATE, 600)]


def test_a_pair_that_was_quick_still_has_an_heir() -> None:
    """A text may have arrived, and both sides gone, before the next link asks."""
    for leavers in (1, 2):
        relay = HubTwin()
        creator = opened(relay, T1)
        joiner = met(relay, creator)
        for link in (joiner, creator)[:leavers]:
            relay.cut(link)
        heir = succeeds(relay, T1, T2)
        assert relay.hears(heir) == [Allocated(PLATE, 600)]
        met(relay, heir)
        assert relay.hub.rooms() == 3 - leavers


def test_an_unknown_or_forgotten_plate_has_no_heir() -> None:
    """After its sixty seconds an empty room is nobody's."""
    relay = HubTwin()
    assert refused(relay, succeeds(relay, T1)) == "unknown-plate"
    creator = opened(relay, T1)
    joiner = met(relay, creator)
    relay.cut(joiner)
    relay.cut(creator)
    relay.wait(limits.ROOM_ORPHAN_S)
    assert refused(relay, succeeds(relay, T1)) == "unknown-plate"


def test_succession_does_not_make_a_code_live_longer() -> None:
    """B3: each successor has what is left, and after the end there is none."""
    relay = HubTwin()
    creator = opened(relay, T1, expires_s=100)
    met(relay, creator)
    relay.wait(59.5)
    second = succeeds(relay, T1, T2)
    assert relay.hears(second) == [Allocated(PLATE, 41)]
    relay.wait(40.5)
    assert relay.hears(second) == [Notice("expired")]
    relay = HubTwin()
    creator = opened(relay, T1, expires_s=100)
    met(relay, creator)
    relay.wait(100)
    assert refused(relay, succeeds(relay, T1)) == "expired"
    assert relay.hub.peer_of(creator) is not None


def test_a_room_that_lost_its_name_is_not_reopened() -> None:
    """Two creators never wait under one number."""
    relay = HubTwin()
    creator = opened(relay, T1)
    joiner = met(relay, creator)
    heir = succeeds(relay, T1)
    relay.say(creator, Reopen())
    assert refused(relay, creator) == "expired"
    assert relay.hears(joiner) == [Notice("peer-gone")]
    assert relay.hears(heir) == [Allocated(PLATE, 600)]
    met(relay, heir)


def test_one_more_is_asked_to_come_again() -> None:
    """C13: who comes while another agrees on keys is told when to try again, and nobody else is."""
    relay = HubTwin()
    creator = opened(relay, T1)
    joiner = met(relay, creator)
    late = relay.enter(Join(PLATE, FIRST))
    assert relay.hears(late) == [Refused("crowded", retry_s=1)]
    assert relay.hears(creator) == relay.hears(joiner) == []
    relay.hears(succeeds(relay, T1))
    assert relay.hears(relay.enter(Join(PLATE, FIRST))) == [Paired("joiner")]
    late = relay.enter(Join(PLATE, FIRST))
    assert relay.hears(late) == [Refused("crowded")]


def test_a_line_has_a_cap_and_room_comes_back() -> None:
    """X13: one name holds at most so many rooms at a time, however often it is taken over."""
    relay = HubTwin(quota=QuotaLimits(per_minute=dict.fromkeys(Act, 0)))
    first = creator = opened(relay, bytes(32))
    for nth in range(1, limits.RELAY_HEIRS_MAX):
        met(relay, creator)
        creator = succeeds(relay, bytes([nth - 1]) * 32, bytes([nth]) * 32)
        assert isinstance(relay.hears(creator)[0], Allocated)
    met(relay, creator)
    last = bytes([limits.RELAY_HEIRS_MAX - 1]) * 32
    assert refused(relay, succeeds(relay, last, T1)) == "full"
    joiner = relay.hub.peer_of(first)
    assert joiner is not None
    relay.cut(joiner)
    relay.cut(first)
    assert refused(relay, succeeds(relay, last, T1)) == "full"
    relay.wait(limits.ROOM_ORPHAN_S)
    assert relay.hears(succeeds(relay, last, T1)) == [Allocated(PLATE, 600 - 60)]


def test_succession_takes_what_a_claim_takes() -> None:
    """B3: the password, a token of the address, and a place under its cap; the name stays."""
    relay = HubTwin(LOCKED)
    creator = prove(relay)
    relay.say(creator, Claim(PLATE, 600, heir_mark(T1)))
    relay.hears(creator)
    met(relay, creator)
    assert refused(relay, succeeds(relay, T1)) == "auth-required"
    heir = prove(relay)
    relay.say(heir, Succeed(PLATE, T1))
    assert relay.hears(heir) == [Allocated(PLATE, 600)]
    for quota, why in (
        (QuotaLimits(rooms_per_address=1), "full"),
        (QuotaLimits(per_minute={**dict.fromkeys(Act, 60), Act.CREATE: 1}), "rate"),
    ):
        relay = HubTwin(quota=quota)
        creator = opened(relay, T1)
        met(relay, creator)
        assert refused(relay, succeeds(relay, T1, T2)) == why
        assert refused(relay, relay.enter(Claim(PLATE, 60))) == "plate-live"


@pytest.mark.parametrize("verb", [Allocate(60, heir_mark(T1)), Succeed(PLATE, T1)])
def test_a_link_carries_one_verb(verb: Allocate | Succeed) -> None:
    """X09: a link that has a seat takes no other name."""
    relay = HubTwin(HubRules())
    creator = opened(relay, T1)
    met(relay, creator)
    relay.say(creator, verb)
    assert refused(relay, creator) == "malformed"
