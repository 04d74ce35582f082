"""Token buckets and caps, with a clock that a test moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.quota import FULL, Act, Denial, Quota, QuotaLimits, address_key
from tallow.wire import limits

ME, YOU = "192.0.2.1", "192.0.2.2"


def spent(quota: Quota, now: float, tries: int, address: str = ME) -> int:
    """Return how many of these joins are allowed."""
    return sum(quota.spend(Act.JOIN, address, now) is None for _ in range(tries))


def test_a_bucket_holds_a_minutes_worth_and_refills_evenly() -> None:
    """B3: thirty at once, then one every two seconds, never more than thirty again."""
    quota = Quota()
    assert spent(quota, 0.0, 40) == 30
    assert quota.spend(Act.JOIN, ME, 0.0) == Denial("rate", 2)
    assert spent(quota, 2.0, 5) == 1
    assert spent(quota, 1000.0, 40) == 30


def test_addresses_do_not_pay_for_one_another() -> None:
    """One visitor's empty bucket leaves the next one's full."""
    quota = Quota()
    spent(quota, 0.0, 40)
    assert spent(quota, 0.0, 40, YOU) == 30


def test_acts_have_buckets_of_their_own() -> None:
    """Joins that ran out leave creating and connecting alone."""
    quota = Quota()
    spent(quota, 0.0, 40)
    assert quota.open_link(ME, 0.0) is None
    assert quota.open_room(ME, 0.0) is None


def test_looking_takes_no_token() -> None:
    """Whether proofs are exhausted can be asked without making it so."""
    quota = Quota(QuotaLimits(per_minute=dict.fromkeys(Act, 1)))
    for _ in range(3):
        assert quota.exhausted(Act.FALSE_PROOF, ME, 0.0) is None
    quota.spend(Act.FALSE_PROOF, ME, 0.0)
    assert quota.exhausted(Act.FALSE_PROOF, ME, 0.0) == Denial("rate", 60)
    assert quota.exhausted(Act.FALSE_PROOF, ME, 60.0) is None


def test_a_refusal_is_foreseen_without_cost() -> None:
    """Whether a link would be refused can be asked as often as datagrams come."""
    quota = Quota(QuotaLimits(links=3, links_per_address=2, per_minute=dict.fromkeys(Act, 2)))
    for _ in range(5):
        assert not quota.refuses_link(ME, 0.0)
    assert quota.open_link(ME, 0.0) is None
    assert quota.open_link(ME, 0.0) is None
    assert quota.refuses_link(ME, 1000.0)
    assert not quota.refuses_link(YOU, 0.0)
    assert quota.open_link(YOU, 0.0) is None
    assert quota.refuses_link("192.0.2.3", 0.0)
    quota.close_link(ME)
    assert quota.refuses_link(ME, 0.0), "no token is left"
    assert not quota.refuses_link(ME, 60.0)


def test_zero_means_no_limit() -> None:
    """An operator may turn a rate off."""
    quota = Quota(QuotaLimits(per_minute=dict.fromkeys(Act, 0)))
    assert spent(quota, 0.0, 1000) == 1000
    assert quota.exhausted(Act.JOIN, ME, 0.0) is None


def test_rooms_and_links_are_counted_and_given_back() -> None:
    """B3: a cap is reached, answered with full, and free again when something closes."""
    quota = Quota(QuotaLimits(rooms=2, rooms_per_address=1, links=2, links_per_address=1))
    for opened, closed in (
        (quota.open_room, quota.close_room),
        (quota.open_link, quota.close_link),
    ):
        assert opened(ME, 0.0) is None
        assert opened(ME, 0.0) == FULL
        assert opened(YOU, 0.0) is None
        assert opened("192.0.2.3", 0.0) == FULL
        closed(ME)
        assert opened("192.0.2.3", 0.0) is None


def test_a_refused_opening_counts_for_nothing() -> None:
    """What was denied leaves no trace in the counts."""
    quota = Quota(QuotaLimits(links=5, links_per_address=5, per_minute=dict.fromkeys(Act, 1)))
    assert quota.open_link(ME, 0.0) is None
    for _ in range(20):
        assert quota.open_link(ME, 0.0) == Denial("rate", 60)
    quota.close_link(ME)
    for number in range(5):
        assert quota.open_link(f"198.51.100.{number}", 0.0) is None


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("alice", "alice"),
    ],
)
def test_an_address_counts_whole_or_as_its_64(address: str, key: str) -> None:
    """B3: one household is one visitor, however many IPv6 addresses it owns."""
    assert address_key(address) == key


@given(st.text(max_size=60))
def test_no_address_raises(address: str) -> None:
    """X14: whatever stands for an address has a key."""
    assert isinstance(address_key(address), str)


def test_remembered_addresses_are_bounded() -> None:
    """X10: a flood of addresses pushes the longest silent ones out, not the memory up."""
    quota = Quota(QuotaLimits(per_minute=dict.fromkeys(Act, 1)))
    quota.spend(Act.JOIN, ME, 0.0)
    for number in range(limits.ADDRESSES_TRACKED_MAX - 1):
        quota.spend(Act.JOIN, f"visitor {number}", 0.0)
    assert quota.spend(Act.JOIN, "visitor 0", 0.0) is not None
    assert quota.spend(Act.JOIN, "one more", 0.0) is None
    assert quota.spend(Act.JOIN, ME, 0.0) is None


def test_a_clock_that_steps_back_gives_nothing_away() -> None:
    """Tokens never come from time that did not pass."""
    quota = Quota()
    spent(quota, 100.0, 40)
    assert quota.spend(Act.JOIN, ME, 50.0) is not None
