"""Cryptography: one primitive, one role and one label each, from maintained libraries.

Everything here is a pure function or a small object over bytes. This room never opens a socket or
a file, never reads a clock, knows nothing of the wire and imports nothing else of Tallow. Whatever
a peer or a stored file can get wrong raises ``CryptoError`` and nothing else; a caller's own
mistake (a key of the wrong length, a number out of range) is a ``ValueError``.

    errors       the one exception          kem, dh      ML-KEM-1024 behind a seam, X25519
    secret       wipeable memory            signature    ML-DSA-87 and Ed25519 together
    lv, kdf      encoding, hashes, HKDF,    pake         CPace
                 HMAC, Argon2id             tree         BLAKE3 leaves, roots, digests
    aead         records, every nonce       fingerprint, sas    what people compare
    sealing      small state at rest
"""
