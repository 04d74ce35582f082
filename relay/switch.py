"""Between the links and the hub: asks the hub, carries out what it says, forwards DATA.

One switch serves every transport of a relay. It keeps the deadlines of links (first message,
silence) by a sweep once a second; those of rooms are the hub's. It opens no socket and reads no
clock: transports hand in ``now``.
Spec: docs/protocol.md §4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from relay.actions import Action, Close, Send
from relay.hub import Hub
from relay.lane import Lanes
from relay.link import Link, Wire
from relay.log import Log
from relay.room import LinkId
from tallow.wire import limits
from tallow.wire.errors import WireError
from tallow.wire.relay import Allocated, Notice, Paired, Refused, decode_client, relay_frame

_ANSWERS_TO_A_PAIRING = 2
"""take and reopen: strangers who come and go must not use up what a creator may say."""


class Switch:
    """All links of a relay, by the id that the hub knows."""

    def __init__(self, hub: Hub, log: Log, unix_s: Callable[[], int]) -> None:
        """Serve this hub; ``unix_s`` is the clock that greetings show."""
        self.hub = hub
        self.lanes = Lanes(hub.lane_tokens)
        self._log = log
        self._unix_s = unix_s
        self._links: dict[LinkId, Link] = {}
        self._addresses: dict[LinkId, str] = {}
        self._next_id = 1

    def __len__(self) -> int:
        return len(self._links)

    def open(self, wire: Wire, address: str, now: float) -> Link:
        """Take a new connection in: greet it, or refuse and close it at once."""
        link = Link(LinkId(self._next_id), wire, self, now)
        self._next_id += 1
        self._links[link.id] = link
        self._addresses[link.id] = address
        self._carry_out(self.hub.connect(link.id, address, now, unix_s=self._unix_s()), now)
        return link

    # --- what links ask ----------------------------------------------------------------------

    def heard(self, link: Link, body: memoryview, now: float) -> None:
        """Decode a relay message, carry it out; WireError if it is none."""
        self._carry_out(self.hub.receive(link.id, decode_client(body), now), now)
        link.seated = self.hub.is_seated(link.id)

    def sink_for(self, link: Link, length: int, now: float) -> Link | None:
        """Return the partner's link; None while nobody sits opposite, within a bound."""
        if not link.seated:
            raise WireError("DATA before a verb")
        peer = self.hub.peer_of(link.id)
        if peer is None:
            link.stray_bytes += length
            if link.stray_bytes > limits.RELAY_STRAY_MAX_BYTES:
                raise WireError("too much DATA for nobody")
            return None
        # A flight is small. What is large before the pair has settled could be cut off
        # half-way by a joiner who leaves, and would cost the creator its link.
        if length > limits.RELAY_WHOLE_MAX_BYTES and not self.hub.is_settled(link.id):
            raise WireError("large DATA before the pair has settled")
        self.hub.data_seen(link.id, now)
        link.settled = self.hub.is_settled(link.id)
        return self._links.get(peer)

    def malformed(self, link: Link, now: float) -> None:
        """Refuse a link that broke the rules of the wire, and close it."""
        self._carry_out(self.hub.refuse(link.id, "malformed", now), now)
        self._close(link.id, now)

    def lost(self, link: Link, now: float) -> None:
        """Forget a link whose transport is gone."""
        self._forget(link.id)
        self._carry_out(self.hub.disconnect(link.id, now), now)

    # --- time --------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """End what is due: rooms, links without a verb, silent and stuck links."""
        self._carry_out(self.hub.on_deadline(now), now)
        self.lanes.sweep(now)
        for link in list(self._links.values()):
            late = not link.seated and now - link.opened_at > limits.RELAY_FIRST_MESSAGE_S
            if late or link.is_stale(now):
                self._log.event("link.silent", seated=link.seated)
                self._carry_out(self.hub.disconnect(link.id, now), now)
                self._close(link.id, now)

    def drain(self, now: float) -> None:
        """Tell everybody that the relay is going, and take nobody in any more."""
        self._carry_out(self.hub.drain(), now)

    def close_all(self, now: float) -> None:
        """End every link."""
        for link_id in list(self._links):
            self._carry_out(self.hub.disconnect(link_id, now), now)
            self._close(link_id, now)

    # --- the hub's word ----------------------------------------------------------------------

    def _carry_out(self, actions: Sequence[Action], now: float) -> None:
        for action in actions:
            match action:
                case Send(link_id, message):
                    self._note(link_id, message)
                    if link := self._links.get(link_id):
                        if isinstance(message, Paired):
                            link.controls = max(0, link.controls - _ANSWERS_TO_A_PAIRING)
                        link.say(relay_frame(message))
                case Close(link_id):
                    self._close(link_id, now)

    def _close(self, link_id: LinkId, now: float) -> None:
        if link := self._forget(link_id):
            link.close(now)

    def _forget(self, link_id: LinkId) -> Link | None:
        self.lanes.pair_ended(link_id)
        self._addresses.pop(link_id, None)
        return self._links.pop(link_id, None)

    def _note(self, link_id: LinkId, message: object) -> None:
        address = self._addresses.get(link_id, "")
        match message:
            case Refused(code=code):
                self._log.event("refused", code=code, address=address)
            case Allocated(expires_s=expires_s):
                self._log.event("room.open", expires_s=expires_s, address=address)
            case Paired(role="joiner"):
                self._log.event("room.paired", address=address)
            case Notice(kind="expired"):
                self._log.event("room.expired")
            case _:
                pass
