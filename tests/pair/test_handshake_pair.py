"""A joiner and a creator over an honest path, and over one that forges the odd message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import pytest

from tallow.crypto.secret import SecretBytes
from tallow.errors import PeerGone, PeerVersion, TimedOut, WrongCode
from tallow.protocol.flights import SessionSecrets
from tallow.protocol.handshake import AbortReason, CodeContext, OwnFlights, State
from tallow.wire.frames import PeerType, decode_peer, encode_peer
from tests.pair.chance import RememberingKem
from tests.pair.meeting import (
    Meeting,
    Run,
    body_edit,
    context,
    frame_swap,
    new_creator,
    new_joiner,
)

OTHER_WORDS = "zebra-zero-zone"


def values(secrets: SessionSecrets | None) -> dict[str, bytes]:
    """Return every secret of a session by name, and th2."""
    assert secrets is not None
    found = {"th2": secrets.th2}
    for each in fields(secrets):
        value = getattr(secrets, each.name)
        if isinstance(value, SecretBytes):
            found[each.name] = bytes(value.view())
    return found


def test_the_same_words_give_both_sides_the_same_secrets() -> None:
    """A2, A3: nine session secrets and th2 agree, and no two of them are equal."""
    meeting = Meeting().run()
    assert meeting.names == ("Confirmed", "Confirmed")
    joiner, creator = values(meeting.joiner_end.secrets), values(meeting.creator_end.secrets)
    assert joiner == creator
    assert len(joiner) == 10
    assert len(set(joiner.values())) == 10
    assert all(len(value) == 64 and any(value) for value in joiner.values())


def test_three_flights_and_nothing_else_travel() -> None:
    """A3, X03: one flight there, one back, one there; no address, name or identity among them."""
    meeting = Meeting().run()
    assert [name for name, _ in meeting.seen] == ["M1", "M2", "M3"]
    assert all(decode_peer(frame).kind is PeerType.FLIGHT for _, frame in meeting.seen)


def test_flights_fit_the_first_message() -> None:
    """X10: M1 and M2 stay under 4 096 bytes."""
    meeting = Meeting().run()
    assert len(meeting.flight("M1")) <= 4096
    assert len(meeting.flight("M2")) <= 4096


def test_two_runs_with_one_code_share_nothing() -> None:
    """A3: the code authenticates and never derives a key: every secret differs."""
    first = values(Meeting(new_joiner(seed=1), new_creator(seed=2)).run().joiner_end.secrets)
    second = values(Meeting(new_joiner(seed=3), new_creator(seed=4)).run().joiner_end.secrets)
    assert all(first[name] != second[name] for name in first)


@pytest.mark.parametrize("fresh", ["joiner", "creator"])
def test_freshness_of_either_side_is_enough(fresh: str) -> None:
    """A3: one side that repeats all its randomness still gets other keys from a fresh peer."""
    kem = RememberingKem()
    exporters = set()
    for seed in (11, 12):
        joiner = new_joiner(seed=seed if fresh == "joiner" else 1, kem=kem)
        creator = new_creator(seed=seed if fresh == "creator" else 2, kem=kem)
        exporters.add(values(Meeting(joiner, creator).run().joiner_end.secrets)["exporter"])
    assert len(exporters) == 2


@pytest.mark.parametrize(
    "code",
    [context(OTHER_WORDS), context(plate="7124"), context(kind="room"), context("")],
    ids=["words", "plate", "kind", "no words"],
)
def test_another_code_is_an_error_on_both_sides(code: CodeContext) -> None:
    """A2, X24: wrong words, number or kind: WrongCode at the joiner, then at the creator."""
    meeting = Meeting(new_joiner(code)).run()
    assert meeting.names == ("WrongCode", "WrongCode")
    assert (meeting.joiner_end.secrets, meeting.creator_end.secrets) == (None, None)
    assert [name for name, _ in meeting.seen] == ["M1", "M2", "ABORT"]
    assert meeting.joiner_end.counted
    assert meeting.creator_end.counted


@pytest.mark.parametrize("words", ["", OTHER_WORDS])
def test_nothing_that_a_run_computed_is_kept(words: str) -> None:
    """A3, A4: scalars, private keys and PRK are gone after success and after failure."""
    meeting = Meeting(new_joiner(context(words) if words else None)).run()
    for machine in (meeting.joiner, meeting.creator):
        held = vars(machine)
        assert not {"_cpace", "_x"} & held.keys()
        # A creator keeps the provider, which holds nothing; a joiner's own pair must go.
        assert machine is meeting.creator or "_kem" not in held
        assert not held.get("_prk")
        assert machine.state is (State.FAILED if words else State.CONFIRMED)


# --- versions ---------------------------------------------------------------------------------


def test_another_version_is_a_version_error_on_both_sides() -> None:
    """A3, X07: a client of version 2 alone meets one of version 1; no attempt is counted."""
    meeting = Meeting(new_joiner(versions=(2,))).run()
    assert meeting.names == ("PeerVersion", "PeerVersion")
    assert not meeting.creator_end.counted
    assert [name for name, _ in meeting.seen] == ["M1", "ABORT"]
    error = meeting.creator_end.error
    assert error is not None
    assert error.why == "they speak 2, this program 1"
    assert error.exit_code == 4


def test_a_client_of_two_versions_agrees_on_the_common_one() -> None:
    """A3: versions 2 and 1 are offered, 1 is chosen."""
    assert Meeting(new_joiner(versions=(2, 1))).run().names == ("Confirmed", "Confirmed")


def test_a_version_that_is_edited_out_is_noticed() -> None:
    """A3, X26: who strips version 2 from the offer to force 1 fails the tags."""
    strip = body_edit("M1", lambda raw: raw.replace(b"\0\0\0\4\0\2\0\1", b"\0\0\0\4\0\1\0\1"))
    meeting = Meeting(new_joiner(versions=(2, 1)), edit=strip).run()
    assert meeting.names == ("WrongCode", "WrongCode")


# --- storing the attempt ----------------------------------------------------------------------


def test_nothing_leaves_before_the_attempt_is_stored() -> None:
    """X24: without the raised counter on disk the creator sends no M2, whatever the time."""
    meeting = Meeting(stores=False).run()
    assert [name for name, _ in meeting.seen] == ["M1", "ABORT", "ABORT"]
    assert meeting.names == ("TimedOut", "TimedOut")
    assert meeting.creator_end.counted


# --- aborts -----------------------------------------------------------------------------------


def abort(reason: int) -> bytes:
    """Return an abort that anybody can write."""
    return encode_peer(PeerType.ABORT, bytes([reason]))


def waiting_joiner() -> Run:
    """Return a joiner that has sent M1."""
    meeting = Meeting().begin()
    meeting.to_creator()
    return meeting.joiner


def waiting_creator() -> Run:
    """Return a creator that has sent M2."""
    meeting = Meeting().begin()
    meeting.to_creator()
    meeting.to_joiner()
    return meeting.creator


@pytest.mark.parametrize("machine", [waiting_joiner, waiting_creator])
def test_a_forged_abort_reads_like_a_true_one(machine: Callable[[], Run]) -> None:
    """X07: whoever wrote abort(confirm), the text is that of a wrong code."""
    true_error = Meeting(new_joiner(context(OTHER_WORDS))).run().joiner_end.error
    run = machine()
    with pytest.raises(WrongCode) as caught:
        run.receive(decode_peer(abort(AbortReason.CONFIRM)), 1)
    assert true_error is not None
    assert (caught.value.message, caught.value.hint, caught.value.why) == (
        true_error.message,
        true_error.hint,
        true_error.why,
    )
    assert run.state is State.FAILED
    assert run.bytes_to_send() == []


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (bytes([AbortReason.VERSION]), PeerVersion),
        (bytes([AbortReason.MALFORMED]), PeerGone),
        (bytes([AbortReason.TIMEOUT]), TimedOut),
        (b"\0", PeerGone),
        (b"\xff", PeerGone),
        (b"", PeerGone),
        (bytes(64), PeerGone),
        (bytes([AbortReason.CONFIRM]) * 2, PeerGone),
    ],
)
@pytest.mark.parametrize("machine", [waiting_joiner, waiting_creator])
def test_every_abort_ends_the_run_in_its_error(
    machine: Callable[[], Run], body: bytes, error: type[Exception]
) -> None:
    """X14: an abort of any reason or length is one known error."""
    run = machine()
    with pytest.raises(error) as caught:
        run.receive(decode_peer(encode_peer(PeerType.ABORT, body)), 1)
    assert type(caught.value) is error
    assert run.next_deadline() is None


def test_an_abort_before_any_reply_is_no_guess() -> None:
    """X13: a stranger who sends abort(confirm) first has tested nothing and burns nothing."""
    creator = new_creator()
    creator.wait(0)
    with pytest.raises(PeerGone):
        creator.receive(decode_peer(abort(AbortReason.CONFIRM)), 1)
    storing = Meeting(stores=False).begin()
    storing.to_creator()
    assert storing.creator.state is State.STORING
    with pytest.raises(PeerGone):
        storing.creator.receive(decode_peer(abort(AbortReason.CONFIRM)), 1)


# --- loopback ---------------------------------------------------------------------------------


@pytest.mark.parametrize("keeps", ["everything", "c_I", "ek"])
def test_a_side_never_answers_its_own_first_flight(keeps: str) -> None:
    """X08: an M1 that comes back to the process that made it is refused by c_I and by ek."""
    own = OwnFlights()
    kept = new_joiner(seed=5, own=own)
    kept.begin(0)
    raw = bytearray(kept.bytes_to_send()[0])
    at = raw.index(b"\0\0\0\x20", 50) + 4
    if keeps == "c_I":
        raw[at + 40] ^= 1
    elif keeps == "ek":
        raw[at] ^= 1
    edit = frame_swap("M1", bytes(raw))
    meeting = Meeting(new_joiner(seed=6), new_creator(own=own), edit).run()
    assert meeting.names == ("PeerGone", "RemoteProtocolError")
    assert not meeting.creator_end.counted
    stranger = Meeting(new_joiner(seed=6), new_creator(own=own)).run()
    assert stranger.names == ("Confirmed", "Confirmed")
