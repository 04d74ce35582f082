"""Makes a certificate and its key, in a process of its own: ``python -m relay.self_made``.

The library that signs costs 15 MB for as long as a process lives and is needed once in a relay's
life, so the relay starts this module, reads both PEM blocks from its standard output, and never
loads the library itself. This module writes no file and knows no relay.
Before: certificate.py, which starts it and keeps what it says. Spec: docs/protocol.md §4.4.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys

from relay.errors import EXIT_LOCAL, RelayError

_YEARS = 20
_PATIENCE_S = 60.0
"""A slow machine with a cold disk needs a few seconds."""


def in_a_process_of_its_own() -> bytes:
    """Return a fresh certificate and its key as PEM; RelayError says why there is none."""
    # The child finds what this process found, and nothing from the folder it stands in.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        run = subprocess.run(  # noqa: S603 - our own interpreter and module, no shell
            [sys.executable, "-P", "-m", __name__],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=_PATIENCE_S,
        )  # fmt: skip
    except OSError as error:
        raise _failed(error.strerror or str(error)) from error
    except subprocess.TimeoutExpired as error:
        raise _failed(f"it took more than {_PATIENCE_S:.0f} s") from error
    if run.returncode != 0:
        said = run.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _failed(said[-1] if said else f"its process ended with {run.returncode}")
    return run.stdout


def make() -> bytes:
    """Return a certificate for a new P-256 key, and the key, as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tallow-relay")])
    # A day back: a client whose clock is behind must not meet a certificate of tomorrow.
    start = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _failed(why: str) -> RelayError:
    return RelayError(
        f"The relay's certificate cannot be made: {why}.",
        "Make one with another tool and set cert and key, or install Tallow again.",
        EXIT_LOCAL,
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(make())
