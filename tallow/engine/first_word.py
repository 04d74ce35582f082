"""What the other side begins with: a short text is shown at once, an offer goes on to receiving.py.

A text needs no disk, no lane and nothing of what serves files, so none of that is loaded for it.
Before: exchange.py. After: receiving.py, which finds the first message among the early ones.
"""

from __future__ import annotations

from tallow.engine import events as e
from tallow.engine.context import ExchangeContext
from tallow.engine.greeting import Conversation, check_event
from tallow.errors import TimedOut
from tallow.protocol.messages import Text, TextShown, Verified
from tallow.wire import limits


async def first_word(context: ExchangeContext, conversation: Conversation) -> e.TransferDone | None:
    """Show the text that the other side sent, or keep its first message and return None.

    Raises: TimedOut if it says nothing, and whatever ends a session.
    """
    link, clock = conversation.link, context.ports.clock
    began_at = clock.now()
    context.emit(e.TransferState(context.ticket, "listing"))
    early = conversation.early = conversation.early or []
    while not early:
        event = link.poll()
        message = check_event(context, event)
        if message is not None and not isinstance(message, Verified):
            early.append(message)
        elif event is None:
            context.check_cancelled()
            if clock.now() >= began_at + limits.STALLED_S:
                raise TimedOut("The other side does not say what it wants to send.")
            await link.wait(began_at + limits.STALLED_S)
    first = early[0]
    return _shown(context, conversation, first, began_at) if isinstance(first, Text) else None


def _shown(
    context: ExchangeContext, conversation: Conversation, text: Text, began_at: float
) -> e.TransferDone:
    clock, name = context.ports.clock, conversation.peer_name
    context.emit(e.TextArrived(context.ticket, text.text, text.note, name))
    conversation.session.send(TextShown(), clock.now())
    conversation.link.flush()
    size = len(text.text.encode())
    seconds = clock.now() - began_at
    return e.TransferDone(context.ticket, "receive", 0, size, seconds, 0, roots="", output="")
