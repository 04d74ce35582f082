"""From a code to a confirmed session: a seat at the relay, then the handshake.

The creator waits, one run at a time, and goes on waiting after a stranger left; the joiner tries
once. Attempt counters are on disk before a reply leaves. It never decides to reopen a burnt code:
that is an event out and a command back.
Before: exchange.py. After: link.py serves rendezvous and handshake. Spec: docs/protocol.md §4–§5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import structs

from tallow.engine import events as e
from tallow.engine.attempt_book import AttemptBook
from tallow.engine.bond import Bond
from tallow.engine.commands import ReopenCode
from tallow.engine.connecting import connect
from tallow.engine.context import ExchangeContext
from tallow.engine.link import Link, read_peer_frame
from tallow.errors import (
    CodeExpired,
    CodeGuessed,
    LinkError,
    PeerGone,
    PeerVersion,
    PlateLive,
    RelayRefused,
    RelayVersion,
    RemoteProtocolError,
    TallowError,
    TimedOut,
    UnknownNameplate,
    WrongCode,
)
from tallow.protocol.address import RelayAddress
from tallow.protocol.attempts import Verdict
from tallow.protocol.code import Code
from tallow.protocol.flights import SessionSecrets
from tallow.protocol.handshake import AttemptCounted, CodeContext, Confirmed, Responder
from tallow.protocol.rendezvous import (
    PlateAllocated,
    RelayNoticed,
    SeatsPaired,
    SeatTaken,
    State,
    Verb,
)
from tallow.protocol.session import Role
from tallow.wire import limits
from tallow.wire import relay as wire

BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0, 30.0)
STOOD_S = 120.0
"""A link that stood so long was no part of the trouble before it."""


@dataclass(slots=True)
class Met:
    """A confirmed handshake and the link that it ran over."""

    link: Link
    secrets: SessionSecrets
    role: Role
    address: RelayAddress
    code: str = field(default="", repr=False)
    """The code as it is typed; empty if none was needed."""
    bond: Bond | None = None
    """How these two found each other again; None at a first meeting."""
    rtt_s: float | None = None
    """How long a flight and its answer took, where this side saw both."""


class Creator:
    """Waits under a code until a session is confirmed."""

    def __init__(
        self,
        context: ExchangeContext,
        address: RelayAddress,
        verb: Verb,
        make_code: Callable[[str], Code],
        make_context: Callable[[Code], CodeContext],
        *,
        expires_s: int,
        link: Link | None = None,
        receivers: int = 1,
    ) -> None:
        """``make_code`` turns the relay's plate into the code; ``link`` is one that waits.

        With another number of ``receivers`` (0: as many as come) ``meet_next`` may follow.
        """
        self._context = context
        self._address = address
        self._receivers = receivers
        self._token = b""
        """What takes the name over from the room that this side made last."""
        self._verb = self._naming_heir(verb)
        self._seated = False
        self._make_code = make_code
        self._make_context = make_context
        self._expires_s = expires_s
        self._link = link
        self._code: Code | None = None
        self._pake: CodeContext | None = None
        self._book: AttemptBook | None = None
        self._expires_at = context.ports.clock.now() + expires_s

    async def meet(self) -> Met:
        """Return the first confirmed session.

        Raises: CodeGuessed, CodeExpired, LinkError and its kin, Interrupted.
        """
        if self._link is None:
            await self._connect()
        else:
            self._allocated("")
        return await self._meet(0)

    async def meet_next(self) -> Met:
        """Return the next confirmed session under this code, while the one before goes on.

        Raises: as ``meet``; CodeExpired, too, if the code's time is up.
        """
        plate = self._code.plate if self._code is not None else ""
        self._verb = self._naming_heir(wire.Succeed(plate, self._token))
        try:
            await self._connect()
        except LinkError as error:
            return await self._meet(await self._connect_again(error, 0))
        return await self._meet(0)

    async def _connect(self) -> None:
        self._link, self._seated = None, False
        self._link = await connect(self._context, self._address, self._verb)

    def _naming_heir(self, verb: Verb) -> Verb:
        """Return a verb that says, where several receivers are expected, who comes next."""
        if self._receivers == 1 or isinstance(verb, wire.Join | wire.Meet):
            return verb
        self._token = self._context.ports.rng.bytes(limits.HEIR_TOKEN_BYTES)
        return structs.replace(verb, heir=wire.heir_mark(self._token))

    def _verb_again(self, error: LinkError, plate: str) -> Verb:
        """Return what to say on a link that takes the place of one that broke."""
        refused = isinstance(error, PlateLive | UnknownNameplate)
        if isinstance(self._verb, wire.Succeed) and not self._seated and not refused:
            return self._verb
        # Either this side had the seat, or the relay knows of no heir any more.
        return self._naming_heir(wire.Claim(plate, self._expires_s))

    async def _meet(self, tries: int) -> Met:
        while True:
            connected_at = self._context.ports.clock.now()
            try:
                return await self._wait(self._must_link())
            except PlateLive as error:
                # After a broken link the relay may hold the old seat a little longer.
                lost = tries > 0 or isinstance(self._verb, wire.Succeed)
                tries = await self._connect_again(error, tries, lost=lost)
            except (RelayRefused, RelayVersion, CodeExpired) as error:
                # Many who come at once use up what a relay grants one address in a minute.
                if not (isinstance(self._verb, wire.Succeed) and error.retry_s):
                    raise
                tries = await self._connect_again(error, tries)
            except LinkError as error:
                if self._context.ports.clock.now() - connected_at >= STOOD_S:
                    tries = 0
                tries = await self._connect_again(error, tries)

    async def meet_again(self, link: Link) -> Met:
        """Wait for another peer on a link whose session ended without a transfer."""
        link.peer = link.transfer = None
        self._put_out(link)
        return await self.meet()

    async def _connect_again(self, error: LinkError, tries: int, *, lost: bool = True) -> int:
        """Make the link to the relay again while the code lives; returns the tries so far."""
        if not lost or self._code is None or not self._code.plate or tries >= len(BACK_OFF_S):
            raise error
        if self._context.ports.clock.now() >= self._expires_at:
            raise CodeExpired
        if self._must_book().read().exhausted:
            raise CodeGuessed
        pause_s = max(BACK_OFF_S[tries], error.retry_s)
        why = error.why or error.message
        self._context.emit(
            e.RelayLost(self._context.ticket, str(self._address), why=why, retry_s=pause_s)
        )
        await self._context.pause(pause_s)
        self._verb = self._verb_again(error, self._code.plate)
        try:
            await self._connect()
        except LinkError as again:
            return await self._connect_again(again, tries + 1)
        return tries + 1

    async def _wait(self, link: Link) -> Met:
        while True:
            event = link.poll()
            match event:
                case PlateAllocated():
                    self._expires_s = event.expires_s
                    self._seated = True
                    self._allocated(event.plate)
                case SeatTaken() if self._code is None:
                    self._allocated("")
                case SeatsPaired(seat="joiner"):
                    raise LinkError("The relay gave this side the wrong seat.")
                case SeatsPaired():
                    met = await self._run(link, event.first)
                    if met is not None:
                        return met
                case RelayNoticed():
                    self._noticed(event)
                case None:
                    self._context.check_cancelled()
                    await link.wait()
                case _:
                    pass

    def _allocated(self, plate: str) -> None:
        if self._code is not None:
            return
        code = self._code = self._make_code(plate)
        self._pake = self._make_context(code)
        key = f"{attempt_key(code, self._pake)}@{self._address}"
        ports = self._context.ports
        self._book = AttemptBook(ports.state, ports.clock, key, code.budget)
        if self._book.read().exhausted:
            raise CodeGuessed(
                "This code was guessed too often in the last day.",
                hint="Use another code, or leave --code out for a fresh one.",
            )
        relay_key = self._link.connection.relay_key_hash if self._link else b""
        self._context.emit(
            e.CodeAllocated(
                self._context.ticket,
                code=code.text,
                relay=str(self._address),
                pin=relay_key.hex(),
                expires_s=self._expires_s,
                bits=code.bits,
                weak=not code.plate or code.budget < 3,
                receivers=self._receivers,
            )
        )
        self._context.emit(e.TransferState(self._context.ticket, "waiting"))

    def _noticed(self, event: RelayNoticed) -> None:
        if event.kind == "expired":
            raise CodeExpired
        self._context.emit(e.RelayNotice(self._context.ticket, event.kind))

    # --- one run ------------------------------------------------------------------------------

    async def _run(self, link: Link, first: bytes) -> Met | None:
        """Serve one joiner; None if it left, and waiting goes on."""
        if self._pake is None or self._book is None or self._code is None:
            raise LinkError("The relay paired this side before it had a code.")
        if self._book.read().exhausted:
            raise CodeGuessed
        context = self._context
        context.emit(e.PeerJoined(context.ticket))
        counted, replied_at = False, 0.0
        responder = Responder(self._pake, context.ports.rng.bytes, context.kem, context.own_flights)
        responder.wait(context.ports.clock.now())
        gone = False
        try:
            if first:
                # Nothing may reach this run before its own first flight does.
                self._still_there(link)
            link.peer = responder
            if first:
                responder.receive(read_peer_frame(first), context.ports.clock.now())
            while True:
                event = link.poll()
                match event:
                    case AttemptCounted():
                        counted, replied_at = True, context.ports.clock.now()
                        self._book.write(self._book.read().started())
                        responder.attempt_stored()
                    case Confirmed():
                        self._book.write(self._book.read().confirmed())
                        rtt_s = context.ports.clock.now() - replied_at
                        return self._met(link, event.secrets, rtt_s)
                    case RelayNoticed(kind="peer-gone"):
                        # The relay may free the seat itself; to free it again would put out
                        # whoever came next.
                        gone = True
                    case SeatTaken():
                        raise _left_early()
                    case RelayNoticed():
                        self._noticed(event)
                    case None if gone:
                        raise _left_early()
                    case None:
                        context.check_cancelled()
                        await link.wait()
                    case _:
                        pass
        except WrongCode:
            await self._guessed(link)
        except (PeerGone, TimedOut, PeerVersion, RemoteProtocolError) as error:
            self._broke_off(error, counted=counted)
        self._put_out(link)
        return None

    def _still_there(self, link: Link) -> None:
        """Raise PeerGone if the joiner has left: the next one must not get its reply."""
        gone = False
        while (event := link.poll()) is not None:
            if isinstance(event, SeatTaken):
                raise _left_early()
            if event == RelayNoticed("peer-gone"):
                gone = True
            elif isinstance(event, RelayNoticed):
                self._noticed(event)
        if gone:
            raise _left_early()

    async def _guessed(self, link: Link) -> None:
        """Burn the code, unless the person reopens it while guesses are left."""
        link.flush()
        # Whatever the guesser still sends is not looked at.
        link.peer = None
        book = self._must_book()
        attempts = book.read()
        verdict = attempts.after_false_confirmation()
        context = self._context
        context.emit(
            e.CodeGuessed(context.ticket, attempts.counted, attempts.budget, verdict is Verdict.ASK)
        )
        if verdict is Verdict.DEAD:
            raise CodeGuessed
        context.forget_answers(ReopenCode)
        try:
            while (answer := context.take_answer(ReopenCode)) is None:
                if link.poll() is None:
                    await link.wait()
        except LinkError:
            # Making the link again would reopen the code without the person's yes.
            raise CodeGuessed from None
        if not answer.reopen:
            raise CodeGuessed

    def _broke_off(self, error: TallowError, *, counted: bool) -> None:
        context = self._context
        if not counted:
            # Nothing was tested: strangers who come and go cost the code nothing.
            context.emit(e.PeerRefused(context.ticket, error.code, error.message, error.why))
            return
        attempts = self._must_book().read()
        dead = attempts.after_drop() is Verdict.DEAD
        context.emit(e.CodeDropped(context.ticket, attempts.counted, attempts.budget, dead))
        if dead:
            raise CodeGuessed(
                "Too many joined and left without confirming; this code is dead.",
                why="each of them may have been a guess",
            )

    def _put_out(self, link: Link) -> None:
        link.flush()
        link.peer = None
        if link.rendezvous.state is State.PAIRED:
            link.rendezvous.reopen()
        self._context.emit(e.TransferState(self._context.ticket, "waiting"))

    def _must_link(self) -> Link:
        if self._link is None:
            raise LinkError("There is no link to wait on.")
        return self._link

    def _met(self, link: Link, secrets: SessionSecrets, rtt_s: float) -> Met:
        code = self._code.text if self._code else ""
        return Met(link, secrets, "responder", self._address, code, rtt_s=rtt_s)

    def _must_book(self) -> AttemptBook:
        if self._book is None:
            raise LinkError("The relay paired this side before it had a code.")
        return self._book


def _left_early() -> PeerGone:
    return PeerGone("The other side left before the handshake was done.")


def attempt_key(code: Code, pake: CodeContext) -> str:
    """Return under what name a code's guesses are counted."""
    if code.plate:
        return code.plate
    return f"meet-{hashlib.sha256(pake.plate.encode()).hexdigest()[:4]}"
