"""The proof that a transfer was begun in an earlier session, made inside a new one.

Both sides of a transfer keep one 32-byte key for it, made from the first session's resume secret,
and neither its id nor the key ever travels: only this proof does, which holds in one session and
from one side. A receiver that sees it may show what it already has; without it, it shows nothing.
This module keeps no journal and decides nothing. Spec: docs/protocol.md §5.7.
"""

from __future__ import annotations

from typing import Literal

from tallow.crypto.kdf import expand, mac, same
from tallow.crypto.lv import lv
from tallow.crypto.secret import SecretBytes

TransferRole = Literal["sender", "receiver"]
"""Who proves: the direction of the files, not the role in the handshake."""
PROOF_BYTES = 32


def transfer_key(resume: SecretBytes, transfer_id: bytes) -> SecretBytes:
    """Return the 32-byte key to keep for one transfer; nothing else of the session need be kept."""
    return SecretBytes(bytearray(expand(resume.view(), "resume", transfer_id, 32)))


def transfer_proof(key: SecretBytes, th2: bytes, role: TransferRole) -> bytes:
    """Return 32 bytes that show the key to the peer of the session with this transcript."""
    return mac(key.view(), lv("tallow/1 resume", th2, role))[:PROOF_BYTES]


def proves(key: SecretBytes, th2: bytes, role: TransferRole, claimed: bytes) -> bool:
    """Tell in constant time whether the peer in this role holds the key; never for another length.

    X20: what is compared is the whole proof, whatever length arrived.
    """
    return same(transfer_proof(key, th2, role), claimed)
