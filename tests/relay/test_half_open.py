"""Whose TLS handshake ends when there are too many: never that of an honest newcomer."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.half_open import HalfOpen
from tallow.wire import limits

ADDRESSES = 1_000


def attacker(number: int) -> str:
    """Return one of a thousand addresses."""
    return f"198.18.{number // 250 % (ADDRESSES // 250)}.{1 + number % 250}"


def test_below_the_cap_nobody_goes() -> None:
    """As many handshakes as are allowed run side by side."""
    lobby: HalfOpen[int] = HalfOpen(3)
    assert [lobby.begin(number, "192.0.2.1") for number in range(3)] == [None] * 3
    assert len(lobby) == 3


def test_the_oldest_of_the_busiest_address_goes() -> None:
    """X10: who holds the most gives way, its oldest first; an address with one is left alone."""
    lobby: HalfOpen[str] = HalfOpen(4)
    for one, address in [("a", "192.0.2.1"), ("b", "192.0.2.2"), ("c", "192.0.2.2")]:
        lobby.begin(one, address)
    assert lobby.begin("d", "192.0.2.3") is None
    assert lobby.begin("e", "192.0.2.4") == "b"
    assert lobby.begin("f", "192.0.2.2") == "c"


def test_of_equals_the_one_who_waits_longest_goes() -> None:
    """X10: a flood with an address for each connection pushes out its own beginning."""
    lobby: HalfOpen[int] = HalfOpen(3)
    gone = [lobby.begin(number, attacker(number)) for number in range(6)]
    assert gone == [None, None, None, 0, 1, 2]


def test_a_household_of_ipv6_is_one_address() -> None:
    """X10: the /64 counts, as everywhere in the relay."""
    lobby: HalfOpen[str] = HalfOpen(2)
    lobby.begin("other", "192.0.2.1")
    lobby.begin("first", "2001:db8::1")
    assert lobby.begin("second", "2001:db8::2") == "first"


def test_what_has_ended_is_forgotten() -> None:
    """An end makes room, is taken twice, and leaves no address behind."""
    lobby: HalfOpen[str] = HalfOpen(1)
    lobby.begin("a", "192.0.2.1")
    for _ in range(2):
        lobby.end("a")
    assert len(lobby) == len(lobby._by_key) == 0
    assert lobby.begin("b", "192.0.2.2") is None


@pytest.mark.parametrize("addresses", [1, 7, ADDRESSES])
def test_a_newcomer_on_a_slow_path_gets_through_a_flood(addresses: int) -> None:
    """X10: 300 silent handshakes a second from few or many addresses, and every honest one that
    takes 100 ms ends well; the memory of the flood stays under the cap."""
    lobby: HalfOpen[int] = HalfOpen()
    due: list[tuple[float, int]] = []
    honest, lost = set(), set()
    for number in range(6_000):
        now = number / 300
        while due and due[0][0] <= now:
            lobby.end(heapq.heappop(due)[1])
        is_honest = number % 50 == 49
        if is_honest:
            honest.add(number)
            heapq.heappush(due, (now + 0.1, number))
        # The honest one may even sit behind the same address as the flood.
        victim = lobby.begin(number, attacker(number % addresses))
        if victim is not None:
            lost.add(victim)
        assert len(lobby) <= limits.RELAY_TLS_HALF_OPEN_MAX
    assert len(honest) == 120
    assert not honest & lost
    assert len(lost) > 5_000


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 30)), max_size=80))
def test_the_cap_holds_whatever_comes_and_goes(steps: list[tuple[bool, int, int]]) -> None:
    """X10: after any order of beginnings and ends the books agree and the cap holds."""
    lobby: HalfOpen[int] = HalfOpen(5)
    inside: set[int] = set()
    for number, (begins, address, other) in enumerate(steps):
        if begins:
            inside.add(100 + number)
            inside.discard(lobby.begin(100 + number, f"192.0.2.{address}") or 0)
        else:
            lobby.end(100 + other)
            inside.discard(100 + other)
        assert set(lobby._keys) == inside
        assert len(lobby) <= 5
        assert sum(map(len, lobby._by_key.values())) == len(lobby)
