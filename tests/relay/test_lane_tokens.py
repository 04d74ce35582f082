"""Which lanes may be: tokens used once, in time, by the right side of a pair that stands."""

from __future__ import annotations

import random

from relay.hub import HubRules
from relay.lane_tokens import LaneTokens, Side
from relay.room import LinkId
from tallow.wire import limits
from tallow.wire.relay import AskLanes, Lanes, Refused
from tests.relay.test_hub import pair
from tests.relay.twin import HubTwin

PAIR = (LinkId(1), LinkId(2))
OTHERS = (LinkId(3), LinkId(4))


def book(in_all: int = limits.RELAY_LANES_MAX) -> LaneTokens:
    """Return an empty book with seeded chance."""
    return LaneTokens(random.Random(3).randrange, in_all=in_all)


def granted(relay: HubTwin, link: LinkId) -> list[bytes]:
    """Return the tokens that a link was given last."""
    lanes = relay.hears(link)[-1]
    assert isinstance(lanes, Lanes)
    return lanes.tokens


def settled(rules: HubRules | None = None) -> tuple[HubTwin, LinkId, LinkId]:
    """Return a relay with a pair that has settled."""
    relay = HubTwin(rules)
    creator, joiner, _ = pair(relay)
    relay.hub.data_seen(joiner, relay.now)
    return relay, creator, joiner


def test_the_sides_get_different_tokens_of_the_same_places() -> None:
    """X18: no token of one side opens an end of the other, and none tells of another."""
    tokens = book()
    creators, joiners = tokens.issue(PAIR, 3, 0.0)
    assert len(set(creators) | set(joiners)) == 6
    assert {len(token) for token in creators} == {limits.LANE_TOKEN_BYTES}
    for mine, theirs in zip(creators, joiners, strict=True):
        first, second = tokens.redeem(mine, 0.0), tokens.redeem(theirs, 0.0)
        assert first is not None and second is not None
        assert first[0] is second[0] and first[0].is_whole
        assert (first[1], second[1]) == (Side.CREATOR, Side.JOINER)


def test_a_token_is_good_once() -> None:
    """X18: a token that was seen on the way and played again opens nothing."""
    tokens = book()
    [mine], _ = tokens.issue(PAIR, 1, 0.0)
    assert tokens.redeem(mine, 1.0) is not None
    assert tokens.redeem(mine, 1.0) is None


def test_a_guess_is_good_for_nothing() -> None:
    """X18: unknown bytes redeem nothing and change nothing."""
    tokens = book()
    [mine], _ = tokens.issue(PAIR, 1, 0.0)
    assert tokens.redeem(bytes(32), 0.0) is None
    assert tokens.redeem(b"", 0.0) is None
    assert tokens.redeem(mine, 0.0) is not None


def test_a_token_lapses_after_ten_seconds() -> None:
    """X10: what nobody came for is forgotten, and its place is free again."""
    tokens = book()
    [mine], [theirs] = tokens.issue(PAIR, 1, 0.0)
    assert tokens.redeem(mine, limits.LANE_TOKEN_S) is None
    assert not tokens.lapsed(limits.LANE_TOKEN_S - 0.1)
    [place] = tokens.lapsed(limits.LANE_TOKEN_S)
    assert place.links == PAIR
    assert tokens.redeem(theirs, 0.0) is None
    assert not len(tokens) and not tokens.of(PAIR[0])


def test_one_end_alone_lapses_too() -> None:
    """X10: a side that comes for a lane and waits for nobody does not wait for ever."""
    tokens = book()
    [mine], _ = tokens.issue(PAIR, 1, 0.0)
    found = tokens.redeem(mine, 1.0)
    assert found is not None
    assert tokens.lapsed(limits.LANE_TOKEN_S) == [found[0]]


def test_a_lane_that_stands_does_not_lapse() -> None:
    """Both ends came: the time of tokens is over, that of the lane is not."""
    tokens = book()
    [mine], [theirs] = tokens.issue(PAIR, 1, 0.0)
    tokens.redeem(mine, 1.0)
    tokens.redeem(theirs, 2.0)
    assert tokens.lapsed(100.0) == []
    assert len(tokens) == 1


def test_a_pair_has_sixteen_at_most() -> None:
    """X10: asking again and again gives no more than sixteen at a time."""
    tokens = book()
    assert len(tokens.issue(PAIR, 10, 0.0)[0]) == 10
    assert len(tokens.issue(PAIR, 10, 0.0)[0]) == 6
    assert tokens.issue(PAIR, 1, 0.0) == ([], [])
    assert len(tokens.issue(OTHERS, 1, 0.0)[0]) == 1
    tokens.release(tokens.of(PAIR[1])[0])
    assert len(tokens.issue(PAIR, 5, 0.0)[0]) == 1


def test_all_pairs_together_are_bounded() -> None:
    """X10: many rooms cannot take every file that the relay may open."""
    tokens = book(in_all=3)
    assert len(tokens.issue(PAIR, 2, 0.0)[0]) == 2
    assert len(tokens.issue(OTHERS, 2, 0.0)[0]) == 1
    assert len(tokens) == 3


def test_releasing_twice_counts_once() -> None:
    """A place that is given back by both of its ends is one place."""
    tokens = book()
    tokens.issue(PAIR, 2, 0.0)
    place = tokens.of(PAIR[0])[0]
    tokens.release(place)
    tokens.release(place)
    assert len(tokens) == 1


def test_asking_gives_both_sides_theirs() -> None:
    """B2: either side's asking reaches both."""
    relay, creator, joiner = settled()
    relay.say(joiner, AskLanes(4))
    mine, theirs = granted(relay, creator), granted(relay, joiner)
    assert len(mine) == len(theirs) == 4
    assert not set(mine) & set(theirs)


def test_no_lanes_before_the_pair_has_settled() -> None:
    """X10: a joiner who has proven nothing gets none, and stays in the room."""
    relay = HubTwin()
    creator, joiner, _ = pair(relay)
    relay.say(joiner, AskLanes(4))
    assert granted(relay, joiner) == []
    assert relay.hears(creator) == []


def test_no_lanes_without_a_room() -> None:
    """X09: whoever sits nowhere is refused."""
    relay = HubTwin()
    link = relay.greet()
    relay.say(link, AskLanes(1))
    refused = relay.hears(link)[-1]
    assert isinstance(refused, Refused)
    assert refused.code == "malformed"


def test_a_relay_that_carries_no_lanes_says_so() -> None:
    """Where sockets cannot be spliced the asker is told to stay on TLS."""
    relay, creator, joiner = settled(HubRules(lanes=0))
    relay.say(creator, AskLanes(4))
    assert granted(relay, creator) == []
    assert relay.hears(joiner) == []
