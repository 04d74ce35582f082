"""The hub's rules as dialogues: who sits where, who hears what, when a room ends."""

from __future__ import annotations

import pytest

from relay.hub import HubRules
from relay.room import LinkId
from tallow.wire import limits
from tallow.wire.relay import (
    Allocate,
    Allocated,
    Claim,
    Join,
    Meet,
    Notice,
    Paired,
    RefusalCode,
    Refused,
    RelayHello,
    Reopen,
    Take,
    Waiting,
)
from tests.relay.twin import FIRST, HubTwin

ID = b"i" * 32
KEY = b"k" * 32


def refused(relay: HubTwin, link: LinkId) -> RefusalCode:
    """Return why a link was refused; it must have been closed for it."""
    *_, last = relay.hears(link)
    assert isinstance(last, Refused)
    assert link in relay.closed
    return last.code


def allocate(relay: HubTwin, expires_s: int = 3600) -> tuple[LinkId, str]:
    """Open a room and return its creator and its plate."""
    creator = relay.enter(Allocate(expires_s))
    [allocated] = relay.hears(creator)
    assert isinstance(allocated, Allocated)
    return creator, allocated.plate


def pair(relay: HubTwin) -> tuple[LinkId, LinkId, str]:
    """Return creator and joiner of a room in which nothing was said yet, inboxes empty."""
    creator, plate = allocate(relay)
    joiner = relay.enter(Join(plate, FIRST))
    relay.hears(creator)
    relay.hears(joiner)
    relay.say(creator, Take(1))
    return creator, joiner, plate


def test_the_greeting_carries_version_time_nonce_and_limits() -> None:
    """B2: a link is greeted at once, with a nonce of its own."""
    relay = HubTwin()
    [first] = relay.hears(relay.connect())
    [second] = relay.hears(relay.connect())
    assert isinstance(first, RelayHello)
    assert isinstance(second, RelayHello)
    assert first.nonce != second.nonce
    assert (first.version, first.time, first.auth) == (1, 1_700_000_000, False)
    assert first.data_max == limits.FRAME_MAX_BYTES


def test_two_sides_meet_under_a_plate() -> None:
    """B2: a join seats the joiner, the creator gets the first flight, DATA reaches the other."""
    relay = HubTwin()
    creator, plate = allocate(relay)
    joiner = relay.enter(Join(plate, FIRST))
    assert relay.hears(creator) == [Paired("creator", FIRST, 1)]
    assert relay.hears(joiner) == [Paired("joiner")]
    relay.say(creator, Take(1))
    relay.send(joiner, b"m3")
    relay.send(creator, b"hello")
    assert (relay.got[creator], relay.got[joiner]) == ([b"m3"], [b"hello"])


def test_two_sides_meet_under_an_id() -> None:
    """B2: whoever comes first to a meeting is the creator, and no flight rides along."""
    relay = HubTwin()
    first = relay.enter(Meet(ID, 600))
    assert relay.hears(first) == [Waiting()]
    second = relay.enter(Meet(ID, 600))
    assert relay.hears(first) == [Paired("creator", pairing=1)]
    assert relay.hears(second) == [Paired("joiner")]
    relay.say(first, Take(1))
    assert relay.hub.peer_of(first) == second
    assert relay.hub.peer_of(second) == first


def test_plates_have_four_digits_on_a_quiet_relay_and_more_on_a_busy_one() -> None:
    """Up to nine rooms get four digits, the tenth five, so guesses hit one in a thousand."""
    relay = HubTwin()
    plates = [allocate(relay)[1] for _ in range(12)]
    assert [len(plate) for plate in plates] == [4] * 9 + [5] * 3
    assert len(set(plates)) == len(plates)


def test_a_claim_takes_the_plate_it_names() -> None:
    """A claimed plate is joined like an allocated one and refused only while it is live."""
    relay = HubTwin()
    creator = relay.enter(Claim("7", 600))
    assert relay.hears(creator) == [Allocated("7", 600)]
    assert refused(relay, relay.enter(Claim("7", 600))) == "plate-live"
    joiner = relay.enter(Join("7", FIRST))
    assert relay.hears(joiner) == [Paired("joiner")]
    assert refused(relay, relay.enter(Claim("7", 600))) == "plate-live"


def test_a_claim_succeeds_as_soon_as_nobody_is_there() -> None:
    """A creator whose link dropped claims its plate again at once."""
    relay = HubTwin()
    creator, plate = allocate(relay)
    relay.cut(creator)
    assert refused(relay, relay.enter(Join(plate, FIRST))) == "unknown-plate"
    again = relay.enter(Claim(plate, 60))
    assert relay.hears(again) == [Allocated(plate, 60)]
    assert relay.hub.rooms() == 1
    assert relay.hears(relay.enter(Join(plate, FIRST))) == [Paired("joiner")]


def test_an_unknown_plate_is_named_so() -> None:
    """Joining a number that nobody waits under is refused by name."""
    relay = HubTwin()
    assert refused(relay, relay.enter(Join("4711", FIRST))) == "unknown-plate"


def test_a_third_side_is_refused_and_both_inside_are_told() -> None:
    """B3: the third hears crowded, both inside hear it too, and their DATA goes on."""
    relay = HubTwin()
    creator, joiner, plate = pair(relay)
    third = relay.enter(Join(plate, FIRST), "198.51.100.9")
    assert refused(relay, third) == "crowded"
    assert relay.hears(creator) == relay.hears(joiner) == [Notice("crowded")]
    relay.send(joiner, b"still here")
    assert relay.got[creator] == [b"still here"]


def test_a_third_side_at_a_meeting_is_refused_too() -> None:
    """A meeting has two seats like every room."""
    relay = HubTwin()
    both = [relay.enter(Meet(ID, 600)) for _ in range(2)]
    assert refused(relay, relay.enter(Meet(ID, 600))) == "crowded"
    assert all(relay.hears(link)[-1] == Notice("crowded") for link in both)


def test_a_silent_joiner_loses_its_seat_after_ten_seconds() -> None:
    """X13: a joiner who only sits there is put out and the room waits again."""
    relay = HubTwin()
    creator, joiner, plate = pair(relay)
    relay.wait(limits.SEAT_CONFIRM_S - 0.1)
    assert relay.hears(creator) == []
    relay.wait(0.1)
    assert relay.hears(creator) == [Notice("peer-gone"), Waiting()]
    assert joiner in relay.closed
    assert relay.hears(relay.enter(Join(plate, FIRST))) == [Paired("joiner")]


def test_the_creators_data_does_not_keep_the_joiners_seat() -> None:
    """Only the joiner's own third flight settles the pair."""
    relay = HubTwin()
    creator, joiner, _ = pair(relay)
    relay.send(creator, b"m2")
    relay.wait(limits.SEAT_CONFIRM_S)
    assert joiner in relay.closed


def test_a_joiner_who_spoke_keeps_its_seat() -> None:
    """After the third flight the pair is settled and no deadline runs."""
    relay = HubTwin()
    creator, joiner, _ = pair(relay)
    relay.send(joiner, b"m3")
    relay.wait(7 * limits.EXPIRES_MAX_S)
    assert relay.closed == set()
    assert relay.hub.peer_of(creator) == joiner


def test_a_joiner_who_leaves_before_speaking_frees_the_seat() -> None:
    """The creator is told that the peer is gone and that it waits again."""
    relay = HubTwin()
    creator, joiner, plate = pair(relay)
    relay.cut(joiner)
    assert relay.hears(creator) == [Notice("peer-gone"), Waiting()]
    assert relay.hub.peer_of(creator) is None
    assert relay.hears(relay.enter(Join(plate, FIRST))) == [Paired("joiner")]


@pytest.mark.parametrize("leaver", ["creator", "joiner"])
def test_after_settling_the_other_side_is_told(leaver: str) -> None:
    """Whoever remains of a settled pair hears it, its DATA goes nowhere, nobody else comes in."""
    relay = HubTwin()
    creator, joiner, plate = pair(relay)
    relay.send(joiner, b"m3")
    gone, left = (creator, joiner) if leaver == "creator" else (joiner, creator)
    relay.cut(gone)
    assert relay.hears(left) == [Notice("peer-gone")]
    assert relay.hub.peer_of(left) is None
    assert refused(relay, relay.enter(Join(plate, FIRST))) == "unknown-plate"
    assert refused(relay, relay.enter(Claim(plate, 60))) == "plate-live"


def test_the_creator_reopens_its_room() -> None:
    """Reopening puts the joiner out, before and after it spoke, and the room waits again."""
    relay = HubTwin()
    creator, joiner, plate = pair(relay)
    for pairing, spoke in ((2, False), (3, True)):
        if spoke:
            relay.send(joiner, b"m3")
        relay.say(creator, Reopen())
        assert joiner in relay.closed
        assert relay.hears(creator) == [Waiting()]
        joiner = relay.enter(Join(plate, FIRST))
        assert relay.hears(creator) == [Paired("creator", FIRST, pairing)]
    relay.send(joiner, b"m3")
    relay.cut(joiner)
    relay.say(creator, Reopen())
    assert relay.hears(creator) == [Notice("peer-gone"), Waiting()]


def test_only_the_creator_reopens() -> None:
    """A joiner who asks for it is put out."""
    relay = HubTwin()
    creator, joiner, _ = pair(relay)
    relay.say(joiner, Reopen())
    assert refused(relay, joiner) == "malformed"
    assert relay.hears(creator) == [Notice("peer-gone"), Waiting()]


def test_a_waiting_code_lives_until_it_expires() -> None:
    """B3: a waiting creator is told when its code runs out, and late joiners hear why."""
    relay = HubTwin()
    creator, plate = allocate(relay, expires_s=300)
    relay.wait(299)
    assert relay.hears(creator) == []
    relay.wait(1)
    assert relay.hears(creator) == [Notice("expired")]
    assert creator in relay.closed
    assert refused(relay, relay.enter(Join(plate, FIRST))) == "expired"
    assert relay.hub.rooms() == 0
    relay.wait(limits.PLATE_REST_S)
    assert refused(relay, relay.enter(Join(plate, FIRST))) == "unknown-plate"


def test_a_code_that_ran_out_while_the_seat_was_taken_expires_after_it() -> None:
    """A silent joiner cannot make a code live longer."""
    relay = HubTwin()
    creator, plate = allocate(relay, expires_s=20)
    relay.wait(15)
    relay.enter(Join(plate, FIRST))
    relay.hears(creator)
    relay.wait(10)
    assert relay.hears(creator) == [Notice("peer-gone"), Waiting(), Notice("expired")]
    assert relay.hub.rooms() == 0


def test_the_relay_caps_how_long_a_code_lives() -> None:
    """The creator is told the life it really gets."""
    relay = HubTwin(HubRules(expires_max_s=120))
    creator = relay.enter(Allocate(3600))
    [allocated] = relay.hears(creator)
    assert isinstance(allocated, Allocated)
    assert allocated.expires_s == 120


def test_a_room_without_anybody_goes_after_its_time() -> None:
    """B3: sixty seconds (or what the operator set) after the last link went, it is forgotten."""
    for orphan_s in (limits.ROOM_ORPHAN_S, 5.0):
        relay = HubTwin(HubRules(orphan_s=orphan_s))
        creator, joiner, _ = pair(relay)
        relay.send(joiner, b"m3")
        relay.cut(creator)
        relay.cut(joiner)
        relay.wait(orphan_s - 0.1)
        assert relay.hub.rooms() == 1
        relay.wait(0.1)
        assert relay.hub.rooms() == 0
        assert relay.hub.next_deadline() is None


def test_a_settled_meeting_can_be_met_again() -> None:
    """Two sides that lost their links meet under the same id and get fresh seats."""
    relay = HubTwin()
    old = [relay.enter(Meet(ID, 600)) for _ in range(2)]
    relay.send(old[1], b"m3")
    relay.cut(old[0])
    new = relay.enter(Meet(ID, 600))
    assert relay.hears(new) == [Waiting()]
    relay.cut(old[1])
    assert relay.hears(relay.enter(Meet(ID, 600))) == [Paired("joiner")]
    relay.wait(limits.ROOM_ORPHAN_S)
    assert relay.hub.rooms() == 1


def test_what_a_creator_sent_to_one_joiner_never_reaches_the_next() -> None:
    """A2: a reply that is on its way while the seat changes is dropped until the new one is taken.

    The next joiner would read it as a wrong code.
    """
    relay = HubTwin()
    creator, hasty, plate = pair(relay)
    relay.cut(hasty)
    joiner = relay.enter(Join(plate, FIRST))
    assert relay.hears(creator)[-1] == Paired("creator", FIRST, 2)
    relay.send(creator, b"m2 for the hasty one")
    assert relay.hub.peer_of(joiner) == creator
    relay.say(creator, Take(2))
    relay.send(creator, b"m2")
    assert relay.got[joiner] == [b"m2"]


def test_an_answer_that_comes_late_changes_nothing() -> None:
    """A creator may take a pairing whose joiner has left: that is no fault, and opens nothing."""
    relay = HubTwin()
    creator, plate = allocate(relay)
    relay.cut(relay.enter(Join(plate, FIRST)))
    joiner = relay.enter(Join(plate, FIRST))
    relay.say(creator, Take(1))
    relay.send(creator, b"m2 for the first")
    relay.say(creator, Take(2))
    relay.send(creator, b"m2 for the second")
    assert relay.got[joiner] == [b"m2 for the second"]


@pytest.mark.parametrize("numbers", [(2,), (1, 1), (1, 2), (limits.RELAY_PAIRINGS_MAX,)])
def test_a_pairing_that_never_was_is_refused(numbers: tuple[int, ...]) -> None:
    """X14: a number that the relay did not give, or that was taken before, ends the link."""
    relay = HubTwin()
    creator, plate = allocate(relay)
    relay.enter(Join(plate, FIRST))
    for number in numbers:
        relay.say(creator, Take(number))
    assert refused(relay, creator) == "malformed"


def test_only_the_creator_takes() -> None:
    """X07: a joiner answers no pairing, nor does a link without a room."""
    relay = HubTwin()
    _, joiner, _ = pair(relay)
    stranger = relay.greet()
    for link in (joiner, stranger):
        relay.say(link, Take(1))
        assert refused(relay, link) == "malformed"
