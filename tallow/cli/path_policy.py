"""From options to settings: which relay, which password, which transport.

One order everywhere: a relay on the command line, then the one a code carries, then the
environment. Secrets leave ordinary strings as early as they can. Nothing connects here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tallow.cli.console import Console
from tallow.cli.options import PathPolicy
from tallow.crypto.secret import SecretBytes
from tallow.display import display_text
from tallow.engine.settings import KemChoice, LanesChoice, Settings, TransportChoice
from tallow.errors import NoRelaySet, SourceUnreadable, UsageError
from tallow.protocol.address import RelayAddress, parse_address
from tallow.wire import limits

LANES: Final[dict[str, LanesChoice]] = {"auto": "auto", "sealed": "sealed", "tls": "tls"}
TRANSPORTS: Final[dict[str, TransportChoice]] = {"auto": "auto", "tcp": "tcp", "quic": "quic"}


def settings_for(
    path: PathPolicy, console: Console, *, code_relay: RelayAddress | None = None
) -> Settings:
    """Return the settings of a run: NoRelaySet without any relay, UsageError for a false one."""
    return Settings(
        relay=_relay(path, code_relay),
        relay_password=_password(path, console),
        transport=TRANSPORTS[path.transport],
        lanes=LANES[path.lanes],
        reconnect_s=float(path.reconnect_s),
        kem=_kem(console),
    )


def _kem(console: Console) -> KemChoice:
    """Return the post-quantum library that TALLOW_KEM names."""
    match console.environment.get("TALLOW_KEM", ""):
        case "" | "cryptography":
            return "cryptography"
        case "liboqs" | "oqs":
            return "liboqs"
        case other:
            raise UsageError(
                f"TALLOW_KEM names no library: {display_text(other)}.",
                hint="Set it to cryptography or liboqs, or unset it.",
            )


def password_warning(path: PathPolicy) -> str | None:
    """Return the warning for a password that stands on the command line."""
    if path.relay_pass is None or not path.relay_pass_typed:
        return None
    return (
        "warning: everybody on this machine can see --relay-pass in the list of processes;"
        " use --relay-pass-file or TALLOW_RELAY_PASS."
    )


def _relay(path: PathPolicy, code_relay: RelayAddress | None) -> RelayAddress:
    if path.relay is not None and (path.relay_typed or code_relay is None):
        return parse_address(path.relay)
    if code_relay is None:
        raise NoRelaySet
    return code_relay


def _password(path: PathPolicy, console: Console) -> SecretBytes | None:
    if path.relay_pass is not None and (path.relay_pass_typed or path.relay_pass_file is None):
        return _secret(path.relay_pass.encode("utf-8", "surrogateescape"))
    if path.relay_pass_file is None:
        return None
    most = limits.PASSWORD_MAX_BYTES + 2
    if path.relay_pass_file == "-":  # noqa: S105 - a file name, not a password
        raw = console.read_some(most, None) or b""
    else:
        raw = read_first_line(path.relay_pass_file, most, what="password file")
    return _secret(raw.splitlines()[0] if raw else b"")


def read_first_line(name: str, most_bytes: int, *, what: str) -> bytes:
    """Return the first line of a small file, or raise SourceUnreadable."""
    try:
        with Path(name).open("rb") as file:
            return file.readline(most_bytes)
    except OSError as error:
        raise SourceUnreadable(
            f"The {what} {name} cannot be read.", why=error.strerror or ""
        ) from None


def _secret(password: bytes) -> SecretBytes:
    if not password or len(password) > limits.PASSWORD_MAX_BYTES:
        raise UsageError(
            "The relay password is empty or too long.",
            hint=f"It has 1 to {limits.PASSWORD_MAX_BYTES} bytes, on one line.",
        )
    return SecretBytes(bytearray(password))
