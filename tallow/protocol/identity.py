"""Who is on the other side: the identity proof that rides in HELLO.

A root key certifies a device key; the device signs this very session (role and th2), so a proof
cannot be replayed or reflected. Both signatures of each pair must verify. A session without a
proof is anonymous, and that is a normal case. This module never stores or unlocks a key.
Spec: docs/protocol.md §6.6.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallow.crypto.errors import CryptoError
from tallow.crypto.fingerprint import identity_fingerprint
from tallow.crypto.kdf import sha512
from tallow.crypto.lv import lv
from tallow.crypto.signature import HybridSignature, SigningKey, VerifyKey, verify
from tallow.errors import NotVerified
from tallow.protocol.messages import IdentityProof
from tallow.protocol.session import Role

SESSION_CONTEXT = b"tallow/1 session"
DEVICE_CONTEXT = b"tallow/1 device"


@dataclass(frozen=True, slots=True)
class Identity:
    """A root public key, and a device key that the root has certified."""

    root: VerifyKey
    device: SigningKey
    certificate: HybridSignature

    @property
    def fingerprint(self) -> bytes:
        """The 32 bytes that people compare."""
        return identity_fingerprint(self.root.ed25519, self.root.mldsa87)


def device_bundle(root: VerifyKey, device: VerifyKey) -> bytes:
    """Return what a root signs to certify a device: its own keys are part of it."""
    return lv(root.ed25519, root.mldsa87, device.ed25519, device.mldsa87)


def certify(root: SigningKey, device: VerifyKey) -> HybridSignature:
    """Return the root's signature over a device's keys."""
    return root.sign(DEVICE_CONTEXT, device_bundle(root.public, device))


def _session_statement(
    role: Role, th2: bytes, root: VerifyKey, fingerprint: bytes, device: VerifyKey
) -> bytes:
    bundle_hash = sha512(device_bundle(root, device))
    return lv("tallow/1 session", role, th2, fingerprint, bundle_hash)


def prove(identity: Identity, role: Role, th2: bytes) -> IdentityProof:
    """Return the proof that this identity takes part in this session in this role."""
    device = identity.device.public
    statement = _session_statement(role, th2, identity.root, identity.fingerprint, device)
    signature = identity.device.sign(SESSION_CONTEXT, statement)
    return IdentityProof(
        root_ed25519=identity.root.ed25519,
        root_mldsa87=identity.root.mldsa87,
        device_ed25519=device.ed25519,
        device_mldsa87=device.mldsa87,
        certificate_ed25519=identity.certificate.ed25519,
        certificate_mldsa87=identity.certificate.mldsa87,
        proof_ed25519=signature.ed25519,
        proof_mldsa87=signature.mldsa87,
    )


def verified_fingerprint(proof: IdentityProof | None, peer_role: Role, th2: bytes) -> bytes:
    """Return the peer's fingerprint, or b"" without a proof; NotVerified if it does not hold."""
    if proof is None:
        return b""
    root = VerifyKey(proof.root_ed25519, proof.root_mldsa87)
    device = VerifyKey(proof.device_ed25519, proof.device_mldsa87)
    certificate = HybridSignature(proof.certificate_ed25519, proof.certificate_mldsa87)
    signature = HybridSignature(proof.proof_ed25519, proof.proof_mldsa87)
    try:
        fingerprint = identity_fingerprint(root.ed25519, root.mldsa87)
        verify(root, DEVICE_CONTEXT, device_bundle(root, device), certificate)
        statement = _session_statement(peer_role, th2, root, fingerprint, device)
        verify(device, SESSION_CONTEXT, statement, signature)
    except CryptoError:
        raise NotVerified(
            "The other side claims an identity that it could not prove.",
            hint="Do not go on: ask the person for a new code over another channel.",
        ) from None
    return fingerprint
