"""The switch: deadlines of links, DATA for nobody, and a log that tells nothing."""

from __future__ import annotations

import pytest

from relay.hub import HubRules
from relay.quota import Act, QuotaLimits
from tallow.wire import limits
from tallow.wire.frames import LinkType, encode_link
from tallow.wire.relay import (
    Allocate,
    Allocated,
    Claim,
    Meet,
    Notice,
    Paired,
    Refused,
    RelayHello,
    Reopen,
    Take,
    Waiting,
    client_frame,
)
from tests.relay.memory import FIRST, HELLO, MemoryRelay

ID = b"i" * 32
LARGE = encode_link(LinkType.DATA, bytes(limits.RELAY_WHOLE_MAX_BYTES + 1))


def test_a_link_is_greeted_with_the_relays_time() -> None:
    """The doctor compares this clock with its own."""
    relay = MemoryRelay()
    [hello] = relay.open().heard()
    assert isinstance(hello, RelayHello)
    assert hello.time == 1_700_000_000


def test_hello_and_verb_may_come_in_one_packet() -> None:
    """B2: a client that needs no password says everything at once."""
    relay = MemoryRelay()
    wire = relay.enter(Allocate(600))
    hello, allocated = wire.heard()
    assert isinstance(hello, RelayHello)
    assert isinstance(allocated, Allocated)
    [_, paired] = relay.join(allocated.plate).heard()
    assert paired == Paired("joiner")
    assert wire.heard() == [Paired("creator", FIRST, 1)]


def test_a_link_without_a_verb_is_closed_after_ten_seconds() -> None:
    """X10: neither silence nor a bare hello keeps a link."""
    relay = MemoryRelay()
    silent, greeted = relay.open(), relay.open()
    relay.feed(greeted, HELLO)
    seated = relay.enter(Meet(ID, 600))
    relay.wait(limits.RELAY_FIRST_MESSAGE_S)
    assert [wire.closed for wire in (silent, greeted, seated)] == [False, False, False]
    relay.wait(1)
    assert [wire.closed for wire in (silent, greeted, seated)] == [True, True, False]


def test_a_silent_link_is_closed_and_a_pinging_one_stays() -> None:
    """X10: ninety seconds without a byte end a link; pings keep it."""
    relay = MemoryRelay()
    creator, joiner = relay.pair()
    for _ in range(8):
        relay.feed(creator, encode_link(LinkType.PING))
        relay.wait(limits.PING_EVERY_S)
    assert joiner.closed
    assert not creator.closed
    assert creator.heard()[-1] == Notice("peer-gone")


def test_a_link_that_may_not_be_read_is_not_silent() -> None:
    """A fast sender held up by a slow receiver is not taken for dead."""
    relay = MemoryRelay()
    creator, joiner = relay.pair()
    assert creator.link is not None
    relay.feed(joiner, encode_link(LinkType.DATA, b"x"))
    relay.wait(60)
    relay.feed(creator, encode_link(LinkType.PING))
    creator.link.choked(relay.now)
    relay.wait(60)
    assert joiner.paused
    assert not joiner.closed
    assert not creator.closed


def test_data_before_a_verb_ends_the_link() -> None:
    """X10: DATA belongs into a room."""
    relay = MemoryRelay()
    wire = relay.open()
    relay.feed(wire, HELLO + encode_link(LinkType.DATA, b"x"))
    assert wire.closed
    assert wire.heard()[-1] == Refused("malformed")


def test_data_for_nobody_is_dropped_up_to_a_bound() -> None:
    """X10: what was on its way when the peer went is dropped, a flood ends the link."""
    relay = MemoryRelay()
    creator, joiner = relay.pair()
    relay.gone(joiner)
    creator.taken()
    frame = encode_link(LinkType.DATA, bytes(limits.MIB))
    for _ in range(limits.RELAY_STRAY_MAX_BYTES // limits.MIB):
        relay.feed(creator, frame)
    assert not creator.closed
    relay.feed(creator, frame)
    assert creator.closed


@pytest.mark.parametrize("sender", ["creator", "joiner"])
def test_large_data_before_the_pair_has_settled_ends_the_link(sender: str) -> None:
    """X13: a joiner cannot cost a waiting creator its link by leaving inside a large frame."""
    relay = MemoryRelay()
    creator, joiner = relay.pair(settled=False)
    relay.feed(creator, encode_link(LinkType.DATA, b"m2"))
    relay.feed(creator if sender == "creator" else joiner, LARGE[:100])
    assert (creator.closed, joiner.closed) == (sender == "creator", sender == "joiner")
    if sender == "joiner":
        assert creator.heard() == [Notice("peer-gone"), Waiting()]


def test_a_reply_under_way_while_the_seat_changes_is_dropped() -> None:
    """A2: on the wire the next joiner gets the reply that was made for it, and no other."""
    relay = MemoryRelay()
    creator = relay.enter(Claim("7", 600))
    hasty = relay.join("7")
    relay.gone(hasty)
    joiner = relay.join("7")
    joiner.taken()
    relay.say(creator, Take(1))
    relay.feed(creator, encode_link(LinkType.DATA, b"m2 for the hasty one"))
    assert joiner.frames() == []
    relay.say(creator, Take(2))
    relay.feed(creator, encode_link(LinkType.DATA, b"m2"))
    assert joiner.frames() == [(LinkType.DATA, b"m2")]
    assert creator.heard()[-1] == Paired("creator", FIRST, 2)


def test_a_large_frame_of_a_session_that_was_put_out_reaches_nobody() -> None:
    """What a creator had under way when it reopened is no fault of the next joiner's seat."""
    relay = MemoryRelay()
    creator, _ = relay.pair()
    relay.say(creator, Reopen())
    newcomer = relay.enter(Meet(ID, 600))
    newcomer.taken()
    relay.feed(creator, LARGE)
    assert newcomer.frames() == []
    assert not creator.closed


def test_strangers_who_come_and_go_use_up_nothing() -> None:
    """X10: take and reopen are answers; no number of joiners costs a waiting creator its link."""
    relay = MemoryRelay(quota=QuotaLimits(per_minute=dict.fromkeys(Act, 0)))
    creator = relay.enter(Claim("7", 600))
    for pairing in range(1, limits.RELAY_CONTROLS_MAX + 1):
        joiner = relay.join("7")
        relay.say(creator, Take(pairing), Reopen())
        assert joiner.closed
    assert not creator.closed


def test_a_seat_that_ends_frees_the_room_on_the_wire() -> None:
    """B3: the sweep carries the hub's deadlines out."""
    relay = MemoryRelay()
    creator, joiner = relay.pair(settled=False)
    relay.wait(limits.SEAT_CONFIRM_S)
    assert joiner.closed
    assert joiner.heard() == [Notice("peer-gone")]
    assert creator.heard() == [Notice("peer-gone"), Waiting()]


def test_an_expired_code_is_closed_on_the_wire() -> None:
    """B3: a waiting creator hears that its code ran out, then the link ends."""
    relay = MemoryRelay()
    wire = relay.enter(Claim("7", 20))
    for _ in range(20):
        relay.wait(1)
    assert wire.closed
    assert wire.heard()[-1] == Notice("expired")
    assert relay.join("7").heard()[-1] == Refused("expired")


def test_empty_rooms_vanish() -> None:
    """B3: a room without a live link is gone after the time that was set."""
    relay = MemoryRelay(HubRules(orphan_s=5))
    relay.gone(relay.enter(Claim("7", 600)))
    relay.wait(4)
    assert relay.switch.hub.rooms() == 1
    relay.wait(1)
    assert relay.switch.hub.rooms() == 0


def test_a_refused_link_hears_why_and_leaves_nothing() -> None:
    """B3: a refusal at the door is said, the link is closed and forgotten."""
    relay = MemoryRelay(quota=QuotaLimits(links=1))
    relay.open()
    refused = relay.open()
    assert refused.heard() == [Refused("full")]
    assert refused.closed
    assert len(relay.switch) == 1


def test_closing_all_ends_every_link() -> None:
    """At the end nobody is left."""
    relay = MemoryRelay()
    wires = [*relay.pair(), relay.enter(Claim("7", 600)), relay.open()]
    relay.switch.close_all(relay.now)
    assert all(wire.closed for wire in wires)
    assert len(relay.switch) == 0


def test_the_log_names_no_address_no_plate_and_no_id() -> None:
    """A4, B3: a whole life of a relay leaves no plain address, plate, meeting id or flight."""
    relay = MemoryRelay()
    address = "203.0.113.77"
    wire = relay.open(address)
    relay.feed(wire, HELLO + client_frame(Claim("48151623", 20)))
    relay.join("48151623")
    relay.join("48151623")
    relay.pair()
    relay.wait(120)
    log = "".join(relay.lines)
    assert "room.open" in log
    assert "room.paired" in log
    assert "crowded" in log
    for secret in (address, "203.0", "48151623", ID.hex(), FIRST.hex(), "192.0.2"):
        assert secret not in log
