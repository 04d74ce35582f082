"""Records of unfinished transfers: one small private file each, in the user's state folder.

A record says who and what a transfer was, so that a later process finds it again by its sources,
its code or its output folder. It holds secrets of that transfer and is readable by its user alone.
A record that is damaged or was written by a newer version is told of and left alone.
Before: engine/unfinished.py. After: state.py. It never opens a received file; tidying.py does.
"""

from __future__ import annotations

import hmac
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from tallow.engine.ports import Clock, StateStore
from tallow.engine.storage.journal import KEY_BYTES, KEY_NAME
from tallow.errors import StorageError
from tallow.wire import limits

if TYPE_CHECKING:
    from tallow.engine.storage.tidying import Tidied

PREFIX = "transfer-"
VERSION = 1
_FILE_NAME = re.compile(r"transfer-([0-9a-f]{16})")

Secret32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Count = Annotated[int, msgspec.Meta(ge=0, le=limits.FILE_MAX_BYTES)]
Wall = Annotated[float, msgspec.Meta(ge=0, le=1e12)]


class TransferRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One transfer that is under way or was cut off."""

    v: Literal[1] = 1
    id: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{16}\Z")]
    direction: Literal["send", "receive"]
    transfer_id: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
    transfer_key: Secret32
    resume_secret: Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
    role: Literal["initiator", "responder"]
    relay: str = ""
    code_tag: Annotated[bytes, msgspec.Meta(max_length=32)] = b""
    """HMAC of the code under the state's key; empty for none."""
    peer_name: str = ""
    sources: tuple[str, ...] = ()
    """Absolute paths."""
    exclude: tuple[str, ...] = ()
    options_json: bytes = b""
    output: str = ""
    """The absolute target folder."""
    output_name: str = ""
    journal: str = ""
    """Its file name in ``output``; empty if there is none yet."""
    manifest_root: Annotated[bytes, msgspec.Meta(max_length=32)] = b""
    files: Count = 0
    total_bytes: Count = 0
    done_bytes: Count = 0
    started_at: Wall = 0.0
    updated_at: Wall = 0.0


@dataclass(frozen=True, slots=True)
class DamagedRecord:
    """A record that cannot be used."""

    id: str
    why: str
    is_newer: bool = False
    """True if a later version of Tallow wrote it, which may still want it."""

    def __str__(self) -> str:
        return f"{self.id}: {self.why}"


class TransferRecords:
    """All records of this user."""

    def __init__(self, state: StateStore, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    def put(self, record: TransferRecord, *, durable: bool = True) -> None:
        """Write or replace a record; StorageError if the disk will not have it."""
        self._state.write(PREFIX + record.id, encode_record(record), durable=durable)

    def remove(self, record_id: str) -> None:
        """Forget a record, a damaged one too."""
        if _FILE_NAME.fullmatch(PREFIX + record_id):
            self._state.remove(PREFIX + record_id)

    def all(self) -> list[TransferRecord]:
        """Return every record that can be read, the last used first, expired ones too."""
        read = [item for item in self._read_all() if isinstance(item, TransferRecord)]
        return sorted(read, key=lambda record: (-record.updated_at, record.id))

    def damaged(self) -> list[DamagedRecord]:
        """Return what cannot be read, and why."""
        return [item for item in self._read_all() if isinstance(item, DamagedRecord)]

    def remove_damaged(self) -> None:
        """Forget what cannot be read, but for what a newer version wrote."""
        for record in self.damaged():
            if not record.is_newer:
                self.remove(record.id)

    def expired(self, record: TransferRecord) -> bool:
        """Return whether a record is too old to be gone on with."""
        return self._clock.wall() - record.updated_at > limits.RESUME_KEPT_S

    def by_sources(
        self, sources: tuple[str, ...], exclude: tuple[str, ...]
    ) -> list[TransferRecord]:
        """Return the live records of sending just these sources, the last used first."""
        return [
            record
            for record in self._live("send")
            if (record.sources, record.exclude) == (sources, exclude)
        ]

    def by_code(self, tag: bytes) -> list[TransferRecord]:
        """Return the live records of both directions that a code began."""
        return [
            record
            for record in self._live("send", "receive")
            if tag and hmac.compare_digest(record.code_tag, tag)
        ]

    def by_output(self, folder: str) -> list[TransferRecord]:
        """Return the live records of receiving into a folder, the last used first."""
        return [record for record in self._live("receive") if record.output == folder]

    def clean(self, record: TransferRecord) -> Tidied:
        """Remove the journal and the temporary files that it names, then the record.

        What could not be removed is named in the answer; while another process goes on with the
        transfer, everything stays.
        """
        from tallow.engine.storage.tidying import Tidied, tidy

        tidied = Tidied(0, ())
        if record.direction == "receive" and record.journal and record.output:
            key = self._state.read(KEY_NAME)
            tidied = Tidied(0, (record.journal,))
            if key is not None and len(key) == KEY_BYTES:
                tidied = tidy(Path(record.output), record.journal, key)
        if not tidied.in_use:
            self.remove(record.id)
        return tidied

    def _live(self, *directions: str) -> list[TransferRecord]:
        return [
            record
            for record in self.all()
            if record.direction in directions and not self.expired(record)
        ]

    def _read_all(self) -> list[TransferRecord | DamagedRecord]:
        found: list[TransferRecord | DamagedRecord] = []
        for name in self._state.names(PREFIX):
            match = _FILE_NAME.fullmatch(name)
            if match is None:
                continue
            try:
                raw = self._state.read(name)
            except StorageError as error:
                found.append(DamagedRecord(match[1], error.why or error.message))
                continue
            if raw is not None:
                found.append(decode_record(match[1], raw))
        return found


def encode_record(record: TransferRecord) -> bytes:
    """Return a record as it is stored; paths are bytes, because not every path is text."""
    fields = msgspec.structs.asdict(record)
    for name in ("sources", "exclude"):
        fields[name] = [os.fsencode(path) for path in fields[name]]
    for name in ("output", "output_name"):
        fields[name] = os.fsencode(fields[name])
    return msgspec.msgpack.encode(fields)


def decode_record(record_id: str, raw: bytes) -> TransferRecord | DamagedRecord:
    """Read a stored record; whatever is wrong with it is said in a DamagedRecord."""
    try:
        fields = msgspec.msgpack.decode(raw, type=dict[str, object])
        version = fields.get("v")
        if isinstance(version, int) and version > VERSION:
            return DamagedRecord(record_id, "it was written by a newer version of Tallow", True)
        for name in ("sources", "exclude"):
            fields[name] = tuple(_path(path) for path in _items(fields.get(name)))
        for name in ("output", "output_name"):
            fields[name] = _path(fields.get(name))
        record = msgspec.convert(fields, TransferRecord)
    except (ValueError, RecursionError):
        return DamagedRecord(record_id, "it is damaged")
    if record.id != record_id:
        return DamagedRecord(record_id, "it is another transfer's")
    return record


def _items(field: object) -> list[object]:
    if not isinstance(field, list):
        raise ValueError("a list of paths was expected")
    return field


def _path(field: object) -> str:
    if not isinstance(field, bytes):
        raise ValueError("a path was expected")
    return os.fsdecode(field)
