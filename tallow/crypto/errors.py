"""The one exception of cryptography.

It never says which check failed, so that no message, log or timing of an error path can serve
as an oracle. Neighbours turn it into an error of their own that a user can act on.
"""

from __future__ import annotations


class CryptoError(Exception):
    """Something did not verify; deliberately mute about what and why."""

    def __init__(self) -> None:
        """Hold nothing: there is no message to leak (A4)."""
        super().__init__()

    def __str__(self) -> str:
        """Return the same sentence for every cause."""
        return "cryptographic check failed"
