"""The receiving machine with something on its disk: what it says, checks, and waits for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tallow.crypto.tree import leaf_hash
from tallow.errors import LocalProtocolError, RecordLost, RemoteProtocolError
from tallow.protocol.bulk import accept_digest
from tallow.protocol.messages import (
    Accept,
    AskLeaves,
    Complete,
    Continue,
    FileEnd,
    Finish,
    Have,
    HaveFile,
    LeafList,
    Offer,
    Pause,
    Resumes,
    Start,
    Trailer,
)
from tallow.protocol.transfer.pace import PeerContinued, PeerPaused
from tallow.protocol.transfer.receiver import AllArrived, FileReady, OfferReceived, State
from tallow.wire import limits
from tests.pair.lane import leaves_body, pack_body, true_root
from tests.protocol.transfer.test_receiver import (
    END,
    EVERYTHING,
    FINISH,
    ITEMS,
    MANIFEST,
    PAGE,
    PROOFS,
    ROOT,
    Against,
)

BIG = ITEMS[2].content
HASHES = [leaf_hash(BIG[:65536]), leaf_hash(BIG[65536:])]
ENDS = [FileEnd(no, len(ITEMS[no].content), true_root(ITEMS[no])) for no in (0, 2, 3)]


def refuses(step: Callable[[], object]) -> None:
    """Check that a step is the peer's fault, exit 6."""
    with pytest.raises(RemoteProtocolError) as caught:
        step()
    assert caught.value.exit_code == 6


def resumed() -> Against:
    """Return a receiver that has the whole large file and was started."""
    against = Against().offered()
    against.machine.resume(b"p" * 32)
    against.machine.accept(EVERYTHING, have={2: ((0, 1),)}, accept_no=5)
    digest = accept_digest(ROOT, 5, EVERYTHING.bitmap)
    return against.hear(Start(1, 7, b"t" * 16, 5, b"s" * 32, digest))


def test_the_proof_comes_first_then_what_is_here_then_yes() -> None:
    """C3: in this order, and only what was chosen."""
    against = resumed()
    assert against.said == [
        Resumes(1, b"p" * 32),
        Have(1, [HaveFile(2, [(0, 1)])]),
        Accept(1, 5, ROOT, EVERYTHING.bitmap, limits.WINDOW_BYTES),
    ]
    assert isinstance(offer := against.events[0], OfferReceived)
    assert (offer.proofs, offer.delta) == (tuple(PROOFS), False)
    assert against.machine.stored_bytes == len(BIG)


def test_nothing_is_said_to_a_sender_that_proved_nothing() -> None:
    """X20: without a proof no have-list leaves, whatever our own shell wants; a delta may ask."""
    against = Against().offered()
    with pytest.raises(LocalProtocolError):
        against.machine.accept(EVERYTHING, have={2: ((0, 1),)})
    against.machine.accept(EVERYTHING)
    delta = Offer(1, "files", 4, 1, MANIFEST.total_bytes, PROOFS, "", delta=True)
    against = Against().hear(delta, PAGE, END)
    against.machine.accept(EVERYTHING, have={2: ((0, 1),)})
    against.sort()
    assert [type(message) for message in against.said] == [Have, Accept]
    with pytest.raises(LocalProtocolError):
        against.machine.resume(bytes(32))


def test_what_was_here_is_hashed_before_it_gets_its_name() -> None:
    """C3: a note of an earlier session is no proof: no hash, no name."""
    against = resumed().hear(Trailer(1, ENDS))
    assert not [event for event in against.events if isinstance(event, FileReady)]
    job = against.machine.next_check()
    assert job is not None
    assert (job.file_no, job.first_leaf, job.offset, job.lengths) == (2, 0, 0, (65536, 4464))
    assert against.machine.next_check() is None
    against.machine.checked(job, HASHES, 1)
    against.sort()
    assert [event.file_no for event in against.events if isinstance(event, FileReady)] == [2]


def test_an_unreadable_leaf_is_asked_about_and_a_failed_file_is_not_checked() -> None:
    """C3: a rotten disk costs a leaf; a file that failed at the sender costs nothing more."""
    against = resumed().hear(Trailer(1, ENDS))
    job = against.machine.next_check()
    assert job is not None
    against.machine.checked(job, [b"", HASHES[1]], 1)
    against.sort()
    assert against.said[-1] == AskLeaves(1, 2)
    failed = resumed().hear(Trailer(1, [FileEnd(2, 0, b"", "it went away")]))
    assert failed.machine.next_check() is None


def test_a_sender_that_sends_what_was_here_is_refused() -> None:
    """X07: told that it is here, it may not overwrite it."""
    against = resumed()
    refuses(lambda: against.bulk(leaves_body(2, 0, [BIG[:65536]], last=False)))


def test_a_leaf_list_out_of_turn_is_refused() -> None:
    """X07: before START, unasked, for another offer or a file of none."""
    page = LeafList(1, 2, 0, b"".join(HASHES))
    refuses(lambda: Against().offered().hear(page))
    for said in (page, LeafList(2, 2, 0, bytes(32)), LeafList(1, 99, 0, bytes(32))):
        refuses(lambda said=said: resumed().hear(said))  # type: ignore[misc]


def finishing() -> Against:
    """Return a receiver of which everything but the check of its own leaves is done."""
    against = resumed()
    against.bulk(pack_body([(0, b"aaaa"), (3, b"cc")]), now=5)
    against.hear(Trailer(1, ENDS), FINISH, now=10)
    for number in (0, 3):
        against.machine.file_named(number)
    return against


def test_a_slow_check_here_is_not_a_lost_record_there() -> None:
    """C3: hashing a terabyte takes longer than a minute; the deadline moves on."""
    against = finishing()
    for now in (70, 130, 190):
        against.machine.on_deadline(now)
        deadline = against.machine.next_deadline()
        assert deadline is not None
        assert deadline > now
    job = against.machine.next_check()
    assert job is not None
    against.machine.checked(job, HASHES, 200)
    against.machine.file_named(2)
    against.sort()
    assert AllArrived() in against.events


def test_a_list_that_never_comes_is_given_up() -> None:
    """X13: a minute after the question the sender has had its time."""
    against = finishing()
    job = against.machine.next_check()
    assert job is not None
    against.machine.checked(job, [b"", b""], 20)
    against.machine.on_deadline(79)
    with pytest.raises(RecordLost):
        against.machine.on_deadline(80)


# --- pauses -----------------------------------------------------------------------------------


def test_no_deadline_runs_while_the_transfer_is_held() -> None:
    """C11: neither by the peer nor by us; afterwards a whole minute is left."""
    against = finishing()
    against.hear(Pause(1, "disk-full"), now=20)
    assert against.machine.next_deadline() is None
    assert against.machine.next_check() is None
    against.machine.on_deadline(10_000)
    against.machine.pause("user", 10_000)
    against.hear(Continue(1), now=10_001)
    assert against.events[-2:] == [PeerPaused("disk-full"), PeerContinued()]
    assert against.machine.paused
    assert against.machine.next_deadline() is None
    against.machine.resume_receiving(10_002)
    assert against.machine.next_deadline() == 10_002 + limits.PEER_SILENT_MAX_S
    assert against.machine.next_check() is not None


@pytest.mark.parametrize("said", [Pause(1, "user"), Continue(1)])
def test_a_pause_out_of_turn_is_refused(said: Pause | Continue) -> None:
    """X07: nothing is held before yes, of another offer, or by a continue alone."""
    refuses(lambda: Against().hear(said))
    refuses(lambda: Against().offered().hear(said))
    other = Pause(2, "user") if isinstance(said, Pause) else Continue(1)
    refuses(lambda: resumed().hear(other))
    with pytest.raises(LocalProtocolError):
        Against().offered().machine.pause("user", 0)


def test_a_pause_that_crosses_the_end_means_nothing() -> None:
    """C11: said before our complete was heard, it finds nothing to hold."""
    against = Against().started().everything().hear(FINISH)
    for number in (0, 2, 3):
        against.machine.file_named(number)
    against.machine.durable()
    against.sort()
    assert isinstance(against.said[-1], Complete)
    events = len(against.events)
    against.hear(Pause(1, "user"), Continue(1), Continue(1))
    assert (len(against.events), against.machine.state) == (events, State.DONE)
    refuses(lambda: against.hear(Finish(1, bytes(32))))
