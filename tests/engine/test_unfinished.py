"""Records of transfers under way: when they are written, found again, and what they never hold."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from tallow.crypto.secret import SecretBytes
from tallow.engine.bond import Bond
from tallow.engine.commands import AcceptOffer, Receive, SendFiles, SendOptions, SendText
from tallow.engine.greeting import Conversation
from tallow.engine.unfinished import (
    NOTE_AFTER_S,
    UPDATE_EVERY_S,
    Unfinished,
    Wanted,
    absolute_sources,
    begun_with,
    bond_of,
    code_tag,
    earlier_of,
    find_record,
    new_record,
    past_of,
    records_of,
    worth_keeping,
)
from tallow.errors import (
    DiskFull,
    Interrupted,
    NotVerified,
    OfferDeclined,
    PeerGone,
    RecordLost,
    RootMismatch,
    StorageError,
    UsageError,
)
from tallow.protocol.address import RelayAddress
from tallow.protocol.code import parse_code
from tallow.protocol.transfer_proof import transfer_key
from tallow.wire import limits
from tests.engine.kept import RECEIVED, SENT, context_for, record
from tests.fakes import MemoryState, virtual

CODE = "7-violet-tugboat-8142"
RESUME = bytes(range(64))


def _conversation(code: str = CODE) -> Conversation:
    # Of a conversation only what is known of the peer is read.
    bond = Bond(SecretBytes(RESUME), "initiator", RelayAddress("relay.test", 4433))
    known = SimpleNamespace(bond=bond, met=SimpleNamespace(code=code), peer_name="Alice")
    return cast(Conversation, known)


def _names(state: MemoryState) -> list[str]:
    return state.names("transfer-")


# --- what a record holds ----------------------------------------------------------------------


@virtual
async def test_a_record_keeps_the_key_of_its_transfer() -> None:
    """X15: the key is that of this transfer and this first session, not what is left of a wipe."""
    context, _ = context_for("record")
    kept = new_record(context, _conversation(), bytes(16), direction="receive", wanted=RECEIVED)
    key = transfer_key(SecretBytes(RESUME), bytes(16))
    assert kept.transfer_key == bytes(key.view())
    assert kept.resume_secret == RESUME
    bond = bond_of(kept)
    assert (bond.role, str(bond.address)) == ("initiator", "relay.test:4433")


@virtual
async def test_a_record_holds_neither_code_nor_path_in_its_wishes() -> None:
    """A4, X06: a code is good once and kept nowhere; paths stand in fields that take any bytes."""
    context, _ = context_for("record")
    send = SendFiles(("/home/\udcff",), ("\udcfe",), SendOptions(code=CODE, note="n"))
    receive = Receive(CODE, output="/home/\udcff", on_conflict="skip")
    wanted = Wanted(send, receive, AcceptOffer(1, "skip"))
    kept = new_record(context, _conversation(), bytes(16), direction="receive", wanted=wanted)
    raw = msgspec.json.encode(msgspec.to_builtins(past_of(kept).wanted))
    assert b"tugboat" not in raw
    back = past_of(kept).wanted
    assert back.answer == AcceptOffer(1, "skip")
    assert back.send is not None
    assert back.send.options.note == "n"
    assert back.receive is not None
    assert back.receive.on_conflict == "skip"


@virtual
async def test_a_code_is_found_again_by_this_user_alone() -> None:
    """A4: what is kept of a code tells nothing without this state's key, and nothing of no code."""
    one, _ = context_for("one")
    same, _ = context_for("two", state=cast(MemoryState, one.ports.state))
    other, _ = context_for("other")
    assert code_tag(one, CODE) == code_tag(same, CODE)
    assert code_tag(one, CODE) != code_tag(one, CODE + "x")
    assert code_tag(one, CODE) != code_tag(other, CODE)
    assert code_tag(one, "") == b""


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"receive":5}', b"[" * 9000, b"\xff"])
def test_wishes_that_cannot_be_read_are_an_error(raw: bytes) -> None:
    """C3: a record of another version ends in one clear error that says what to do."""
    with pytest.raises(StorageError) as caught:
        past_of(record(options_json=raw))
    assert "--clean" in caught.value.hint


def test_sources_have_one_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """C3: the same sources are the same however they are written and ordered."""
    monkeypatch.chdir(tmp_path)
    written = SendFiles(("b", "./a", str(tmp_path / "c")))
    assert absolute_sources(written) == tuple(str(tmp_path / name) for name in "abc")
    assert absolute_sources(SendFiles(("c", "b", "a"))) == absolute_sources(written)


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (PeerGone(), True),
        (Interrupted(), True),
        (DiskFull(), True),
        (RecordLost(), True),
        (asyncio.CancelledError(), True),
        (RootMismatch(), False),
        (NotVerified(), False),
        (OfferDeclined(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_worth_keeping(error: BaseException, kept: bool) -> None:
    """C3: whatever broke off can be gone on with, unless the bytes or the peer were false."""
    assert worth_keeping(error) == kept


# --- finding ----------------------------------------------------------------------------------


@virtual
async def test_a_record_is_found_by_the_beginning_of_its_id() -> None:
    """C3: a few digits are enough if they fit one record only."""
    context, _ = context_for("find")
    for number in (0x1A << 56, 0x1B << 56):
        records_of(context).put(record(number))
    assert find_record(context, "1a").id == f"{0x1A << 56:016x}"
    for unclear in ("", "1", "2"):
        with pytest.raises(UsageError) as caught:
            find_record(context, unclear)
        assert "--list" in caught.value.hint


@virtual
async def test_earlier_transfers_of_the_same_sources() -> None:
    """C3: the latest come first, never more than an offer can prove, unreadable ones left out."""
    context, _ = context_for("earlier")
    now = context.ports.clock.wall()
    command = SendFiles(("/s/b", "/s/a"))
    sources = ("/s/a", "/s/b")
    for number in range(limits.OFFER_PROOFS_MAX + 4):
        records_of(context).put(record(number, SENT, sources=sources, updated_at=now - number))
    records_of(context).put(record(50, SENT, sources=sources, updated_at=now, options_json=b"?"))
    records_of(context).put(record(51, SENT, sources=("/s/a",), updated_at=now))
    records_of(context).put(record(52, RECEIVED, sources=sources, updated_at=now))
    records_of(context).put(record(53, SENT, sources=sources, exclude=("*",), updated_at=now))
    old = record(54, SENT, sources=sources, updated_at=now - limits.RESUME_KEPT_S - 1)
    records_of(context).put(old)
    known = [past_of(record(0, SENT, sources=sources))]
    found = earlier_of(context, command, known)
    assert [past.record.id for past in found] == [
        f"{number:016x}" for number in range(1, limits.OFFER_PROOFS_MAX)
    ]


@virtual
async def test_a_code_goes_on_with_what_it_began() -> None:
    """C3: the same code on the same side goes on; another command under it does not."""
    context, _ = context_for("code")
    tag = code_tag(context, CODE)
    code = parse_code(CODE)
    assert begun_with(context, code, Receive(CODE)) is None
    records_of(context).put(record(9, RECEIVED, code_tag=tag, options_json=b"?"))
    records_of(context).put(record(1, RECEIVED, code_tag=tag))
    records_of(context).put(record(2, SENT, code_tag=tag, sources=("/s/a",)))
    found = begun_with(context, code, Receive(CODE))
    assert found is not None
    assert found.record.id == f"{1:016x}"
    found = begun_with(context, code, SendFiles(("/s/a",)))
    assert found is not None
    assert found.record.id == f"{2:016x}"
    for other in (SendFiles(("/s/b",)), SendText("hi")):
        assert begun_with(context, code, other) is None


# --- the record of a transfer under way -------------------------------------------------------


@virtual
async def test_a_record_is_there_before_the_first_byte() -> None:
    """C3: whoever is killed at once finds it again; whoever is done leaves none."""
    context, _ = context_for("short")
    state = cast(MemoryState, context.ports.state)
    now = context.ports.clock.now()
    unfinished = Unfinished(context)
    assert not unfinished.has_begun()
    unfinished.write_if_due(now + 100)
    await unfinished.forget()
    assert _names(state) == []
    unfinished.begin(record(), now)
    assert unfinished.has_begun()
    assert len(_names(state)) == 1
    await unfinished.forget()
    assert _names(state) == []


@virtual
async def test_a_record_is_written_soon_and_renewed() -> None:
    """C3: a process that is killed has said where it stood a few seconds before."""
    context, _ = context_for("long")
    state = cast(MemoryState, context.ports.state)
    now = context.ports.clock.now()
    unfinished = Unfinished(context)
    unfinished.begin(record(), now)
    for at_s, done_bytes, shown in (
        (NOTE_AFTER_S / 2, 4, 0),
        (NOTE_AFTER_S, 5, 5),
        (NOTE_AFTER_S + 1, 6, 5),
        (NOTE_AFTER_S + UPDATE_EVERY_S, 7, 7),
    ):
        unfinished.progress(done_bytes)
        unfinished.write_if_due(now + at_s)
        await asyncio.sleep(0.01)
        assert records_of(context).all()[0].done_bytes == shown
    await unfinished.forget()
    assert _names(state) == []


@virtual
async def test_a_record_that_cannot_be_written_ends_the_transfer() -> None:
    """A state folder that fails is told, not passed over."""
    context, _ = context_for("failing")
    state = cast(MemoryState, context.ports.state)

    def refuse(name: str, content: bytes) -> None:
        raise StorageError("The state cannot be written.")

    now = context.ports.clock.now()
    unfinished = Unfinished(context)
    unfinished.begin(record(), now)
    state.on_write = refuse
    with pytest.raises(StorageError):
        Unfinished(context).begin(record(2), now)
    unfinished.write_if_due(now + 1)
    await asyncio.sleep(0.01)
    with pytest.raises(StorageError):
        unfinished.write_if_due(now + 100)


@virtual
async def test_what_cannot_outlast_the_process_is_never_written() -> None:
    """C3: a stream has a record in memory only: enough to reconnect, nothing to resume."""
    context, _ = context_for("stream")
    state = cast(MemoryState, context.ports.state)
    now = context.ports.clock.now()
    unfinished = Unfinished(context)
    assert not await unfinished.keep()
    unfinished.begin(record(), now, lasting=False)
    unfinished.write_if_due(now + 100)
    assert not await unfinished.keep()
    assert unfinished.has_begun()
    assert _names(state) == []


@pytest.mark.parametrize("adopted", [True, False])
@virtual
async def test_a_transfer_that_goes_on_keeps_its_identity(adopted: bool) -> None:
    """C3: the secrets of the first session stay, so that either side may be who returns."""
    context, _ = context_for("again")
    state = cast(MemoryState, context.ports.state)
    first = record(1, started_at=5.0)
    records_of(context).put(first)
    unfinished = Unfinished(context)
    if adopted:
        unfinished.adopt(first)
    second = record(2, transfer_id=first.transfer_id, journal="new")
    unfinished.begin(second, 0.0, kept=None if adopted else first)
    assert unfinished.record is not None
    for field in ("id", "transfer_key", "resume_secret", "role", "relay", "code_tag", "started_at"):
        assert getattr(unfinished.record, field) == getattr(first, field), field
    assert unfinished.record.journal == "new"
    await unfinished.forget()
    assert _names(state) == []


@virtual
async def test_another_transfer_takes_the_place_of_the_old_one() -> None:
    """C3: what starts anew has secrets of its own, and leaves no second record behind."""
    context, _ = context_for("anew")
    first = record(1)
    records_of(context).put(first)
    unfinished = Unfinished(context)
    unfinished.adopt(first)
    unfinished.begin(record(2), 0.0)
    assert unfinished.record is not None
    assert unfinished.record.id == first.id
    assert unfinished.record.transfer_key == record(2).transfer_key
    assert await unfinished.keep()
    assert [kept.transfer_key for kept in records_of(context).all()] == [record(2).transfer_key]
