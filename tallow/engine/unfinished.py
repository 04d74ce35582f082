"""The record of a transfer under way, so that whoever comes back finds where it stood.

Both sides keep one each from the start until the end: who the other side is, by a secret of the
first session, and what was being sent or where to. Before: sending.py, receiving.py. After:
storage/records.py.
It never keeps file content, a code or a key that data was sealed with.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import structs

from tallow.crypto.secret import SecretBytes
from tallow.engine.bond import Bond
from tallow.engine.commands import AcceptOffer, Receive, SendFiles
from tallow.engine.context import ExchangeContext
from tallow.engine.greeting import Conversation
from tallow.engine.storage.journal import journal_key
from tallow.engine.storage.records import TransferRecord, TransferRecords
from tallow.errors import (
    IntegrityError,
    LocalProtocolError,
    NotVerified,
    OfferDeclined,
    RecordLost,
    StorageError,
    UsageError,
)
from tallow.protocol.address import parse_address
from tallow.protocol.code import Code
from tallow.protocol.transfer_proof import transfer_key
from tallow.wire import limits

NOTE_AFTER_S = 0.3
"""When it is brought to the disk: before a receiver lists its first leaves, a second after."""
UPDATE_EVERY_S = 5.0


class Wanted(msgspec.Struct, frozen=True):
    """What was asked for when the transfer began, as it is kept in a record."""

    send: SendFiles | None = None
    receive: Receive | None = None
    answer: AcceptOffer | None = None

    def to_keep(self) -> Wanted:
        """Return it without the code, and without paths: they have fields of a record's own."""
        send, receive = self.send, self.receive
        if send is not None:
            options = structs.replace(send.options, code=None)
            send = structs.replace(send, sources=(), exclude=(), options=options)
        if receive is not None:
            receive = structs.replace(receive, code=None, output="")
        return Wanted(send, receive, self.answer)


@dataclass(frozen=True, slots=True)
class Past:
    """An unfinished transfer that this exchange goes on with."""

    record: TransferRecord
    wanted: Wanted

    @property
    def key(self) -> SecretBytes:
        """The key of its proof."""
        return key_of(self.record)


def key_of(record: TransferRecord) -> SecretBytes:
    """Return the key by which a transfer is proven."""
    return SecretBytes(record.transfer_key)


def ordered_sources(command: SendFiles) -> tuple[str, ...]:
    """Return the sources in an order of their own, so that the same ones make the same list."""
    return tuple(sorted(command.sources, key=_absolute))


def absolute_sources(command: SendFiles) -> tuple[str, ...]:
    """Return the sources as another working folder would name them, in that order."""
    return tuple(_absolute(source) for source in ordered_sources(command))


def _absolute(source: str) -> str:
    return str(Path(source).absolute())


def records_of(context: ExchangeContext) -> TransferRecords:
    """Return this user's records."""
    return TransferRecords(context.ports.state, context.ports.clock)


def code_tag(context: ExchangeContext, code: str) -> bytes:
    """Return what a record keeps of its code: nothing that tells the code without this state."""
    if not code:
        return b""
    key = journal_key(context.ports.state, context.ports.rng)
    return hmac.digest(key, b"tallow/1 code tag" + code.encode(), hashlib.sha256)


def past_of(record: TransferRecord) -> Past:
    """Read what a record was made for; StorageError if it cannot be read any more."""
    try:
        return Past(record, msgspec.json.decode(record.options_json, type=Wanted))
    except (ValueError, RecursionError):
        raise StorageError(
            "The record of this transfer cannot be read.",
            hint="tallow resume --clean  removes it; then start the transfer again.",
        ) from None


def bond_of(record: TransferRecord) -> Bond:
    """Return how to find the other side of a record."""
    return Bond(
        SecretBytes(record.resume_secret),
        "initiator" if record.role == "initiator" else "responder",
        parse_address(record.relay),
    )


def find_record(context: ExchangeContext, record_id: str) -> TransferRecord:
    """Return a record by its id or the beginning of it; UsageError if there is not just one."""
    found = [item for item in records_of(context).all() if item.id.startswith(record_id)]
    if len(found) == 1:
        return found[0]
    raise UsageError(
        "There is no such unfinished transfer." if not found else "More than one begins like this.",
        hint="tallow resume --list  shows them.",
    )


def earlier_of(context: ExchangeContext, command: SendFiles, known: list[Past]) -> list[Past]:
    """Return unfinished transfers of the same sources, the latest first."""
    sources, exclude = absolute_sources(command), command.exclude
    seen = {past.record.id for past in known}
    found = []
    for record in records_of(context).by_sources(sources, exclude):
        if record.direction == "send" and record.id not in seen:
            try:
                found.append(past_of(record))
            except StorageError:
                continue  # it cannot be gone on from, and is shown by  tallow resume --list
    found.sort(key=lambda past: past.record.updated_at, reverse=True)
    return found[: limits.OFFER_PROOFS_MAX - len(known)]


def begun_with(context: ExchangeContext, code: Code, command: object) -> Past | None:
    """Return the unfinished transfer that this code began, if this command goes on with it."""
    records = records_of(context)
    # Where nothing is unfinished, no key is made for looking.
    tag = code_tag(context, code.text) if records.all() else b""
    for record in records.by_code(tag):
        try:
            past = past_of(record)
        except StorageError:
            continue  # as above
        match command:
            case Receive() if past.wanted.receive is not None:
                return past
            case SendFiles() if record.sources == absolute_sources(command):
                return past
            case _:
                continue
    return None


class Unfinished:
    """The record of this exchange's own transfer."""

    def __init__(self, context: ExchangeContext) -> None:
        self._context = context
        self._records = records_of(context)
        self._record: TransferRecord | None = None
        self._write_at: float | None = None
        self._lasting = self._written = False
        self._writing: asyncio.Future[None] | None = None
        self.left = False
        """Whether an earlier session left something on this side's disk."""

    @property
    def record(self) -> TransferRecord | None:
        """The record, once the transfer has begun."""
        return self._record

    def bond(self, latest: Bond) -> Bond:
        """Return how the other side is found again, in this process and by any later one.

        That is the secret of the transfer's first session: a process that is killed before it
        could note a later one looks there too.
        """
        record = self._record
        if record is None or hmac.compare_digest(record.resume_secret, latest.resume.view()):
            return latest
        return replace(bond_of(record), address=latest.address)

    def has_begun(self) -> bool:
        """Tell whether the transfer has begun, here or in another process."""
        return self._record is not None

    def adopt(self, record: TransferRecord) -> None:
        """Go on under the record of another process: it ends when this transfer does."""
        self._record = record
        self._lasting = self._written = self.left = True

    def begin(
        self,
        record: TransferRecord,
        now: float,
        *,
        kept: TransferRecord | None = None,
        lasting: bool = True,
    ) -> None:
        """Take what is to be kept, and write it unless it cannot outlast the process.

        It is there before the first byte, so that whoever is killed finds everything again; a
        power cut it outlives a moment later. Raises: StorageError.
        ``kept`` is the record of the same transfer from another process.
        """
        before = self._record or kept
        if before is not None and before.transfer_id == record.transfer_id:
            record = _as_before(record, before)
        elif before is not None:
            record = structs.replace(record, id=before.id)
        self._written |= kept is not None
        self._record = record
        self._lasting = lasting
        self._write_at = now + NOTE_AFTER_S if lasting else None
        if lasting:
            self._written = True
            self._records.put(self._stamped(), durable=False)

    def progress(self, done_bytes: int) -> None:
        """Note how far it is."""
        if self._record is not None:
            self._record = structs.replace(self._record, done_bytes=done_bytes)

    def write_if_due(self, now: float) -> None:
        """Write the record beside the loop when its time has come."""
        if self._record is None or self._write_at is None or now < self._write_at:
            return
        if self._writing is not None and not self._writing.done():
            return
        self._raise_failure()
        self._write_at = now + UPDATE_EVERY_S
        self._written = True
        self._writing = self._context.ports.workers.submit(self._records.put, self._stamped())

    async def keep(self) -> bool:
        """Write the record a last time; False if there is nothing that could go on."""
        if self._record is None or not self._lasting:
            return False
        await self._settle()
        self._written = True
        await self._context.ports.workers.submit(self._records.put, self._stamped())
        return True

    async def forget(self) -> None:
        """Remove the record: the transfer is done, or nothing of it is left."""
        await self._settle()
        self._write_at = None
        if self._record is not None and self._written:
            self._written = False
            await self._context.ports.workers.submit(self._records.remove, self._record.id)

    def _stamped(self) -> TransferRecord:
        if self._record is None:
            raise LocalProtocolError("A transfer was noted before it began.")
        wall = self._context.ports.clock.wall()
        return structs.replace(self._record, updated_at=wall)

    async def _settle(self) -> None:
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)

    def _raise_failure(self) -> None:
        if self._writing is not None and self._writing.done():
            self._writing.result()


def _as_before(record: TransferRecord, kept: TransferRecord) -> TransferRecord:
    """Return a record of a resumed transfer: what identifies it stays as it was.

    A code that it went on under, and the relay, are those of the last session.
    """
    return structs.replace(
        record,
        id=kept.id,
        transfer_key=kept.transfer_key,
        resume_secret=kept.resume_secret,
        role=kept.role,
        code_tag=record.code_tag or kept.code_tag,
        started_at=kept.started_at,
    )


def new_record(
    context: ExchangeContext,
    conversation: Conversation,
    transfer_id: bytes,
    *,
    direction: Literal["send", "receive"],
    wanted: Wanted,
) -> TransferRecord:
    """Return a record with everything that both directions have in common."""
    bond, wall = conversation.bond, context.ports.clock.wall()
    # A secret wipes itself once nobody holds it: it has to live until it was copied.
    key = transfer_key(bond.resume, transfer_id)
    return TransferRecord(
        id=context.ports.rng.bytes(8).hex(),
        direction=direction,
        transfer_id=transfer_id,
        transfer_key=bytes(key.view()),
        resume_secret=bytes(bond.resume.view()),
        role=bond.role,
        relay=bond.address.with_pin_text(),
        code_tag=code_tag(context, conversation.met.code),
        peer_name=conversation.peer_name[: limits.NAME_MAX_CHARS],
        options_json=msgspec.json.encode(wanted.to_keep()),
        started_at=wall,
        updated_at=wall,
    )


def worth_keeping(error: BaseException) -> bool:
    """Tell whether what arrived so far may be gone on from after this error."""
    match error:
        case RecordLost():
            return True
        case NotVerified() | OfferDeclined() | IntegrityError():
            return False
        case _:
            return True
