"""What an operator decides about rooms, as the hub is told it.

Before: server.py, from the settings. After: hub.py. It never reads a file.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallow.wire import limits
from tallow.wire.relay_auth import KEY_HASH_BYTES


@dataclass(frozen=True, slots=True)
class HubRules:
    """What an operator decides."""

    password_key: bytes | None = None
    """From ``relay_auth.relay_key``; None if everybody may create rooms."""
    key_hash: bytes = bytes(KEY_HASH_BYTES)
    """SHA-256 of the relay's SubjectPublicKeyInfo."""
    orphan_s: float = limits.ROOM_ORPHAN_S
    expires_max_s: int = limits.EXPIRES_MAX_S
    lanes: int = limits.LANES_PER_SESSION_MAX
    """How many lanes a pair may have at a time; 0 where lanes cannot be carried."""
