"""Which library makes the post-quantum half of the keys: a choice of this side alone.

Both speak the same bytes, so the peer neither knows nor cares. Before: settings.py. After: crypto.
"""

from __future__ import annotations

from tallow.crypto.kem import KemProvider, default_kem
from tallow.engine.settings import KemChoice
from tallow.errors import UsageError


def kem_provider(choice: KemChoice) -> KemProvider:
    """Return the chosen provider; UsageError if it is not installed here."""
    if choice == "cryptography":
        return default_kem()
    from tallow.crypto.kem_oqs import oqs_kem  # looks for a shared library

    provider = oqs_kem()
    if provider is None:
        raise UsageError(
            "liboqs is not installed on this machine.",
            hint="Install liboqs and then  pip install 'tallow[oqs]' , or unset TALLOW_KEM.",
        )
    return provider
