"""Disks that fail while receiving: one clear error, the peer told, and nothing left behind."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tallow.engine import events as e
from tallow.engine.commands import Receive, SendFiles
from tests.fakes import SeededRng, virtual
from tests.world.world import Person, World, a_world, make, tree

SOME = SeededRng("disk").bytes(3 << 20)


def _failing(number: int, after: int = 0) -> Callable[..., int]:
    """Return a pwrite that fails after so many calls."""
    real, calls = os.pwrite, 0

    def pwrite(descriptor: int, content: memoryview, offset: int) -> int:
        nonlocal calls
        calls += 1
        if calls > after:
            raise OSError(number, os.strerror(number))
        return real(descriptor, content, offset)

    return pwrite


async def _transfer(
    world: World, content: dict[str, bytes | None]
) -> tuple[Person, int, Person, int]:
    alice, bob = await world.pair()
    make(alice.folder, content)
    name = next(iter(content)).split("/")[0]
    sending, getting = await world.send(alice, bob, alice.folder / name)
    return alice, sending, bob, getting


@pytest.mark.parametrize("after", [0, 5, 40])
@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "disk-full"), (errno.EDQUOT, "disk-full"), (errno.EIO, "storage")],
)
@virtual
async def test_a_write_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str, after: int
) -> None:
    """A full or broken disk is exit 8 here and exit 7 there; nothing has a final name."""
    async with a_world(tmp_path) as world:
        monkeypatch.setattr(os, "pwrite", _failing(number, after))
        alice, sending, bob, getting = await _transfer(world, {"file": SOME})
        error, told = await bob.fails(getting), await alice.fails(sending)
        assert (error.code, error.exit_code) == (code, 8)
        assert (told.code, told.exit_code) == ("peer-cancelled", 7)
        assert "disk" in told.message
        assert tree(bob.folder / "in") == {}


@virtual
async def test_a_disk_that_fills_with_small_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small files that were whole keep their names; the one that was not leaves nothing."""
    async with a_world(tmp_path) as world:
        monkeypatch.setattr(os, "pwrite", _failing(errno.ENOSPC, 3))
        content: dict[str, bytes | None] = {f"p/{number}": SOME[:50_000] for number in range(60)}
        alice, sending, bob, getting = await _transfer(world, content)
        assert (await bob.fails(getting)).code == "disk-full"
        assert (await alice.fails(sending)).exit_code == 7
        assert set(tree(bob.folder / "in")) <= {"p", *content}


@pytest.mark.parametrize("call", ["fdatasync", "fsync"])
@virtual
async def test_a_sync_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """What could not be made durable is never called done."""

    def broken(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    async with a_world(tmp_path) as world:
        monkeypatch.setattr(os, call, broken)
        alice, sending, bob, getting = await _transfer(world, {"file": SOME})
        received, sent = await bob.final(getting), await alice.final(sending)
        if isinstance(received, e.TransferDone):
            assert received.failed == 1
            assert isinstance(sent, e.TransferDone)
            assert sent.failed == 1
        else:
            assert received.exit_code == 8
            assert isinstance(sent, e.TransferError)
            assert sent.exit_code == 7


@virtual
async def test_done_means_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender says done only after content, names and folders were synced over there."""
    order: list[str] = []

    def noting(what: str, real: Callable[[int], None]) -> Callable[[int], None]:
        def call(descriptor: int) -> None:
            order.append(what)
            real(descriptor)

        return call

    monkeypatch.setattr(os, "fdatasync", noting("content", os.fdatasync))
    monkeypatch.setattr(os, "fsync", noting("name", os.fsync))
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        alice.whenever(e.TransferDone, lambda _: order.append("done"))
        make(alice.folder, {"file": SOME})
        sending, getting = await world.send(alice, bob, alice.folder / "file")
        await alice.done(sending)
        await bob.done(getting)
        assert order.index("content") < order.index("name") < order.index("done")


@virtual
async def test_a_journal_stands_while_a_long_transfer_runs(tmp_path: Path) -> None:
    """What is durable is listed beside the target while it runs, and gone when it is done."""
    seen: set[str] = set()
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        alice.workers.takes_s = lambda job: 0.7 if job.name == "seal" else 0.0
        bob.workers.before = lambda _: seen.update(
            path.suffix for path in (bob.folder / "in").glob(".tallow-*")
        )
        make(alice.folder, {"file": SOME * 4})
        sending, getting = await world.send(alice, bob, alice.folder / "file")
        await alice.done(sending)
        await bob.done(getting)
        assert seen == {".part", ".journal"}
        assert tree(bob.folder / "in") == {"file": SOME * 4}
        assert len(bob.state.content["journal.key"]) == 32


@virtual
async def test_a_folder_that_goes_away_meanwhile(tmp_path: Path) -> None:
    """An output folder that is removed under the transfer ends it with exit 8, no crash."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"p/a/file": SOME, "p/b": b"1"})
        sending, getting = await world.send(alice, bob, alice.folder / "p")
        await bob.hears(e.OfferAnswered)
        shutil.rmtree(bob.folder / "in")
        error = await bob.fails(getting)
        assert error.exit_code == 8
        assert (await alice.fails(sending)).exit_code == 7


@virtual
async def test_a_link_that_is_planted_meanwhile(tmp_path: Path) -> None:
    """X10, X17: a folder that becomes a link out of the target is not followed (exit 8)."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        outside = tmp_path / "outside"
        outside.mkdir()
        make(alice.folder, {"p/sub/small": b"1", "p/sub/large": SOME})
        bob.workers.held = lambda job: job.name == "store"
        sending, getting = await world.send(alice, bob, alice.folder / "p")
        await bob.hears(e.OfferAnswered)
        await bob.sleep(1)
        shutil.rmtree(bob.folder / "in/p/sub")
        (bob.folder / "in/p/sub").symlink_to(outside)
        bob.workers.release()
        await bob.final(getting)
        await alice.final(sending)
        assert tree(outside) == {}


@virtual
async def test_an_output_below_a_link_of_an_offer(tmp_path: Path) -> None:
    """X10: a link that stands where an offered folder would go is refused before a byte."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        outside = tmp_path / "outside"
        outside.mkdir()
        make(alice.folder, {"p/file": b"1"})
        (bob.folder / "in").mkdir()
        (bob.folder / "in/p").symlink_to(outside)
        sending, getting = await world.send(alice, bob, alice.folder / "p")
        assert (await bob.fails(getting)).exit_code == 8
        assert (await alice.fails(sending)).exit_code == 7
        assert tree(outside) == {}


@pytest.mark.parametrize("policy", ["rename", "overwrite", "skip"])
@virtual
async def test_a_file_that_is_a_link_out(tmp_path: Path, policy: str) -> None:
    """X10, X15: a link with an offered file's name is kept or replaced, never written through."""
    async with a_world(tmp_path) as world:
        alice, bob = await world.person("alice"), await world.person("bob")
        bob.says_yes(policy)
        outside = tmp_path / "precious"
        outside.write_bytes(b"precious")
        make(alice.folder, {"file": b"new"})
        (bob.folder / "in").mkdir()
        (bob.folder / "in/file").symlink_to(outside)
        sending, getting = await world.send(alice, bob, alice.folder / "file")
        await bob.done(getting)
        await alice.done(sending)
        assert outside.read_bytes() == b"precious"
        assert (bob.folder / "in/file").is_symlink() == (policy != "overwrite")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 2 MB."""
    place = tmp_path / "small disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no small file system: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.e2e
@virtual
async def test_a_real_disk_that_fills(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C3: a real file system that fills up is exit 8, and what was written can be gone on from."""
    # The free space looks right when it is asked for: others write there too.
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 40))
    async with a_world(tmp_path) as world:
        alice, bob = await world.pair()
        make(alice.folder, {"file": SOME})
        sending = alice.submit(SendFiles((str(alice.folder / "file"),)))
        getting = bob.submit(Receive(await alice.code(sending), output=str(small_disk)))
        error = await bob.fails(getting)
        assert (error.code, error.exit_code, error.resumable) == ("disk-full", 8, True)
        assert (await alice.fails(sending)).exit_code == 7
        assert all(name.startswith(".tallow-") for name in tree(small_disk))
