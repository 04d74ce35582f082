"""The relay's limits when many come at once: floods end, answers are right, memory stays bounded.

The crowd lives in memory under a clock that the test moves; one relay is a real process. How
much memory and speed a flood costs is measured by bench/relay_load.py, not here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.quota import Act, QuotaLimits
from tallow.wire import limits
from tallow.wire.frames import LinkType, encode_link
from tallow.wire.relay import (
    Allocate,
    Allocated,
    ClientSays,
    Join,
    Meet,
    Notice,
    Paired,
    Refused,
    RelaySays,
    Take,
    Waiting,
)
from tests.relay.client import Client
from tests.relay.memory import HELLO, MemoryRelay, MemoryWire
from tests.relay.twin import FIRST, HubTwin
from tests.runs.programs import RelayProcess, relay_running

HOSTILE_CONNECTS = 10_000
ADDRESSES = 1_000
GENEROUS = QuotaLimits(
    rooms_per_address=4096, links_per_address=4096, per_minute=dict.fromkeys(Act, 0)
)


def stranger(number: int) -> str:
    """Return one of a thousand addresses."""
    return f"198.18.{number // 250 % (ADDRESSES // 250)}.{1 + number % 250}"


def remembered(relay: HubTwin) -> dict[str, int]:
    """Return how much the hub, its quota and its plates hold."""
    hub, quota, plates = relay.hub, relay.hub._quota, relay.hub._plates
    return {
        "callers": len(hub._callers),
        "rooms": hub.rooms(),
        "names": len(hub._named),
        "addresses with links": len(quota._links),
        "addresses with rooms": len(quota._rooms),
        "buckets": len(quota._buckets),
        "resting plates": len(plates._resting._until),
        "expired plates": len(plates._expired._until),
    }


def refusals(
    relay: HubTwin, links: list[int], act: ClientSays | None, address: str
) -> list[Refused]:
    """Let an address come so often, saying this, and return the refusals that it heard."""
    heard = []
    for _ in links:
        link = relay.connect(address) if act is None else relay.enter(act, address)
        heard += [said for said in relay.hears(link) if isinstance(said, Refused)]
        if link not in relay.closed:
            relay.cut(link)
    return heard


# --- floods in memory -------------------------------------------------------------------------


def test_ten_thousand_hostile_connects_leave_nothing_behind() -> None:
    """X10, B3: every map of the hub stays under its cap in a flood, and empties after it."""
    relay = HubTwin()
    held = []
    for number in range(HOSTILE_CONNECTS):
        link = relay.connect(stranger(number))
        if link not in relay.closed:
            held.append(link)
        relay.now += 0.003
    sizes = remembered(relay)
    assert len(held) == sizes["callers"] == limits.RELAY_LINKS_MAX
    assert sizes["addresses with links"] <= ADDRESSES
    assert sizes["buckets"] <= ADDRESSES
    for link in held:
        relay.cut(link)
    sizes = remembered(relay)
    assert not sizes.pop("buckets") > ADDRESSES
    assert sizes == dict.fromkeys(sizes, 0)


def test_more_addresses_than_are_remembered_push_one_another_out() -> None:
    """X10: a flood from more addresses than there is room for costs a bounded number of buckets."""
    relay = HubTwin()
    for number in range(limits.ADDRESSES_TRACKED_MAX + HOSTILE_CONNECTS):
        link = relay.connect(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        relay.cut(link)
    assert remembered(relay)["buckets"] == limits.ADDRESSES_TRACKED_MAX
    assert remembered(relay)["addresses with links"] == 0


def test_a_running_pair_does_not_notice_a_flood() -> None:
    """X10: while strangers fill every free link, DATA of a pair goes on and its seats stay."""
    relay = HubTwin()
    creator = relay.enter(Meet(b"i" * 32, 600))
    joiner = relay.enter(Meet(b"i" * 32, 600))
    relay.say(creator, Take(1))
    relay.send(joiner, b"third flight")
    relay.hears(creator)
    relay.hears(joiner)
    for number in range(HOSTILE_CONNECTS):
        relay.connect(stranger(number))
    relay.wait(limits.RELAY_IDLE_S)
    relay.send(creator, b"still here")
    assert relay.got[joiner] == [b"still here"]
    assert relay.hears(creator) == relay.hears(joiner) == []


def test_half_open_links_end_after_their_ten_seconds() -> None:
    """X10: links that say nothing, or half a hello, are all gone when their time is up."""
    relay = MemoryRelay()
    creator, joiner = relay.pair()
    wires = []
    for number in range(3_000):
        wire = relay.open(stranger(number))
        relay.feed(wire, HELLO[: number % len(HELLO)])
        wires.append(wire)
    assert len(relay.switch) == 3_002
    relay.wait(limits.RELAY_FIRST_MESSAGE_S + 1)
    assert all(wire.closed for wire in wires)
    assert len(relay.switch) == 2
    relay.feed(joiner, encode_link(LinkType.DATA, b"on"))
    assert creator.frames() == [(LinkType.DATA, b"on")]


def test_many_slow_readers_cost_a_bounded_memory() -> None:
    """B3, X10: readers that stop stop their senders, hold a few words each, and end at last."""
    relay = MemoryRelay(quota=GENEROUS)
    pairs = [_meeting(relay, number) for number in range(100)]
    for creator, joiner in pairs:
        assert joiner.link is not None
        joiner.link.choked(relay.now)
        relay.feed(creator, encode_link(LinkType.DATA, bytes(64 * limits.KIB)))
        for _ in range(100):
            relay.feed(joiner, encode_link(LinkType.PING))
        assert creator.paused
        assert len(joiner.link._deferred) <= limits.RELAY_DEFERRED_MAX
    relay.wait(limits.RELAY_IDLE_S + 1)
    assert all(joiner.closed for _, joiner in pairs)
    assert not any(creator.paused for creator, _ in pairs)


def _meeting(relay: MemoryRelay, number: int) -> tuple[MemoryWire, MemoryWire]:
    name = number.to_bytes(32, "big")
    creator, joiner = relay.enter(Meet(name, 600)), relay.enter(Meet(name, 600))
    relay.say(creator, Take(1))
    relay.feed(joiner, encode_link(LinkType.DATA, b"m3"))
    creator.taken()
    return creator, joiner


# --- the right answer -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "said"),
    [(Act.CONNECT, None), (Act.CREATE, Allocate(60)), (Act.JOIN, Join("4711", FIRST))],
)
def test_an_address_that_asks_too_often_hears_rate(act: Act, said: ClientSays | None) -> None:
    """B3: past its allowance an address hears rate and when to come back; others are served."""
    allowed = QuotaLimits().per_minute[act]
    quota = QuotaLimits(per_minute={**dict.fromkeys(Act, 0), act: allowed})
    relay = HubTwin(quota=quota)
    heard = refusals(relay, list(range(allowed + 5)), said, stranger(0))
    assert [one for one in heard if one.code == "rate"] == heard[-5:]
    assert heard[-1].retry_s == -(-60 // allowed)
    assert not [one for one in refusals(relay, [1], said, stranger(1)) if one.code == "rate"]
    relay.wait(heard[-1].retry_s)
    assert not [one for one in refusals(relay, [1], said, stranger(0)) if one.code == "rate"]


def test_an_address_with_too_many_links_hears_full() -> None:
    """B3: open links per address are capped, and one that ends makes room for another."""
    relay = HubTwin(quota=QuotaLimits(links_per_address=20, per_minute=dict.fromkeys(Act, 0)))
    links = [relay.connect(stranger(0)) for _ in range(21)]
    assert [link for link in links if link in relay.closed] == links[20:]
    assert relay.hears(links[20]) == [Refused("full")]
    relay.cut(links[0])
    assert relay.connect(stranger(0)) not in relay.closed


# --- what is stale goes -----------------------------------------------------------------------


def test_a_thousand_stale_rooms_vanish_together() -> None:
    """B3: rooms whose people all left go after their time, and give their quota back."""
    relay = HubTwin(quota=GENEROUS)
    for number in range(1_000):
        relay.cut(relay.enter(Meet(number.to_bytes(32, "big"), 3600)))
    assert relay.hub.rooms() == 1_000
    relay.wait(limits.ROOM_ORPHAN_S - 1)
    assert relay.hub.rooms() == 1_000
    relay.wait(2)
    assert relay.hub.rooms() == 0
    sizes = remembered(relay)
    assert sizes == dict.fromkeys(sizes, 0)


def test_a_thousand_codes_expire_together() -> None:
    """B3: waiting creators hear that their code ran out, late joiners too, within a cap."""
    relay = HubTwin(quota=GENEROUS)
    plates = {}
    for _ in range(1_000):
        creator = relay.enter(Allocate(600))
        [allocated] = relay.hears(creator)
        assert isinstance(allocated, Allocated)
        plates[creator] = allocated.plate
    assert len(set(plates.values())) == 1_000
    relay.wait(601)
    assert all(relay.hears(creator) == [Notice("expired")] for creator in plates)
    assert relay.hub.rooms() == 0
    late = relay.enter(Join(next(iter(plates.values())), FIRST))
    assert relay.hears(late) == [Refused("expired")]
    sizes = remembered(relay)
    assert sizes["expired plates"] <= limits.PLATES_EXPIRED_MAX
    assert sizes["resting plates"] <= limits.PLATES_REMEMBERED_MAX
    assert sizes["names"] == sizes["callers"] == 0


# --- a real process ---------------------------------------------------------------------------


@pytest.fixture
def strict_relay(tmp_path: Path) -> Iterator[RelayProcess]:
    """A relay process with small figures."""
    config = tmp_path / "relay.toml"
    figures = ["rooms = 1", "links = 60", "joins_per_minute = 3", 'orphan = "1s"']
    figures += ["connects_per_minute = 0", "creates_per_minute = 0"]
    config.write_text("\n".join(["[relay]", *figures, ""]))
    with relay_running(tmp_path / "state", "--config", str(config)) as running:
        yield running


@pytest.mark.wire
async def test_a_real_relay_holds_its_limits_under_a_flood(strict_relay: RelayProcess) -> None:
    """B3, X10: a pair goes on in a flood of half-open links; rate is answered; a room vanishes."""
    port = int(strict_relay.address.rpartition(":")[2])
    async with asyncio.timeout(30):
        creator = await Client.enter(port, Meet(b"i" * 32, 600))
        assert await creator.hear() == Waiting()
        joiner = await Client.enter(port, Meet(b"i" * 32, 600))
        assert await joiner.hear() == Paired("joiner")
        assert await creator.hear() == Paired("creator", pairing=1)
        flood = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
        joiner.send(b"third flight")
        assert await creator.data() == b"third flight"
        for _, writer in flood:
            writer.close()
        # The flood's ends and these bytes are handled in the order in which they were sent.
        creator.send(b"on")
        assert await joiner.data() == b"on"
        answers = [await _join(port) for _ in range(4)]
        assert [answer.code for answer in answers] == ["unknown-plate"] * 2 + ["rate"] * 2
        assert 0 < answers[-1].retry_s <= 20
        await creator.close()
        assert await joiner.hear() == Notice("peer-gone")
        await joiner.close()
        # The one room that may be is still kept for whoever lost the link, then it goes.
        assert await _create(port) == Refused("full")
        while await _create(port) != Waiting():
            pass


async def _join(port: int) -> Refused:
    client = await Client.enter(port, Join("4711", FIRST))
    answer = await client.hear()
    await client.close()
    assert isinstance(answer, Refused)
    return answer


async def _create(port: int) -> RelaySays:
    client = await Client.enter(port, Meet(b"j" * 32, 600))
    answer = await client.hear()
    await client.close()
    return answer
