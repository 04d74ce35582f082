"""What of an earlier transfer an offer is shown to go on with: only the one that it proves."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from tallow.crypto.secret import SecretBytes
from tallow.engine.continuing import Planned, plan_rest
from tallow.engine.storage.inbox import Inbox
from tallow.engine.storage.journal import JournalHead
from tallow.engine.storage.records import TransferRecord, TransferRecords
from tallow.engine.storage.target import STDOUT, plan_target
from tallow.protocol.bulk import Codec, Leaf
from tallow.protocol.manifest import Manifest, Selection
from tallow.protocol.transfer.jobs import StoreLeaves
from tallow.protocol.transfer_proof import transfer_proof
from tallow.wire import limits
from tests.engine.kept import RECEIVED, SENT, record
from tests.fakes import MemoryState, SeededRng, TestClock, virtual
from tests.world.stranger import file

KEY = bytes(range(32))
TH2 = bytes(64)
LIST = Manifest.of([file("large", 400_000)])


@dataclass
class _Here:
    """A folder with the rest of a transfer, and this side's records."""

    folder: Path
    records: TransferRecords
    kept: TransferRecord
    asked_for_key: int = 0

    def plan(
        self, *proofs: bytes, manifest: Manifest = LIST, output: str = "", th2: bytes = TH2
    ) -> Planned:
        """Plan an offer that comes with these proofs."""
        target = plan_target(manifest, "files", output or str(self.folder))
        return plan_rest(target, self.records, self.key, proofs, th2)

    def key(self) -> bytes:
        """Return the key of journals."""
        self.asked_for_key += 1
        return KEY

    def proof(self, *, th2: bytes = TH2, role: Literal["sender", "receiver"] = "sender") -> bytes:
        """Return the proof that the sender of the kept transfer makes."""
        return transfer_proof(SecretBytes(self.kept.transfer_key), th2, role)


def _left(folder: Path) -> _Here:
    """Receive a part of a file, keep it, and return what there is."""
    records = TransferRecords(MemoryState(), TestClock())
    kept = record(1, RECEIVED, output=str(folder.resolve()))
    inbox = Inbox(
        plan_target(LIST, "files", str(folder)), "rename", SeededRng("left").bytes, lambda: KEY
    )
    everything = Selection.everything(LIST.entries)
    inbox.prepare(everything)
    inbox.begin(
        JournalHead(kept.transfer_id, LIST.root(), 1, LIST.entries, everything.bitmap, "rename")
    )
    leaf = Leaf(Codec.RAW, 65_536, memoryview(bytes(65_536)))
    inbox.store_leaves(StoreLeaves(0, 0, 0, 0, (leaf, leaf)))
    name = inbox.journal_name
    assert inbox.abandon(keep=True)
    kept = record(1, RECEIVED, output=str(folder.resolve()), journal=name)
    records.put(kept)
    return _Here(folder, records, kept)


@virtual
async def test_the_sender_of_a_transfer_finds_its_rest(tmp_path: Path) -> None:
    """C3: what was listed is claimed, from the record and journal of that very transfer."""
    here = _left(tmp_path)
    planned = here.plan(bytes(32), here.proof(), bytes(range(32)))
    assert planned.continued is not None
    assert planned.continued.past.record == here.kept
    assert planned.continued.resumed.have == {0: ((0, 1),)}
    assert planned.continued.resumed.same_manifest
    assert planned.trouble == ""


@virtual
async def test_nothing_is_looked_at_without_a_proof(tmp_path: Path) -> None:
    """X15: zeros, noise, the receiver's proof, one of another session or none: all show nothing."""
    here = _left(tmp_path)
    zero = transfer_proof(SecretBytes(bytes(32)), TH2, "sender")
    for proofs in (
        (),
        (bytes(32), SeededRng("noise").bytes(32), zero),
        (here.proof(role="receiver"),),
        (here.proof(th2=bytes([1]) * 64),),
        (here.proof()[:31], here.proof() + b"\0", b""),
    ):
        planned = here.plan(*proofs)
        assert planned == Planned(planned.target)
    assert not here.asked_for_key


@virtual
async def test_other_records_are_nobodys_rest(tmp_path: Path) -> None:
    """X15: what was sent, lies elsewhere or is too old is not gone on with by itself."""
    here = _left(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    proof, clock = here.proof(), TestClock()
    assert here.plan(proof, output=str(other)).continued is None
    for changed in (
        record(1, SENT, output=here.kept.output, journal=here.kept.journal),
        record(
            1,
            RECEIVED,
            output=here.kept.output,
            journal=here.kept.journal,
            updated_at=clock.wall() - limits.RESUME_KEPT_S - 60,
        ),
    ):
        here.records.put(changed)
        assert here.plan(proof).continued is None


@virtual
async def test_a_link_to_the_folder_is_the_folder(tmp_path: Path) -> None:
    """C3: the same place by another way is the same place."""
    place, way = tmp_path / "place", tmp_path / "way"
    place.mkdir()
    way.symlink_to(place)
    here = _left(place)
    assert here.plan(here.proof(), output=str(way)).continued is not None


@virtual
async def test_standard_output_has_no_rest(tmp_path: Path) -> None:
    """C3: nothing lies on a disk for a pipe."""
    here = _left(tmp_path)
    planned = here.plan(here.proof(), output=STDOUT)
    assert (planned.continued, planned.trouble) == (None, "")
    assert not here.asked_for_key


@virtual
async def test_a_journal_that_is_gone(tmp_path: Path) -> None:
    """C3: without it there is nothing to tell and nothing to complain of."""
    here = _left(tmp_path)
    (tmp_path / here.kept.journal).unlink()
    planned = here.plan(here.proof())
    assert (planned.continued, planned.trouble) == (None, "")


@pytest.mark.parametrize("at", [0, 5, 60])
@virtual
async def test_a_journal_that_was_edited(tmp_path: Path, at: int) -> None:
    """X10, X17: it is said why it cannot be used, and nothing of it is."""
    here = _left(tmp_path)
    journal = tmp_path / here.kept.journal
    raw = bytearray(journal.read_bytes())
    raw[at] ^= 1
    journal.write_bytes(raw)
    planned = here.plan(here.proof())
    assert planned.continued is None
    assert planned.trouble


@virtual
async def test_a_record_that_names_another_file(tmp_path: Path) -> None:
    """X10, X15: the journal's name in a record leads to journals only, and out of no folder."""
    here = _left(tmp_path)
    (tmp_path / "inner").mkdir()
    outside = tmp_path / ".tallow-0011223344556677.journal"
    outside.write_bytes((tmp_path / here.kept.journal).read_bytes())
    for name in ("/etc/passwd", "../" + here.kept.journal, "inner", here.kept.journal + "/", "\0"):
        here.records.put(record(1, RECEIVED, output=here.kept.output, journal=name))
        planned = here.plan(here.proof())
        assert planned.continued is None
        assert planned.trouble
    assert os.listdir(tmp_path / "inner") == []


@virtual
async def test_a_list_that_changed(tmp_path: Path) -> None:
    """C3: a file that is listed differently has no rest here, and the person is asked."""
    here = _left(tmp_path)
    planned = here.plan(here.proof(), manifest=Manifest.of([file("large", 400_001)]))
    assert planned.continued is not None
    assert not planned.continued.resumed.same_manifest
    assert planned.continued.resumed.have == {}
    assert planned.continued.resumed.changed == 1


@virtual
async def test_wishes_that_cannot_be_read_concern_their_own_transfer_alone(tmp_path: Path) -> None:
    """C3: a record of another version stands in the way of nobody else's transfer."""
    here = _left(tmp_path)
    clock = TestClock()
    here.records.put(
        record(
            2,
            RECEIVED,
            output=here.kept.output,
            options_json=b"?",
            updated_at=clock.wall() + 5,
        )
    )
    assert here.plan(here.proof()).continued is not None
