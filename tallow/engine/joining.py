"""The joiner's way to a session: one run, M1 with the join, M3 the moment T_r verifies.

A nameplate is joined with the first flight; an un-numbered code meets first, because order of
arrival decides who speaks. Nothing is tried twice after a reply has arrived.
Before: exchange.py. After: link.py. Spec: docs/protocol.md §4–§5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from tallow.crypto.kdf import argon2id
from tallow.crypto.pake import generator
from tallow.engine import events as e
from tallow.engine.connecting import connect
from tallow.engine.context import ExchangeContext
from tallow.engine.link import Link
from tallow.engine.meeting import Creator, Met
from tallow.errors import (
    CodeExpired,
    Crowded,
    LinkError,
    PeerGone,
    RelayRefused,
    TimedOut,
    UnknownNameplate,
)
from tallow.protocol.address import RelayAddress
from tallow.protocol.code import Code, unnumbered_ids
from tallow.protocol.flights import channel_identifier
from tallow.protocol.handshake import CodeContext, Confirmed, Initiator
from tallow.protocol.rendezvous import RelayNoticed, SeatsPaired, SeatTaken
from tallow.wire import relay as wire

LOOK_AGAIN_S = 3.0
CROWDED_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0)
"""Beyond what the relay asks for: of many who come at once, one after the other gets in."""
DAY_S = 86_400
NEAR_MIDNIGHT_S = 3_600


def pake_context(plate: str, password: bytes) -> CodeContext:
    """Compute the generator, before any socket is opened where that is possible."""
    return CodeContext("code", plate, generator(password, channel_identifier("code", plate)))


def numbered_context(code: Code) -> CodeContext:
    """Return the handshake context of a numbered code."""
    return pake_context(code.plate, code.words.encode())


async def join_plate(
    context: ExchangeContext,
    address: RelayAddress,
    code: Code,
    *,
    wait: bool,
    timeout_s: float | None,
) -> Met:
    """Join a waiting creator; with ``wait``, look again until somebody is there."""
    pake = numbered_context(code)
    give_up_at = None if timeout_s is None else context.ports.clock.now() + timeout_s
    announced = False
    crowded = 0
    while True:
        initiator = _new_initiator(context, pake)
        link = await connect(context, address, partial(_join_verb, context, initiator, code.plate))
        link.peer = initiator
        try:
            return await _finish(context, link, address, code)
        except UnknownNameplate:
            if not wait:
                raise
        except Crowded as error:
            # Somebody else agrees on keys at this moment, and more than one is expected.
            if not error.retry_s or crowded >= len(CROWDED_PAUSES_S):
                raise
            crowded += 1
            jitter_s = context.ports.rng.bytes(1)[0] / 256
            await context.close_links()
            await context.pause(error.retry_s + CROWDED_PAUSES_S[crowded - 1] + jitter_s)
            continue
        except RelayRefused as error:
            # A relay that looked once and now asks for patience will look again.
            if not announced and not (crowded and error.retry_s):
                raise
        await context.close_links()
        if not announced:
            context.emit(e.TransferState(context.ticket, "waiting"))
            announced = True
        if give_up_at is not None and context.ports.clock.now() >= give_up_at:
            raise TimedOut("Nobody came in time.")
        await context.pause(LOOK_AGAIN_S)


async def _join_verb(
    context: ExchangeContext, initiator: Initiator, plate: str, _relay_key_hash: bytes
) -> wire.Join:
    """Begin the run only now that the connection stands: its ten seconds are for the peer."""
    initiator.begin(context.ports.clock.now())
    return wire.Join(plate, initiator.bytes_to_send()[0])


async def meet_unnumbered(
    context: ExchangeContext, address: RelayAddress, code: Code, expires_s: int
) -> Met:
    """Meet under a code without a number: whoever waits is creator, whoever arrives joins."""
    day, second = divmod(int(context.ports.clock.wall()), DAY_S)
    own = await _take_seat(context, address, code, day, expires_s)
    if not own.waiting:
        return await _join_seat(context, own, address, code)
    if not NEAR_MIDNIGHT_S < second < DAY_S - NEAR_MIDNIGHT_S:
        neighbour = day - 1 if second <= NEAR_MIDNIGHT_S else day + 1
        other = await _take_seat(context, address, code, neighbour, expires_s)
        if not other.waiting:
            # Two who come at once find each other on both days; the earlier day counts, and
            # whoever found the later one keeps its own seat until it knows.
            if neighbour < day:
                _leave(own)
                return await _join_seat(context, other, address, code)
            try:
                return await _join_seat(context, other, address, code)
            except PeerGone:
                pass
        _leave(other)
        context.ring = own.link.ring
    creator = Creator(
        context,
        address,
        wire.Meet(bytes.fromhex(own.pake.plate), expires_s),
        lambda _plate: code,
        lambda _code: own.pake,
        expires_s=expires_s,
        link=own.link,
    )
    return await creator.meet()


async def _join_seat(
    context: ExchangeContext, seat: _Seat, address: RelayAddress, code: Code
) -> Met:
    context.ring = seat.link.ring
    initiator = _new_initiator(context, seat.pake)
    initiator.begin(context.ports.clock.now())
    seat.link.peer = initiator
    context.emit(e.PeerJoined(context.ticket))
    return await _confirmed(context, seat.link, address, code)


def _leave(seat: _Seat) -> None:
    seat.link.leave()


@dataclass(frozen=True, slots=True)
class _Seat:
    link: Link
    pake: CodeContext
    waiting: bool


async def _take_seat(
    context: ExchangeContext, address: RelayAddress, code: Code, day: int, expires_s: int
) -> _Seat:
    """Take a seat under a day's meeting id, which only a slow stretch of the code gives."""
    made: list[CodeContext] = []

    async def verb(relay_key_hash: bytes) -> wire.Meet:
        meet_id, password = await context.ports.workers.submit(
            unnumbered_ids, code, relay_key_hash, day, _stretch
        )
        made.append(pake_context(meet_id.hex(), password))
        return wire.Meet(meet_id, expires_s)

    link = await connect(context, address, verb)
    while True:
        match await link.next_event():
            case SeatTaken():
                return _Seat(link, made[0], waiting=True)
            case SeatsPaired():
                return _Seat(link, made[0], waiting=False)
            case _:
                context.check_cancelled()


def _stretch(password: bytes, salt: bytes) -> bytes:
    return argon2id(password, salt, length=64)


def _new_initiator(context: ExchangeContext, pake: CodeContext) -> Initiator:
    return Initiator(pake, context.ports.rng.bytes, context.kem, context.own_flights)


async def _finish(context: ExchangeContext, link: Link, address: RelayAddress, code: Code) -> Met:
    """Wait for the seat, then for the handshake."""
    while True:
        event = link.poll()
        match event:
            case SeatsPaired(seat="joiner"):
                context.emit(e.PeerJoined(context.ticket))
                return await _confirmed(context, link, address, code)
            case SeatsPaired():
                raise LinkError("The relay gave this side the wrong seat.")
            case None:
                context.check_cancelled()
                await link.wait()
            case _:
                pass


async def _confirmed(
    context: ExchangeContext, link: Link, address: RelayAddress, code: Code
) -> Met:
    try:
        while True:
            event = link.poll()
            match event:
                case Confirmed():
                    return Met(link, event.secrets, "initiator", address, code.text)
                case RelayNoticed(kind="peer-gone"):
                    raise PeerGone("The other side left before the handshake was done.")
                case RelayNoticed(kind="expired"):
                    raise CodeExpired
                case RelayNoticed():
                    context.emit(e.RelayNotice(context.ticket, event.kind))
                case None:
                    context.check_cancelled()
                    await link.wait()
                case _:
                    pass
    finally:
        # An abort(confirm) must reach the creator, so that its code burns there too.
        link.flush()
