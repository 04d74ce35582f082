"""The relay's log: one line per event, without secrets, codes, plates or plain addresses.

An address is written as a keyed hash, so that an operator sees that one visitor asks too often
and cannot say who it was; the key lives in memory and is drawn anew every day.
This module never sees a message of a client. Neighbours: switch.py and server.py call it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable

_DAY_S = 24 * 3600
_NAME_BYTES = 6

Field = str | int | float | bool


class Log:
    """Writes events as ``time event key=value`` or as JSON."""

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        as_json: bool = False,
        unix_s: Callable[[], float] = time.time,
        new_key: Callable[[], bytes] = lambda: secrets.token_bytes(32),
    ) -> None:
        """Write whole lines with ``write``; ``unix_s`` stamps them and turns the key."""
        self._write = write
        self._as_json = as_json
        self._unix_s = unix_s
        self._new_key = new_key
        self._key = b""
        self._key_day = -1

    def event(self, name: str, *, address: str = "", **fields: Field) -> None:
        """Write one event; ``address`` appears as a name that lasts a day."""
        now = self._unix_s()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        shown: dict[str, Field] = {"time": stamp, "event": name, **fields}
        if address:
            shown["visitor"] = self._visitor(address, now)
        self._write((_json_line if self._as_json else _plain_line)(shown))

    def _visitor(self, address: str, now: float) -> str:
        day = int(now // _DAY_S)
        if day != self._key_day:
            self._key, self._key_day = self._new_key(), day
        hashed = hashlib.blake2b(
            address.encode("utf-8", "surrogatepass"), key=self._key, digest_size=_NAME_BYTES
        )
        return hashed.hexdigest()


def _json_line(shown: dict[str, Field]) -> str:
    return json.dumps(shown, ensure_ascii=True) + "\n"


def _plain_line(shown: dict[str, Field]) -> str:
    stamp, name, *rest = shown.items()
    words = [str(stamp[1]), str(name[1])]
    words += [f"{key}={json.dumps(value, ensure_ascii=True)}" for key, value in rest]
    return " ".join(words) + "\n"
