"""What two sides keep of their first session to find each other again.

Before: reunion.py uses it, unfinished.py keeps it. It holds a secret and never shows it.
Spec: docs/protocol.md §5.6.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tallow.crypto.secret import SecretBytes
from tallow.protocol.address import RelayAddress
from tallow.protocol.psk_handshake import AnsweredFlights
from tallow.protocol.session import Role


@dataclass(frozen=True, slots=True)
class Bond:
    """The resume secret of a first session, the role in it, and where it was."""

    resume: SecretBytes
    role: Role
    address: RelayAddress
    answered: AnsweredFlights = field(default_factory=AnsweredFlights)
