"""The relay password: who may create rooms. Where it comes from, and when one is needed.

Joining a room never needs it: the creator has paid for both. A generated one has 80 bits, so
that a relay which a client trusts on first use cannot find it from the proof (that would take
2^80 scrypt runs). It is stored 0600 in the state directory and never sent or logged.
Neighbours: tallow/wire/relay_auth.py makes the proof. Spec: docs/protocol.md §4.4.
"""

from __future__ import annotations

import base64
import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from relay.errors import EXIT_USAGE, RelayError
from relay.state import keep_secret, read_secret
from tallow.wire import limits

FILE_NAME = "password"
VARIABLE = "TALLOW_RELAY_PASS"
_GENERATED_BYTES = 10
"""80 bits: 16 characters of base32."""

Origin = Literal["open", "given", "stored", "new"]


@dataclass(frozen=True, slots=True)
class Password:
    """What creating a room takes, and how the operator learns it."""

    origin: Origin
    words: str | None
    """None if everybody may create rooms."""

    def __repr__(self) -> str:
        return f"Password({self.origin})"


OPEN = Password("open", None)


def choose(
    *,
    is_open: bool,
    file: Path | None,
    configured: str | None,
    environment: Mapping[str, str],
    host: str,
    state: Path,
) -> Password:
    """Return the password in force: flag, file, variable, configuration, stored, new.

    On a loopback address none is needed unless one is given.
    """
    if is_open:
        return OPEN
    if file is not None:
        return Password("given", _read_file(file))
    given = environment.get(VARIABLE) or configured
    if given:
        return Password("given", _checked(given, VARIABLE if VARIABLE in environment else "config"))
    if is_loopback(host):
        return OPEN
    return _stored_or_new(state / FILE_NAME)


def generate() -> str:
    """Return a new password of 80 bits in four groups."""
    letters = base64.b32encode(secrets.token_bytes(_GENERATED_BYTES)).decode("ascii").lower()
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a listening address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _stored_or_new(path: Path) -> Password:
    stored = read_secret(path, limits.PASSWORD_MAX_BYTES)
    if stored is not None:
        return Password("stored", _checked(_text(stored, path), str(path)))
    made = generate()
    kept = _text(keep_secret(path, f"{made}\n".encode()), path)
    # Another relay that started at the same moment may have been first.
    return Password("new" if kept == made else "stored", kept)


def _read_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(limits.PASSWORD_MAX_BYTES + 1)
    except OSError as error:
        raise RelayError(
            f"The password file {path} cannot be read: {error.strerror or error}",
            "Check the name, or leave --password-file out to have one made.",
            EXIT_USAGE,
        ) from error
    return _checked(_text(content, path), str(path))


def _text(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8").strip("\r\n")
    except UnicodeDecodeError as error:
        raise RelayError(
            f"The password in {path} is not UTF-8 text.",
            "Write the password on one line of a text file.",
            EXIT_USAGE,
        ) from error


def _checked(words: str, where: str) -> str:
    too_long = len(words.encode("utf-8", "surrogatepass")) > limits.PASSWORD_MAX_BYTES
    if not words.strip() or too_long or "\n" in words:
        raise RelayError(
            f"The relay password from {where} is empty, too long or has several lines.",
            "Use one line; leave it out to have a strong one made, or pass --open for none.",
            EXIT_USAGE,
        )
    return words
