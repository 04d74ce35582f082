"""What the user chose for a whole run, whichever front door it came through.

Frozen; made once from flags, environment and files by a front door. The relay password is held in
a redacted form, so that no log and no traceback shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tallow.crypto.secret import SecretBytes
from tallow.protocol.address import RelayAddress
from tallow.protocol.identity import Identity

KemChoice = Literal["cryptography", "liboqs"]
TransportChoice = Literal["auto", "tcp", "quic"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The options that every exchange of this process shares."""

    relay: RelayAddress | None = None
    relay_password: SecretBytes | None = field(default=None, repr=False)
    transport: TransportChoice = "auto"
    kem: KemChoice = "cryptography"
    """Which library makes the post-quantum half of the keys; both speak the same bytes."""
    identity: Identity | None = field(default=None, repr=False)
    """None: sessions are anonymous."""
