"""Which key each relay showed: pinned on first use, in the address, or signed by a CA.

A relay reads nothing, so a false one can only deny service and watch who meets; still a changed
key stops everything until the person forgets the old one. Spec: docs/protocol.md §4.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from tallow.engine.ports import StateStore
from tallow.errors import RelayKeyChanged, StorageError
from tallow.protocol.address import RelayAddress

NAME = "known_relays.json"
CA_SIGNED = "ca"
"""Stored instead of a pin where a certificate authority vouches for the name."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What is known of a relay before connecting."""

    pin: str
    """sha256 of its key in hex, CA_SIGNED, or "" on first use."""
    from_address: bool


def known(state: StateStore, address: RelayAddress) -> Trust:
    """Return what to expect of a relay; a pin in the address wins."""
    if address.pin:
        return Trust(address.pin, from_address=True)
    return Trust(_read(state).get(str(address), ""), from_address=False)


def remember(state: StateStore, address: RelayAddress, pin: str) -> None:
    """Pin a relay's key."""
    table = _read(state)
    if table.get(str(address)) != pin:
        table[str(address)] = pin
        _write(state, table)


def forget(state: StateStore, address: RelayAddress) -> bool:
    """Forget a relay's key; False if none was known."""
    table = _read(state)
    if table.pop(str(address), None) is None:
        return False
    _write(state, table)
    return True


def check(trust: Trust, address: RelayAddress, shown: str) -> None:
    """Raise RelayKeyChanged unless the shown key is the expected one."""
    if trust.pin in ("", CA_SIGNED, shown):
        return
    if trust.from_address:
        raise RelayKeyChanged(
            f"The relay {address} does not have the key that the address names.",
            hint="Check the address; if it is right, someone else answers in the relay's place.",
        )
    raise RelayKeyChanged(
        f"The relay {address} shows another key than before.",
        why="either its owner made a new key, or someone answers in its place",
        hint=f"If its owner says the key changed:  tallow relay forget {address}",
    )


def _read(state: StateStore) -> dict[str, str]:
    raw = state.read(NAME)
    if raw is None:
        return {}
    try:
        return msgspec.json.decode(raw, type=dict[str, str])
    except (ValueError, RecursionError):
        raise StorageError(
            "The list of known relays is damaged.",
            hint=f"Look at {NAME} in Tallow's state folder; removing it forgets every pin.",
        ) from None


def _write(state: StateStore, table: dict[str, str]) -> None:
    state.write(NAME, msgspec.json.format(msgspec.json.encode(table), indent=1))
