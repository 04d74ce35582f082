"""Whether an offer is the rest of something that began earlier, and what is here of it.

A receiver shows what it has only to a sender that proves, inside this session, the key of that
very transfer; it looks at nothing else of the offer before. Runs in a worker thread: it reads
records and a journal. Before: receiving.py. After: storage/records.py, storage/inbox.py.
It never writes and never trusts a journal: what it lists is hashed again.
Spec: docs/protocol.md §5.7, §9.4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tallow.engine.mirroring import Mirroring
from tallow.engine.storage.inbox import Resumed, find_resumed
from tallow.engine.storage.records import TransferRecord, TransferRecords
from tallow.engine.storage.target import Target
from tallow.engine.unfinished import Past, key_of, past_of
from tallow.errors import StorageError
from tallow.protocol.names import Risk
from tallow.protocol.transfer_proof import proves


@dataclass(frozen=True, slots=True)
class Continued:
    """An unfinished transfer that this offer goes on with."""

    past: Past
    resumed: Resumed


@dataclass(frozen=True, slots=True)
class Planned:
    """Where an offer would go, and what is there of it."""

    target: Target
    continued: Continued | None = None
    trouble: str = ""
    """Why something that is there cannot be used."""
    mirroring: Mirroring | None = None
    """How a sync and what is there differ."""


def plan_rest(
    target: Target,
    records: TransferRecords,
    journal_key: Callable[[], bytes],
    proofs: Sequence[bytes],
    th2: bytes,
) -> Planned:
    """Return the target, and the unfinished transfer that the offer's sender proves."""
    if target.folder is None:
        return Planned(target)
    try:
        for record in records.by_output(str(target.folder.resolve())):
            if _proven(record, proofs, th2):
                return _continued(target, record, journal_key())
    except StorageError as error:
        return Planned(target, trouble=error.why or error.message)
    return Planned(target)


def _proven(record: TransferRecord, proofs: Sequence[bytes], th2: bytes) -> bool:
    if record.direction != "receive":
        return False
    key = key_of(record)
    return any(proves(key, th2, "sender", proof) for proof in proofs)


def _continued(target: Target, record: TransferRecord, key: bytes) -> Planned:
    if target.folder is None:
        return Planned(target)
    resumed = find_resumed(
        target.folder,
        record.journal,
        key,
        target.manifest,
        target,
        transfer_id=record.transfer_id,
    )
    if resumed is None:
        return Planned(target)
    # What this transfer itself has finished is in nobody's way.
    existing = target.existing - resumed.named
    risks = target.risks if existing else target.risks - {Risk.OVERWRITE.value}
    ours = replace(target, existing=existing, risks=risks)
    return Planned(ours, Continued(past_of(record), resumed))
