"""Stopping: what a side says when it stops, and the error that the other one shows.

Spec: docs/protocol.md §8.6.
"""

from __future__ import annotations

from tallow.errors import DiskFull, PeerCancelled, StorageError, TallowError, TimedOut
from tallow.protocol.messages import Cancel
from tallow.wire import limits

_SENTENCES = {
    "user": "The other side cancelled.",
    "disk-full": "The other side's disk is full.",
    "storage": "The other side had trouble with its disk.",
    "protocol": "The other side says that this side broke the rules of the protocol.",
    "internal": "The other side ran into a mistake of its own.",
    "timeout": "The other side gave up waiting.",
    "verify": "The other side says that the symbols differ.",
}


def cancel_for(error: BaseException) -> Cancel:
    """Return what to tell the peer when this error ends the session; never a path of ours."""
    match error:
        case DiskFull():
            return Cancel("disk-full")
        case StorageError():
            return Cancel("storage")
        case TimedOut():
            return Cancel("timeout")
        case TallowError() if error.exit_code in (130, 143, 7):
            return Cancel("user")
        case TallowError() if error.exit_code == 3:
            return Cancel("verify")
        case TallowError() if error.exit_code == 6:
            return Cancel("protocol")
        case _:
            return Cancel("internal")


def peer_cancelled(cancel: Cancel) -> PeerCancelled:
    """Return the error for a peer's Cancel; its text is a claim and is shown escaped."""
    return PeerCancelled(_SENTENCES[cancel.reason], why=cancel.text[: limits.REASON_MAX_CHARS])
