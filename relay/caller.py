"""What the hub knows of one link before and after it has a seat.

Before: hub.py makes one for each link. It decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from relay.room import Room
from tallow.wire.relay_auth import client_proof, proof_matches


@dataclass(slots=True)
class Caller:
    """One link."""

    address: str
    relay_nonce: bytes
    client_nonce: bytes | None = None
    proven: bool = False
    """Whether it showed that it knows the relay's password."""
    room: Room | None = None

    def proves(self, proof: bytes, key: bytes, key_hash: bytes) -> bool:
        """Tell whether a proof shows the password for this link and no other."""
        if self.client_nonce is None:
            return False
        return proof_matches(
            proof, client_proof(key, self.client_nonce, self.relay_nonce, key_hash)
        )
