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
from tallow.engine.commands import ConfirmSas
from tallow.engine.context import ExchangeContext
from tallow.engine.link import Link, LinkEvent
from tallow.engine.meeting import Met
from tallow.errors import (
    NotVerified,
    OtherPurpose,
    PeerGone,
    RecordLost,
    RemoteProtocolError,
    SameWish,
    TallowError,
    TimedOut,
)
from tallow.protocol.identity import prove, verified_fingerprint
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
from tallow.protocol.transfer.cancel import peer_cancelled
from tallow.wire import limits

CAPABILITIES = ["transfer/1", "text/1", "stream/1", "pack/1"]
Wish = Literal["send", "receive"]


@dataclass(slots=True)
class Conversation:
    """A greeted session and what is known of the peer."""

    link: Link
    session: Session
    peer_name: str
    fingerprint: str
    emoji: list[tuple[str, str]]
    verify: bool
    verified: bool = False
    early: list[TransferMessage] | None = None
    """Messages that arrived while the symbols were compared."""


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
            raise PeerGone("The other side ended the session early.")
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
    session.greet(hello, clock.now())
    theirs = await _their_hello(context, link)
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
    conversation = Conversation(
        link=link,
        session=session,
        peer_name=theirs.name,
        fingerprint=show_fingerprint(peer_print) if peer_print else "",
        emoji=list(sas_emoji(bits)),
        verify=verify or theirs.verify,
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


CLOSE_WITHIN_S = 3.0
