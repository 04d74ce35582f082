"""The relay's mind: who may sit where, who hears what, and when a room ends.

Messages of links and instants go in, actions come out; no socket, no clock, no await, so that a
test holds a whole relay in memory. A room's table of states stands in room.py. DATA does not
pass through: the shell asks ``peer_of`` and forwards. The hub never learns what is in it.
Before: relay/switch.py, or a twin in a test. Spec: docs/protocol.md §4.2, §4.3, §4.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import assert_never

from relay.actions import Action, Close, Send
from relay.caller import Caller
from relay.hub_rules import HubRules
from relay.lane_tokens import LaneTokens, grant
from relay.plates import Plates
from relay.quota import Act, Quota
from relay.room import TRANSITIONS, LinkId, Room, RoomEvent, RoomState
from relay.succession import crowded_retry_s, objection
from tallow.wire import limits
from tallow.wire.relay import (
    RELAY_VERSION,
    Allocate,
    Allocated,
    AskLanes,
    Auth,
    Claim,
    ClientHello,
    ClientSays,
    Join,
    Leave,
    Meet,
    Notice,
    NoticeKind,
    Paired,
    RefusalCode,
    Refused,
    RelayHello,
    Reopen,
    Succeed,
    Take,
    Waiting,
)
from tallow.wire.relay_auth import NONCE_BYTES

__all__ = ["TRANSITIONS", "Action", "Close", "Hub", "HubRules", "LinkId", "Send"]


class Hub:
    """Every link and every room of one relay."""

    def __init__(
        self,
        random_below: Callable[[int], int],
        rules: HubRules | None = None,
        quota: Quota | None = None,
    ) -> None:
        """Draw nonces and plates with ``random_below(n)``, uniform in 0 … n-1."""
        self._random_below = random_below
        self._rules = rules or HubRules()
        self._quota = quota or Quota()
        self._plates = Plates(random_below)
        self.lane_tokens = LaneTokens(random_below, per_pair=self._rules.lanes)
        self._callers: dict[LinkId, Caller] = {}
        self._rooms: set[Room] = set()
        self._named: dict[str | bytes, Room] = {}
        self._plates_live = 0
        self._draining = False

    # --- what happens on links ---------------------------------------------------------------

    def connect(self, link: LinkId, address: str, now: float, *, unix_s: int = 0) -> list[Action]:
        """Greet a new link, or refuse it; ``unix_s`` is the time that the greeting shows."""
        if denial := self._quota.open_link(address, now):
            return [Send(link, Refused(denial.code, denial.retry_s)), Close(link)]
        nonce = self._random_below(1 << (8 * NONCE_BYTES)).to_bytes(NONCE_BYTES, "big")
        self._callers[link] = Caller(address, nonce)
        hello = RelayHello(
            version=RELAY_VERSION,
            time=unix_s,
            nonce=nonce,
            auth=self._rules.password_key is not None,
            data_max=limits.FRAME_MAX_BYTES,
        )
        return [Send(link, hello)]

    def receive(self, link: LinkId, message: ClientSays, now: float) -> list[Action]:
        """Carry out what a link asks for."""
        caller = self._callers.get(link)
        if caller is None:
            return []
        if isinstance(message, ClientHello):
            return self._greeted(link, caller, message, now)
        if caller.client_nonce is None:
            return self.refuse(link, "malformed", now)
        match message:
            case Auth():
                return self._authenticate(link, caller, message, now)
            case Allocate() | Claim() | Succeed() | Join() | Meet():
                if caller.room is not None:
                    return self.refuse(link, "malformed", now)
                if self._draining:
                    return self.refuse(link, "draining", now)
                return self._enter(link, caller, message, now)
            case Take():
                return self._take(link, caller, message.pairing, now)
            case Reopen():
                return self._reopen(link, caller, now)
            case AskLanes() if caller.room is not None:
                return grant(self.lane_tokens, caller.room, link, message.count, now)
            case AskLanes():
                return self.refuse(link, "malformed", now)
            case Leave():
                return [*self.disconnect(link, now), Close(link)]
            case _:
                assert_never(message)

    def data_seen(self, link: LinkId, now: float) -> None:
        """Note that a link sent DATA: the joiner's first settles the pair."""
        room = self._room_of(link)
        if room is not None and room.state is RoomState.SEATED and room.joiner == link:
            room.step(RoomEvent.JOINER_SPOKE, now)

    def disconnect(self, link: LinkId, now: float) -> list[Action]:
        """Forget a link that is gone and tell whoever sat opposite; unknown links are none."""
        caller = self._callers.pop(link, None)
        if caller is None:
            return []
        self._quota.close_link(caller.address)
        return self._vacate(caller.room, link, now) if caller.room is not None else []

    def refuse(
        self, link: LinkId, code: RefusalCode, now: float, *, retry_s: int = 0
    ) -> list[Action]:
        """Tell a link why it is closed, and close it."""
        if link not in self._callers:
            return []
        return [Send(link, Refused(code, retry_s)), Close(link), *self.disconnect(link, now)]

    # --- what the shell asks -----------------------------------------------------------------

    def peer_of(self, link: LinkId) -> LinkId | None:
        """Return where this link's DATA goes, if anywhere.

        What a creator sent before it took the pairing was meant for a joiner who has left.
        """
        room = self._room_of(link)
        if room is None or not room.is_paired() or (link == room.creator and not room.is_taken()):
            return None
        return room.opposite(link)

    def is_seated(self, link: LinkId) -> bool:
        """Tell whether a link's verb was carried out; before that it may not send DATA."""
        return self._room_of(link) is not None

    def is_settled(self, link: LinkId) -> bool:
        """Tell whether a link's pair is settled, so that DATA may be large."""
        room = self._room_of(link)
        return room is not None and room.state is RoomState.SETTLED

    def pairs(self) -> int:
        """Return how many rooms hold two people."""
        return sum(room.is_paired() for room in self._rooms)

    def rooms(self) -> int:
        """Return how many rooms there are, orphaned ones included."""
        return len(self._rooms)

    # --- time --------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """Return when ``on_deadline`` has something to do, if ever."""
        instants = (room.deadline_at for room in self._rooms if room.deadline_at is not None)
        return min(instants, default=None)

    def on_deadline(self, now: float) -> list[Action]:
        """End seats, codes and empty rooms whose time is up."""
        actions: list[Action] = []
        # A seat that ends may leave a code that has run out meanwhile: look until all are done.
        while due := [room for room in self._rooms if room.is_due(now)]:
            for room in due:
                actions += self._time_up(room, now)
        return actions

    def drain(self) -> list[Action]:
        """Refuse every verb from now on and tell everybody."""
        self._draining = True
        return [Send(link, Notice("draining")) for link in self._callers]

    # --- verbs -------------------------------------------------------------------------------

    def _greeted(
        self, link: LinkId, caller: Caller, hello: ClientHello, now: float
    ) -> list[Action]:
        if caller.client_nonce is not None:
            return self.refuse(link, "malformed", now)
        if RELAY_VERSION not in hello.versions:
            return self.refuse(link, "version", now)
        caller.client_nonce = hello.nonce
        return []

    def _authenticate(self, link: LinkId, caller: Caller, auth: Auth, now: float) -> list[Action]:
        key = self._rules.password_key
        if caller.proven or caller.room is not None:
            return self.refuse(link, "malformed", now)
        if key is None:
            return []
        if denial := self._quota.exhausted(Act.FALSE_PROOF, caller.address, now):
            return self.refuse(link, denial.code, now, retry_s=denial.retry_s)
        if not caller.proves(auth.proof, key, self._rules.key_hash):
            self._quota.spend(Act.FALSE_PROOF, caller.address, now)
            return self.refuse(link, "auth-failed", now)
        caller.proven = True
        return []

    def _enter(
        self,
        link: LinkId,
        caller: Caller,
        verb: Allocate | Claim | Succeed | Join | Meet,
        now: float,
    ) -> list[Action]:
        match verb:
            case Join():
                return self._join(link, caller, verb.plate, verb.first, now)
            case Meet():
                found = self._named.get(verb.id)
                if found is not None and (found.is_paired() or found.state is RoomState.WAITING):
                    return self._join(link, caller, verb.id, b"", now)
                # Whoever once paid for this id pays for whoever comes back to it.
                paid = found is not None
                return self._create(link, caller, verb.id, verb.expires_s, now, paid=paid)
            case Claim():
                found = self._named.get(verb.plate)
                if found is not None and found.is_live():
                    return self.refuse(link, "plate-live", now)
                return self._create(link, caller, verb.plate, verb.expires_s, now, heir=verb.heir)
            case Succeed():
                return self._succeed(link, caller, verb, now)
            case Allocate():
                plate = self._plates.draw(self._named, self._plates_live, now)
                if plate is None:
                    return self.refuse(link, "full", now)
                return self._create(link, caller, plate, verb.expires_s, now, heir=verb.heir)
            case _:
                assert_never(verb)

    def _succeed(self, link: LinkId, caller: Caller, verb: Succeed, now: float) -> list[Action]:
        before = self._named.get(verb.plate)
        if before is None:
            return self.refuse(link, self._nobody_there(verb.plate, now), now)
        if why := objection(before, verb.token, now):
            return self.refuse(link, why, now)
        # Succession does not make a code live longer.
        left_s = math.ceil(before.expires_at - now)
        return self._create(link, caller, verb.plate, left_s, now, heir=verb.heir, succeeds=before)

    def _create(
        self,
        link: LinkId,
        caller: Caller,
        name: str | bytes,
        expires_s: int,
        now: float,
        *,
        paid: bool = False,
        heir: bytes | None = None,
        succeeds: Room | None = None,
    ) -> list[Action]:
        if self._rules.password_key is not None and not caller.proven and not paid:
            return self.refuse(link, "auth-required", now)
        if denial := self._quota.open_room(caller.address, now):
            return self.refuse(link, denial.code, now, retry_s=denial.retry_s)
        granted_s = min(expires_s, self._rules.expires_max_s)
        expires_at = now + granted_s if succeeds is None else succeeds.expires_at
        room = Room(name, caller.address, link, expires_at, self._rules.orphan_s, heir=heir)
        if succeeds is not None:
            room.line = succeeds.line
            self._replace(succeeds, RoomEvent.SUCCEEDED, now)
        elif name in self._named:
            self._replace(self._named[name], RoomEvent.REPLACED, now)
        room.line.rooms += 1
        caller.room = room
        self._rooms.add(room)
        self._named[name] = room
        if isinstance(name, bytes):
            return [Send(link, Waiting())]
        self._plates_live += 1
        self._plates.used(name, now)
        return [Send(link, Allocated(name, granted_s))]

    def _join(
        self, link: LinkId, caller: Caller, name: str | bytes, first: bytes, now: float
    ) -> list[Action]:
        if denial := self._quota.spend(Act.JOIN, caller.address, now):
            return self.refuse(link, denial.code, now, retry_s=denial.retry_s)
        room = self._named.get(name)
        if room is not None and room.is_paired():
            told = [Send(inside, Notice("crowded")) for inside in room.links()]
            retry_s = crowded_retry_s(room, now)
            refused = self.refuse(link, "crowded", now, retry_s=retry_s)
            # Where several are expected, one more is no news to those inside.
            return refused if retry_s else [*refused, *told]
        if room is None or room.creator is None or not room.step(RoomEvent.JOINED, now):
            return self.refuse(link, self._nobody_there(name, now), now)
        room.joiner = link
        room.pairing += 1
        caller.room = room
        return [
            Send(room.creator, Paired("creator", first, room.pairing)),
            Send(link, Paired("joiner")),
        ]

    def _nobody_there(self, name: str | bytes, now: float) -> RefusalCode:
        ran_out = isinstance(name, str) and self._plates.has_expired(name, now)
        return "expired" if ran_out else "unknown-plate"

    def _take(self, link: LinkId, caller: Caller, pairing: int, now: float) -> list[Action]:
        room = caller.room
        if room is None or room.creator != link or not room.take(pairing):
            return self.refuse(link, "malformed", now)
        return []

    def _reopen(self, link: LinkId, caller: Caller, now: float) -> list[Action]:
        room = caller.room
        if room is None or room.creator != link:
            return self.refuse(link, "malformed", now)
        if room.name is None:
            return self.refuse(link, "expired", now)
        room.step(RoomEvent.REOPENED, now)
        actions: list[Action] = []
        if room.joiner is not None:
            actions += self._put_out(room.joiner)
            room.joiner = None
        return [*actions, Send(link, Waiting())]

    # --- ends --------------------------------------------------------------------------------

    def _vacate(self, room: Room, link: LinkId, now: float) -> list[Action]:
        was_paired = room.is_paired()
        room.step(room.empty_seat(link), now)
        left = room.links()
        actions: list[Action] = []
        if was_paired:
            actions += [Send(inside, Notice("peer-gone")) for inside in left]
        if room.state is RoomState.WAITING:
            actions += [Send(inside, Waiting()) for inside in left]
        return actions

    def _time_up(self, room: Room, now: float) -> list[Action]:
        seat_ends = room.state is RoomState.SEATED
        room.step(RoomEvent.TIME_UP, now)
        if seat_ends and room.joiner is not None:
            actions = self._put_out(room.joiner)
            room.joiner = None
            for inside in room.links():
                actions += [Send(inside, Notice("peer-gone")), Send(inside, Waiting())]
            return actions
        if isinstance(room.name, str) and room.links():
            self._plates.expired(room.name, now)
        self._drop(room, now)
        return [action for inside in room.links() for action in self._put_out(inside, "expired")]

    def _put_out(self, link: LinkId, why: NoticeKind = "peer-gone") -> list[Action]:
        """Forget a link whose seat is being emptied by the caller of this method."""
        caller = self._callers.pop(link, None)
        if caller is not None:
            self._quota.close_link(caller.address)
        return [Send(link, Notice(why)), Close(link)]

    def _replace(self, room: Room, event: RoomEvent, now: float) -> None:
        room.step(event, now)
        if room.state is RoomState.CLOSED:
            self._drop(room, now)
        else:
            self._release_name(room, now)

    def _drop(self, room: Room, now: float) -> None:
        self._rooms.discard(room)
        room.line.rooms -= 1
        self._quota.close_room(room.creator_address)
        self._release_name(room, now)

    def _release_name(self, room: Room, now: float) -> None:
        if room.name is None:
            return
        del self._named[room.name]
        if isinstance(room.name, str):
            self._plates_live -= 1
            self._plates.used(room.name, now)
        room.name = None

    def _room_of(self, link: LinkId) -> Room | None:
        caller = self._callers.get(link)
        return caller.room if caller else None
