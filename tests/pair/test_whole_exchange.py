"""From words to files in memory: handshake, HELLO that rides with M3, transfer, CLOSE."""

from __future__ import annotations

import pytest

from tallow.crypto.sas import sas_bits
from tallow.crypto.signature import SigningKey
from tallow.errors import NotVerified
from tallow.protocol.bulk import Reserved
from tallow.protocol.identity import Identity, certify, prove, verified_fingerprint
from tallow.protocol.messages import Hello
from tallow.protocol.session import Role, Session
from tallow.wire.frames import encode_record
from tests.pair.lane import Item, folder
from tests.pair.meeting import Meeting, context, new_creator, new_joiner
from tests.pair.paths import SealedPath
from tests.pair.sessions import Side, Two
from tests.pair.spy import watched_seals
from tests.pair.transfer import Transfer, done

ROOT = SigningKey(b"r" * 32, b"R" * 32)
DEVICE = SigningKey(b"d" * 32, b"D" * 32)
ALICE = Identity(ROOT.public, DEVICE, certify(ROOT, DEVICE.public))


def met(seed: int = 1) -> Two:
    """Return two sessions that a real handshake made."""
    meeting = Meeting(new_joiner(seed=seed), new_creator(seed=seed + 1)).run()
    assert meeting.joiner_end.secrets is not None
    assert meeting.creator_end.secrets is not None
    two = Two()
    two.i = Side(Session(meeting.joiner_end.secrets, "initiator", 0))
    two.r = Side(Session(meeting.creator_end.secrets, "responder", 0))
    return two


class MetPath(SealedPath):
    """A sealed path under the secrets of a handshake, files going from either role."""

    def __init__(self, sender: Role) -> None:
        """Shake hands and greet."""
        super().__init__()
        self._two = met().greet()
        if sender == "responder":
            self._two.i, self._two.r = self._two.r, self._two.i


@pytest.mark.parametrize("sender", ["initiator", "responder"])
def test_files_go_either_way_after_a_handshake(sender: Role) -> None:
    """C1, A3: the direction of files has nothing to do with who joined; no nonce repeats."""
    items = [Item("a", b"a" * 3_000_001), folder("d"), Item("d/b", b"b" * 999), Item("e")]
    with watched_seals() as seals:
        transfer = Transfer(items, MetPath(sender)).run()
    assert done(transfer)
    assert transfer.files == {"a": items[0].content, "d/b": items[2].content, "e": b""}
    assert len(seals.used) > 10


def test_hello_rides_with_the_third_flight() -> None:
    """A3: the joiner's first record may follow M3 at once; the creator reads it after M3."""
    meeting = Meeting().begin()
    meeting.to_creator()
    meeting.to_joiner()
    assert meeting.joiner_end.secrets is not None
    joiner = Side(Session(meeting.joiner_end.secrets, "initiator", 0))
    joiner.session.greet(Hello("transfer", "send", []), 0)
    (hello,) = joiner.take()
    meeting.to_creator()
    assert meeting.creator_end.secrets is not None
    creator = Side(Session(meeting.creator_end.secrets, "responder", 0))
    creator.session.greet(Hello("transfer", "receive", []), 0)
    creator.receive(hello)
    assert creator.hellos == [Hello("transfer", "send", [])]


def test_an_identity_is_proven_to_this_session_only() -> None:
    """A1, X12: the proof holds on the other side of this session and on no other."""
    here, elsewhere = met(1), met(3)
    proof = prove(ALICE, "initiator", here.i.session.th2)
    here.i.session.greet(Hello("transfer", "send", [], "alice", False, proof), 0)
    here.r.session.greet(Hello("transfer", "receive", []), 0)
    here.carry()
    (hello,) = here.r.hellos
    shown = verified_fingerprint(hello.identity, "initiator", here.r.session.th2)
    assert shown == ALICE.fingerprint
    with pytest.raises(NotVerified):
        verified_fingerprint(hello.identity, "initiator", elsewhere.r.session.th2)


def test_the_symbols_agree_unless_somebody_sits_between() -> None:
    """A3: both ends of one handshake see one SAS; two handshakes with a man in the middle who
    knows the code give two.
    """

    def symbols(seed: int) -> tuple[bytes, bytes]:
        meeting = Meeting(new_joiner(seed=seed), new_creator(seed=seed + 50)).run()
        ends = (meeting.joiner_end.secrets, meeting.creator_end.secrets)
        assert ends[0] is not None
        assert ends[1] is not None
        return (
            sas_bits(bytes(ends[0].sas.view()), b"", b""),
            sas_bits(bytes(ends[1].sas.view()), b"", b""),
        )

    (alice, mallory_in), (mallory_out, bob) = symbols(1), symbols(2)
    assert alice == mallory_in
    assert mallory_out == bob
    assert alice != bob


def test_a_joiner_with_other_words_reaches_no_session() -> None:
    """A2, X26: without agreement there are no secrets, so there is nothing to speak with."""
    meeting = Meeting(new_joiner(context("zebra-zero-zone"))).run()
    assert meeting.joiner_end.secrets is None
    assert meeting.creator_end.secrets is None


class CuttingPath(SealedPath):
    """A sealed path whose relay flips one bit of one bulk record."""

    def __init__(self) -> None:
        """Spoil the third record."""
        super().__init__()
        self._count = 0

    def bulk(self, reserved: Reserved, body: bytes) -> None:
        """Seal a record, spoil one."""
        self._count += 1
        sealed = bytearray(reserved.key.seal(reserved.header.number, reserved.ad, body))
        if self._count == 3:
            sealed[1000] ^= 1
        self._two.i.ready.append(encode_record(reserved.header, bytes(sealed)))


def test_a_flipped_bit_of_bulk_never_reaches_a_file() -> None:
    """X25: the record is refused before the lane sees it, and nothing calls itself done."""
    transfer = Transfer([Item("a", b"a" * 6_000_000)], CuttingPath())
    with pytest.raises(AssertionError, match="spoiled"):
        transfer.run()
    assert not done(transfer)
    assert transfer.ready == {}
    assert set(bytes(transfer.shelf.files[0])) <= {ord("a"), 0}
