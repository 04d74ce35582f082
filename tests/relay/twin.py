"""A whole relay in memory: the hub, its links' inboxes and a clock that a test moves.

DATA goes where the hub says; nothing here decides anything.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from relay.actions import Action, Close, Send
from relay.hub import Hub, HubRules
from relay.quota import Quota, QuotaLimits
from relay.room import LinkId
from tallow.wire.relay import ClientHello, ClientSays, RelayHello, RelaySays
from tallow.wire.relay_auth import client_proof

CLIENT_NONCE = b"c" * 32
FIRST = b"\x00\x00\x00\x02\x01x"
"""A first flight, as far as the relay cares."""


class HubTwin:
    """Links talk, the clock moves, and everything that links hear is kept."""

    def __init__(self, rules: HubRules | None = None, quota: QuotaLimits | None = None) -> None:
        """Run a hub with a seeded generator."""
        self.random = random.Random(7)
        self.hub = Hub(self.random.randrange, rules, Quota(quota))
        self.rules = rules or HubRules()
        self.now = 1000.0
        self.heard: dict[LinkId, list[RelaySays]] = defaultdict(list)
        self.closed: set[LinkId] = set()
        self.got: dict[LinkId, list[bytes]] = defaultdict(list)
        self._next = 1

    def connect(self, address: str = "192.0.2.1") -> LinkId:
        """Open a link and leave what it is greeted with in its inbox."""
        link = LinkId(self._next)
        self._next += 1
        self._carry_out(self.hub.connect(link, address, self.now, unix_s=1_700_000_000))
        return link

    def greet(self, address: str = "192.0.2.1") -> LinkId:
        """Open a link and exchange hellos."""
        link = self.connect(address)
        self.say(link, ClientHello([1], CLIENT_NONCE))
        hello = self.heard[link].pop(0)
        assert isinstance(hello, RelayHello)
        return link

    def enter(self, verb: ClientSays, address: str = "192.0.2.1") -> LinkId:
        """Open a link, exchange hellos and say one verb."""
        link = self.greet(address)
        self.say(link, verb)
        return link

    def proof(self, hello: RelayHello, key: bytes) -> bytes:
        """Return the proof that answers a greeting."""
        return client_proof(key, CLIENT_NONCE, hello.nonce, self.rules.key_hash)

    def say(self, link: LinkId, message: ClientSays) -> None:
        """Let a link say something."""
        self._carry_out(self.hub.receive(link, message, self.now))

    def send(self, link: LinkId, body: bytes) -> None:
        """Let a link send DATA."""
        self.hub.data_seen(link, self.now)
        peer = self.hub.peer_of(link)
        if peer is not None:
            self.got[peer].append(body)

    def cut(self, link: LinkId) -> None:
        """Let a link's connection go."""
        self.closed.add(link)
        self._carry_out(self.hub.disconnect(link, self.now))

    def wait(self, seconds: float) -> None:
        """Move the clock, stopping at every deadline of the hub on the way."""
        end = self.now + seconds
        while (deadline := self.hub.next_deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self._carry_out(self.hub.on_deadline(self.now))
        self.now = end

    def drain(self) -> None:
        """Begin the relay's end."""
        self._carry_out(self.hub.drain())

    def hears(self, link: LinkId) -> list[RelaySays]:
        """Empty a link's inbox."""
        heard, self.heard[link] = self.heard[link], []
        return heard

    def _carry_out(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Send(link, message):
                    assert link not in self.closed, "the hub spoke to a closed link"
                    self.heard[link].append(message)
                case Close(link):
                    assert link not in self.closed, "the hub closed a link twice"
                    self.closed.add(link)
