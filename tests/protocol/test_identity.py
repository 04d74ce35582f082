"""Identity proofs: they hold for one identity, one session and one role, in every field."""

from __future__ import annotations

import msgspec
import pytest

from tallow.crypto.fingerprint import identity_fingerprint
from tallow.crypto.signature import HybridSignature, SigningKey
from tallow.errors import NotVerified
from tallow.protocol.identity import (
    DEVICE_CONTEXT,
    SESSION_CONTEXT,
    Identity,
    certify,
    device_bundle,
    prove,
    verified_fingerprint,
)
from tallow.protocol.messages import Hello, IdentityProof, decode_control, encode_control

TH2 = b"t" * 64


def identity(seed: int) -> tuple[Identity, SigningKey]:
    """Return an identity and its root key, made from a seed."""
    root = SigningKey(bytes([seed]) * 32, bytes([seed + 1]) * 32)
    device = SigningKey(bytes([seed + 2]) * 32, bytes([seed + 3]) * 32)
    return Identity(root.public, device, certify(root, device.public)), root


ALICE, ALICE_ROOT = identity(10)
MALLORY, MALLORY_ROOT = identity(20)
PROOF = prove(ALICE, "initiator", TH2)
FIELDS = msgspec.structs.fields(IdentityProof)


def refused(proof: IdentityProof, role: str = "initiator", th2: bytes = TH2) -> None:
    """Check that a proof is not believed, in the error that people see."""
    with pytest.raises(NotVerified) as caught:
        verified_fingerprint(proof, "initiator" if role == "initiator" else "responder", th2)
    assert caught.value.exit_code == 3
    assert "could not prove" in caught.value.message


def test_a_true_proof_gives_the_fingerprint() -> None:
    """A1: both signatures of both pairs verify, and the fingerprint is that of the root keys."""
    shown = verified_fingerprint(PROOF, "initiator", TH2)
    assert shown == ALICE.fingerprint
    assert shown == identity_fingerprint(ALICE.root.ed25519, ALICE.root.mldsa87)


def test_no_proof_is_nobody() -> None:
    """A session without an identity is a normal case."""
    assert verified_fingerprint(None, "responder", TH2) == b""


def test_a_proof_travels_in_hello() -> None:
    """B1: the proof is the same after the wire."""
    hello = Hello("transfer", "send", [], "alice", False, PROOF)
    again = decode_control(encode_control(hello))
    assert isinstance(again, Hello)
    assert verified_fingerprint(again.identity, "initiator", TH2) == ALICE.fingerprint


def test_a_proof_serves_one_session_and_one_role() -> None:
    """X08, X12: it is neither replayed into another session nor reflected at its maker."""
    refused(PROOF, th2=b"u" * 64)
    refused(PROOF, role="responder")


@pytest.mark.parametrize("field", [field.name for field in FIELDS])
@pytest.mark.parametrize("at", [0, 15, -1])
def test_each_field_counts(field: str, at: int) -> None:
    """A1, X20: one changed bit in any key, certificate or signature, and nobody is believed."""
    content = bytearray(getattr(PROOF, field))
    content[at] ^= 4
    refused(msgspec.structs.replace(PROOF, **{field: bytes(content)}))


@pytest.mark.parametrize("field", [field.name for field in FIELDS])
@pytest.mark.parametrize("length", [0, 31, 33, 64, 5000])
def test_a_field_of_another_length_is_refused(field: str, length: int) -> None:
    """A4, X20: a proof that did not come through the decoder is refused the same way."""
    if length == len(getattr(PROOF, field)):
        return
    refused(msgspec.structs.replace(PROOF, **{field: bytes(length)}))


@pytest.mark.parametrize("field", [field.name for field in FIELDS])
def test_no_field_may_be_another_identitys(field: str) -> None:
    """X12, X19: a part of somebody else's true proof does not fit in."""
    other = prove(MALLORY, "initiator", TH2)
    refused(msgspec.structs.replace(PROOF, **{field: getattr(other, field)}))


def test_a_device_that_the_root_did_not_certify_is_refused() -> None:
    """X12: Mallory's own device under Alice's root key, with any certificate he can make."""
    for certificate in (ALICE.certificate, certify(MALLORY_ROOT, MALLORY.device.public)):
        posing = Identity(ALICE.root, MALLORY.device, certificate)
        refused(prove(posing, "initiator", TH2))


@pytest.mark.parametrize("half", ["ed25519", "mldsa87"])
def test_one_half_of_a_signature_is_not_enough(half: str) -> None:
    """A1: who has broken one algorithm still cannot prove an identity."""
    other = prove(MALLORY, "initiator", TH2)
    names = [f"certificate_{half}", f"proof_{half}"]
    refused(msgspec.structs.replace(PROOF, **{name: getattr(other, name) for name in names}))


def test_a_session_signature_is_no_certificate_and_the_reverse() -> None:
    """X19: contexts keep statements of one kind from passing for another."""
    as_session = ALICE_ROOT.sign(SESSION_CONTEXT, device_bundle(ALICE.root, ALICE.device.public))
    posing = Identity(ALICE.root, ALICE.device, as_session)
    refused(prove(posing, "initiator", TH2))
    by_context = ALICE.device.sign(DEVICE_CONTEXT, b"whatever")
    swapped = HybridSignature(by_context.ed25519, by_context.mldsa87)
    refused(
        msgspec.structs.replace(PROOF, proof_ed25519=swapped.ed25519, proof_mldsa87=swapped.mldsa87)
    )
