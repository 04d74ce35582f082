"""Faults in the frames of a relay link: what a client says to the relay, and the relay to a client.

The relay runs as on the network, without sockets; its clients are honest but for one frame. A
link that ends or waits harms nobody else: after each fault two others meet under the same relay.
"""

from __future__ import annotations

from collections.abc import Iterator

from tallow.errors import TallowError
from tallow.protocol.rendezvous import Rendezvous
from tallow.wire import relay as wire
from tallow.wire.errors import WireError
from tallow.wire.frames import LinkReader, LinkType, encode_link
from tests.corpus.cases import MASKS, Case, Ends, flipped
from tests.pair.chance import Chance
from tests.relay.memory import FIRST, HELLO, MemoryRelay, MemoryWire

PLATE = "7123"
CREATE = wire.client_frame(wire.Claim(PLATE, 600))
FROM_CLIENT = {
    "client.hello": HELLO,
    "client.auth": wire.client_frame(wire.Auth(bytes(32))),
    "client.allocate": wire.client_frame(wire.Allocate(600)),
    "client.claim": CREATE,
    "client.succeed": wire.client_frame(wire.Succeed(PLATE, b"t" * 32, b"h" * 32)),
    "client.join": wire.client_frame(wire.Join(PLATE, FIRST)),
    "client.meet": wire.client_frame(wire.Meet(b"i" * 32, 600)),
    "client.take": wire.client_frame(wire.Take(1)),
    "client.reopen": wire.client_frame(wire.Reopen()),
    "client.leave": wire.client_frame(wire.Leave()),
    "client.ping": encode_link(LinkType.PING),
    "client.data": encode_link(LinkType.DATA, b"sealed bytes"),
}
GREETING = wire.relay_frame(wire.RelayHello(1, 1_700_000_000, bytes(32), False, 1 << 20))
FROM_RELAY = {
    "relay.hello": GREETING,
    "relay.allocated": wire.relay_frame(wire.Allocated(PLATE, 600)),
    "relay.waiting": wire.relay_frame(wire.Waiting()),
    "relay.paired": wire.relay_frame(wire.Paired("creator", FIRST, 1)),
    "relay.refused": wire.relay_frame(wire.Refused("rate", 5)),
    "relay.notice": wire.relay_frame(wire.Notice("crowded")),
    "relay.pong": encode_link(LinkType.PONG),
}
FRAMES = FROM_CLIENT | FROM_RELAY
_WHOLE = ("drop", "double", "reflect", "unknown type", "too long", "as data")
NOW = 50.0


def cases() -> Iterator[Case]:
    """List every fault of every frame."""
    for what, frame in FRAMES.items():
        for fault in ("flip low bit", "flip high bit"):
            yield from (Case(what, fault, at) for at in range(len(frame)))
        yield from (Case(what, "cut to", at) for at in range(len(frame)))
        yield from (Case(what, fault) for fault in _WHOLE)


def end(case: Case) -> Ends:
    """Play a fault at the side that the frame is for."""
    frame = FRAMES[case.what]
    raw = _damaged(frame, case)
    if case.what in FROM_CLIENT:
        return _at_the_relay(case.what, raw)
    return _at_the_client(case.what, raw)


def _damaged(frame: bytes, case: Case) -> bytes:
    if case.at is not None:
        at = case.at
        return frame[:at] if case.fault == "cut to" else flipped(frame, at, MASKS[case.fault])
    made = {
        "drop": b"",
        "double": frame * 2,
        "reflect": GREETING if case.what in FROM_CLIENT else HELLO,
        "unknown type": b"\x7f" + frame[1:],
        "too long": frame[:1] + b"\xff\xff\xff\xff" + frame[5:],
        "as data": bytes([LinkType.DATA]) + frame[1:],
    }
    return made[case.fault]


# --- the relay's side -------------------------------------------------------------------------


def _at_the_relay(what: str, raw: bytes) -> Ends:
    relay = MemoryRelay()
    link = relay.open("192.0.2.66")
    if what == "client.hello":
        relay.feed(link, raw + FROM_CLIENT["client.meet"])
    else:
        _prepare(relay, link, what)
        relay.feed(link, raw)
    at_once = link.closed
    relay.wait(200)
    heard = ", ".join(_word(said) for said in link.heard())
    _others_meet(relay)
    when = "at once" if at_once else "in time" if link.closed else "never"
    return {"client hears": heard, "link ends": when}


def _prepare(relay: MemoryRelay, link: MemoryWire, what: str) -> None:
    if what == "client.join":
        relay.enter(wire.Claim(PLATE, 600))
    relay.feed(link, HELLO)
    if what in ("client.take", "client.reopen", "client.leave", "client.data"):
        relay.feed(link, CREATE)
        relay.join(PLATE)
    if what == "client.data":
        relay.say(link, wire.Take(1))
    link.taken()


def _word(said: wire.RelaySays) -> str:
    if isinstance(said, wire.Refused):
        return said.code
    return said.kind if isinstance(said, wire.Notice) else type(said).__name__


def _others_meet(relay: MemoryRelay) -> None:
    creator, joiner = relay.enter(wire.Claim("99", 600)), relay.join("99")
    relay.feed(joiner, encode_link(LinkType.DATA, b"hello"))
    assert (LinkType.DATA, b"hello") in creator.frames()


# --- the client's side ------------------------------------------------------------------------


def _at_the_client(what: str, raw: bytes) -> Ends:
    verb: wire.Allocate | wire.Meet = wire.Meet(b"i" * 32, 600)
    if what == "relay.allocated":
        verb = wire.Allocate(600)
    client = Rendezvous(verb, Chance(4))
    client.begin(NOW)
    client.bytes_to_send()
    before = b"" if what == "relay.hello" else GREETING
    if what in ("relay.paired", "relay.notice"):
        before += FROM_RELAY["relay.waiting"]
    reader = LinkReader()
    try:
        _feed(client, reader, before)
        while client.next_event() is not None:
            pass
        _feed(client, reader, raw)
        events = []
        while (event := client.next_event()) is not None:
            events.append(type(event).__name__)
        state = client.state.value
        return {"client": " ".join(events), "state": state, "silence": _silence(client)}
    except (TallowError, WireError) as error:
        return {"client": type(error).__name__}


def _feed(client: Rendezvous, reader: LinkReader, raw: bytes) -> None:
    for kind, body in reader.feed(raw):
        if kind is not LinkType.DATA:
            client.receive((kind, bytes(body)), NOW)


def _silence(client: Rendezvous) -> str:
    """Return how a client ends whose relay says nothing more."""
    for _ in range(20):
        deadline = client.next_deadline()
        assert deadline is not None
        try:
            client.on_deadline(deadline)
        except TallowError as error:
            return type(error).__name__
    return "never ends"
