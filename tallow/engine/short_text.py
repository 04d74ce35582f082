"""A short text on its way out: one message, and the word that it was shown.

Before: exchange.py. After: protocol/transfer/sender.py. It never waits for a person.
"""

from __future__ import annotations

from tallow.engine import events as e
from tallow.engine.commands import SendText
from tallow.engine.context import ExchangeContext
from tallow.engine.greeting import Conversation, check_event, close_session
from tallow.protocol.messages import Verified
from tallow.protocol.transfer.sender import Delivered, Sender


async def send_text(
    context: ExchangeContext, conversation: Conversation, command: SendText
) -> e.TransferDone:
    """Send a short text and wait until it was shown; returns the final event."""
    link, clock = conversation.link, context.ports.clock
    began_at = clock.now()
    size = len(command.text.encode())
    sender = Sender(context.ports.rng.bytes, conversation.session.open_bulk_send)
    link.transfer = sender
    sender.offer_text(command.text, command.options.note, clock.now())
    context.emit(e.OfferSent(context.ticket, "text", files=0, folders=0, total_bytes=size))
    context.emit(e.TransferState(context.ticket, "transferring"))
    while not isinstance(sender.next_event(), Delivered):
        event = link.poll()
        message = check_event(context, event)
        if message is not None and not isinstance(message, Verified):
            sender.receive(message, clock.now())
        elif event is None:
            context.check_cancelled()
            await link.wait()
    await close_session(context, conversation)
    seconds = clock.now() - began_at
    return e.TransferDone(context.ticket, "send", 0, size, seconds, 0, roots="", output="")
