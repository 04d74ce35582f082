"""Meeting again after a path was lost or a process ended: same two sides, new keys, no words.

Both sides go to the meeting place that only the first session's resume secret names, and prove it
there by the psk handshake; roles are those of the first session, whoever arrives first. Nobody is
asked and nothing is counted: a stranger at that place can prove nothing and learns nothing.
Before: exchange.py. After: greeting.py. It never decides that a transfer may go on.
Spec: docs/protocol.md §5.6.
"""

from __future__ import annotations

from typing import assert_never

from tallow.engine import events as e
from tallow.engine.bond import Bond
from tallow.engine.connecting import connect
from tallow.engine.context import ExchangeContext
from tallow.engine.link import Link
from tallow.engine.meeting import Met
from tallow.errors import (
    LinkError,
    PeerGone,
    RelayKeyChanged,
    RelayUnreachable,
    RelayVersion,
    RemoteProtocolError,
    SessionEnded,
    TallowError,
    TimedOut,
    WrongCode,
)
from tallow.protocol.handshake import Confirmed
from tallow.protocol.psk_flights import resume_meet_id
from tallow.protocol.psk_handshake import PskInitiator, PskResponder
from tallow.protocol.rendezvous import RelayNoticed, SeatsPaired, SeatTaken
from tallow.wire import limits
from tallow.wire import relay as wire

BACK_OFF_S = (0.2, 1.0, 2.0, 4.0, 8.0)


def is_lost_path(error: TallowError) -> bool:
    """Tell whether only the path is lost, so that the same two sides may find another."""
    match error:
        case SessionEnded():
            return False
        case PeerGone() | RelayUnreachable():
            return True
        case _:
            return type(error) is LinkError


class Reunion:
    """Tries to meet the same peer again until a moment that the caller sets."""

    def __init__(self, context: ExchangeContext, bond: Bond, give_up_at: float | None) -> None:
        """``give_up_at`` is on the clock's scale; None waits for as long as the person does."""
        self._context = context
        self._bond = bond
        self._give_up_at = give_up_at
        self._tries = 0

    async def meet(self, lost: TallowError | None = None) -> Met:
        """Return a new session with the peer of the old one.

        Raises: the error that the path was lost with, or TimedOut, once time is up; at once what
        trying again cannot mend (RelayKeyChanged, RelayVersion).
        """
        while True:
            if lost is not None:
                await self._pause(lost)
            try:
                return await self._meet_once()
            except (RelayKeyChanged, RelayVersion):
                raise
            except (LinkError, PeerGone, WrongCode, RemoteProtocolError) as error:
                lost = error
                await self._context.close_links()

    async def _pause(self, lost: TallowError) -> None:
        pause_s = BACK_OFF_S[min(self._tries, len(BACK_OFF_S) - 1)]
        self._tries += 1
        now = self._context.ports.clock.now()
        if self._give_up_at is not None and now + pause_s >= self._give_up_at:
            raise lost
        left_s = None if self._give_up_at is None else self._give_up_at - now
        why = lost.why or lost.message
        self._context.emit(e.SessionLost(self._context.ticket, why, pause_s, left_s))
        await self._context.pause(pause_s)

    async def _meet_once(self) -> Met:
        context, bond = self._context, self._bond
        verb = wire.Meet(resume_meet_id(bond.resume), limits.EXPIRES_DEFAULT_S)
        link = await connect(context, bond.address, verb)
        await self._seats(link)
        context.emit(e.PeerJoined(context.ticket))
        return await self._prove(link)

    async def _seats(self, link: Link) -> None:
        """Wait until both sit there."""
        context = self._context
        while True:
            event = link.poll()
            match event:
                case SeatsPaired():
                    return
                case SeatTaken():
                    context.emit(e.TransferState(context.ticket, "reconnecting"))
                case None:
                    context.check_cancelled()
                    self._check_time()
                    await link.wait(self._give_up_at)
                case _:
                    pass

    async def _prove(self, link: Link) -> Met:
        context, now = self._context, self._context.ports.clock.now()
        random_bytes, bond = context.ports.rng.bytes, self._bond
        match bond.role:
            case "initiator":
                initiator = PskInitiator(bond.resume, random_bytes, context.kem)
                link.peer = initiator
                initiator.begin(now)
            case "responder":
                responder = PskResponder(bond.resume, random_bytes, context.kem, bond.answered)
                link.peer = responder
                responder.wait(now)
            case _:
                assert_never(bond.role)
        try:
            while True:
                event = link.poll()
                match event:
                    case Confirmed():
                        flights_s = context.ports.clock.now() - now
                        rtt_s = flights_s if bond.role == "responder" else None
                        return Met(
                            link, event.secrets, bond.role, bond.address, bond=bond, rtt_s=rtt_s
                        )
                    case RelayNoticed(kind="peer-gone") | SeatTaken():
                        raise PeerGone("The other side left before it was recognised.")
                    case None:
                        context.check_cancelled()
                        await link.wait()
                    case _:
                        pass
        finally:
            link.flush()

    def _check_time(self) -> None:
        now = self._context.ports.clock.now()
        if self._give_up_at is not None and now >= self._give_up_at:
            raise TimedOut("The other side did not come back in time.")
