"""A process that is killed, or a disk that fills up, at every single step of a transfer.

The steps are the calls that change the disk; a test runs a transfer as often as it has steps and
breaks it at another one each time.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tallow.engine.storage import inbox as inbox_module
from tallow.engine.storage.history import JournalState, fold_journal
from tallow.engine.storage.inbox import Inbox
from tallow.engine.storage.resumed import Resumed, find_resumed
from tallow.errors import DiskFull, StorageError
from tallow.protocol.manifest import Entry, EntryKind, Selection
from tests.engine.storage.boxes import (
    KEY,
    LEAF,
    content_of,
    head_for,
    hole_job,
    journals,
    large,
    leaf_job,
    pack,
    parts,
    target_for,
    visible,
)
from tests.fakes import SeededRng
from tests.world.stranger import file

ENTRIES = (
    Entry("d", EntryKind.FOLDER, 0, 0o755, 5_000_000_000),
    large("d/one", 3),
    file("small", 2),
    large("two", 3),
    file("d/little", 6),
)
WHOLE: dict[str, bytes | None] = {
    "d": None,
    "d/one": content_of(0) + content_of(1) + content_of(2),
    "small": b"ok",
    "two": content_of(0) + bytes(LEAF) + content_of(2),
    "d/little": b"little",
}
STEPS = ("open", "mkdir", "pwrite", "ftruncate", "fdatasync", "fsync", "link", "unlink", "utime")


class Killed(BaseException):
    """The process is gone: nothing it would have done any more happens."""


@dataclass
class Disk:
    """Counts the calls that change the disk, breaks one, and knows what was synced."""

    break_at: int | None = None
    breaks: Callable[[], BaseException] = Killed
    for_ever: bool = True
    count: int = 0
    dirty: dict[int, set[tuple[int, int]]] = field(default_factory=dict)
    clean: dict[int, set[tuple[int, int]]] = field(default_factory=dict)

    def step(self, half: Callable[[], object] = lambda: None) -> None:
        """Count a step; the one to break does half of its work at most."""
        self.count += 1
        broken = self.break_at is not None and (
            self.count == self.break_at or (self.for_ever and self.count > self.break_at)
        )
        if broken:
            if self.count == self.break_at:
                half()
            raise self.breaks()

    def wrote(self, descriptor: int, offset: int, length: int) -> None:
        """Note what may be lost until it is synced."""
        self.dirty.setdefault(os.fstat(descriptor).st_ino, set()).add((offset, length))

    def synced(self, inodes: list[int]) -> None:
        """Note what cannot be lost any more."""
        for inode in inodes:
            self.clean.setdefault(inode, set()).update(self.dirty.pop(inode, set()))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A disk whose steps are counted."""
    made = Disk()
    real = {name: getattr(os, name) for name in STEPS}

    def pwrite(descriptor: int, content: memoryview, offset: int) -> int:
        made.step(lambda: real["pwrite"](descriptor, content[: len(content) // 2], offset))
        written: int = real["pwrite"](descriptor, content, offset)
        made.wrote(descriptor, offset, written)
        return written

    def ftruncate(descriptor: int, length: int) -> None:
        made.step()
        real["ftruncate"](descriptor, length)

    def sync(name: str) -> Callable[[int], None]:
        def call(descriptor: int) -> None:
            made.step()
            real[name](descriptor)
            made.synced([os.fstat(descriptor).st_ino])

        return call

    def whole_disk(_root: object) -> bool:
        made.step()
        made.synced(list(made.dirty))
        return True

    def opened(path: str, flags: int, *args: object, **more: object) -> object:
        if flags & os.O_CREAT:
            made.step()
        return real["open"](path, flags, *args, **more)

    def plain(name: str) -> Callable[..., object]:
        def call(*args: object, **more: object) -> object:
            made.step()
            return real[name](*args, **more)

        return call

    with monkeypatch.context() as patch:
        for name in ("mkdir", "link", "unlink", "utime"):
            patch.setattr(os, name, plain(name))
        for name in ("fdatasync", "fsync"):
            patch.setattr(os, name, sync(name))
        patch.setattr(os, "pwrite", pwrite)
        patch.setattr(os, "ftruncate", ftruncate)
        patch.setattr(os, "open", opened)
        patch.setattr(inbox_module, "sync_file_system", whole_disk)
        yield made


class Transfer:
    """One session from beginning to end, in steps that may be repeated."""

    def __init__(self, place: Path, seed: str, resumed: Resumed | None = None) -> None:
        self._resumed = resumed
        self._target = target_for(place, *ENTRIES)
        self.box = Inbox(
            self._target, "rename", SeededRng(seed).bytes, lambda: KEY, resumed=resumed
        )
        self.rooted: set[str] = {"d"}
        """Names that may be seen: folders, and files whose root has matched."""

    def steps(self) -> Iterator[Callable[[], object]]:
        """Yield what is done, one after the other."""
        box, resumed = self.box, self._resumed
        selection = Selection.everything(len(ENTRIES))
        for file_no in resumed.named if resumed else ():
            selection.discard(file_no)
        yield lambda: box.prepare(selection)
        accept_no = resumed.accept_no + 1 if resumed else 1
        yield lambda: box.begin(head_for(self._target.manifest, accept_no=accept_no))
        have = resumed.have if resumed else {}
        for file_no in (1, 3):
            if file_no not in selection:
                continue
            for number in range(3):
                if any(first <= number <= last for first, last in have.get(file_no, ())):
                    continue
                hole = file_no == 3 and number == 1
                job = hole_job(3, 1) if hole else leaf_job(file_no, number)
                yield lambda job=job: box.store_leaves(job)  # type: ignore[misc]
                yield box.make_durable
            yield from self._small(file_no + 1, selection)
            yield from self._name(file_no)
        yield box.finish

    def _small(self, file_no: int, selection: Selection) -> Iterator[Callable[[], object]]:
        if file_no in selection:
            content = WHOLE[ENTRIES[file_no].path]
            assert content is not None
            yield lambda: self.box.store_pack(pack((file_no, content)))
            yield from self._name(file_no)
            yield self.box.make_durable

    def _name(self, file_no: int) -> Iterator[Callable[[], object]]:
        self.rooted.add(ENTRIES[file_no].path)
        yield lambda: self.box.give_name(file_no)


def rest_of(place: Path) -> Resumed | None:
    """Return what a later session finds."""
    target = target_for(place, *ENTRIES)
    for journal in journals(place):
        try:
            found = find_resumed(place, journal.name, KEY, target.manifest, target)
        except StorageError:
            continue
        if found is not None:
            return found
    return None


def listed(place: Path) -> list[JournalState]:
    """Return what every journal that can be read says."""
    states = []
    for journal in journals(place):
        with journal.open("rb") as raw:
            try:
                state = fold_journal(raw, KEY)
            except StorageError:
                # It was killed before the first bytes were whole.
                assert journal.stat().st_size < 21
                continue
        if state is not None:
            states.append(state)
    return states


def check_listed(place: Path, disk: Disk) -> None:
    """Assert that a journal lists nothing that could still be lost, and nothing that is not so."""
    for state in listed(place):
        for part in state.parts.values():
            path = place.joinpath(*part.above, part.name)
            if not path.exists():
                continue
            name = "two" if not part.above else "d/one"
            whole, here = WHOLE[name], path.read_bytes()
            assert whole is not None
            synced = disk.clean.get(path.stat().st_ino, set())
            for first, last in part.ranges:
                for number in range(first, last + 1):
                    start = number * LEAF
                    assert here[start : start + LEAF] == whole[start : start + LEAF]
                    assert (start, LEAF) in synced or (name, number) == ("two", 1)
        for above, name in state.named.values():
            path = place.joinpath(*above, name)
            assert path.read_bytes() == WHOLE["/".join((*above, name))]
            assert not disk.dirty.get(path.stat().st_ino)


def test_the_transfer_has_many_steps(tmp_path: Path, disk: Disk) -> None:
    """Without trouble everything arrives; the tests below break each of these steps."""
    for step in Transfer(tmp_path, "whole").steps():
        step()
    assert visible(tmp_path) == WHOLE
    assert not parts(tmp_path)
    assert disk.count > 50


def killed_at(place: Path, disk: Disk, at: int) -> bool:
    """Run a transfer that is killed at a step; return False if it ended before."""
    disk.count, disk.break_at, disk.for_ever, disk.breaks = 0, at, True, Killed
    disk.dirty.clear()
    disk.clean.clear()
    transfer = Transfer(place, f"killed {at}")
    try:
        for step in transfer.steps():
            step()
    except Killed:
        disk.break_at = None
        assert set(visible(place)) <= transfer.rooted
        # The system closes what a killed process had open.
        transfer.box._pages.close()
        transfer.box._folders.close()
        for part in transfer.box._parts.values():
            part.close()
        return True
    return False


def test_killed_at_every_step(tmp_path: Path, disk: Disk) -> None:
    """C3, X25: no name before its root, nothing listed that was not synced, and the rest arrives.

    What no journal names yet stays under its temporary name; nothing arrives twice.
    """
    at = 0
    while True:
        at += 1
        place = tmp_path / f"{at}"
        place.mkdir()
        if not killed_at(place, disk, at):
            break
        for name, content in visible(place).items():
            assert content == WHOLE[name]
        check_listed(place, disk)
        named_before = {name for name, content in visible(place).items() if content is not None}
        known = {
            place.joinpath(*above, name) for state in listed(place) for above, name in state.opened
        }
        strays = {part for part in parts(place) if part.suffix == ".part"} - known
        resumed = rest_of(place)
        for step in Transfer(place, f"rest {at}", resumed).steps():
            step()
        seen = visible(place)
        if resumed is not None:
            assert seen == WHOLE
            assert set(parts(place)) <= strays
        else:
            assert {name: seen[name] for name in WHOLE} == WHOLE
            assert len(seen) == len(WHOLE) + len(named_before)
    assert at > 50


def test_killed_twice(tmp_path: Path, disk: Disk) -> None:
    """C3: a session that goes on may be killed at every step too."""
    first, second = 30, 0
    while True:
        second += 1
        place = tmp_path / f"{second}"
        place.mkdir()
        assert killed_at(place, disk, first)
        resumed = rest_of(place)
        assert resumed is not None
        clean = {inode: set(spans) for inode, spans in disk.clean.items()}
        disk.count, disk.break_at = 0, second
        transfer = Transfer(place, "second", resumed)
        try:
            for step in transfer.steps():
                step()
        except Killed:
            disk.break_at = None
        else:
            break
        transfer.box._pages.close()
        transfer.box._folders.close()
        for part in transfer.box._parts.values():
            part.close()
        assert clean
        check_listed(place, disk)
        again = rest_of(place)
        for step in Transfer(place, "third", again).steps():
            step()
        if again is not None:
            assert visible(place) == WHOLE
    assert second > 12


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_at_every_step(tmp_path: Path, disk: Disk, number: int) -> None:
    """C3: each step that fails because the disk is full can be repeated when there is room."""
    at, refusals = 0, 0
    while True:
        at += 1
        place = tmp_path / f"{at}"
        place.mkdir()
        disk.count, disk.break_at, disk.for_ever = 0, at, False
        disk.breaks = lambda: OSError(number, os.strerror(number))
        transfer, broke = Transfer(place, f"full {at}"), False
        for step in transfer.steps():
            try:
                step()
            except DiskFull as full:
                assert full.exit_code == 8
                refusals, broke = refusals + 1, True
                assert set(visible(place)) <= transfer.rooted
                step()
        assert visible(place) == WHOLE
        assert not parts(place)
        if not broke and disk.count < at:
            break
    assert refusals > 40


def test_a_disk_that_stays_full_keeps_what_was_listed(tmp_path: Path, disk: Disk) -> None:
    """C3: ending while nothing can be written any more loses no leaf that was durable."""
    at = 0
    while True:
        at += 1
        place = tmp_path / f"{at}"
        place.mkdir()
        disk.count, disk.break_at, disk.for_ever = 0, at, True
        disk.breaks = lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        transfer = Transfer(place, f"full {at}")
        try:
            for step in transfer.steps():
                step()
        except StorageError:
            before = listed(place)
            kept = transfer.box.abandon(keep=True)
            disk.break_at = None
        else:
            break
        if kept:
            assert [state.parts for state in listed(place)] == [state.parts for state in before]
            resumed = rest_of(place)
            for step in Transfer(place, "rest", resumed).steps():
                step()
            assert visible(place) == WHOLE
    assert at > 50
