"""What an operator may set, from a TOML file and from flags, checked before anything starts.

    [relay]
    listen = "0.0.0.0:4433"
    expires_max = "7d"
    rooms = 2048

An error names the file, the key and what would be right. Flags win over the file.
This module never opens a socket and never makes a directory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from relay.errors import EXIT_USAGE, RelayError
from relay.quota import Act, QuotaLimits
from tallow.wire import limits
from tallow.wire.relay import DEFAULT_PORT

DEFAULT_LISTEN = f"127.0.0.1:{DEFAULT_PORT}"
DRAIN_DEFAULT = "30s"

Figure = Annotated[int, msgspec.Meta(ge=1, le=limits.RELAY_FIGURE_MAX)]
PerMinute = Annotated[int, msgspec.Meta(ge=0, le=limits.RELAY_FIGURE_MAX)]

_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class RelayTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of ``[relay]``; times are seconds or text like "30s", "5m", "1h", "7d"."""

    listen: str = DEFAULT_LISTEN
    state: str | None = None
    password: str | None = None
    password_file: str | None = None
    open: bool = False
    quic: bool = True
    cert: str | None = None
    key: str | None = None
    expires_max: str | int = limits.EXPIRES_MAX_S
    orphan: str | int = int(limits.ROOM_ORPHAN_S)
    drain: str | int = DRAIN_DEFAULT
    json_log: bool = False
    rooms: Figure = limits.RELAY_ROOMS_MAX
    rooms_per_address: Figure = limits.RELAY_ROOMS_PER_ADDRESS_MAX
    links: Figure = limits.RELAY_LINKS_MAX
    links_per_address: Figure = limits.RELAY_LINKS_PER_ADDRESS_MAX
    connects_per_minute: PerMinute = QuotaLimits().per_minute[Act.CONNECT]
    creates_per_minute: PerMinute = QuotaLimits().per_minute[Act.CREATE]
    joins_per_minute: PerMinute = QuotaLimits().per_minute[Act.JOIN]
    false_proofs_per_minute: PerMinute = QuotaLimits().per_minute[Act.FALSE_PROOF]

    def __repr__(self) -> str:
        return f"RelayTable({self.listen})"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    relay: RelayTable = RelayTable()


@dataclass(frozen=True, slots=True)
class Settings:
    """A checked configuration, in the types that the server works with."""

    host: str
    port: int
    state: Path | None
    """None: the user's own state directory."""
    password: str | None
    password_file: Path | None
    is_open: bool
    quic: bool
    """Whether QUIC is spoken too, over UDP on the same port number."""
    certificate: Path | None
    key: Path | None
    expires_max_s: int
    orphan_s: float
    drain_s: float
    json_log: bool
    quota: QuotaLimits

    def __repr__(self) -> str:
        return f"Settings({self.host}:{self.port})"


def load(path: Path) -> RelayTable:
    """Read a configuration file; RelayError names the key that is wrong."""
    try:
        with path.open("rb") as file:
            raw = file.read(limits.RELAY_CONFIG_MAX_BYTES + 1)
    except OSError as error:
        raise _wrong(str(path), f"it cannot be read: {error.strerror or error}") from error
    if len(raw) > limits.RELAY_CONFIG_MAX_BYTES:
        raise _wrong(str(path), "it is too long")
    try:
        return msgspec.toml.decode(raw, type=_File).relay
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        key = where.strip("`.")
        raise _wrong(f"{path}: {key}" if key else str(path), what) from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise _wrong(str(path), str(error)) from error


def settle(file: RelayTable, source: str, flags: Mapping[str, object]) -> Settings:
    """Put flags over the file called ``source`` and check what types alone cannot."""
    given = {
        name: value
        for name, value in flags.items()
        if name in file.__struct_fields__ and value is not None
    }
    table = msgspec.structs.replace(file, **given)

    def place(key: str) -> str:
        return f"--{key.replace('_', '-')}" if key in given else f"{source}: relay.{key}"

    host, port = read_listen(table.listen, place("listen"))
    if (table.cert is None) != (table.key is None):
        raise _wrong(place("cert"), "cert and key go together: set both or neither")
    expires_max_s = read_seconds(table.expires_max, place("expires_max"))
    if not 1 <= expires_max_s <= limits.EXPIRES_MAX_S:
        raise _wrong(place("expires_max"), "it must be between 1s and 7d")
    drain_s = read_seconds(table.drain, place("drain"))
    if drain_s > limits.RELAY_DRAIN_MAX_S:
        raise _wrong(place("drain"), "it must be at most 1d")
    return Settings(
        host=host,
        port=port,
        state=_path(table.state),
        password=table.password,
        password_file=_path(table.password_file),
        is_open=table.open,
        quic=table.quic,
        certificate=_path(table.cert),
        key=_path(table.key),
        expires_max_s=expires_max_s,
        orphan_s=float(read_seconds(table.orphan, place("orphan"))),
        drain_s=float(drain_s),
        json_log=table.json_log,
        quota=QuotaLimits(
            rooms=table.rooms,
            rooms_per_address=table.rooms_per_address,
            links=table.links,
            links_per_address=table.links_per_address,
            per_minute={
                Act.CONNECT: table.connects_per_minute,
                Act.CREATE: table.creates_per_minute,
                Act.JOIN: table.joins_per_minute,
                Act.FALSE_PROOF: table.false_proofs_per_minute,
            },
        ),
    )


def read_listen(text: str, where: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT`` or ``[V6]:PORT``; port 0 lets the system choose."""
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]/]+)):([0-9]{1,5})", text)
    if found is None or int(found[3]) > 65535:
        raise _wrong(where, f"{text!r} is not HOST:PORT, as in 0.0.0.0:4433 or [::]:4433")
    return found[1] or found[2], int(found[3])


def read_seconds(value: str | int, where: str) -> int:
    """Return whole seconds of a number or of text like "90s", "5m", "1h", "7d"."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd]?)", str(value))
    if found is None:
        raise _wrong(where, f"{value!r} is not a time, as in 30s, 5m, 1h or 7d")
    return int(found[1]) * _UNITS_S[found[2]]


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text).expanduser()


def _wrong(where: str, what: str) -> RelayError:
    return RelayError(f"{where}: {what}.", "Correct it and start again.", EXIT_USAGE)
