"""Who may ask how often: token buckets per address, and caps on rooms and links.

An IPv6 address counts as its /64, because one household owns that many; an IPv4 address counts
whole. The relay pays with memory for every address it remembers, so the buckets of the longest
silent one are forgotten first. This module never sees a message, and ``now`` is handed in.
Spec: docs/protocol.md §4.5.
"""

from __future__ import annotations

import enum
import ipaddress
import math
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Literal

from tallow.wire import limits


class Act(enum.Enum):
    """What costs a token."""

    CONNECT = "connect"
    CREATE = "create"
    JOIN = "join"
    FALSE_PROOF = "false proof"


@dataclass(frozen=True, slots=True)
class QuotaLimits:
    """Every figure that an operator may set."""

    rooms: int = limits.RELAY_ROOMS_MAX
    rooms_per_address: int = limits.RELAY_ROOMS_PER_ADDRESS_MAX
    links: int = limits.RELAY_LINKS_MAX
    links_per_address: int = limits.RELAY_LINKS_PER_ADDRESS_MAX
    per_minute: dict[Act, int] = field(
        default_factory=lambda: {
            Act.CONNECT: 240,
            Act.CREATE: 60,
            Act.JOIN: 30,
            Act.FALSE_PROOF: 5,
        }
    )
    """A bucket holds as many tokens as a minute refills; zero means no limit."""


@dataclass(frozen=True, slots=True)
class Denial:
    """Why not, and when it is worth another try."""

    code: Literal["rate", "full"]
    retry_s: int = 0


FULL = Denial("full")


class Quota:
    """Counts what each address has open and how fast it asks."""

    def __init__(self, quota_limits: QuotaLimits | None = None) -> None:
        """Start with full buckets and nothing open."""
        self._limits = quota_limits or QuotaLimits()
        self._links: Counter[str] = Counter()
        self._rooms: Counter[str] = Counter()
        self._links_open = 0
        self._rooms_open = 0
        self._buckets: OrderedDict[tuple[str, Act], tuple[float, float]] = OrderedDict()

    def open_link(self, address: str, now: float) -> Denial | None:
        """Count a new link, or say why it may not be."""
        key = address_key(address)
        if self._links_open >= self._limits.links:
            return FULL
        if self._links.get(key, 0) >= self._limits.links_per_address:
            return FULL
        if denial := self._spend(Act.CONNECT, key, now):
            return denial
        self._links[key] += 1
        self._links_open += 1
        return None

    def refuses_link(self, address: str, now: float) -> bool:
        """Tell whether ``open_link`` would say no; count nothing and take no token."""
        return (
            self._links_open >= self._limits.links
            or self._links.get(address_key(address), 0) >= self._limits.links_per_address
            or self.exhausted(Act.CONNECT, address, now) is not None
        )

    def close_link(self, address: str) -> None:
        """Count a link as gone."""
        self._links_open -= 1
        _give_back(self._links, address_key(address))

    def open_room(self, address: str, now: float) -> Denial | None:
        """Count a new room for its creator, or say why it may not be."""
        key = address_key(address)
        if self._rooms_open >= self._limits.rooms:
            return FULL
        if self._rooms.get(key, 0) >= self._limits.rooms_per_address:
            return FULL
        if denial := self._spend(Act.CREATE, key, now):
            return denial
        self._rooms[key] += 1
        self._rooms_open += 1
        return None

    def close_room(self, address: str) -> None:
        """Count a room as gone."""
        self._rooms_open -= 1
        _give_back(self._rooms, address_key(address))

    def spend(self, act: Act, address: str, now: float) -> Denial | None:
        """Take a token, or say when there will be one."""
        return self._spend(act, address_key(address), now)

    def exhausted(self, act: Act, address: str, now: float) -> Denial | None:
        """Say when there will be a token, if there is none; take nothing."""
        key = address_key(address)
        per_minute = self._limits.per_minute[act]
        tokens = self._tokens(act, key, now)
        return _wait_for_one(per_minute, tokens) if per_minute and tokens < 1 else None

    def _spend(self, act: Act, key: str, now: float) -> Denial | None:
        per_minute = self._limits.per_minute[act]
        if not per_minute:
            return None
        tokens = self._tokens(act, key, now)
        denial = _wait_for_one(per_minute, tokens) if tokens < 1 else None
        self._buckets.pop((key, act), None)
        if len(self._buckets) >= limits.ADDRESSES_TRACKED_MAX:
            self._buckets.popitem(last=False)
        self._buckets[key, act] = (tokens if denial else tokens - 1, now)
        return denial

    def _tokens(self, act: Act, key: str, now: float) -> float:
        full = float(self._limits.per_minute[act])
        tokens, seen_at = self._buckets.get((key, act), (full, now))
        return min(full, tokens + max(0.0, now - seen_at) * full / 60)


def address_key(address: str) -> str:
    """Return what an address counts as: IPv4 whole, IPv6 its /64, anything else itself."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{ipaddress.IPv6Address(int(parsed) >> 64 << 64)}/64"


def _wait_for_one(per_minute: int, tokens: float) -> Denial:
    return Denial("rate", math.ceil((1 - tokens) * 60 / per_minute))


def _give_back(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
