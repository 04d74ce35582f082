"""The first words of a session: HELLO both ways, who is there, and the symbols to compare.

Two equal wishes are an error that costs no code. With --verify on either side everything is held
until both people said that they see the same. Before: meeting.py. After: sending, receiving.
Spec: docs/protocol.md §6.5–§6.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tallow.crypto.fingerprint import show_fingerprint
from tallow.crypto.kdf import sha512
from tallow.crypto.sas import sas_bits, sas_digits, sas_emoji
from tallow.engine import events as e
from tallow.engine.bond import Bond
from tallow.engine.commands import ConfirmSas
from tallow.engine.context import ExchangeContext
from tallow.engine.lanes import Lanes
from tallow.engine.link import Link, LinkEvent
from tallow.engine.meeting import Met
from tallow.errors import (
    LinkError,
    NotVerified,
    OtherPurpose,
    PeerError,
    PeerGone,
    RecordLost,
    RemoteProtocolError,
    SameWish,
    SessionEnded,
    TallowError,
    TimedOut,
)
from tallow.protocol.identity import prove, verified_fingerprint
from tallow.protocol.lane_proof import NONCE_BYTES, LaneJoin, LaneProof
from tallow.protocol.messages import Cancel, Hello, TransferMessage, Verified
from tallow.protocol.rendezvous import RelayNoticed
from tallow.protocol.session import (
    ConnectionSpoiled,
    HelloReceived,
    MessageReceived,
    Role,
    Session,
    SessionClosed,
)
from tallow.protocol.session import State as SessionState
from tallow.protocol.transfer.cancel import cancel_for, peer_cancelled
from tallow.wire import limits

CAPABILITIES = ["transfer/1", "text/1", "stream/1", "pack/1"]
Wish = Literal["send", "receive"]


@dataclass(slots=True)
class Conversation:
    """A greeted session and what is known of the peer."""

    link: Link
    session: Session
    met: Met
    peer_name: str
    fingerprint: str
    emoji: list[tuple[str, str]]
    verify: bool
    verified: bool = False
    rtt_s: float | None = None
    """About how long a word and its answer take, as the first two of the session did."""
    early: list[TransferMessage] | None = None
    """Messages that arrived while the symbols were compared."""

    @property
    def bond(self) -> Bond:
        """How these two sides find each other again: always by their first session."""
        met = self.met
        return met.bond or Bond(met.secrets.resume, met.role, met.address)


def check_event(
    context: ExchangeContext, event: LinkEvent | None
) -> TransferMessage | Verified | None:
    """Return the message of an event; raises for everything that ends a session."""
    match event:
        case MessageReceived(message=Cancel() as cancel):
            raise peer_cancelled(cancel)
        case MessageReceived():
            return event.message
        case ConnectionSpoiled():
            raise RemoteProtocolError("What arrived is not what the other side sent.")
        case SessionClosed():
            raise SessionEnded
        case RelayNoticed(kind="peer-gone"):
            raise PeerGone
        case RelayNoticed():
            # Somebody else knows the code, or the relay goes down: said, and the session goes on.
            context.emit(e.RelayNotice(context.ticket, event.kind))
            return None
        case _:
            return None


async def greet(
    context: ExchangeContext, met: Met, wish: Wish, *, name: str, verify: bool
) -> Conversation:
    """Exchange HELLOs and return what is known; SameWish, NotVerified, RemoteProtocolError."""
    link, clock = met.link, context.ports.clock
    fingerprint_sas = bytes(met.secrets.sas.view())
    session = Session(met.secrets, met.role, clock.now())
    link.peer = session
    identity = context.settings.identity
    hello = Hello(
        purpose="transfer",
        wish=wish,
        capabilities=CAPABILITIES,
        name=name[: limits.NAME_MAX_CHARS],
        verify=verify,
        identity=None if identity is None else prove(identity, met.role, session.th2),
    )
    greeted_at = clock.now()
    session.greet(hello, greeted_at)
    theirs = await _their_hello(context, link)
    # The creator's HELLO answers the joiner's; a creator has timed the handshake instead.
    rtt_s = met.rtt_s if met.rtt_s is not None else clock.now() - greeted_at
    if theirs.purpose != hello.purpose:
        link.flush()
        raise OtherPurpose(why=f"they started  tallow {theirs.purpose}")
    if theirs.wish == wish:
        link.flush()
        raise SameWish(why=f"both sides want to {wish}")
    peer_role: Role = "responder" if met.role == "initiator" else "initiator"
    peer_print = verified_fingerprint(theirs.identity, peer_role, session.th2)
    own_print = b"" if identity is None else identity.fingerprint
    prints = (own_print, peer_print) if met.role == "initiator" else (peer_print, own_print)
    bits = sas_bits(fingerprint_sas, *prints)
    link.lanes = lanes_of(context, met, link)
    conversation = Conversation(
        link=link,
        session=session,
        met=met,
        peer_name=theirs.name,
        fingerprint=show_fingerprint(peer_print) if peer_print else "",
        emoji=list(sas_emoji(bits)),
        verify=verify or theirs.verify,
        rtt_s=rtt_s,
    )
    context.emit(
        e.PeerUp(
            context.ticket,
            name=theirs.name,
            fingerprint=conversation.fingerprint,
            emoji=conversation.emoji,
            digits=sas_digits(bits),
            role=met.role,
            session=sha512(b"tallow/1 session id", session.th2)[:8].hex(),
            verify=conversation.verify,
        )
    )
    return conversation


def lanes_of(context: ExchangeContext, met: Met, link: Link) -> Lanes | None:
    """Return the lanes of a session, none of which stands before somebody asks for tokens.

    None where no plain connection shall or can be made, whatever the other side asks for.
    """
    if context.settings.lanes == "tls" or link.connection.transport_name == "quic":
        return None
    role: Literal["i", "r"] = "i" if met.role == "initiator" else "r"
    random_bytes, join = context.ports.rng.bytes, met.secrets.join

    def new_join() -> LaneJoin:
        return LaneJoin(LaneProof(join, role, "lane", random_bytes(NONCE_BYTES)))

    dialer = context.ports.dialer
    return Lanes(
        lambda token, proof: dialer.dial_lane(met.address, token, proof), new_join, link.ring
    )


async def _their_hello(context: ExchangeContext, link: Link) -> Hello:
    give_up_at = context.ports.clock.now() + limits.HANDSHAKE_MAX_S
    while True:
        event = link.poll()
        match event:
            case HelloReceived():
                return event.hello
            case None:
                context.check_cancelled()
                if context.ports.clock.now() >= give_up_at:
                    raise TimedOut("The other side did not say what it wants.")
                await link.wait(give_up_at)
            case _:
                check_event(context, event)


async def hold_until_verified(context: ExchangeContext, conversation: Conversation) -> None:
    """Wait until both people said that the symbols are equal; NotVerified otherwise."""
    if not conversation.verify:
        return
    link, session, clock = conversation.link, conversation.session, context.ports.clock
    context.forget_answers(ConfirmSas)
    context.emit(e.TransferState(context.ticket, "verifying"))
    context.emit(e.VerifyStep(context.ticket, "needed"))
    give_up_at = clock.now() + limits.DECISION_MAX_S
    here = there = False
    conversation.early = []
    while not (here and there):
        event = link.poll()
        message = check_event(context, event)
        if isinstance(message, Verified):
            if not message.equal:
                raise NotVerified("The other side says that the symbols differ.")
            there = True
            context.emit(e.VerifyStep(context.ticket, "confirmed_there"))
        elif message is not None:
            # The peer has both yeses a moment before this side has.
            if len(conversation.early) >= limits.HELD_RECORDS_MAX:
                raise RecordLost
            conversation.early.append(message)
        answer = context.take_answer(ConfirmSas)
        if answer is not None:
            session.send(Verified(answer.equal), clock.now())
            link.flush()
            if not answer.equal:
                raise NotVerified("You said that the symbols differ.")
            here = True
            context.emit(e.VerifyStep(context.ticket, "confirmed_here"))
        elif event is None:
            if clock.now() >= give_up_at:
                raise TimedOut("The symbols were not compared in ten minutes.")
            await link.wait(give_up_at)
    conversation.verified = True
    context.emit(e.VerifyStep(context.ticket, "done"))


async def close_session(context: ExchangeContext, conversation: Conversation) -> None:
    """Say CLOSE and wait briefly for the peer's."""
    link, session, clock = conversation.link, conversation.session, context.ports.clock
    session.close(clock.now())
    give_up_at = clock.now() + CLOSE_WITHIN_S
    try:
        while clock.now() < give_up_at:
            event = link.poll()
            if isinstance(event, SessionClosed):
                break
            if event is None:
                await link.wait(give_up_at)
    except TallowError:
        pass  # everything that matters was confirmed before


def tell_peer(
    context: ExchangeContext, conversation: Conversation | None, error: TallowError
) -> None:
    """Say why this side ends, if there is a session to say it in, and close the connection."""
    if conversation is None:
        return
    session, link = conversation.session, conversation.link
    told = isinstance(error, PeerError | LinkError) and error.exit_code not in (3, 5)
    try:
        if not told and isinstance(link.peer, Session) and session.state is SessionState.OPEN:
            session.send(cancel_for(error), context.ports.clock.now())
        link.transfer = None
        link.flush()
    except TallowError:
        pass  # the session is beyond telling anybody anything


CLOSE_WITHIN_S = 3.0
