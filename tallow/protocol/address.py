"""Relay addresses: HOST:PORT as people write them, with an optional pinned key.

Reading an address never resolves or connects; that is the Dialer's. Host names end as lower-case
ASCII (IDNA), IP addresses in their one canonical form, so that equal relays compare equal.
Spec: docs/protocol.md §3.1, §4.4.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from tallow.display import display_text
from tallow.errors import UsageError
from tallow.wire import limits

DEFAULT_PORT: Final = 4433
PIN_PREFIX: Final = "sha256:"
EXAMPLE_HINT: Final = "Write it as HOST:PORT, for example relay.example.org:4433 or [::1]:4433."

_LABEL = re.compile(rf"(?!-)[a-z0-9-]{{1,{limits.HOST_LABEL_MAX_CHARS}}}(?<!-)")
_PIN = re.compile(r"[0-9a-f]{64}")
_PORT = re.compile(r"[0-9]{1,5}")
_ZONE = re.compile(r"[A-Za-z0-9._-]{1,32}")
_NUMBER_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_FOLDED_BY_IDNA2003 = frozenset("ßẞς\u200c\u200d")


@dataclass(frozen=True, slots=True)
class RelayAddress:
    """Where a relay listens, and which key it must show."""

    host: str
    """A lower-case ASCII name or an IP address, without brackets."""
    port: int
    pin: str = ""
    """SHA-256 of the relay's key in lower-case hex, or "" to pin on first use."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def with_pin_text(self) -> str:
        """Return the address with its pin, as it may stand behind @ in a code."""
        return f"{self}#{PIN_PREFIX}{self.pin}" if self.pin else str(self)


def parse_address(text: str) -> RelayAddress:
    """Read host, host:port, [v6]:port or v6, each with #sha256:… if wished, or raise UsageError."""
    trimmed = text.strip()
    if len(trimmed) > limits.ADDRESS_MAX_CHARS:
        raise _wrong("is too long", trimmed)
    if "://" in trimmed:
        raise _wrong("starts with a scheme", trimmed)
    where, hash_sign, pinned = trimmed.partition("#")
    pin = _pin(pinned, trimmed) if hash_sign else ""
    host, port = _split_port(where, trimmed)
    return RelayAddress(_host(host, trimmed), port, pin)


def _split_port(where: str, whole: str) -> tuple[str, int]:
    """Split off the port; a bare IPv6 address has none."""
    if where.startswith("["):
        host, bracket, rest = where[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or ":" not in host:
            raise _wrong("has its brackets wrong", whole)
        return host, _port(rest[1:], whole) if rest else DEFAULT_PORT
    if where.count(":") > 1:
        return where, DEFAULT_PORT
    host, colon, port = where.partition(":")
    return host, _port(port, whole) if colon else DEFAULT_PORT


def _port(digits: str, whole: str) -> int:
    if not _PORT.fullmatch(digits) or not 1 <= int(digits) <= 0xFFFF:
        raise _wrong("has a port that is not a number from 1 to 65535", whole)
    return int(digits)


def _pin(text: str, whole: str) -> str:
    pin = text.lower()
    if not pin.startswith(PIN_PREFIX) or not _PIN.fullmatch(pin.removeprefix(PIN_PREFIX)):
        raise UsageError(
            f"The pin in the relay address {_shown(whole)} is not readable.",
            hint="Behind # stands sha256: and 64 hex digits, as  tallow relay  prints them.",
        )
    return pin.removeprefix(PIN_PREFIX)


def _host(host: str, whole: str) -> str:
    if ":" in host:
        return _ipv6(host, whole)
    name = _ascii(host, whole).lower().removesuffix(".")
    labels = name.split(".")
    if _NUMBER_LABEL.fullmatch(labels[-1]):
        # 127.1 and 0x7f000001 mean an address to some resolvers and a name to others.
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            raise _wrong("holds an IP address that is none", whole) from None
    if len(name) > limits.HOST_MAX_CHARS or not all(map(_LABEL.fullmatch, labels)):
        raise _wrong("has no proper host name", whole)
    return name


def _ipv6(host: str, whole: str) -> str:
    address, percent, zone = host.partition("%")
    if percent and not _ZONE.fullmatch(zone):
        raise _wrong("has a zone that no interface can have", whole)
    try:
        return ipaddress.IPv6Address(address).compressed + percent + zone
    except ValueError:
        raise _wrong("holds an IP address that is none", whole) from None


def _ascii(host: str, whole: str) -> str:
    """Turn an international name into its xn-- form."""
    if host.isascii():
        return host
    if _FOLDED_BY_IDNA2003 & set(host):
        # Python's codec would silently turn these into another name.
        raise _wrong("has letters that need the xn-- form of the name", whole)
    try:
        return unicodedata.normalize("NFKC", host).encode("idna").decode("ascii")
    except UnicodeError:
        raise _wrong("has no proper host name", whole) from None


def _shown(text: str) -> str:
    return f"“{display_text(text, max_width=60)}”"


def _wrong(what: str, whole: str) -> UsageError:
    return UsageError(f"The relay address {_shown(whole)} {what}.", hint=EXAMPLE_HINT)
