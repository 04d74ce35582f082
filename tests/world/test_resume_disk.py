"""What lies on the disk between two sessions may be altered, lost or old: it is hashed anew.

Nothing here ever ends with a wrong byte under a final name; at worst more is sent again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tallow.engine import events as e
from tallow.engine.commands import Receive, Resume, SendFiles
from tallow.engine.storage.records import decode_record
from tests.fakes import SeededRng, virtual
from tests.world.losses import (
    BIG,
    Halted,
    a_linked_world,
    both_gone,
    data_bytes,
    halted,
    parts_of,
    total_of,
)
from tests.world.world import Person, make, tree

YEAR_S = 365 * 86_400.0


async def _resumed(halt: Halted) -> tuple[Person, int]:
    """Say tallow resume on both sides again; return Bob and his ticket."""
    alice, bob = await halt.restart("alice"), await halt.restart("bob")
    bob.says_yes()
    sending, getting = alice.submit(Resume("")), bob.submit(Resume(""))
    received, sent = await bob.done(getting), await alice.done(sending)
    assert sent.roots == received.roots
    return bob, getting


def _flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


def _big_part(halt: Halted) -> Path:
    return max(parts_of(halt.inbox), key=lambda path: path.stat().st_size)


# --- the journal ------------------------------------------------------------------------------


def _cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 7)


def _cut_to_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _cut_to_nothing(path: Path) -> None:
    os.truncate(path, 0)


def _flip_a_bit(path: Path) -> None:
    _flip(path, path.stat().st_size // 2)


def _flip_the_first_page(path: Path) -> None:
    _flip(path, 40)


def _doubled(path: Path) -> None:
    path.write_bytes(path.read_bytes() * 2)


def _replaced(path: Path) -> None:
    path.write_bytes(SeededRng("journal").bytes(path.stat().st_size))


def _gone(path: Path) -> None:
    path.unlink()


def _a_link(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))


@pytest.mark.parametrize(
    "change",
    [
        _cut_off,
        _cut_to_half,
        _cut_to_nothing,
        _flip_a_bit,
        _flip_the_first_page,
        _doubled,
        _replaced,
        _gone,
        _a_link,
    ],
    ids=lambda change: change.__name__.strip("_"),
)
@virtual
async def test_a_journal_that_was_changed(tmp_path: Path, change: Callable[[Path], None]) -> None:
    """X10, X17: an edited, cut or lost journal costs time and never a byte of what arrives."""
    async with a_linked_world(tmp_path) as world:
        halt = await both_gone(world)
        (journal,) = parts_of(halt.inbox, "journal")
        change(journal)
        bob, _ = await _resumed(halt)
        for name, body in halt.content.items():
            if body is not None:
                assert (halt.inbox / "in" / name).read_bytes() == body
        went_on, began_anew = bob.all(e.TransferResumed), bob.all(e.TransferNotResumed)
        assert went_on or began_anew or bob.all(e.OfferReceived)
        if not went_on:
            assert bob.all(e.OfferReceived), "whoever starts anew asks first"


@virtual
async def test_a_journal_of_somebody_else(tmp_path: Path) -> None:
    """X10: a journal that this side's key did not make is said and not followed."""
    async with a_linked_world(tmp_path) as world:
        halt = await both_gone(world)
        halt.bob.state.content["journal.key"] = bytes(32)
        bob, _ = await _resumed(halt)
        assert bob.all(e.TransferNotResumed)
        assert len(bob.all(e.OfferReceived)) == 1


# --- the parts --------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 70_000, 3 << 20])
@virtual
async def test_a_part_that_was_altered(tmp_path: Path, at: int) -> None:
    """X25: a flipped bit on the disk is found by its root, and those leaves are sent again."""
    async with a_linked_world(tmp_path) as world:
        halt = await both_gone(world)
        _flip(_big_part(halt), at)
        heard = len(world.relay.heard)
        bob, _ = await _resumed(halt)
        halt.check_whole()
        resumed = bob.all(e.TransferResumed)[0]
        assert resumed.have_bytes > 0
        assert not bob.all(e.OfferReceived)
        again = data_bytes(world, heard)
        assert again < total_of(halt.content) - resumed.have_bytes + (4 << 20)


@virtual
async def test_a_part_of_zeros(tmp_path: Path) -> None:
    """X25: a power cut that left zeros where content was is repaired whole."""
    async with a_linked_world(tmp_path) as world:
        halt = await both_gone(world)
        part = _big_part(halt)
        size = part.stat().st_size
        os.truncate(part, 0)
        os.truncate(part, size)
        await _resumed(halt)
        halt.check_whole()


def _shorter(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 3)


def _longer(path: Path) -> None:
    os.truncate(path, 2 * len(BIG))


@pytest.mark.parametrize(
    "change", [_gone, _shorter, _longer, _cut_to_nothing], ids=lambda change: change.__name__
)
@virtual
async def test_a_part_that_changed_its_size(tmp_path: Path, change: Callable[[Path], None]) -> None:
    """C3, X25: a part that is gone, cut or grown loses what is not there, and nothing else."""
    async with a_linked_world(tmp_path) as world:
        halt = await both_gone(world)
        change(_big_part(halt))
        bob, _ = await _resumed(halt)
        halt.check_whole()
        assert not bob.all(e.OfferReceived)


@pytest.mark.parametrize("to", ["link", "folder"])
@virtual
async def test_a_part_that_became_something_else(tmp_path: Path, to: str) -> None:
    """X10, X15: a link or folder in the place of a part is not followed, read or removed."""
    async with a_linked_world(tmp_path) as world:
        halt = await both_gone(world)
        part, precious = _big_part(halt), tmp_path / "precious"
        precious.write_bytes(b"precious" * 1_000_000)
        part.unlink()
        if to == "link":
            part.symlink_to(precious)
        else:
            part.mkdir()
            (part / "mine").write_bytes(b"mine")
        await _resumed(halt)
        assert precious.read_bytes() == b"precious" * 1_000_000
        for name, body in halt.content.items():
            if body is not None:
                assert (halt.inbox / "in" / name).read_bytes() == body
        if to == "folder":
            assert (part / "mine").read_bytes() == b"mine"


# --- files that were finished -----------------------------------------------------------------


@pytest.mark.parametrize("policy", ["rename", "skip", "overwrite"])
@virtual
async def test_a_finished_file_is_no_conflict(tmp_path: Path, policy: str) -> None:
    """C4: what this transfer named itself is never overwritten, renamed or asked about."""
    async with a_linked_world(tmp_path) as world:
        halt = await both_gone(world, after_bytes=36 << 20, answer=policy)
        whole = [path for path in halt.inbox.rglob("[!.]*") if path.is_file()]
        finished = {path: path.stat() for path in whole}
        assert len(finished) > 20
        bob, getting = await _resumed(halt)
        halt.check_whole()
        for path, before in finished.items():
            assert path.stat().st_ino == before.st_ino, "a finished file was written again"
        assert not [event for event in bob.all(e.TransferFile) if event.status != "done"]
        assert bob.all(e.TransferResumed, getting)[0].files == len(finished)


@pytest.mark.parametrize("policy", ["rename", "skip", "overwrite"])
@virtual
async def test_a_finished_file_that_the_person_edited(tmp_path: Path, policy: str) -> None:
    """C4: a file that was edited since is the person's own: the answer of then decides about it."""
    async with a_linked_world(tmp_path) as world:
        halt = await both_gone(world, after_bytes=36 << 20, answer=policy)
        edited = min(path for path in halt.inbox.rglob("*") if path.suffix == ".bin")
        edited.write_bytes(b"my own words")
        await _resumed(halt)
        expected = dict(halt.content)
        name = edited.relative_to(halt.inbox / "in").as_posix()
        original = expected[name]
        if policy != "overwrite":
            expected[name] = b"my own words"
        if policy == "rename":
            expected[name.replace(".bin", " (1).bin")] = original
        assert tree(halt.inbox / "in") == expected


# --- time -------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_s", [-YEAR_S, -3600.0, 3600.0, 5 * 86_400.0])
@virtual
async def test_a_clock_that_jumps(tmp_path: Path, by_s: float) -> None:
    """C3: a calendar that was set back, or within the week, takes nothing away."""
    async with a_linked_world(tmp_path) as world:
        halt = await both_gone(world)
        for person in (halt.alice, halt.bob):
            person.clock.set_wall(person.clock.wall() + by_s)
        bob, _ = await _resumed(halt)
        halt.check_whole()
        assert bob.all(e.TransferResumed)
        assert not bob.all(e.OfferReceived)


@virtual
async def test_a_clock_that_jumps_a_year_ahead(tmp_path: Path) -> None:
    """C3: what is too old to be gone on with by itself still is when a person asks for it."""
    async with a_linked_world(tmp_path) as world:
        halt = await both_gone(world)
        for person in (halt.alice, halt.bob):
            person.clock.set_wall(person.clock.wall() + YEAR_S)
        bob, _ = await _resumed(halt)
        halt.check_whole()
        assert bob.all(e.TransferResumed)
        assert not bob.all(e.OfferReceived)


# --- records ----------------------------------------------------------------------------------


@virtual
async def test_both_records_hold_one_key(tmp_path: Path) -> None:
    """X15: what proves a transfer is a real secret of it: the same on both sides and no other's."""
    async with a_linked_world(tmp_path) as world:
        halt = await both_gone(world)
        make(halt.alice.folder, {"other/big": BIG})
        keys = []
        for person in (halt.alice, halt.bob):
            (name,) = person.state.names("transfer-")
            record = decode_record(name.removeprefix("transfer-"), person.state.content[name])
            assert not hasattr(record, "why"), record
            keys.append(record.transfer_key)
        assert keys[0] == keys[1]
        assert len(set(keys[0])) > 8


def _spoil(person: Person) -> None:
    (name,) = person.state.names("transfer-")
    person.state.content[name] = person.state.content[name][:-9] + b"\xc1" * 9


@virtual
async def test_a_record_that_cannot_be_read(tmp_path: Path) -> None:
    """C3: a damaged record is an error of its own for resume, and in nobody's way otherwise."""
    async with a_linked_world(tmp_path) as world:
        halt = await both_gone(world)
        for person in (halt.alice, halt.bob):
            _spoil(person)
        alice, bob = await halt.restart("alice"), await halt.restart("bob")
        bob.says_yes("overwrite")
        assert (await bob.fails(bob.submit(Resume("")))).exit_code == 2
        sending = alice.submit(SendFiles((str(halt.source),)))
        getting = bob.submit(Receive(await alice.code(sending), output=str(halt.inbox)))
        await bob.done(getting)
        await alice.done(sending)
        assert tree(halt.inbox / "in").items() >= halt.content.items()


@virtual
async def test_a_record_whose_wishes_cannot_be_read(tmp_path: Path) -> None:
    """C3: options of another version in one record do not stand in the way of other transfers."""
    async with a_linked_world(tmp_path) as world:
        halt = await halted(world, "bob")
        (name,) = halt.bob.state.names("transfer-")
        _add_unreadable(halt.bob, name)
        bob = await halt.restart("bob")
        getting = halt.receive(bob, halt.code)
        await bob.done(getting)
        await halt.alice.done(halt.sending)
        assert bob.all(e.TransferResumed)
        assert not bob.all(e.OfferReceived)


def _add_unreadable(person: Person, name: str) -> None:
    """Put another transfer's record beside one: younger, its wishes not to be understood."""
    fields = msgspec.msgpack.decode(person.state.content[name])
    fields |= {"id": "ff" * 8, "options_json": b'{"receive":5}', "updated_at": 1.8e9}
    fields["transfer_key"] = bytes(range(32))
    person.state.content["transfer-" + "ff" * 8] = msgspec.msgpack.encode(fields)
