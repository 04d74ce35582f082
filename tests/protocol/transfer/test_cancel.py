"""What a side says when it stops, and what the other one reads."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest

from tallow.errors import (
    Cancelled,
    DiskFull,
    InternalError,
    Interrupted,
    LocalProtocolError,
    NotVerified,
    NotWritable,
    OfferDeclined,
    RecordLost,
    RemoteProtocolError,
    RootMismatch,
    SourceUnreadable,
    TargetExists,
    Terminated,
    TimedOut,
    UnsafeName,
)
from tallow.protocol.messages import Cancel, decode_control, encode_control
from tallow.protocol.transfer.cancel import cancel_for, peer_cancelled
from tallow.wire import limits

REASONS = get_args(get_type_hints(Cancel)["reason"])


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DiskFull(), "disk-full"),
        (NotWritable(), "storage"),
        (SourceUnreadable(), "storage"),
        (TargetExists(), "storage"),
        (TimedOut(), "timeout"),
        (Interrupted(), "user"),
        (Terminated(), "user"),
        (Cancelled(), "user"),
        (OfferDeclined(), "user"),
        (NotVerified(), "verify"),
        (RemoteProtocolError(), "protocol"),
        (RootMismatch(), "protocol"),
        (RecordLost(), "protocol"),
        (UnsafeName(), "protocol"),
        (InternalError(), "internal"),
        (LocalProtocolError(), "internal"),
        (ValueError("secret path"), "internal"),
        (KeyboardInterrupt(), "internal"),
    ],
)
def test_each_end_has_its_reason(error: BaseException, reason: str) -> None:
    """C11: the peer is told why, in a word of a closed list."""
    assert cancel_for(error).reason == reason


def test_nothing_of_ours_is_told() -> None:
    """A4, X13: neither paths nor error texts of this machine reach the peer."""
    error = NotWritable("/home/alice/private is read-only", why="/home/alice", hint="chmod")
    assert cancel_for(error) == Cancel("storage", "")


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_is_a_sentence(reason: str) -> None:
    """C11: exit 7 with the other side's reason, different for each."""
    cancel = decode_control(encode_control(Cancel(reason)))  # type: ignore[arg-type]
    assert isinstance(cancel, Cancel)
    error = peer_cancelled(cancel)
    assert error.exit_code == 7
    assert error.message.startswith("The other side")
    others = {peer_cancelled(Cancel(each)).message for each in REASONS}
    assert len(others) == len(REASONS)


def test_what_the_peer_says_is_kept_apart_and_short() -> None:
    """X05: its words go into the second line, never into our sentence."""
    error = peer_cancelled(Cancel("user", "x" * 5000))
    assert error.why == "x" * limits.REASON_MAX_CHARS
    assert "x" * 10 not in error.message
