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
LanesChoice = Literal["auto", "sealed", "tls"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The options that every exchange of this process shares."""

    relay: RelayAddress | None = None
    relay_password: SecretBytes | None = field(default=None, repr=False)
    transport: TransportChoice = "auto"
    lanes: LanesChoice = "auto"
    """Whether sealed records leave TLS: tls keeps what both ends carry from looking alike."""
    kem: KemChoice = "cryptography"
    """Which library makes the post-quantum half of the keys; both speak the same bytes."""
    reconnect_s: float = 60.0
    """How long a transfer that lost its path looks for the other side; 0: not at all."""
    identity: Identity | None = field(default=None, repr=False)
    """None: sessions are anonymous."""
