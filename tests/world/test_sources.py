"""Sources that are not what they were: that file fails, is said, and the rest arrives."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from tallow.engine import events as e
from tallow.engine.commands import Receive, SendFiles, SendStream
from tallow.engine.events import encode_event
from tallow.engine.storage.stdio import StreamSource
from tests.fakes import Job, SeededRng, virtual
from tests.world.world import Person, a_world, make, tree

SOME = SeededRng("sources").bytes(3 << 20)

LARGE, SMALL = "large", "small"
CONTENT = {
    "p/0 before": b"before",
    f"p/{LARGE}": SOME,
    f"p/{SMALL}": SOME[:100],
    "p/z after": SOME[: 1 << 20],
    "p/z small": b"after",
}
"""One file too large for one record and one that travels packed, among others."""


def _vanish(path: Path) -> None:
    path.unlink()


def _shrink(path: Path) -> None:
    os.truncate(path, 50)


def _grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def _touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def _become_a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def _become_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


CHANGES = [_vanish, _shrink, _grow, _touch, _become_a_link, _become_a_pipe]


def _once(change: Callable[[], None], at_job: int) -> Callable[[Job], None]:
    """Let something happen before the nth record is read."""
    jobs = 0

    def before(job: Job) -> None:
        nonlocal jobs
        if job.name == "seal":
            jobs += 1
            if jobs == at_job:
                change()

    return before


async def _check_one_failed(
    alice: Person, bob: Person, tickets: tuple[int, int], name: str
) -> None:
    sent, received = await alice.done(tickets[0]), await bob.done(tickets[1])
    assert (sent.failed, received.failed) == (1, 1)
    assert (sent.files, received.files) == (len(CONTENT) - 1, len(CONTENT) - 1)
    assert sent.roots == received.roots
    arrived = tree(bob.folder / "in")
    expected: dict[str, bytes | None] = {"p": None, **CONTENT}
    del expected[f"p/{name}"]
    assert arrived == expected
    for person in (alice, bob):
        failed = [event for event in person.all(e.TransferFile) if event.status == "failed"]
        assert [event.path for event in failed] == [f"p/{name}"]
        assert failed[0].reason
    kept = sum(len(body) for path, body in CONTENT.items() if path != f"p/{name}")
    assert kept <= sent.total_bytes <= kept + len(CONTENT[f"p/{name}"])


@pytest.mark.parametrize("last_first", [False, True], ids=["in order", "youngest first"])
@pytest.mark.parametrize("name", [LARGE, SMALL])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
@virtual
async def test_a_source_that_changes_fails_alone(
    tmp_path: Path, change: Callable[[Path], None], name: str, last_first: bool
) -> None:
    """C11: a file that is not as listed any more fails on both sides, and the rest arrives."""
    async with a_world(tmp_path) as world:
        alice = await world.person("alice")
        bob = await world.person("bob", last_first=last_first)
        bob.says_yes()
        make(alice.folder, CONTENT)
        path = alice.folder / "p" / name
        alice.workers.before = _once(lambda: change(path), 1)
        tickets = await world.send(alice, bob, alice.folder / "p")
        await _check_one_failed(alice, bob, tickets, name)


@pytest.mark.parametrize("last_first", [False, True], ids=["in order", "youngest first"])
@pytest.mark.parametrize("change", [_shrink, _grow, _touch], ids=["shrink", "grow", "touch"])
@virtual
async def test_a_source_that_changes_half_way(
    tmp_path: Path, change: Callable[[Path], None], last_first: bool
) -> None:
    """C11: what had arrived of a file that changed while it was read is taken away again."""
    async with a_world(tmp_path) as world:
        alice = await world.person("alice")
        bob = await world.person("bob", last_first=last_first)
        bob.says_yes()
        make(alice.folder, CONTENT)
        path = alice.folder / "p" / LARGE
        alice.workers.before = _once(lambda: change(path), 3)
        tickets = await world.send(alice, bob, alice.folder / "p")
        await _check_one_failed(alice, bob, tickets, LARGE)


@virtual
async def test_all_files_may_fail(tmp_path: Path) -> None:
    """A transfer of which nothing is left still ends, with every file listed."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, CONTENT)

        def all_gone() -> None:
            for path in CONTENT:
                (alice.folder / path).unlink()

        alice.workers.before = _once(all_gone, 1)
        sending, getting = await world.send(alice, bob, alice.folder / "p")
        sent, received = await alice.done(sending), await bob.done(getting)
        assert (sent.files, sent.failed) == (received.files, received.failed) == (0, 5)
        assert tree(bob.folder / "in") == {"p": None}


@virtual
async def test_more_failures_than_open_files(tmp_path: Path) -> None:
    """Files that fail give their descriptors back while the transfer goes on."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        content = {f"p/{number:03}": SOME[:70_000] for number in range(60)}
        make(alice.folder, content)
        most_open = 0

        def before(job: Job) -> None:
            nonlocal most_open
            if job.name == "seal":
                most_open = max(most_open, len(os.listdir("/proc/self/fd")))
            for number in range(60) if job.name == "seal" else ():
                os.utime(alice.folder / f"p/{number:03}", ns=(1, 1))

        def late(job: Job) -> None:
            alice.workers.before = before

        alice.workers.before = lambda job: late(job) if job.name == "seal" else None
        few = len(os.listdir("/proc/self/fd"))
        sending, getting = await world.send(alice, bob, alice.folder / "p")
        assert (await alice.done(sending)).failed == (await bob.done(getting)).failed == 60
        assert most_open < few + 10


@virtual
async def test_what_cannot_travel_is_said_and_left_out(tmp_path: Path) -> None:
    """C7: links, sockets and names that are no Unicode are listed; the last count as failed."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"p/good": b"1"})
        (alice.folder / "p/link").symlink_to("/etc/passwd")
        (alice.folder / "p/dangling").symlink_to("nowhere")
        os.mkfifo(alice.folder / "p/pipe")
        make(alice.folder, {os.fsdecode(b"p/not \xff unicode"): b"2"})
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(alice.folder / "p/socket"))
        sending, getting = await world.send(alice, bob, alice.folder / "p")
        sent = await alice.done(sending)
        await bob.done(getting)
        assert tree(bob.folder / "in") == {"p": None, "p/good": b"1"}
        skipped = {event.path: event.failed for event in alice.all(e.SourceSkipped)}
        assert skipped == {
            "p/link": False,
            "p/dangling": False,
            "p/pipe": False,
            "p/socket": False,
            "p/not \udcff unicode": True,
        }
        assert (sent.files, sent.failed) == (1, 1)
        for event in alice.events:
            assert encode_event(event)


@pytest.mark.parametrize(
    "make_source",
    [
        lambda folder: folder / "missing",
        lambda folder: folder / ("x" * 300),
        lambda folder: folder / "file" / "below",
    ],
    ids=["missing", "too long", "below a file"],
)
@virtual
async def test_a_source_that_is_not_there(
    tmp_path: Path, make_source: Callable[[Path], Path]
) -> None:
    """A source that cannot be is exit 8 before anybody is met."""
    async with a_world(tmp_path) as world:
        alice = await world.person("alice")
        make(alice.folder, {"file": b"1"})
        error = await alice.fails(alice.submit(SendFiles((str(make_source(alice.folder)),))))
        assert (error.code, error.exit_code) == ("source-unreadable", 8)
        assert not world.relay.connections


@virtual
async def test_a_source_that_goes_during_the_walk(tmp_path: Path) -> None:
    """A source that vanishes between the check and the walk is exit 8, and no code stays open."""
    async with a_world(tmp_path) as world:
        alice = await world.person("alice")
        make(alice.folder, {"file": b"1"})
        alice.workers.takes_s = lambda job: 5.0 if job.name == "walk_sources" else 0.0

        def before(job: Job) -> None:
            if job.name == "walk_sources":
                (alice.folder / "file").unlink()

        alice.workers.before = before
        sending = alice.submit(SendFiles((str(alice.folder / "file"),)))
        assert (await alice.fails(sending)).exit_code == 8


@virtual
async def test_nothing_is_left_to_send(tmp_path: Path) -> None:
    """Sources of which the patterns leave nothing are a usage error."""
    async with a_world(tmp_path) as world:
        alice = await world.person("alice")
        make(alice.folder, {"file": b"1"})
        sending = alice.submit(SendFiles((str(alice.folder / "file"),), exclude=("*",)))
        assert (await alice.fails(sending)).exit_code == 2


@virtual
async def test_times_of_any_age_travel(tmp_path: Path) -> None:
    """C7: a file whose clock was wrong by centuries is sent like any other."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"p/past": b"1", "p/future": b"2"})
        os.utime(alice.folder / "p/past", (0, -8_000_000_000))
        os.utime(alice.folder / "p/future", (0, 8_000_000_000))
        sending, getting = await world.send(alice, bob, alice.folder / "p")
        sent = await alice.done(sending)
        await bob.done(getting)
        assert sent.failed == 0
        assert tree(bob.folder / "in/p") == {"past": b"1", "future": b"2"}


@pytest.fixture
def devnull() -> Iterator[BinaryIO]:
    """A stream with a descriptor of its own."""
    with open(os.devnull, "rb") as nothing:
        yield nothing


@virtual
async def test_a_stream_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, devnull: BinaryIO
) -> None:
    """A pipe that breaks is a failed file on both sides, and no part of it stays."""

    def broken(_self: StreamSource, _most: int) -> bytes | memoryview:
        raise OSError(5, "Input/output error")

    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        monkeypatch.setattr(StreamSource, "_next_piece", broken)
        monkeypatch.setattr(sys, "stdin", devnull)
        sending = alice.submit(SendStream("log", head=b"begun"))
        getting = bob.submit(Receive(await alice.code(sending), output=str(bob.folder)))
        sent, received = await alice.done(sending), await bob.done(getting)
        assert (sent.files, sent.failed) == (received.files, received.failed) == (0, 1)
        assert tree(bob.folder) == {}


@virtual
async def test_a_write_that_is_later_than_its_failure(tmp_path: Path) -> None:
    """X10: a leaf that a slow thread writes after its file was given up leaves nothing behind."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, CONTENT)
        path = alice.folder / "p" / LARGE
        alice.workers.before = _once(lambda: _shrink(path), 4)
        bob.workers.held = lambda job: job.name == "store"
        tickets = await world.send(alice, bob, alice.folder / "p")
        await bob.hears(e.TransferFile)
        await bob.sleep(1)
        bob.workers.release()
        await _check_one_failed(alice, bob, tickets, LARGE)


@virtual
async def test_a_removal_that_is_later_than_everything_else(tmp_path: Path) -> None:
    """X10: a part that a slow thread has still to remove is gone before "done" is said."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, CONTENT)
        path = alice.folder / "p" / LARGE
        alice.workers.before = _once(lambda: _shrink(path), 4)
        bob.workers.takes_s = lambda job: 9.0 if "_sender_failed" in job.work.__qualname__ else 0.0
        tickets = await world.send(alice, bob, alice.folder / "p")
        await _check_one_failed(alice, bob, tickets, LARGE)
