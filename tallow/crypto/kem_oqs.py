"""ML-KEM-1024 from liboqs: a second library behind the same seam, for those who want it.

It is used only when the real liboqs is on this machine. That is looked for first, because without
it the import of its Python wrapper would fetch and build one; a package of the same import name
that is something else entirely is recognised and left alone.
It speaks the same bytes as the default provider (a test holds the two together) and refuses the
same invalid keys. This module never decides which provider is used.
"""

from __future__ import annotations

import ctypes.util
import importlib
import os
import warnings
from pathlib import Path
from typing import Any, Final, NoReturn

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PublicKey

from tallow.crypto.errors import CryptoError
from tallow.crypto.kem import CIPHERTEXT_BYTES, SEED_BYTES, KemKeyPair, KemProvider
from tallow.crypto.lv import Buffer

MECHANISM: Final = "ML-KEM-1024"


def liboqs_present() -> bool:
    """Return whether the shared library itself is here, without importing anything."""
    if ctypes.util.find_library("oqs"):
        return True
    places = [os.environ.get("OQS_INSTALL_PATH", ""), str(Path.home() / "_oqs")]
    return any(
        found
        for place in places
        if place
        for folder in ("lib", "lib64", "bin")
        for found in Path(place, folder).glob("*oqs*")
    )


def oqs_kem() -> KemProvider | None:
    """Return the provider on liboqs, or None if it is not there or cannot be used."""
    if not liboqs_present():
        return None
    try:
        with warnings.catch_warnings():
            # Wrapper and library often differ in their last digit, and say so.
            warnings.simplefilter("ignore")
            oqs: Any = importlib.import_module("oqs")
        enabled = MECHANISM in oqs.get_enabled_kem_mechanisms()
    except (ImportError, RuntimeError, AttributeError, OSError, SystemExit):
        return None
    return _OqsKem(oqs) if enabled else None


class _OqsKeyPair:
    __slots__ = ("_kem", "_seed", "public")

    def __init__(self, oqs: Any, seed: bytes) -> None:
        self._seed = seed
        self._kem = oqs.KeyEncapsulation(MECHANISM)
        self.public: Final[bytes] = self._kem.generate_keypair_seed(seed)

    def decapsulate(self, ct: Buffer) -> bytes:
        if len(ct) != CIPHERTEXT_BYTES:
            raise CryptoError
        shared: bytes = self._kem.decap_secret(bytes(ct))
        return shared

    def seed(self) -> bytes:
        return self._seed

    def __repr__(self) -> str:
        return "KemKeyPair(…)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a private key is neither pickled nor copied")


class _OqsKem:
    name: Final = "liboqs"

    def __init__(self, oqs: Any) -> None:
        self._oqs = oqs

    def generate(self) -> KemKeyPair:
        return _OqsKeyPair(self._oqs, os.urandom(SEED_BYTES))

    def from_seed(self, seed: Buffer) -> KemKeyPair:
        if len(seed) != SEED_BYTES:
            raise CryptoError
        return _OqsKeyPair(self._oqs, bytes(seed))

    def encapsulate(self, public: Buffer) -> tuple[bytes, bytes]:
        try:
            # liboqs leaves the check of FIPS 203 §7.2 to its caller.
            MLKEM1024PublicKey.from_public_bytes(public)
        except ValueError:
            raise CryptoError from None
        with self._oqs.KeyEncapsulation(MECHANISM) as kem:
            ct, shared = kem.encap_secret(bytes(public))
        return bytes(shared), bytes(ct)
