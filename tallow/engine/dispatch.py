"""One match: every command to what carries it out.

Before: engine.py. After: exchange.py, or the exchange that waits for an answer.
"""

from __future__ import annotations

from typing import assert_never

from tallow.engine.commands import (
    AcceptOffer,
    AnyCommand,
    CancelTransfer,
    ConfirmSas,
    ContinueTransfer,
    DeclineOffer,
    PauseTransfer,
    Receive,
    ReopenCode,
    Resume,
    SendFiles,
    SendStream,
    SendText,
)
from tallow.engine.wanted import ExchangeCommand


def starts_exchange(command: AnyCommand) -> ExchangeCommand | None:
    """Return the command if it begins an exchange of its own, None if it answers one."""
    match command:
        case SendFiles() | SendText() | SendStream() | Receive() | Resume():
            return command
        case AcceptOffer() | DeclineOffer() | ConfirmSas() | ReopenCode() | CancelTransfer():
            return None
        case PauseTransfer() | ContinueTransfer():
            return None
        case _:
            assert_never(command)
