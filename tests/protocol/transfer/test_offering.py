"""An offer that may be an earlier transfer, against receivers that prove and claim falsely."""

from __future__ import annotations

import pytest

from tallow.crypto.secret import SecretBytes
from tallow.errors import OfferDeclined, RemoteProtocolError
from tallow.protocol.bulk import BulkSendChannel
from tallow.protocol.messages import (
    Accept,
    Control,
    Decline,
    Have,
    HaveFile,
    Offer,
    Resumes,
    Start,
)
from tallow.protocol.transfer.offering import KnownTransfer
from tallow.protocol.transfer.sender import Accepted, Sender, State
from tallow.protocol.transfer_proof import proves, transfer_proof
from tallow.wire import limits
from tests.pair.chance import Chance
from tests.pair.lane import Item, manifest_of

TH2 = b"2" * 64
ITEMS = [Item("big", bytes(200_000)), Item("other", bytes(70_000))]
MANIFEST = manifest_of(ITEMS)
KNOWN = [KnownTransfer(bytes([n]) * 16, SecretBytes(bytes([n]) * 32)) for n in range(3)]
HAVE = Have(1, [HaveFile(0, [(0, 1)])])


class Offered:
    """A sender that offered and hears what a test says."""

    def __init__(self, known: list[KnownTransfer] | None = None, *, delta: bool = False) -> None:
        """Offer two large files."""
        self.machine = Sender(Chance(3), lambda keys: BulkSendChannel(1, "i", keys))
        known = KNOWN if known is None else known
        self.machine.offer(MANIFEST, "", 0, th2=TH2, known=known, delta=delta)
        self.said: list[Control] = self.machine.bytes_to_send()

    def hear(self, *messages: Resumes | Have | Accept | Decline) -> Offered:
        """Feed messages and keep what is said."""
        for message in messages:
            self.machine.receive(message, 0)
        self.said += self.machine.bytes_to_send()
        return self

    @property
    def offer(self) -> Offer:
        """Return the announcement."""
        offer = self.said[0]
        assert isinstance(offer, Offer)
        return offer


def proof_of(number: int, role: str = "receiver", th2: bytes = TH2) -> Resumes:
    """Return a receiver's proof of a known transfer, or one of something else."""
    who = "receiver" if role == "receiver" else "sender"
    return Resumes(1, transfer_proof(KNOWN[number].key, th2, who))  # type: ignore[arg-type]


def accept(no: int = 1, bitmap: bytes = b"\3") -> Accept:
    """Return an answer."""
    return Accept(1, no, MANIFEST.root(), bitmap, limits.WINDOW_BYTES)


def test_every_offer_has_as_many_proofs() -> None:
    """C3: whether and how often these sources were sent before, nobody sees."""
    for count in range(4):
        proofs = Offered(KNOWN[:count]).offer.proofs
        assert len(set(proofs)) == len(proofs) == limits.OFFER_PROOFS_MAX
        for number, known in enumerate(KNOWN):
            held = [proves(known.key, TH2, "sender", proof) for proof in proofs]
            assert any(held) == (number < count)


def test_a_proven_transfer_keeps_its_id_under_fresh_keys() -> None:
    """C3, A3: START names the transfer that the receiver proved; TS is new each time."""
    starts = []
    for _ in range(2):
        offered = Offered().hear(proof_of(1), HAVE, accept(no=7))
        start = offered.said[-1]
        assert isinstance(start, Start)
        assert (start.transfer_id, start.accept_no) == (KNOWN[1].transfer_id, 7)
        event = offered.machine.next_event()
        assert isinstance(event, Accepted)
        assert (event.transfer_id, event.resumed) == (KNOWN[1].transfer_id, True)
        assert event.have_bytes == offered.machine.have_bytes == 2 * 64 * limits.KIB
        starts.append(start.ts)
    assert len(starts) == 2


def test_a_fresh_answer_gets_a_fresh_id() -> None:
    """C3: who proves nothing begins anew, even when this side knows an earlier transfer."""
    offered = Offered().hear(accept())
    event = offered.machine.next_event()
    assert isinstance(event, Accepted)
    assert not event.resumed
    assert event.transfer_id not in {known.transfer_id for known in KNOWN}
    assert event.have_bytes == 0


HOSTILE: dict[str, list[Resumes | Have | Accept]] = {
    "the proof of another session": [proof_of(0, th2=b"3" * 64)],
    "the sender's own proof": [proof_of(0, role="sender")],
    "a reflected proof": [Resumes(1, Offered().offer.proofs[0])],
    "no proof at all": [Resumes(1, bytes(32))],
    "a proof of another offer": [Resumes(2, proof_of(0).proof)],
    "two proofs": [proof_of(0), proof_of(1)],
    "a claim without a proof": [HAVE],
    "a claim before the proof": [HAVE, proof_of(0)],
    "a proof after a claim": [proof_of(0), HAVE, proof_of(0)],
    "a claim after the answer": [proof_of(0), accept(no=2), HAVE],
    "a proof after the answer": [accept(), proof_of(0)],
    "a claim of another offer": [proof_of(0), Have(2, HAVE.files)],
    "a claim about what is not wanted": [proof_of(0), HAVE, accept(no=2, bitmap=b"\2")],
    "a claim about a file of no offer": [proof_of(0), Have(1, [HaveFile(2, [(0, 0)])])],
    "answer number 0": [accept(no=0)],
    "answer number 2 of a fresh transfer": [accept(no=2)],
}


@pytest.mark.parametrize("messages", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_answer_is_refused(messages: list[Resumes | Have | Accept]) -> None:
    """X07, X14, X20: proofs of another session or role, claims out of turn or without a proof."""
    offered = Offered()
    with pytest.raises(RemoteProtocolError) as caught:
        offered.hear(*messages)
    assert caught.value.exit_code == 6


def test_a_delta_may_be_claimed_without_a_proof() -> None:
    """C12: only where the offer asked for it; the transfer is a fresh one all the same."""
    offered = Offered([], delta=True).hear(HAVE, accept())
    event = offered.machine.next_event()
    assert isinstance(event, Accepted)
    assert (event.resumed, event.have_bytes) == (False, 2 * 64 * limits.KIB)


def test_no_is_possible_after_a_proof() -> None:
    """C4: a person may still say no."""
    offered = Offered().hear(proof_of(2))
    with pytest.raises(OfferDeclined):
        offered.hear(Decline(1))
    assert offered.machine.state is State.DONE


def test_a_key_is_not_printed() -> None:
    """A4: what proves a transfer appears in no printed form."""
    known = KnownTransfer(bytes(16), SecretBytes(b"transfer-key-transfer-key-xxxxxx"))
    assert "transfer-key" not in repr(known)
