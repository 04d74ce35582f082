"""The sending machine while somebody holds the transfer, and questions out of turn."""

from __future__ import annotations

import pytest

from tallow.errors import LocalProtocolError, RecordLost
from tallow.protocol.messages import (
    Again,
    AskLeaves,
    Continue,
    Pause,
    TransferMessage,
)
from tallow.protocol.transfer.pace import PeerPaused
from tallow.wire import limits
from tests.pair.lane import make
from tests.protocol.transfer.test_sender import ITEMS, Against, accept, finished, refuses


def test_no_job_and_no_deadline_while_held() -> None:
    """C11: neither is given out nor runs, whoever holds; then ten minutes begin anew."""
    against = Against().hear(accept(bitmap=b"\4"))
    job = against.machine.next_job()
    assert job is not None
    made = make(job, ITEMS)
    against.machine.leaves_sealed(job, made.hashes, made.size, last=made.last)  # type: ignore[arg-type]
    assert against.machine.next_deadline() is not None
    against.hear(Pause(1, "user"))
    assert against.events[-1] == PeerPaused("user")
    against.machine.pause("user", 100)
    against.machine.pause("disk-full", 100)
    for _ in range(3):
        assert against.machine.next_deadline() is None
        assert against.machine.next_job() is None
        against.machine.on_deadline(100_000)
    against.hear(Continue(1))
    assert against.machine.paused
    against.machine.resume_sending(200_000)
    against.machine.resume_sending(200_000)
    against.sort()
    assert [type(said) for said in against.said if isinstance(said, Pause | Continue)] == [
        Pause,
        Continue,
    ]
    first = 200_000 + limits.STALLED_S
    assert against.machine.next_deadline() == first
    against.machine.on_deadline(first)
    with pytest.raises(RecordLost):
        against.machine.on_deadline(first + limits.STALLED_S)


def test_own_pauses_need_something_to_hold() -> None:
    """C11: there is nothing to pause before the answer."""
    against = Against()
    with pytest.raises(LocalProtocolError):
        against.machine.pause("user", 0)
    with pytest.raises(LocalProtocolError):
        against.machine.resume_sending(0)


@pytest.mark.parametrize(
    ("early", "other"),
    [
        (Pause(1, "user"), Pause(2, "user")),
        (Continue(1), Continue(2)),
        (AskLeaves(1, 2), AskLeaves(2, 2)),
        (Again(1, 2, [(0, 0)]), Again(2, 2, [(0, 0)])),
    ],
)
def test_a_message_about_bulk_out_of_turn_is_refused(
    early: TransferMessage, other: TransferMessage
) -> None:
    """X07: nothing is held, asked or wanted again before yes, nor of another offer."""
    refuses(lambda: Against().hear(early))
    refuses(lambda: finished().hear(other))


@pytest.mark.parametrize("message", [AskLeaves(1, 2), Again(1, 2, [(0, 0)])])
def test_a_file_that_went_whole_is_not_asked_about(message: TransferMessage) -> None:
    """X14: only what was there in part may differ."""
    refuses(lambda: finished().hear(message))
